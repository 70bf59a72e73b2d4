//! What runners report, and what they are given.

use hyper::StatusCode;
use nestling_domain::{
    app::{App, VariableName},
    deployment::{CommitInfo, Trust},
    ids::{Class, Generation, Kind},
};
use nestling_protocol::{
    bundle::{Bundle, Source},
    report::{Answer, Endpoint, Heartbeat, Next, Phase, Report},
};

use crate::{
    http::world::{World, app, commit, deploying, endpoint},
    messages::secrets::Put,
};

#[actix::test]
async fn a_runner_fetches_its_bundle_and_its_source_reports_and_serves() {
    let world = World::start().await;
    let shop = app("shop");
    put_values(&world, &shop).await;
    let runner = world.deploy(&shop, Kind::Preview(12), 1).await;

    let bundle: Bundle = runner.wire().get("/runner/v1/bundle").await.json();
    let port = world.services.addresses.preview_domain.clone();
    assert_eq!(bundle.environment.url, format!("http://pr-12--shop.{port}"));
    assert_eq!(
        bundle.environment.endpoint_url,
        format!("http://{{endpoint}}--pr-12--shop.{port}")
    );
    assert_eq!(bundle.environment.pull_request, Some(12));
    assert_eq!(bundle.secrets["API_KEY"], "a-secret-value");
    assert_eq!(bundle.variables["MODE"], "fast");
    assert_eq!(bundle.limits.setup, 900);
    let id = commit(1).id.to_string();
    assert!(bundle.source == Source::Bundle { commit: id.clone() });

    let source = runner.wire().get("/runner/v1/source").await;
    assert_eq!(source.text(), format!("a bundle of {id}").repeat(5_000));
    runner.reports(deploying()).await;
    assert_eq!(
        runner.wire().get("/runner/v1/source").await.status,
        StatusCode::OK
    );
    let cloned = runner.reports(Phase::Cloned { commit: id }).await;
    assert_eq!(cloned.json::<Answer>().next, Next::Go);
    let again = runner.wire().get("/runner/v1/source").await;
    assert_eq!(again.status, StatusCode::GONE);
    assert_eq!(
        again.detail(),
        "the source of deployment 1 is given only until it is cloned"
    );

    runner.reports(Phase::Starting).await;
    let endpoints = vec![endpoint("web")];
    runner.reports(Phase::Running { endpoints }).await;
    world
        .until(&runner.id, "served", |record| {
            record.lifecycle.serving().is_some()
        })
        .await;
    world.stop().await;
}

/// A secret and a plain variable for the previews of an app.
async fn put_values(world: &World, app: &App) {
    for (name, text, secret) in [("API_KEY", "a-secret-value", true), ("MODE", "fast", false)] {
        let put = Put {
            app: app.id.clone(),
            class: Class::Preview,
            name: VariableName::parse(name).unwrap(),
            text: text.to_owned(),
            secret,
        };
        world.services.secrets.put.send(put).await.unwrap().unwrap();
    }
}

#[actix::test]
async fn w08_no_outsiders_commit_is_given_a_secret_unless_its_app_says_so() {
    let world = World::start().await;
    let shop = app("shop");
    put_values(&world, &shop).await;
    for (trust, number, sees) in [
        (Trust::Member, 1, true),
        (Trust::Outsider, 2, false),
        (Trust::OutsiderWithSecrets, 3, true),
    ] {
        let head = CommitInfo {
            trust,
            ..commit(number.into())
        };
        let id = world.push(&shop, Kind::Preview(number), &head).await;
        world
            .until(&id, "a machine", |record| {
                !record.lifecycle.world.machines.is_empty()
            })
            .await;
        let runner = world.runner(&id, Generation(1));
        let bundle: Bundle = runner.wire().get("/runner/v1/bundle").await.json();
        assert_eq!(bundle.secrets.contains_key("API_KEY"), sees, "{trust:?}");
        assert_eq!(bundle.variables["MODE"], "fast", "{trust:?}");
    }
    world.stop().await;
}

/// Whatever a machine says of the time, its environment is stopped by the next order.
#[actix::test]
async fn w04_no_clock_of_a_machine_counts() {
    let world = World::start().await;
    let shop = app("shop");
    let runner = world.deploy(&shop, Kind::Preview(1), 1).await;
    let deploying = Report {
        generation: 1,
        boot: runner.boot.clone(),
        seq: 1,
        phase: deploying(),
    };
    let mut report = serde_json::to_value(deploying).unwrap();
    report["at"] = "3000-01-01T00:00:00Z".into();
    report["time"] = 32_503_680_000_000_u64.into();
    let wire = runner.wire().with("date", "Wed, 01 Jan 3000 00:00:00 GMT");
    let reply = wire.post("/runner/v1/report", &report).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    let record = world.services.store.environment(&runner.id).await;
    let record = record.unwrap().unwrap();
    let soon = crate::drivers::clock::now().plus(std::time::Duration::from_mins(1));
    assert!(record.updated_at <= soon, "{record:?}");
    let stop = "/v1/apps/local/shop/environments/pr-1/stop";
    assert_eq!(world.people.order(stop).await.status, StatusCode::OK);
    world
        .until(&runner.id, "was stopped, and lost its machine", |record| {
            record.lifecycle.world.machines.is_empty()
        })
        .await;
    world.stop().await;
}

#[actix::test]
async fn a_runner_of_a_replaced_deployment_is_told_that_it_is_stale_and_stops() {
    let world = World::start().await;
    let shop = app("shop");
    let old = world.deploy(&shop, Kind::Production, 1).await;
    old.comes_up().await;
    let new = world.deploy(&shop, Kind::Production, 2).await;
    let beat = |runner: &crate::http::world::Runner<'_>| Heartbeat {
        generation: runner.generation.0,
        boot: runner.boot.clone(),
    };
    let while_both = old.wire().post("/runner/v1/heartbeat", &beat(&old)).await;
    assert_eq!(
        while_both.json::<Answer>().next,
        Next::Go,
        "the old one serves still"
    );
    new.comes_up().await;

    for reply in [
        old.wire().post("/runner/v1/heartbeat", &beat(&old)).await,
        old.reports(Phase::Starting).await,
        old.wire().get("/runner/v1/bundle").await,
        old.wire().get("/runner/v1/source").await,
    ] {
        assert_eq!(reply.status, StatusCode::CONFLICT, "{reply:?}");
        assert!(reply.detail().contains("deployment 1 of"), "{reply:?}");
    }
    let beats = new.wire().post("/runner/v1/heartbeat", &beat(&new)).await;
    assert_eq!(beats.json::<Answer>().next, Next::Go);
    world.stop().await;
}

#[actix::test]
async fn a_report_that_comes_twice_is_answered_twice_and_counts_once() {
    let world = World::start().await;
    let runner = world.deploy(&app("shop"), Kind::Production, 1).await;
    runner.reports(deploying()).await;
    let before = world.until(&runner.id, "is", |_| true).await.version;
    let again = runner.reports_again(deploying()).await;
    assert_eq!(again.json::<Answer>().next, Next::Go);
    assert_eq!(
        world.until(&runner.id, "is", |_| true).await.version,
        before
    );
    world.stop().await;
}

#[actix::test]
async fn a_failure_is_kept_with_its_tail_and_the_runner_is_told_to_end() {
    let world = World::start().await;
    let runner = world.deploy(&app("shop"), Kind::Production, 1).await;
    runner.reports(deploying()).await;
    let reply = runner.fails("npm ci failed: \u{1b}[31mno lockfile").await;
    assert_eq!(reply.json::<Answer>().next, Next::Stop);
    let record = world
        .until(&runner.id, "failed", |record| {
            record.lifecycle.failure().is_some()
        })
        .await;
    let failure = record.lifecycle.failure().unwrap();
    assert_eq!(failure.reason, "npm ci failed: [31mno lockfile");
    assert_eq!(failure.tail, ["npm ERR! code 1"]);
    // Its answer may have been lost.
    let again = runner.reports_again(Phase::Starting).await;
    assert_eq!(again.status, StatusCode::CONFLICT, "{again:?}");
    world.stop().await;
}

#[actix::test]
async fn what_does_not_fit_is_refused_with_the_reason_and_changes_nothing() {
    let world = World::start().await;
    let runner = world.deploy(&app("shop"), Kind::Production, 1).await;
    runner.reports(deploying()).await;
    let before = world.until(&runner.id, "is", |_| true).await;
    let unnumbered = world.runner(&runner.id, runner.generation);
    let reply = unnumbered.reports_again(Phase::Starting).await;
    assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        reply.detail(),
        "seq 0 is out of range: reports of a boot count from 1"
    );
    let big = serde_json::json!({ "generation": 1, "padding": "x".repeat(300 * 1024) });
    let reply = runner.wire().post("/runner/v1/report", &big).await;
    assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(reply.detail(), "the body may have at most 262144 bytes");
    let reply = runner.wire().post("/runner/v1/report", &"nonsense").await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert!(
        reply.detail().contains("cannot be read as JSON"),
        "{reply:?}"
    );
    assert_eq!(world.until(&runner.id, "is", |_| true).await, before);
    world.stop().await;
}

#[actix::test]
async fn a_machine_that_talks_too_much_waits_and_its_neighbour_does_not() {
    let world = World::start().await;
    let loud = world.deploy(&app("loud"), Kind::Production, 1).await;
    let quiet = world.deploy(&app("quiet"), Kind::Production, 2).await;
    let beat = |generation| Heartbeat {
        generation,
        boot: "b".into(),
    };
    let mut refused = 0;
    for _ in 0..40 {
        let reply = loud.wire().post("/runner/v1/heartbeat", &beat(1)).await;
        if reply.status == StatusCode::TOO_MANY_REQUESTS {
            assert_eq!(reply.header("retry-after"), "1");
            refused += 1;
        }
    }
    assert!(refused >= 10, "{refused} of 40 were refused");
    let reply = quiet.wire().post("/runner/v1/heartbeat", &beat(1)).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    world.stop().await;
}

#[actix::test]
async fn an_app_whose_endpoints_cannot_be_served_fails_with_the_reason() {
    let world = World::start().await;
    let runner = world.deploy(&app("shop"), Kind::Production, 1).await;
    runner.reports(deploying()).await;
    let escaping = Endpoint {
        address: nestling_protocol::report::Address::Unix("../other/app.sock".into()),
        ..endpoint("web")
    };
    let endpoints = vec![escaping];
    let reply = runner.reports(Phase::Running { endpoints }).await;
    assert_eq!(reply.json::<Answer>().next, Next::Stop, "{reply:?}");
    let record = world
        .until(&runner.id, "failed", |record| {
            record.lifecycle.failure().is_some()
        })
        .await;
    let failure = record.lifecycle.failure().unwrap();
    assert!(
        failure.reason.contains("must be a file name"),
        "{failure:?}"
    );
    world.stop().await;
}

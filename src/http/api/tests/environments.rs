//! Apps, environments, deployments, orders, and waiting for a commit.

use hyper::StatusCode;
use nestling_domain::{
    deployment,
    environment::Environment,
    ids::{EnvironmentId, Kind},
};
use nestling_protocol::{
    report::Phase,
    test::{Counts, Outcome, Results, TestRecord},
};

use crate::http::{
    api::views::{
        AppsPage, DeploymentView, DeploymentsPage, EnvironmentView, EnvironmentsPage, OrderedView,
        QueueView, WaitView,
    },
    world::{Reply, World, app, commit, deploying, waiting},
};

/// Where the story's environment is.
const PREVIEW: &str = "/v1/apps/local/shop/environments/pr-12";

#[actix::test]
async fn a_preview_comes_alive_and_every_list_shows_it() {
    let world = World::start().await;
    let runner = world.deploy(&app("shop"), Kind::Preview(12), 1).await;
    let coming: EnvironmentView = world.people.get(PREVIEW).await.json();
    assert_eq!(
        (coming.status.as_str(), coming.state.as_str()),
        ("deploying", "creating")
    );
    assert_eq!(coming.next.unwrap().commit.message, "change 1");
    assert!(!coming.serves && coming.endpoints.is_empty());

    runner.reports(deploying()).await;
    let counts = Counts {
        passed: 2,
        failed: 1,
        skipped: 0,
    };
    runner.reports(Phase::Tested { counts }).await;
    runner.comes_up().await;
    let reply = world.people.get(PREVIEW).await;
    let shown: EnvironmentView = reply.json();
    let url = world.services.addresses.of("pr-12--shop");
    assert_eq!(
        (shown.status.as_str(), shown.url.as_str()),
        ("running", url.as_str())
    );
    assert_eq!(
        shown.endpoints[0].url, url,
        "the primary endpoint has the environment's address"
    );
    let tests = shown.serving.unwrap().tests;
    assert_eq!(
        (tests.status.as_str(), tests.passed, tests.failed),
        ("ran", 2, 1)
    );

    let tag = reply.header("etag").to_owned();
    assert_eq!(tag, format!("\"{}\"", shown.version));
    let unchanged = world.people.with("if-none-match", &tag).get(PREVIEW).await;
    assert_eq!(
        (unchanged.status, unchanged.text()),
        (StatusCode::NOT_MODIFIED, String::new())
    );

    let apps: AppsPage = world.people.get("/v1/apps").await.json();
    assert_eq!(apps.apps[0].name, "local/shop");
    assert_eq!(
        apps.apps[0].repository.path.as_deref(),
        Some("/home/ann/shop")
    );
    let list: EnvironmentsPage = world
        .people
        .get("/v1/apps/local/shop/environments")
        .await
        .json();
    assert_eq!(list.environments[0].name, "local/shop/pr-12");
    let queue: QueueView = world.people.get("/v1/queue").await.json();
    assert_eq!((queue.slots, queue.building.len()), (4, 0));
    let deployment: DeploymentView = world
        .people
        .get(&format!("{PREVIEW}/deployments/1"))
        .await
        .json();
    assert_eq!(
        (deployment.status.as_str(), deployment.cause.as_str()),
        ("running", "push")
    );
    let phases: Vec<_> = deployment
        .phases
        .iter()
        .map(|phase| phase.phase.as_str())
        .collect();
    assert_eq!(phases.first(), Some(&"queued"));
    assert_eq!(phases.last(), Some(&"running"));
    world.stop().await;
}

#[actix::test]
async fn a_build_that_waits_is_shown_with_its_place_in_the_queue() {
    let world = World::start().await;
    let mut builds = Vec::new();
    for name in ["one", "two", "three", "four"] {
        builds.push(world.deploy(&app(name), Kind::Production, 1).await);
    }
    let place = |name: &str| format!("/v1/apps/local/{name}/environments/production");
    let ahead = async |name: &str| {
        let shown: EnvironmentView = world.people.get(&place(name)).await.json();
        (shown.status, shown.ahead)
    };
    for name in ["five", "six"] {
        let id = world.push(&app(name), Kind::Production, &commit(1)).await;
        let queued = |record: &Environment| record.lifecycle.next().is_some();
        world.until(&id, "was queued", queued).await;
    }
    assert_eq!(ahead("five").await, ("queued".into(), Some(0)));
    assert_eq!(ahead("six").await, ("queued".into(), Some(1)));
    let list = "/v1/apps/local/six/environments";
    let list: EnvironmentsPage = world.people.get(list).await.json();
    assert_eq!(list.environments[0].ahead, Some(1));
    assert_eq!(ahead("one").await, ("deploying".into(), None));

    let second = world.people.get(&place("six")).await;
    builds[0].fails("it cannot be built").await;
    let freed = EnvironmentId::derive(&app("five").id, Kind::Production);
    let begun = |record: &Environment| {
        let next = record.lifecycle.next();
        next.is_some_and(|next| next.phase == deployment::Phase::Booting)
    };
    world.until(&freed, "has begun", begun).await;
    assert_eq!(ahead("six").await, ("queued".into(), Some(0)));
    let tag = second.header("etag");
    let known = world.people.with("if-none-match", tag);
    let again = known.get(&place("six")).await;
    assert_eq!(again.status, StatusCode::OK, "it has moved up since");
    world.stop().await;
}

#[actix::test]
async fn what_is_not_there_is_named_with_where_to_look() {
    let world = World::start().await;
    world.deploy(&app("shop"), Kind::Production, 1).await;
    for (path, says) in [
        (
            "/v1/apps/local/nothing",
            "there is no app local/nothing; GET /v1/apps lists those there are",
        ),
        ("/v1/apps/local/..%2fshop", "there is no app"),
        (PREVIEW, "local/shop has no environment pr-12"),
        (
            "/v1/apps/local/shop/environments/staging",
            "\"staging\" is not an environment",
        ),
        (
            "/v1/apps/local/shop/environments/production/deployments/9",
            "has no deployment 9; its newest is 1",
        ),
        (
            "/v1/apps/local/shop/environments/production/deployments/x",
            "no such path",
        ),
        (
            "/v1/apps/local/shop/environments/production/deployments/1/tests",
            "has no test results",
        ),
        (
            "/v1/apps/local/shop/environments/production/deployments/1/logs/other",
            "is not a log",
        ),
        (
            "/v1/apps/local/shop/secrets/staging",
            "is not a kind of environment",
        ),
    ] {
        let reply = world.people.get(path).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{path}: {reply:?}");
        assert!(reply.detail().contains(says), "{path}: {reply:?}");
    }
    let reply = world.people.get("/v1/apps?after=nonsense").await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{reply:?}");
    let order = world.people.order(&format!("{PREVIEW}/redeploy")).await;
    assert_eq!(order.status, StatusCode::NOT_FOUND, "{order:?}");
    world.stop().await;
}

#[actix::test]
async fn orders_are_obeyed_once_per_key_and_refused_with_the_reason() {
    let world = World::start().await;
    world
        .deploy(&app("shop"), Kind::Preview(12), 1)
        .await
        .comes_up()
        .await;
    let order = |what: &str| format!("{PREVIEW}/{what}");
    let keyed = world.people.with("idempotency-key", "k1");
    let first: OrderedView = keyed.order(&order("redeploy")).await.json();
    let second: OrderedView = keyed.order(&order("redeploy")).await.json();
    assert_eq!(first.decision, second.decision);
    assert_eq!(first.decision, "deployment 2 of 0000001 queued");
    let list: DeploymentsPage = world.people.get(&order("deployments?limit=1")).await.json();
    assert_eq!(
        (list.deployments[0].number, list.next.as_deref()),
        (2, Some("2"))
    );
    let list: DeploymentsPage = world
        .people
        .get(&order("deployments?limit=1&after=2"))
        .await
        .json();
    assert_eq!((list.deployments[0].number, list.next), (1, None));

    let cancelled: OrderedView = world.people.order(&order("cancel")).await.json();
    assert!(cancelled.decision.contains("cancelled"), "{cancelled:?}");
    let stopped: OrderedView = world.people.order(&order("stop")).await.json();
    let shown = stopped.environment.unwrap();
    assert_eq!(
        (shown.status.as_str(), shown.reason.as_deref()),
        ("stopped", Some("stopped by a person"))
    );
    let refused = world.people.order(&order("cancel")).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{refused:?}");
    assert!(!refused.detail().is_empty());
    let started = world.people.order(&order("start")).await;
    assert_eq!(started.status, StatusCode::OK, "{started:?}");
    let long = world.people.with("idempotency-key", &"x".repeat(200));
    assert_eq!(
        long.order(&order("stop")).await.status,
        StatusCode::BAD_REQUEST
    );
    world.stop().await;
}

#[actix::test]
async fn a_pull_request_that_waits_is_listed_and_started_by_name() {
    let world = World::start().await;
    world.deploy(&app("shop"), Kind::Production, 1).await;
    world
        .services
        .store
        .put_pull_request(&waiting(33))
        .await
        .unwrap();
    let list: EnvironmentsPage = world
        .people
        .get("/v1/apps/local/shop/environments")
        .await
        .json();
    for path in ["", "/deployments", "/redeploy"] {
        let path = format!("/v1/apps/local/shop/environments/pr-33{path}");
        let reply = if path.ends_with("redeploy") {
            world.people.order(&path).await
        } else {
            world.people.get(&path).await
        };
        assert_eq!(reply.status, 404);
        assert!(
            reply.detail().contains(
                "pr-33 waits, because the limit of open pull requests is reached: start it by"
            ),
            "{}",
            reply.detail()
        );
    }
    let waits = &list.waiting[0];
    assert_eq!(
        (waits.name.as_str(), waits.branch.as_str()),
        ("local/shop/pr-33", "feature-33")
    );
    let started: OrderedView = world.people.order(&waits.start).await.json();
    assert_eq!(started.environment, None);
    assert!(started.decision.contains("no longer waits"), "{started:?}");
    assert!(world.outside.started.borrow().contains(&33));
    world.stop().await;
}

#[actix::test]
async fn a_preview_of_any_open_pull_request_can_be_asked_for() {
    let world = World::start().await;
    let environments = "/v1/apps/local/shop/environments";
    let wanted = serde_json::json!({ "pull_request": 12 });
    let missing = world.people.post(environments, &wanted).await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND, "{missing:?}");

    let runner = world.deploy(&app("shop"), Kind::Preview(12), 1).await;
    let coming = world.people.post(environments, &wanted).await;
    assert_eq!(coming.status, StatusCode::ACCEPTED, "{coming:?}");
    let short = commit(1).id.short().to_owned();
    let says = |reply: &Reply| reply.json::<OrderedView>().decision;
    let on_its_way = format!("it is on its way, with commit {short}");
    assert_eq!(says(&coming), on_its_way);
    runner.comes_up().await;
    let there = world.people.post(environments, &wanted).await;
    assert_eq!(there.status, StatusCode::OK, "{there:?}");
    let already = format!("it is there already, with commit {short}");
    assert_eq!(says(&there), already);

    world.people.order(&format!("{PREVIEW}/stop")).await;
    let again = world.people.post(environments, &wanted).await;
    assert_eq!(again.status, StatusCode::ACCEPTED, "{again:?}");
    let id = EnvironmentId::derive(&app("shop").id, Kind::Preview(12));
    let back = world.until(&id, "was started", |record| {
        record.lifecycle.next().is_some()
    });
    back.await;

    let new = serde_json::json!({ "pull_request": 40 });
    let new = world.people.post(environments, &new).await;
    assert_eq!(new.status, StatusCode::ACCEPTED, "{new:?}");
    assert_eq!(new.json::<OrderedView>().environment, None);
    assert!(world.outside.started.borrow().contains(&40));
    *world.outside.head.borrow_mut() = None;
    let closed = world.people.post(environments, &wanted).await;
    assert_eq!(closed.status, StatusCode::CONFLICT, "{closed:?}");
    for bad in [
        serde_json::json!({}),
        serde_json::json!({ "pull_request": 0 }),
        serde_json::json!({ "pull_request": -1 }),
        serde_json::json!({ "pull_request": "12" }),
        serde_json::json!({ "pull_request": 12, "commit": "abc" }),
    ] {
        let reply = world.people.post(environments, &bad).await;
        assert!(reply.status.is_client_error(), "{bad}: {reply:?}");
    }
    world.stop().await;
}

#[actix::test]
async fn waiting_for_a_commit_ends_when_it_runs_or_fails_or_time_runs_out() {
    let world = World::start().await;
    let shop = app("shop");
    let runner = world.deploy(&shop, Kind::Preview(12), 1).await;
    let wait =
        |n: u64, seconds: u32| format!("{PREVIEW}/wait?commit={}&timeout={seconds}", commit(n).id);
    let waits = async { world.people.get(&wait(1, 20)).await.json::<WaitView>() };
    let (answer, ()) = futures::future::join(waits, runner.comes_up()).await;
    assert_eq!(
        (answer.outcome.as_str(), answer.deployment),
        ("running", Some(1))
    );
    let short = format!("{PREVIEW}/wait?commit={}", commit(1).id.short());
    assert_eq!(
        world.people.get(&short).await.json::<WaitView>().outcome,
        "running"
    );

    let runner = world.deploy(&shop, Kind::Preview(12), 2).await;
    let pending: WaitView = world.people.get(&wait(2, 0)).await.json();
    assert_eq!(
        (pending.outcome.as_str(), pending.deployment),
        ("pending", Some(2))
    );
    runner.reports(deploying()).await;
    let waits = async { world.people.get(&wait(2, 20)).await.json::<WaitView>() };
    let (answer, _) = futures::future::join(waits, runner.fails("npm ci failed")).await;
    assert_eq!(
        (answer.outcome.as_str(), answer.reason.as_str()),
        ("failed", "npm ci failed")
    );
    assert_eq!(answer.failure.unwrap().tail, ["npm ERR! code 1"]);
    assert_eq!(
        answer.environment.status, "running",
        "the older deployment still serves"
    );

    world.deploy(&shop, Kind::Preview(12), 3).await;
    world.deploy(&shop, Kind::Preview(12), 4).await;
    let superseded: WaitView = world.people.get(&wait(3, 20)).await.json();
    assert_eq!(superseded.outcome, "superseded");
    for bad in ["abc", "HEAD", "zzzzzzz", ""] {
        let reply = world
            .people
            .get(&format!("{PREVIEW}/wait?commit={bad}"))
            .await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{bad}: {reply:?}");
    }
    world.stop().await;
}

#[actix::test]
async fn test_results_are_shown_as_the_runner_put_them_and_doubted_when_they_are_none() {
    let world = World::start().await;
    let runner = world.deploy(&app("shop"), Kind::Preview(12), 1).await;
    let key = format!("environments/{}/1/tests.json", runner.id);
    let path = format!("{PREVIEW}/deployments/1/tests");
    let record = TestRecord {
        path: "root/test:adds".into(),
        name: "adds".into(),
        outcome: Outcome::Failed,
        error: Some("3 is not 4".into()),
        millis: 12,
        log: vec![],
    };
    let results = Results {
        tests: vec![record],
        ..Results::default()
    };
    let bytes = serde_json::to_vec(&results).unwrap();
    world.blobs.put(&key, bytes.into()).await.unwrap();
    assert_eq!(world.people.get(&path).await.json::<Results>(), results);
    world.blobs.put(&key, "<script>".into()).await.unwrap();
    let reply = world.people.get(&path).await;
    assert_eq!(reply.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(reply.detail().contains("cannot be read"), "{reply:?}");
    world.stop().await;
}

#[actix::test]
async fn the_description_names_every_path_and_health_and_metrics_answer() {
    let world = World::start().await;
    let described: serde_json::Value = world.people.get("/v1/openapi.json").await.json();
    assert_eq!(described["openapi"], "3.1.0");
    let wait = &described["paths"]["/v1/apps/{owner}/{app}/environments/{environment}/wait"]["get"];
    assert_eq!(
        wait["responses"]["200"]["content"]["application/json"]["schema"]["$ref"],
        "#/components/schemas/WaitView"
    );
    assert!(described["components"]["schemas"]["EnvironmentView"].is_object());

    let stranger = world.people.without("authorization");
    assert_eq!(stranger.get("/healthz").await.text(), "ok\n");
    assert_eq!(stranger.get("/readyz").await.text(), "ready\n");
    assert_eq!(
        stranger.get("/metrics").await.status,
        StatusCode::UNAUTHORIZED
    );
    world
        .deploy(&app("shop"), Kind::Production, 1)
        .await
        .comes_up()
        .await;
    let metrics = world.people.get("/metrics").await.text();
    assert!(
        metrics.contains("nestling_runner_reports_total{phase=\"running\"} 1"),
        "{metrics}"
    );
    assert!(
        metrics.contains("route=\"/healthz\",method=\"GET\",status=\"2xx\"} 1"),
        "{metrics}"
    );
    world.stop().await;
}

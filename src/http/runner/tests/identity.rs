//! Every route of runners against everybody who must not use it.

use std::time::Duration;

use hyper::{Method, StatusCode};
use nestling_domain::ids::{EnvironmentId, Generation, Kind};
use nestling_protocol::{
    log::{Lines, Log, Upload},
    path,
    report::{Answer, Heartbeat, Next, Phase, Report},
};
use serde_json::json;

use crate::{
    drivers::{clock, keys::signing::AUDIENCE},
    http::world::{Wire, World, app, deploying},
};

/// A day, as long as a token is good.
const DAY: Duration = Duration::from_hours(24);

/// Every route of the protocol, with a body that is right for generation 1.
fn routes() -> Vec<(Method, &'static str, serde_json::Value)> {
    let report = Report {
        generation: 1,
        boot: "b".into(),
        seq: 1,
        phase: deploying(),
    };
    let lines = Lines {
        generation: 1,
        log: Log::Runtime,
        lines: vec![],
    };
    let upload = Upload {
        generation: 1,
        name: "logs/runtime/000001".into(),
        length: 1,
        direct: false,
        sealed: false,
    };
    let beat = Heartbeat {
        generation: 1,
        boot: "b".into(),
    };
    vec![
        (Method::GET, path::BUNDLE, json!(null)),
        (Method::GET, path::SOURCE, json!(null)),
        (Method::POST, path::REPORT, json!(report)),
        (Method::POST, path::HEARTBEAT, json!(beat)),
        (Method::POST, path::LOGS, json!(lines)),
        (Method::POST, path::UPLOAD, json!(upload)),
    ]
}

async fn send(
    wire: &Wire,
    (method, path, body): &(Method, &str, serde_json::Value),
) -> crate::http::world::Reply {
    if *method == Method::GET {
        wire.get(path).await
    } else {
        wire.post(path, body).await
    }
}

#[test]
fn no_route_is_missing_from_these_stories() {
    let known: Vec<_> = routes()
        .iter()
        .map(|(method, path, _)| (method.to_string(), *path))
        .collect();
    let mounted: Vec<_> = crate::http::runner::table()
        .iter()
        .map(|(method, path, _)| (method.to_string(), *path))
        .collect();
    assert_eq!(known, mounted);
}

#[actix::test]
async fn no_route_answers_whoever_is_not_the_runner_of_a_named_generation() {
    let world = World::start().await;
    let runner = world.deploy(&app("shop"), Kind::Production, 1).await;
    let (id, now) = (runner.id.clone(), clock::now());
    let good = world.machines.bearing(&runner.token);
    let sign = |id: &EnvironmentId, generation: u32, audience: &str, age: Duration| {
        let from = nestling_domain::ids::Timestamp(
            now.0
                .saturating_sub(u64::try_from(age.as_millis()).unwrap()),
        );
        let token =
            world
                .tokens
                .sign_for(id, Generation(generation), from, from.plus(DAY), audience);
        world.machines.bearing(&token)
    };
    let nobody = EnvironmentId("nobody-production".into());
    let tampered = format!("{}x", runner.token);
    let strangers = [
        ("without a token", world.machines.clone(), 401),
        (
            "with the operator's token",
            world.machines.bearing(crate::http::world::TOKEN),
            401,
        ),
        (
            "with a changed token",
            world.machines.bearing(&tampered),
            401,
        ),
        (
            "with a token for another purpose",
            sign(&id, 1, "somebody-else", Duration::ZERO),
            401,
        ),
        (
            "of an environment that is not there",
            sign(&nobody, 1, AUDIENCE, Duration::ZERO),
            409,
        ),
        (
            "of a generation that was never named",
            sign(&id, 9, AUDIENCE, Duration::ZERO),
            409,
        ),
    ];
    for route in &routes() {
        for (who, wire, expected) in &strangers {
            let reply = send(wire, route).await;
            // A body of another generation than the token's is refused before the record is looked at.
            let expected = if who.contains("never named") && route.0 == Method::POST {
                403
            } else {
                *expected
            };
            assert_eq!(
                reply.status.as_u16(),
                expected,
                "{} {who}: {reply:?}",
                route.1
            );
            assert!(!reply.detail().is_empty());
        }
        let reply = send(&good, route).await;
        assert!(
            reply.status.is_success(),
            "{} of its own runner: {reply:?}",
            route.1
        );
    }
    world.stop().await;
}

#[actix::test]
async fn an_expired_token_may_do_nothing_but_ask_for_another() {
    let world = World::start().await;
    let runner = world.deploy(&app("shop"), Kind::Production, 1).await;
    let record = world.until(&runner.id, "is", |_| true).await;
    let before = nestling_domain::ids::Timestamp(clock::now().0 - 25 * 3_600_000);
    let sign = |generation| {
        let token = world.tokens.sign_for(
            &runner.id,
            Generation(generation),
            before,
            before.plus(DAY),
            AUDIENCE,
        );
        world.machines.bearing(&token)
    };
    let expired = sign(1);
    for route in routes() {
        let reply = send(&expired, &route).await;
        match route.1 {
            path::REPORT | path::HEARTBEAT => {
                let answer: Answer = reply.json();
                let token = answer.token.expect("another token");
                let expected = if route.1 == path::REPORT {
                    Next::Wait
                } else {
                    Next::Go
                };
                assert_eq!(answer.next, expected, "a report must be said again");
                let renewed = world.machines.bearing(&token).get(path::BUNDLE).await;
                assert_eq!(renewed.status, StatusCode::OK, "{renewed:?}");
            }
            other => assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{other}: {reply:?}"),
        }
    }
    assert_eq!(
        world.until(&runner.id, "is", |_| true).await,
        record,
        "nothing was taken"
    );
    let beat = Heartbeat {
        generation: 9,
        boot: "b".into(),
    };
    let stale = sign(9).post(path::HEARTBEAT, &beat).await;
    assert_eq!(
        stale.status,
        StatusCode::CONFLICT,
        "no token for what is not named: {stale:?}"
    );
    world.stop().await;
}

#[actix::test]
async fn a_token_past_half_of_its_life_is_replaced_with_the_next_answer() {
    let world = World::start().await;
    let runner = world.deploy(&app("shop"), Kind::Production, 1).await;
    let from = nestling_domain::ids::Timestamp(clock::now().0 - 13 * 3_600_000);
    let mut worn = world.runner(&runner.id, runner.generation);
    worn.token = world.tokens.sign_for(
        &runner.id,
        runner.generation,
        from,
        from.plus(DAY),
        AUDIENCE,
    );
    let answer: Answer = worn.reports(deploying()).await.json();
    assert_eq!(answer.next, Next::Go, "the report was taken");
    worn.token = answer.token.expect("another token");
    let answer: Answer = worn.reports(Phase::SetUp { reused: false }).await.json();
    assert_eq!((answer.next, answer.token), (Next::Go, None));
    world.stop().await;
}

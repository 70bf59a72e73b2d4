//! Somebody who reads a pull request follows the link to a log, and people who try what else it opens.

use bytes::Bytes;
use hyper::{Method, StatusCode};
use nestling_domain::{
    announcement::Seal as _,
    ids::{EnvironmentId, Kind},
};
use nestling_protocol::log::{Line, Lines, Log, Source};

use crate::http::world::{Wire, World, app};

const PREVIEW: Kind = Kind::Preview(12);

/// A browser that has signed in nowhere.
fn stranger(world: &World) -> Wire {
    let wire = world.people.without("authorization");
    wire.with("accept", "text/html")
}

fn sealed(world: &World, environment: &EnvironmentId) -> String {
    format!("/-/read/{environment}/{}", world.tokens.seal(environment))
}

/// A preview that runs, and the path of its link.
async fn preview(world: &World, name: &str) -> String {
    let runner = world.deploy(&app(name), PREVIEW, 1).await;
    let line = |n: u64, text: &str| Line {
        n,
        at: 1,
        from: Source::Out,
        text: text.to_owned(),
    };
    let batch = Lines {
        generation: 1,
        log: Log::Deployment,
        lines: vec![line(0, "npm ci"), line(1, "added 12 packages")],
    };
    let sent = runner.wire().post("/runner/v1/logs", &batch).await;
    assert_eq!(sent.status, StatusCode::NO_CONTENT, "{sent:?}");
    runner.comes_up().await;
    sealed(world, &runner.id)
}

#[actix::test]
async fn whoever_has_the_link_reads_logs_and_tests_without_signing_in() {
    let world = World::start().await;
    let link = preview(&world, "shop").await;
    let reader = stranger(&world);
    let log = reader.get(&format!("{link}/logs?log=deployment")).await;
    assert_eq!(log.status, StatusCode::OK, "{log:?}");
    let page = log.text();
    assert!(page.contains("added 12 packages"), "{page}");
    assert_eq!(log.header("cache-control"), "no-store");
    assert_eq!(log.header("referrer-policy"), "no-referrer");
    assert_eq!(log.header("x-robots-tag"), "noindex");
    assert_eq!(log.header("set-cookie"), "");
    // Nothing that would not work: no order, no live topic, and all that the page loads is below the link.
    for absent in ["<form class=\"order\"", "csrf", "data-topics", "/v1/"] {
        assert!(!page.contains(absent), "{absent} in {page}");
    }
    let lines = format!("{link}/deployments/1/logs/deployment");
    assert!(page.contains(&format!("{lines}?follow=true")), "{page}");
    let all = reader.get(&lines).await;
    assert_eq!(all.text().lines().count(), 2, "{all:?}");
    assert_eq!(all.header("cache-control"), "no-store");
    let tests = reader.get(&format!("{link}/tests")).await;
    assert_eq!(tests.status, StatusCode::OK, "{tests:?}");
    assert!(!tests.text().contains("/deployments/1\""), "{tests:?}");
    let live = reader.get(&format!("{link}/logs?fragment=1")).await;
    assert!(live.text().starts_with("<div data-fragment"), "{live:?}");
    let head = format!("{link}/logs");
    let head = reader.send(Method::HEAD, &head, Bytes::new()).await;
    assert_eq!(head.status, StatusCode::OK);
    world.stop().await;
}

#[actix::test]
async fn a_link_opens_nothing_else() {
    let world = World::start().await;
    let link = preview(&world, "shop").await;
    let blog = EnvironmentId::derive(&app("blog").id, PREVIEW);
    let seal = link.rsplit('/').next().unwrap();
    let reader = stranger(&world);
    let changed = format!("{}{}", &link[..link.len() - 1], "~");
    let refused = [
        // Another environment with this seal, and this one with less or more of it.
        format!("/-/read/{blog}/{seal}/logs"),
        format!("{changed}/logs"),
        format!("{}/logs", &link[..link.len() - 1]),
        format!("{link}A/logs"),
        format!("{}/logs", link.rsplit_once('/').unwrap().0),
        // The seal elsewhere.
        format!("/local/shop/pr-12/logs?seal={seal}"),
        format!("/?token={seal}"),
        format!("/v1/apps/local/shop/environments/pr-12?seal={seal}"),
        format!("/-/read/{seal}"),
        "/v1/apps".to_owned(),
    ];
    for path in &refused {
        let reply = reader.get(path).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{path}: {reply:?}");
    }
    let bearing = reader.bearing(seal).get("/v1/apps").await;
    assert_eq!(bearing.status, StatusCode::UNAUTHORIZED, "{bearing:?}");
    // Below the link there is what is read, and nothing else.
    for below in [
        "",
        "/settings",
        "/stop",
        "/logs/more",
        "/deployments/1",
        "/../../../v1/apps",
    ] {
        let reply = reader.get(&format!("{link}{below}")).await;
        let status = reply.status;
        let is_no = [StatusCode::UNAUTHORIZED, StatusCode::NOT_FOUND].contains(&status);
        assert!(is_no, "{below}: {reply:?}");
    }
    for (number, log) in [(7, "deployment"), (1, "secrets")] {
        let path = format!("{link}/deployments/{number}/logs/{log}");
        assert_eq!(reader.get(&path).await.status, StatusCode::NOT_FOUND);
    }
    world.stop().await;
}

#[actix::test]
async fn nothing_is_ordered_with_a_link_and_no_other_name_answers_it() {
    let world = World::start().await;
    let link = preview(&world, "shop").await;
    let reader = stranger(&world);
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        for below in ["logs", "stop", "redeploy"] {
            let path = format!("{link}/{below}");
            let reply = reader.send(method.clone(), &path, Bytes::new()).await;
            assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{path}: {reply:?}");
        }
    }
    let foreign = reader.with("host", "evil.example");
    let reply = foreign.get(&format!("{link}/logs")).await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN, "{reply:?}");
    // Whoever signed in has no more by a wrong seal than anybody.
    let wrong = format!("{}~/logs", &link[..link.len() - 1]);
    let reply = world.people.get(&wrong).await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND, "{reply:?}");
    world.stop().await;
}

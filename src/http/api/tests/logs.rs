//! Logs: segments and live lines are one.

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::{StatusCode, body::Incoming};
use nestling_domain::{
    environment::Environment,
    ids::{Kind, Timestamp, Version},
    record::DeploymentRecord,
};
use nestling_protocol::log::{Line, Lines, Log, Source};

use crate::{
    drivers::store::{Save, StoreError},
    http::world::{Runner, World, app, deploying},
};

const LOG: &str = "/v1/apps/local/shop/environments/pr-12/deployments/1/logs/deployment";

fn line(n: u64) -> Line {
    Line {
        n,
        at: 1,
        from: Source::Out,
        text: format!("line {n}"),
    }
}

/// Puts a segment as the runner's upload does.
async fn segment(world: &World, runner: &Runner<'_>, number: u32, lines: std::ops::Range<u64>) {
    let text: String = lines
        .map(|n| format!("{}\n", serde_json::to_string(&line(n)).unwrap()))
        .collect();
    let key = format!("environments/{}/1/logs/deployment/{number:06}", runner.id);
    world.blobs.put(&key, text.into()).await.unwrap();
}

async fn live(runner: &Runner<'_>, lines: std::ops::Range<u64>) {
    let batch = Lines {
        generation: 1,
        log: Log::Deployment,
        lines: lines.map(line).collect(),
    };
    let sent = runner.wire().post("/runner/v1/logs", &batch).await;
    assert_eq!(sent.status, StatusCode::NO_CONTENT, "{sent:?}");
}

async fn numbers(world: &World, query: &str) -> Vec<u64> {
    let reply = world.people.get(&format!("{LOG}?{query}")).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    let text = reply.text();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Line>(line).unwrap());
    lines.map(|line| line.n).collect()
}

/// The next `count` events of a stream, as `id` or `end`.
async fn events(body: &mut Incoming, count: usize) -> Vec<String> {
    let mut text = String::new();
    let mut seen = Vec::new();
    while seen.len() < count {
        let frame = tokio::time::timeout(std::time::Duration::from_secs(20), body.frame());
        let frame = frame
            .await
            .expect("nothing came")
            .expect("the stream ended")
            .unwrap();
        text.push_str(std::str::from_utf8(&frame.into_data().unwrap_or(Bytes::new())).unwrap());
        seen = text
            .lines()
            .filter_map(|line| line.strip_prefix("id: ").or(line.strip_prefix("event: ")))
            .map(str::to_owned)
            .collect();
    }
    seen
}

#[actix::test]
async fn a_log_is_read_from_its_segments_and_from_what_is_at_hand_without_gap_or_double() {
    let world = World::start().await;
    let runner = world.deploy(&app("shop"), Kind::Preview(12), 1).await;
    segment(&world, &runner, 1, 0..3).await;
    segment(&world, &runner, 2, 3..5).await;
    live(&runner, 2..8).await;
    assert_eq!(numbers(&world, "").await, [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(numbers(&world, "from=4").await, [4, 5, 6, 7]);
    assert_eq!(numbers(&world, "tail=2").await, [6, 7]);
    // A runner wrote the segments: what is no line is passed over.
    let key = format!("environments/{}/1/logs/deployment/000003", runner.id);
    world
        .blobs
        .put(&key, "nonsense\n{\"n\": -1}\n".into())
        .await
        .unwrap();
    assert_eq!(numbers(&world, "").await, [0, 1, 2, 3, 4, 5, 6, 7]);
    world.stop().await;
}

#[actix::test]
async fn race_whoever_follows_a_log_sees_each_line_once_also_after_a_break_and_over_a_hole() {
    let world = World::start().await;
    let runner = world.deploy(&app("shop"), Kind::Preview(12), 1).await;
    runner.reports(deploying()).await;
    segment(&world, &runner, 1, 0..2).await;
    let mut body = world.people.stream(&format!("{LOG}?follow=true")).await;
    assert_eq!(events(&mut body, 2).await, ["0", "1"]);
    live(&runner, 0..4).await;
    assert_eq!(events(&mut body, 2).await, ["2", "3"]);
    drop(body);

    let again = world.people.with("last-event-id", "2");
    let mut body = again.stream(&format!("{LOG}?follow=true")).await;
    assert_eq!(events(&mut body, 1).await, ["3"]);
    // Lines 4 and 5 were lost on their way, and come with their segment.
    live(&runner, 6..7).await;
    segment(&world, &runner, 2, 2..6).await;
    assert_eq!(events(&mut body, 3).await, ["4", "5", "6"]);
    world.stop().await;
}

#[actix::test]
async fn a_flood_over_a_hole_is_followed_without_losing_a_line() {
    let world = World::start().await;
    let runner = world.deploy(&app("shop"), Kind::Preview(12), 1).await;
    runner.reports(deploying()).await;
    let mut body = world.people.stream(&format!("{LOG}?follow=true")).await;
    live(&runner, 0..1).await;
    assert_eq!(events(&mut body, 1).await, ["0"]);
    // Line 1 was lost on its way, and more follow than a follower holds. The app is silent after that.
    for first in (2..6_002).step_by(500) {
        live(&runner, first..first + 500).await;
    }
    segment(&world, &runner, 1, 0..3_000).await;
    segment(&world, &runner, 2, 3_000..6_002).await;
    let rest: Vec<String> = (1..6_002).map(|n| n.to_string()).collect();
    assert_eq!(events(&mut body, rest.len()).await, rest);
    world.stop().await;
}

#[actix::test]
async fn lines_that_never_came_are_said_to_be_left_out() {
    let world = World::start().await;
    let runner = world.deploy(&app("shop"), Kind::Preview(12), 1).await;
    runner.reports(deploying()).await;
    live(&runner, 0..1).await;
    live(&runner, 5..6).await;
    runner.fails("npm ci failed").await;
    ended_long_ago(&world, &runner).await;
    let body = world.people.stream(&format!("{LOG}?follow=true")).await;
    let text = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8(text.to_vec()).unwrap();
    let at = text.find("id: 4\n").unwrap();
    assert!(
        text[at..].contains("4 lines are left out here: not arrived so far"),
        "{text}"
    );
    assert!(text[at..].contains("id: 5\n"), "{text}");
    assert!(text.contains("event: end"), "{text}");
    world.stop().await;
}

#[actix::test]
async fn following_ends_when_the_deployment_is_over_and_not_before_its_last_words() {
    let world = World::start().await;
    let runner = world.deploy(&app("shop"), Kind::Preview(12), 1).await;
    runner.reports(deploying()).await;
    live(&runner, 0..1).await;
    runner.fails("npm ci failed").await;
    ended_long_ago(&world, &runner).await;
    segment(&world, &runner, 1, 0..3).await;
    let mut body = world.people.stream(&format!("{LOG}?follow=true")).await;
    assert_eq!(events(&mut body, 4).await, ["0", "1", "2", "end"]);
    assert!(body.frame().await.is_none(), "the stream ends with it");
    world.stop().await;
}

/// Sets the clock back for the end of the first deployment, in its record.
async fn ended_long_ago(world: &World, runner: &Runner<'_>) {
    let store = &world.services.store;
    loop {
        let record = store.environment(&runner.id).await.unwrap().unwrap();
        let deployment = store.deployment(&runner.id, runner.generation).await;
        let save = Save {
            expected: Some(record.version),
            environment: Environment {
                version: Version(record.version.0 + 1),
                ..record
            },
            due_at: None,
            input: None,
            happened: vec![],
            by: "story".into(),
            deployments: vec![DeploymentRecord {
                ended_at: Some(Timestamp(1)),
                ..deployment.unwrap().unwrap()
            }],
        };
        match store.save(save).await {
            Ok(_) => return,
            // The environment's own actor was first.
            Err(StoreError::Conflict(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

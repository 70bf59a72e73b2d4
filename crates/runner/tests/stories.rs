//! What people see when the runner runs their app.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use nestling_protocol::bundle::Kind;
use nestling_protocol::log::Log;
use nestling_protocol::report::{Exit, Phase, Step};
use nestling_protocol::test::{Counts, Outcome};
use support::{NODE_SERVER, World, git};

const PACKAGE: &str = r#"{"name":"shop","version":"1.0.0","scripts":{"start":"node server.js","test":"node --test"}}"#;
const TESTS: &str = r#"
const { test } = require("node:test");
const assert = require("node:assert");
test("adds", () => assert.equal(1 + 1, 2));
test("fails on purpose", () => assert.equal(1, 2));
test.skip("later", () => {});
"#;

fn only_start(start: &str) -> String {
    serde_json::json!({"name": "shop", "scripts": {"start": start}}).to_string()
}

#[tokio::test]
async fn a_node_app_comes_alive_step_by_step_although_a_test_fails() {
    let files = [
        ("package.json", PACKAGE),
        ("server.js", NODE_SERVER),
        ("shop.test.js", TESTS),
    ];
    let mut world = World::new(Kind::Node, &files).await.with(|bundle| {
        bundle.variables.insert("COLOUR".into(), "green".into());
        bundle
            .secrets
            .insert("API_KEY".into(), "k3y-of-the-shop".into());
    });
    world.model.change(|state| state.waits = 2);
    world.run().until_running().await;

    let order = [
        "deploying",
        "cloned",
        "set-up",
        "running-tests",
        "tested",
        "prepared",
        "starting",
        "running",
    ];
    assert_eq!(world.model.state(support::model::State::phases), order);
    let results = world.model.state(support::model::State::results);
    assert_eq!(
        results.counts(),
        Counts {
            passed: 1,
            failed: 1,
            skipped: 1
        }
    );
    let failed = results
        .tests
        .iter()
        .find(|test| test.outcome == Outcome::Failed)
        .unwrap();
    assert_eq!(failed.name, "fails on purpose");
    assert!(failed.error.as_ref().unwrap().starts_with("1 == 2"));

    assert_eq!(
        world.get("app", "/").await,
        (200, "hello from the shop".into())
    );
    let (_, environment) = world.get("app", "/env").await;
    let environment: serde_json::Value = serde_json::from_str(&environment).unwrap();
    let expected = [
        ("NESTLING", "1"),
        ("NESTLING_ENVIRONMENT", "preview"),
        ("NESTLING_APP", "shop"),
        ("NESTLING_BRANCH", "feat/x"),
        ("NESTLING_PULL_REQUEST", "12"),
        ("NESTLING_URL", "http://pr-12--shop.localhost:4100"),
        ("COLOUR", "green"),
        ("API_KEY", "k3y-of-the-shop"),
    ];
    for (name, value) in expected {
        assert_eq!(environment[name], value, "{name}");
    }
    assert!(
        environment.get("CARGO").is_none(),
        "the runner's own environment stays outside"
    );

    world
        .model
        .until("live", |state| {
            state
                .live
                .iter()
                .any(|(_, line)| line.text == "the shop is open")
        })
        .await;
    world.stop().await;
    let log = world.model.state(|state| state.log(Log::Runtime));
    assert!(
        log.contains(&"the shop closes".to_owned()),
        "the app was asked to end: {log:?}"
    );
    assert_eq!(
        world.model.state(|state| state.wrong.clone()),
        Vec::<String>::new()
    );
    assert!(
        !world.options.run_dir.join("token").exists(),
        "the token is gone once read"
    );
}

#[tokio::test]
async fn a_repository_of_gits_newer_object_format_is_deployed_as_any_other() {
    let package = only_start("node server.js");
    let files = [("package.json", &*package), ("server.js", NODE_SERVER)];
    let mut world = World::new(Kind::Node, &files).await;
    std::fs::remove_dir_all(world.repository().join(".git")).unwrap();
    let init = ["init", "--quiet", "-b", "main", "--object-format=sha256"];
    git(world.repository(), &init);
    world.commit(&[("README.md", "With longer names of commits")]);
    world.run().until_running().await;
    let answer = world.get("app", "/").await;
    assert_eq!(answer, (200, "hello from the shop".into()));
    let commit = git(world.repository(), &["rev-parse", "HEAD"]);
    let (_, environment) = world.get("app", "/env").await;
    world.stop().await;
    assert_eq!(commit.trim().len(), 64);
    assert!(environment.contains(commit.trim()), "{environment}");
}

#[tokio::test]
async fn secrets_are_masked_although_split_across_writes_and_encoded() {
    let server = r#"
        const secret = process.env.API_KEY;
        process.stdout.write("half " + secret.slice(0, 8));
        setTimeout(() => {
            process.stdout.write(secret.slice(8) + " end\n");
            console.error("b64 " + Buffer.from("user:" + secret).toString("base64"));
            console.log("url " + encodeURIComponent(secret));
            process.exit(4);
        }, 100);
    "#;
    let secret = "s3cr3t/of the+shop=";
    let mut world = World::new(
        Kind::Node,
        &[
            ("package.json", &only_start("node server.js")),
            ("server.js", server),
        ],
    )
    .await
    .with(|bundle| drop(bundle.secrets.insert("API_KEY".into(), secret.into())));
    let failure = world.run().until_failed().await;
    world.end().await;
    assert_eq!(
        (failure.step, failure.exit),
        (Step::Start, Some(Exit::Code(4)))
    );
    assert!(
        failure.tail.contains(&"half *** end".to_owned()),
        "{:?}",
        failure.tail
    );
    assert!(
        failure.tail.contains(&"url ***".to_owned()),
        "{:?}",
        failure.tail
    );
    let everything = world.model.state(support::model::State::all_text);
    for leak in [
        secret,
        "s3cr3t%2Fof",
        "czNjcjN0L29m",
        "NjcjN0L29mIHRoZStzaG",
        "token-of-this",
    ] {
        assert!(!everything.contains(leak), "{leak} in {everything}");
    }
}

#[tokio::test]
async fn a_start_that_never_listens_says_what_to_do() {
    let mut world = World::new(
        Kind::Node,
        &[("package.json", &only_start("echo waiting && sleep 1000"))],
    )
    .await
    .with(|bundle| bundle.limits.start = 1);
    let failure = world.run().until_failed().await;
    world.end().await;
    assert_eq!(
        (failure.step, failure.exit),
        (Step::Start, Some(Exit::Timeout))
    );
    assert_eq!(
        failure.reason,
        "app shop: `echo waiting && sleep 1000` did not listen within 1 s (limits.start): let it listen on the port in PORT, or raise the limit"
    );
    assert_eq!(failure.tail, ["waiting"]);
}

#[tokio::test]
async fn tests_that_hang_are_killed_and_the_app_starts_all_the_same() {
    let package = r#"{"scripts":{"start":"node server.js","test":"echo begun && sleep 1000"}}"#;
    let mut world = World::new(
        Kind::Node,
        &[("package.json", package), ("server.js", NODE_SERVER)],
    )
    .await
    .with(|bundle| bundle.limits.test = 1);
    world.run().until_running().await;
    let reason = |phase: &Phase| {
        if let Phase::TestsBroken { reason } = phase {
            Some(reason.clone())
        } else {
            None
        }
    };
    let broken = world.model.state(|state| {
        state
            .reports
            .iter()
            .find_map(|report| reason(&report.phase))
    });
    assert_eq!(
        broken.unwrap(),
        "tests of app shop took longer than 1 s (limits.test) in `echo begun && sleep 1000` and were killed: make them quicker, or raise the limit"
    );
    world.stop().await;
}

#[tokio::test]
async fn an_app_that_crashes_is_started_again_three_times_and_then_failed() {
    let mut world = World::new(
        Kind::Node,
        &[
            ("package.json", &only_start("node server.js")),
            ("server.js", NODE_SERVER),
        ],
    )
    .await;
    world.run().until_running().await;
    for times in 1..=3 {
        world.get("app", "/crash").await;
        let restarted = |phase: &Phase| {
            *phase
                == Phase::Restarted {
                    exit: Exit::Code(9),
                    times,
                }
        };
        world
            .model
            .until("restarted", |state| state.said(restarted))
            .await;
        let opened = times as usize + 1;
        let open = |state: &support::model::State| {
            state
                .live
                .iter()
                .filter(|(_, line)| line.text == "the shop is open")
                .count()
                == opened
        };
        world.model.until("open again", open).await;
        while world.get_or_nothing("/").await != Some(200) {
            tokio::task::yield_now().await;
        }
    }
    world.get("app", "/crash").await;
    let failure = world.until_failed().await;
    world.end().await;
    assert_eq!(
        (failure.step, failure.exit),
        (Step::Run, Some(Exit::Code(9)))
    );
    assert_eq!(
        failure.reason,
        "app shop ended with code 9, after 3 restarts in 5 minutes: its last output says why"
    );
}

#[tokio::test]
async fn a_server_that_is_away_misses_no_report_and_no_line() {
    let package = r#"{"scripts":{"start":"node server.js","test":"node tests.js"}}"#;
    let tests =
        r#"for (let n = 0; n < 3000; n++) console.log("line " + n + " " + "x".repeat(50));"#;
    let mut world = World::new(
        Kind::Node,
        &[
            ("package.json", package),
            ("server.js", NODE_SERVER),
            ("tests.js", tests),
        ],
    )
    .await;
    world.run();
    world
        .model
        .until("cloned", |state| {
            state.said(|phase| matches!(phase, Phase::Cloned { .. }))
        })
        .await;
    world.model.kill();
    // The app comes up without a server; only `prepared` waits for its answer.
    let buffered = world.options.run_dir.join("logs/deployment");
    support::until("the tests are over", || {
        let text: String = std::fs::read_dir(&buffered)
            .into_iter()
            .flatten()
            .flatten()
            .map(|file| std::fs::read_to_string(file.path()).unwrap_or_default())
            .collect();
        text.contains("line 2999")
    })
    .await;
    world.model.start();
    world
        .model
        .change(|state| state.mood = Some(hyper::StatusCode::INTERNAL_SERVER_ERROR));
    world
        .model
        .change(|state| state.mood = Some(hyper::StatusCode::UNAUTHORIZED));
    world.model.change(|state| state.mood = None);
    world.until_running().await;
    world.stop().await;
    let log = world.model.state(|state| state.log(Log::Deployment));
    let lines = log.iter().filter(|line| line.starts_with("line ")).count();
    assert_eq!(lines, 3000);
    let order = [
        "deploying",
        "cloned",
        "set-up",
        "running-tests",
        "tested",
        "prepared",
        "starting",
        "running",
    ];
    assert_eq!(world.model.state(support::model::State::phases), order);
    assert_eq!(
        world.model.state(|state| state.wrong.clone()),
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn a_stale_runner_stops_itself_and_leaves_no_process() {
    let server = format!("{NODE_SERVER}\nrequire('fs').writeFileSync('pid', String(process.pid));");
    let mut world = World::new(
        Kind::Node,
        &[
            ("package.json", &only_start("node server.js")),
            ("server.js", &server),
        ],
    )
    .await;
    world.run().until_running().await;
    let pid = std::fs::read_to_string(world.options.work_dir.join("app/pid")).unwrap();
    world
        .model
        .change(|state| state.mood = Some(hyper::StatusCode::CONFLICT));
    world.end().await;
    let left = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    assert!(
        left.is_empty() || left.contains(") Z "),
        "still there: {left}"
    );
}

#[tokio::test]
async fn a_source_that_is_refused_fails_the_deployment_at_once_with_the_servers_reason() {
    let mut world = World::new(
        Kind::Node,
        &[("package.json", &only_start("node server.js"))],
    )
    .await;
    let reason = "logo.png is kept in Git LFS, and the content is not in the repository";
    world
        .model
        .change(|state| state.no_source = Some(reason.to_owned()));
    let failure = world.run().until_failed().await;
    assert_eq!(failure.step, Step::Clone);
    assert_eq!(
        failure.reason,
        format!("the source could not be fetched: {reason}")
    );
    world.end().await;
}

#[tokio::test]
async fn a_conflict_that_does_not_say_stale_stops_nobody() {
    let mut world = World::new(
        Kind::Node,
        &[
            ("package.json", &only_start("node server.js")),
            ("server.js", NODE_SERVER),
        ],
    )
    .await;
    world.model.change(|state| state.conflicts = 3);
    world.run().until_running().await;
    assert_eq!(world.model.state(|state| state.conflicts), 0);
    world.stop().await;
}

#[tokio::test]
async fn a_runner_whose_servers_folder_was_deleted_stops_itself() {
    let mut world = World::new(
        Kind::Node,
        &[
            ("package.json", &only_start("node server.js")),
            ("server.js", NODE_SERVER),
        ],
    )
    .await;
    world.run().until_running().await;
    std::fs::remove_dir_all(&world.options.server_dir).unwrap();
    world.end().await;
}

#[tokio::test]
async fn a_second_runner_of_the_same_deployment_does_not_begin() {
    let mut world = World::new(
        Kind::Node,
        &[
            ("package.json", &only_start("node server.js")),
            ("server.js", NODE_SERVER),
        ],
    )
    .await;
    world.run().until_running().await;
    let second = nestling_runner::run(world.options.clone()).await;
    assert_eq!(
        format!("{second:?}"),
        format!("{:?}", std::process::ExitCode::from(2))
    );
    assert_eq!(world.get("app", "/").await.0, 200, "the first one goes on");
    world.stop().await;
}

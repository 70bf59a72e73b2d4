//! From a commit to an app that answers.

use nestling_protocol::bundle::Kind;
use nestling_protocol::log::Log;
use nestling_protocol::report::{Exit, Step};
use nestling_protocol::test::{Counts, Outcome};

use crate::only_start;
use crate::support::model::State;
use crate::support::{NODE_SERVER, World, git};

const PACKAGE: &str = r#"{"name":"shop","version":"1.0.0","scripts":{"start":"node server.js","test":"node --test"}}"#;
const TESTS: &str = r#"
const { test } = require("node:test");
const assert = require("node:assert");
test("adds", () => assert.equal(1 + 1, 2));
test("fails on purpose", () => assert.equal(1, 2));
test.skip("later", () => {});
"#;

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
    assert_eq!(world.model.state(State::phases), order);
    let results = world.model.state(State::results);
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
    let everything = world.model.state(State::all_text);
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

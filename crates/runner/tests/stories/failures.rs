//! Apps that do not start, hang or crash.

use nestling_protocol::bundle::Kind;
use nestling_protocol::report::{Exit, Phase, Step};

use crate::only_start;
use crate::support::model::State;
use crate::support::{NODE_SERVER, World};

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
        "app shop: `echo waiting && sleep 1000` did not listen within 1 s (limits.start; NESTLING__LIMITS__START of the server): let it listen on the port in PORT, or raise the limit"
    );
    assert_eq!(failure.tail, ["waiting"]);
}

/// An app with this `package.json`, whose tests have a second, until it runs.
async fn until_tests_are_killed(package: &str) -> World {
    let files = [("package.json", package), ("server.js", NODE_SERVER)];
    until_killed(&files, 1).await
}

/// An app of these files, whose tests have this many seconds, until it runs.
async fn until_killed(files: &[(&str, &str)], seconds: u64) -> World {
    let world = World::new(Kind::Node, files).await;
    let mut world = world.with(|bundle| bundle.limits.test = seconds);
    world.run().until_running().await;
    world
}

#[tokio::test]
async fn tests_that_hang_are_killed_and_the_app_starts_all_the_same() {
    let package = r#"{"scripts":{"start":"node server.js","test":"echo begun && sleep 1000"}}"#;
    let mut world = until_tests_are_killed(package).await;
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
        "tests of app shop took longer than 1 s (limits.test; NESTLING__LIMITS__TEST of the server) in `echo begun && sleep 1000` and were killed: make them quicker, or raise the limit"
    );
    world.stop().await;
}

#[tokio::test]
async fn what_tests_told_before_they_hung_is_kept_and_the_run_is_red() {
    let package = r#"{"scripts":{"start":"node server.js","test":"printf '1..3\\nok 1 - adds\\nnot ok 2 - subtracts\\n' && sleep 1000"}}"#;
    let mut world = until_tests_are_killed(package).await;
    let counts = |phase: &Phase| {
        if let Phase::Tested { counts } = phase {
            Some(*counts)
        } else {
            None
        }
    };
    let told = world.model.state(|state| {
        let mut reports = state.reports.iter();
        reports.find_map(|report| counts(&report.phase))
    });
    let told = told.unwrap();
    // The one that failed, the one that was announced and never came, and the run itself.
    assert_eq!((told.passed, told.failed), (1, 3));
    world.stop().await;
}

/// The second of three tests never ends.
const HANGS: &str = r#"
const { describe, it } = require("node:test");
describe("cart", () => {
    it("sums", () => {});
    it("waits for ever", () => new Promise(() => setInterval(() => {}, 1000)));
    it("sorts", () => {});
});
"#;

/// What is told of an app whose test script or configuration runs Node's own tests, of which one hangs.
async fn told_of_a_test_that_hangs(package: &str, config: &str) {
    let files = [
        ("package.json", package),
        ("nestling.toml", config),
        ("server.js", NODE_SERVER),
        ("a.test.js", HANGS),
    ];
    // Node alone takes a second to begin where others are busy.
    let mut world = until_killed(&files, 6).await;
    let results = world.model.state(State::results);
    let told: Vec<String> = results
        .tests
        .iter()
        .map(|test| {
            let error = test.error.as_deref().unwrap_or_default();
            format!("{} {:?} {error}", test.path, test.outcome)
        })
        .collect();
    assert_eq!(
        told,
        [
            "cart › sums Passed ",
            "cart › waits for ever Failed it did not end within the 6 s of the test run (limits.test; NESTLING__LIMITS__TEST of the server)",
            "test run Failed tests of app shop took longer than 6 s (limits.test; NESTLING__LIMITS__TEST of the server) in `node --test` and were killed: make them quicker, or raise the limit",
        ]
    );
    world.stop().await;
}

#[tokio::test]
async fn a_test_of_nodes_own_runner_that_hangs_is_named_and_those_before_it_are_kept() {
    let package = r#"{"scripts":{"start":"node server.js","test":"node --test"}}"#;
    told_of_a_test_that_hangs(package, "").await;
}

#[tokio::test]
async fn a_configured_run_of_nodes_own_tests_tells_as_much_as_a_test_script() {
    let package = only_start("node server.js");
    told_of_a_test_that_hangs(&package, "[test]\nrun = \"node --test\"\n").await;
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
        let open = |state: &State| {
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
    let phases = world.model.state(State::phases);
    let began = phases.iter().position(|phase| *phase == "running").unwrap();
    let again = ["restarted", "running"];
    let expected = [&["running"][..], &again, &again, &again, &["failed"]].concat();
    assert_eq!(
        phases[began..],
        expected,
        "each time it says that it listens"
    );
}

//! The runner and its server: away, refusing, or done with this deployment.

use nestling_protocol::bundle::Kind;
use nestling_protocol::log::Log;
use nestling_protocol::report::{Phase, Step};

use crate::only_start;
use crate::support::model::State;
use crate::support::{NODE_SERVER, World, until};

#[tokio::test]
async fn race_a_server_that_is_away_misses_no_report_and_no_line() {
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
    until("the tests are over", || {
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
    assert_eq!(world.model.state(State::phases), order);
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

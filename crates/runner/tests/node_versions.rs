//! Which Node an app gets, and what is said about its wish.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::os::unix::fs::PermissionsExt;

use nestling_protocol::bundle::Kind;
use nestling_protocol::log::Log;
use nestling_protocol::report::{Phase, Step};
use support::{NODE_SERVER, World};

/// A shop that wishes this Node in the engines of its package, and in further files of its repository.
async fn shop(engines: &str, files: &[(&str, &str)]) -> World {
    let package = serde_json::json!({
        "name": "shop",
        "engines": {"node": engines},
        "scripts": {"start": "node server.js"},
    })
    .to_string();
    let own = [("package.json", &*package), ("server.js", NODE_SERVER)];
    World::new(Kind::Node, &[&own, files].concat()).await
}

/// The Node of this computer.
fn node() -> String {
    let node = std::process::Command::new("node").arg("--version").output();
    String::from_utf8(node.unwrap().stdout)
        .unwrap()
        .trim()
        .to_owned()
}

fn notes(world: &World) -> Vec<String> {
    let mut notes = Vec::new();
    world.model.state(|state| {
        for report in &state.reports {
            if let Phase::Noted { text } = &report.phase {
                notes.push(text.clone());
            }
        }
    });
    notes
}

#[tokio::test]
async fn a_wish_that_no_node_fulfils_is_refused_with_the_versions_that_there_are() {
    let mut world = shop(">=1", &[(".nvmrc", "v99.1.0\n")]).await;
    let failure = world.run().until_failed().await;
    world.end().await;
    assert_eq!(failure.step, Step::Setup);
    assert_eq!(
        failure.reason,
        format!(
            "app shop wishes Node v99.1.0 (.nvmrc), but this machine has {}: widen the wish or install that Node on the machine",
            node()
        )
    );
}

#[tokio::test]
async fn a_wish_that_cannot_be_understood_is_noted_and_the_app_comes_alive() {
    let mut world = shop(">=18", &[(".nvmrc", "the newest, please\n")]).await;
    world.run().until_running().await;
    let answer = world.get("app", "/").await;
    assert_eq!(answer, (200, "hello from the shop".into()));
    assert_eq!(
        notes(&world),
        [
            "app shop: .nvmrc says `the newest, please`, which names no version of Node, so it is passed over: write a version (22.11.0), a range (>=20 <23) or a long-term line (lts/jod)"
        ]
    );
    world.stop().await;
}

#[tokio::test]
async fn a_wish_that_only_warns_is_noted_where_no_node_fulfils_it() {
    let package = r#"{"scripts":{"start":"node server.js"},"devEngines":{"runtime":{"name":"node","version":"^99","onFail":"warn"}}}"#;
    let mut world = shop("99", &[("package.json", package)]).await;
    world.run().until_running().await;
    let node = node();
    assert_eq!(
        notes(&world),
        [format!(
            "app shop wishes Node ^99 (devEngines.runtime in package.json, with onFail `warn`), but this machine has {node}, so it runs with {node}: widen the wish or install that Node on the machine"
        )]
    );
    world.stop().await;
}

#[tokio::test]
async fn of_several_nodes_the_first_is_taken_that_the_app_wishes() {
    let mut world = shop("<99", &[]).await;
    // A newer Node, which is good for nothing but to say its version.
    let newer = world.folder.path().join("node-99");
    std::fs::create_dir(&newer).unwrap();
    let program = newer.join("node");
    std::fs::write(
        &program,
        "#!/bin/sh\n[ \"$1\" = --version ] && echo v99.0.0\n",
    )
    .unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let first = r#"PATH="$0:$PATH" "$@"; exit"#;
    let newer = newer.display().to_string();
    world = world.inside(["sh", "-c", first, &newer].map(str::to_owned).to_vec());
    world.run().until_running().await;
    let answer = world.get("app", "/").await;
    assert_eq!(answer, (200, "hello from the shop".into()));
    world.stop().await;
    let said = format!(
        "using Node {}, as engines.node in package.json wishes (<99)",
        node()
    );
    let log = world.model.state(|state| state.log(Log::Deployment));
    assert!(log.contains(&said), "{log:?}");
}

#[tokio::test]
async fn the_wish_of_a_workspace_counts_beside_that_of_its_package() {
    let root = r#"{"private":true,"workspaces":["packages/*"],"engines":{"node":">=99"}}"#;
    let files = [
        ("package.json", root),
        (
            "packages/app/package.json",
            r#"{"name":"shop","engines":{"node":">=16"},"scripts":{"start":"node server.js"}}"#,
        ),
    ];
    let mut world = World::new(Kind::Node, &files)
        .await
        .with(|bundle| bundle.app.root = "packages/app".into());
    let failure = world.run().until_failed().await;
    world.end().await;
    assert_eq!(
        failure.reason,
        format!(
            "app shop wishes Node >=16 (engines.node in packages/app/package.json) and >=99 (engines.node in package.json), but this machine has {}: widen the wish or install that Node on the machine",
            node()
        )
    );
}

#[tokio::test]
async fn an_app_that_says_its_own_setup_has_its_wish_checked_too() {
    let own = "[setup]\nrun = \"true\"\n[start]\nrun = \"node server.js\"\n";
    let files = [
        ("nestling.toml", own),
        ("package.json", r#"{"engines":{"node":">=99"}}"#),
        ("server.js", NODE_SERVER),
    ];
    let mut world = World::new(Kind::Any, &files).await;
    let failure = world.run().until_failed().await;
    world.end().await;
    assert!(
        failure
            .reason
            .starts_with("app shop wishes Node >=99 (engines.node in package.json), but"),
        "{}",
        failure.reason
    );
}

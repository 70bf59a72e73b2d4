//! Installing with managers other than npm, as real as they come from the registry.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use nestling_protocol::bundle::Kind;
use nestling_protocol::log::Log;
use nestling_protocol::report::{Phase, Step};
use support::{World, lockfiles};

/// Says which version of its one dependency it has, and what the build script left.
const SERVER: &str = r#"
const { version } = require("ms/package.json");
const built = require("node:fs").readFileSync("built.txt", "utf8").trim();
require("node:http").createServer((_, response) => response.end(`ms ${version}, built by ${built}`)).listen(process.env.PORT);
"#;

/// A package whose build script calls its manager by name, as many do.
fn package(manager: &str, version: &str, more: &str) -> String {
    let scripts =
        format!(r#"{{"start":"node server.js","build":"{manager} --version > built.txt"}}"#);
    format!(
        r#"{{"name":"shop","version":"1.0.0","license":"MIT","scripts":{scripts},"dependencies":{{"ms":"{version}"}}{more}}}"#
    )
}

/// What the app says, the line that says how it was installed, and what was noted.
async fn deploy(world: &mut World) -> (String, Vec<String>) {
    world.run().until_running().await;
    let (_, answer) = world.get("app", "/").await;
    world.stop().await;
    let telling = ["installing dependencies", "out of date", "are unchanged"];
    let log = world.model.state(|state| state.log(Log::Deployment));
    let told = |line: &String| telling.iter().any(|words| line.contains(words));
    (answer, log.into_iter().filter(told).collect())
}

/// Installs by the lockfile, reuses that, and goes on without it when it is out of date.
async fn story(manager: &str, version: &str, lockfile: (&str, &str), frozen: &str) -> World {
    let first = package(manager, "2.1.3", "");
    let files = [("package.json", &*first), ("server.js", SERVER), lockfile];
    let mut world = World::new(Kind::Node, &files).await;
    let installing = format!("installing dependencies of the root with {frozen}");
    let (answer, told) = deploy(&mut world).await;
    assert_eq!(answer, format!("ms 2.1.3, built by {version}"));
    assert_eq!(told, *std::slice::from_ref(&installing));

    world.next_machine();
    world.commit(&[("README.md", "only words")]);
    let (answer, told) = deploy(&mut world).await;
    assert_eq!(answer, format!("ms 2.1.3, built by {version}"));
    assert_eq!(told, ["dependencies of the root are unchanged: reused"]);

    world.next_machine();
    world.commit(&[("package.json", &package(manager, "2.1.2", ""))]);
    let (answer, told) = deploy(&mut world).await;
    assert_eq!(answer, format!("ms 2.1.2, built by {version}"));
    let name = lockfile.0;
    let out_of_date = format!(
        "{name} is out of date: it does not fit package.json and {frozen} refused it, so {manager} install picks the versions of today; run {manager} install beside it and commit it"
    );
    assert_eq!(told[..2], [installing, out_of_date.clone()]);
    let noted = world.model.state(|state| {
        let noted = |phase: &Phase| format!("{phase:?}").contains(&out_of_date);
        state.said(noted)
    });
    assert!(noted, "people see it, too");

    world.next_machine();
    world.commit(&[(name, &format!("{}\n", lockfile.1))]);
    let (_, told) = deploy(&mut world).await;
    assert!(
        told[0].starts_with("installing"),
        "another lockfile: {told:?}"
    );
    world
}

#[tokio::test]
async fn pnpm_installs_by_its_lockfile_and_says_when_that_is_out_of_date() {
    let frozen = "pnpm install --frozen-lockfile";
    let world = story(
        "pnpm",
        "9.15.9",
        ("pnpm-lock.yaml", lockfiles::PNPM),
        frozen,
    )
    .await;
    let store = world.options.cache_dir.join("pnpm");
    assert!(store.is_dir(), "its downloads are kept for the next");
}

#[tokio::test]
async fn what_the_machines_image_brings_is_not_taken_from_the_registry() {
    let app = package("pnpm", "2.1.3", "");
    let lockfile = ("pnpm-lock.yaml", lockfiles::PNPM);
    let files = [("package.json", &*app), ("server.js", SERVER), lockfile];
    let mut world = World::new(Kind::Node, &files).await;
    let taken = |world: &World| {
        let log = world.model.state(|state| state.log(Log::Deployment));
        log.iter().any(|line| line.starts_with("taking pnpm"))
    };
    let (answer, _) = deploy(&mut world).await;
    assert_eq!(answer, "ms 2.1.3, built by 9.15.9");
    assert!(taken(&world), "without one, it is taken");

    let image = world.options.image_tools_dir.clone();
    let (cache, name) = (world.options.cache_dir.clone(), "pnpm-9.15.9");
    std::fs::create_dir(&image).unwrap();
    std::fs::rename(cache.join(name), image.join(name)).unwrap();
    world.next_machine();
    world.commit(&[("package.json", &package("pnpm", "2.1.2", ""))]);
    let (answer, _) = deploy(&mut world).await;
    assert_eq!(answer, "ms 2.1.2, built by 9.15.9");
    assert!(!taken(&world));
    assert!(!cache.join(name).exists(), "nor installed a second time");
}

#[tokio::test]
async fn classic_yarn_installs_by_its_lockfile_and_says_when_that_is_out_of_date() {
    let frozen = "yarn install --frozen-lockfile";
    story(
        "yarn",
        "1.22.22",
        ("yarn.lock", lockfiles::CLASSIC_YARN),
        frozen,
    )
    .await;
}

#[tokio::test]
async fn modern_yarn_installs_by_its_lockfile_and_says_when_that_is_out_of_date() {
    let frozen = "yarn install --immutable";
    story(
        "yarn",
        "4.9.4",
        ("yarn.lock", lockfiles::MODERN_YARN),
        frozen,
    )
    .await;
}

#[tokio::test]
async fn a_manager_of_the_version_that_the_app_wishes_is_taken_or_named_where_there_is_none() {
    let wish = |version: &str| {
        package(
            "pnpm",
            "2.1.3",
            &format!(r#","packageManager":"pnpm@{version}""#),
        )
    };
    let (there, absent) = (wish("9.12.0"), wish("9.999.0"));
    let lockfile = ("pnpm-lock.yaml", lockfiles::PNPM);
    let files = [("package.json", &*there), ("server.js", SERVER), lockfile];
    let mut world = World::new(Kind::Node, &files).await;
    let (answer, _) = deploy(&mut world).await;
    assert_eq!(answer, "ms 2.1.3, built by 9.12.0");

    world.next_machine();
    world.commit(&[("package.json", &absent)]);
    let failure = world.run().until_failed().await;
    world.end().await;
    assert_eq!(failure.step, Step::Setup);
    let reason = "pnpm 9.999.0, which pnpm-lock.yaml needs, could not be taken from the registry: name a version that exists as packageManager in package.json, or commit a package-lock.json; ";
    assert!(failure.reason.starts_with(reason), "{}", failure.reason);
}

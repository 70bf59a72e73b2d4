//! What a second commit finds of the first one's dependencies: never its code, and nothing less than a fresh install.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use nestling_protocol::bundle::Kind;
use nestling_protocol::log::Log;
use nestling_protocol::report::Phase;
use support::{World, lockfiles};

/// Answers with what this file exports.
fn server(of: &str) -> String {
    format!(
        r#"const says = require("{of}"); require("node:http").createServer((_, response) => response.end(says)).listen(process.env.PORT);"#
    )
}

fn says(words: &str) -> String {
    format!("module.exports = {words:?};")
}

/// What the app answers, and whether its dependencies were reused.
async fn deploy(world: &mut World) -> (String, bool) {
    world.run().until_running().await;
    let (_, answer) = world.get("app", "/").await;
    world.stop().await;
    let reused = Phase::SetUp { reused: true };
    let reused = world
        .model
        .state(|state| state.said(|phase| *phase == reused));
    (answer, reused)
}

/// Deploys these files on top of what there is.
async fn next(world: &mut World, files: &[(&str, &str)]) -> (String, bool) {
    world.next_machine();
    world.commit(files);
    deploy(world).await
}

fn log(world: &World) -> Vec<String> {
    world.model.state(|state| state.log(Log::Deployment))
}

const README: (&str, &str) = ("README.md", "only words");
const LIBRARY: (&str, &str) = (
    "lib/package.json",
    r#"{"name":"lib","version":"1.0.0","main":"index.js"}"#,
);

#[tokio::test]
async fn what_an_install_script_makes_outside_of_the_dependencies_is_there_each_time_and_of_this_commit()
 {
    let package = r#"{"name":"shop","version":"1.0.0","scripts":{"prepare":"mkdir -p dist && cp src/* dist","start":"node server.js"},"dependencies":{"lib":"file:./lib"}}"#;
    let files = [
        ("package.json", package),
        ("src/main.js", &says("one")),
        ("package-lock.json", lockfiles::NPM_LIB),
        ("server.js", &server("./dist/main.js")),
        LIBRARY,
    ];
    let mut world = World::new(Kind::Node, &files).await;
    assert_eq!(deploy(&mut world).await, ("one".into(), false));
    assert_eq!(next(&mut world, &[README]).await, ("one".into(), true));
    let two = says("two");
    let second = next(&mut world, &[("src/main.js", &two)]).await;
    assert_eq!(second, ("two".into(), true));
    let log = log(&world);
    let told = [
        "dependencies of the root are unchanged: reused; the install scripts of the app's own packages run again",
        "running script prepare: mkdir -p dist && cp src/* dist",
    ];
    assert!(log.windows(2).any(|lines| lines == told), "{log:?}");
}

#[tokio::test]
async fn what_a_library_of_the_workspace_prepares_is_of_this_commit() {
    let root = r#"{"name":"root","private":true,"workspaces":["packages/*"],"scripts":{"postinstall":"cp packages/lib/dist/index.js packages/app/says.js"}}"#;
    let app = r#"{"name":"app","version":"1.0.0","scripts":{"start":"node server.js"},"dependencies":{"lib":"1.0.0"}}"#;
    let library = r#"{"name":"lib","version":"1.0.0","main":"dist/index.js","scripts":{"prepare":"mkdir -p dist && cp src/* dist"}}"#;
    let files = [
        ("package.json", root),
        ("package-lock.json", lockfiles::NPM_WORKSPACE),
        ("packages/app/package.json", app),
        ("packages/app/server.js", &server("./says.js")),
        ("packages/lib/package.json", library),
        ("packages/lib/src/index.js", &says("one")),
    ];
    let mut world = World::new(Kind::Node, &files)
        .await
        .with(|bundle| bundle.app.root = "packages/app".into());
    assert_eq!(deploy(&mut world).await, ("one".into(), false));
    assert_eq!(next(&mut world, &[README]).await, ("one".into(), true));
    let two = says("two");
    let second = next(&mut world, &[("packages/lib/src/index.js", &two)]).await;
    assert_eq!(second, ("two".into(), true));
}

#[tokio::test]
async fn what_a_generator_writes_among_the_dependencies_is_of_this_commit() {
    let package = r#"{"name":"shop","version":"1.0.0","scripts":{"postinstall":"generate","start":"node server.js"},"dependencies":{"generate":"file:./generate"}}"#;
    let generator = "#!/usr/bin/env node\nconst fs = require('node:fs');\nfs.mkdirSync('node_modules/.client', { recursive: true });\nfs.copyFileSync('schema.js', 'node_modules/.client/index.js');\n";
    let files = [
        ("package.json", package),
        ("server.js", &server("./node_modules/.client")),
        ("schema.js", &says("one")),
        ("package-lock.json", lockfiles::NPM_GENERATE),
        (
            "generate/package.json",
            r#"{"name":"generate","version":"1.0.0","bin":"g.js"}"#,
        ),
        ("generate/g.js", generator),
    ];
    let mut world = World::new(Kind::Node, &files).await;
    assert_eq!(deploy(&mut world).await, ("one".into(), false));
    let two = says("two");
    let second = next(&mut world, &[("schema.js", &two)]).await;
    assert_eq!(second, ("two".into(), true));
}

#[tokio::test]
async fn an_install_script_that_is_good_for_one_run_gets_a_fresh_install() {
    let package = r#"{"name":"shop","version":"1.0.0","scripts":{"postinstall":"mkdir node_modules/.made && cp src/* node_modules/.made","start":"node server.js"},"dependencies":{"lib":"file:./lib"}}"#;
    let files = [
        ("package.json", package),
        ("src/index.js", &says("one")),
        ("package-lock.json", lockfiles::NPM_LIB),
        ("server.js", &server("./node_modules/.made")),
        LIBRARY,
    ];
    let mut world = World::new(Kind::Node, &files).await;
    assert_eq!(deploy(&mut world).await, ("one".into(), false));
    let two = says("two");
    let second = next(&mut world, &[("src/index.js", &two)]).await;
    assert_eq!(second, ("two".into(), false));
}

#[tokio::test]
async fn a_schema_that_a_dependency_may_read_while_it_is_installed_makes_an_install_of_its_own() {
    let package = r#"{"name":"shop","version":"1.0.0","scripts":{"start":"node server.js"},"dependencies":{"@prisma/client":"file:./lib"}}"#;
    let library = r#"{"name":"@prisma/client","version":"1.0.0","main":"index.js"}"#;
    let files = [
        ("package.json", package),
        ("db/main.prisma", "model One {}"),
        ("package-lock.json", lockfiles::NPM_PRISMA),
        ("server.js", &server("@prisma/client")),
        ("lib/package.json", library),
        ("lib/index.js", &says("client")),
    ];
    let mut world = World::new(Kind::Node, &files).await;
    assert_eq!(deploy(&mut world).await, ("client".into(), false));
    assert_eq!(next(&mut world, &[README]).await, ("client".into(), true));
    let changed = [("db/main.prisma", "model Two {}")];
    assert_eq!(next(&mut world, &changed).await, ("client".into(), false));
}

/// An app with a folder as dependency, whose contents change while the lockfile stays.
async fn folder(lockfile: (&str, &str), stays: bool) {
    let package = r#"{"name":"shop","version":"1.0.0","license":"MIT","scripts":{"start":"node server.js"},"dependencies":{"lib":"file:./lib"}}"#;
    let files = [
        ("package.json", package),
        ("server.js", &server("lib")),
        LIBRARY,
        ("lib/index.js", &says("one")),
        lockfile,
    ];
    let mut world = World::new(Kind::Node, &files).await;
    assert_eq!(deploy(&mut world).await, ("one".into(), false));
    let two = says("two");
    let second = next(&mut world, &[("lib/index.js", &two)]).await;
    assert_eq!(second, ("two".into(), stays));
    let why = "the installed dependencies are not kept for the next deployment, because lib among them is a copy of a folder of this commit".to_owned();
    assert_eq!(log(&world).contains(&why), !stays);
}

const NPM_FOLDER: &str = r#"{"name":"shop","version":"1.0.0","lockfileVersion":3,"requires":true,"packages":{"":{"name":"shop","version":"1.0.0","license":"MIT","dependencies":{"lib":"file:./lib"}},"lib":{"version":"1.0.0"},"node_modules/lib":{"resolved":"lib","link":true}}}"#;

const PNPM_FOLDER: &str = "lockfileVersion: '9.0'

settings:
  autoInstallPeers: true
  excludeLinksFromLockfile: false

importers:

  .:
    dependencies:
      lib:
        specifier: file:./lib
        version: file:lib

packages:

  lib@file:lib:
    resolution: {directory: lib, type: directory}

snapshots:

  lib@file:lib: {}
";

const YARN_FOLDER: &str = r#"# THIS IS AN AUTOGENERATED FILE. DO NOT EDIT THIS FILE DIRECTLY.
# yarn lockfile v1


"lib@file:./lib":
  version "1.0.0"
"#;

#[tokio::test]
async fn a_folder_that_npm_links_is_of_this_commit_and_the_rest_is_reused() {
    folder(("package-lock.json", NPM_FOLDER), true).await;
}

#[tokio::test]
async fn a_folder_that_pnpm_copies_is_of_this_commit() {
    folder(("pnpm-lock.yaml", PNPM_FOLDER), false).await;
}

#[tokio::test]
async fn a_folder_that_yarn_copies_is_of_this_commit() {
    folder(("yarn.lock", YARN_FOLDER), false).await;
}

/// An app whose install script reads the tree; the manager's own install over what was kept runs it.
async fn own_script(lockfile: (&str, &str)) {
    let package = r#"{"name":"shop","version":"1.0.0","license":"MIT","scripts":{"postinstall":"mkdir -p dist && cp src/* dist","start":"node server.js"},"dependencies":{"ms":"2.1.3"}}"#;
    let files = [
        ("package.json", package),
        ("src/main.js", &says("one")),
        ("package-lock.json", lockfiles::NPM_LIB),
        ("server.js", &server("./dist/main.js")),
        lockfile,
    ];
    let mut world = World::new(Kind::Node, &files).await;
    assert_eq!(deploy(&mut world).await, ("one".into(), false));
    let two = says("two");
    let second = next(&mut world, &[("src/main.js", &two)]).await;
    assert_eq!(second, ("two".into(), true), "{:?}", log(&world));
}

#[tokio::test]
async fn pnpm_runs_the_apps_own_scripts_over_what_was_kept() {
    own_script(("pnpm-lock.yaml", lockfiles::PNPM)).await;
}

#[tokio::test]
async fn classic_yarn_runs_the_apps_own_scripts_over_what_was_kept() {
    own_script(("yarn.lock", lockfiles::CLASSIC_YARN)).await;
}

#[tokio::test]
async fn modern_yarn_runs_the_apps_own_scripts_over_what_was_kept() {
    own_script(("yarn.lock", lockfiles::MODERN_YARN)).await;
}

/// Commits a dependency that writes down, while it is installed, what the variable `COLOUR` says; packed as by a registry.
fn writes_down(world: &World) {
    let package = world.repository().join("package");
    std::fs::create_dir(&package).unwrap();
    let script = r#"{"name":"lib","version":"1.0.0","main":"index.js","scripts":{"postinstall":"node make.js"}}"#;
    let make = r#"require("node:fs").writeFileSync("index.js", "module.exports = " + JSON.stringify(process.env.COLOUR + process.env.KEY));"#;
    std::fs::write(package.join("package.json"), script).unwrap();
    std::fs::write(package.join("make.js"), make).unwrap();
    let packed = std::process::Command::new("tar")
        .args(["-czf", "lib.tgz", "package"])
        .current_dir(world.repository())
        .status();
    assert!(packed.unwrap().success());
    std::fs::remove_dir_all(package).unwrap();
    world.commit(&[]);
}

async fn tell(world: &mut World, colour: &str, key: &str) -> (String, bool) {
    world.next_machine();
    world.model.change(|state| {
        let bundle = &mut state.bundle;
        bundle.variables.insert("COLOUR".into(), colour.into());
        bundle.secrets.insert("KEY".into(), key.into());
    });
    deploy(world).await
}

#[tokio::test]
async fn what_a_script_of_a_dependency_reads_of_variables_and_secrets_is_never_older_than_they_are()
{
    let package = r#"{"name":"shop","version":"1.0.0","scripts":{"start":"node server.js"},"dependencies":{"lib":"file:lib.tgz"}}"#;
    let files = [
        ("package.json", package),
        ("package-lock.json", lockfiles::NPM_PACKED),
        ("server.js", &server("lib")),
    ];
    let mut world = World::new(Kind::Node, &files).await;
    writes_down(&world);
    let first = tell(&mut world, "green", "-one-of-many").await;
    assert_eq!(first, ("green-one-of-many".into(), false));
    let same = tell(&mut world, "green", "-one-of-many").await;
    assert_eq!(same, ("green-one-of-many".into(), true));
    let colour = tell(&mut world, "red", "-one-of-many").await;
    assert_eq!(colour, ("red-one-of-many".into(), false));
    let key = tell(&mut world, "red", "-two-of-many").await;
    assert_eq!(key, ("red-two-of-many".into(), false));
    let again = tell(&mut world, "green", "-one-of-many").await;
    assert_eq!(again, ("green-one-of-many".into(), true), "each is kept");
}

#[tokio::test]
async fn variables_do_not_matter_where_no_dependency_has_a_script() {
    let package = r#"{"name":"shop","version":"1.0.0","scripts":{"start":"node server.js"},"dependencies":{"lib":"file:./lib"}}"#;
    let files = [
        ("package.json", package),
        ("package-lock.json", lockfiles::NPM_LIB),
        ("server.js", &server("lib")),
        ("lib/index.js", &says("hello")),
        LIBRARY,
    ];
    let mut world = World::new(Kind::Node, &files).await;
    let first = tell(&mut world, "green", "-one-of-many").await;
    assert_eq!(first, ("hello".into(), false));
    let second = tell(&mut world, "red", "-two-of-many").await;
    assert_eq!(second, ("hello".into(), true));
}

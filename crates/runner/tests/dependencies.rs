//! Installing dependencies, and reusing them. Packages come from folders, so no registry is needed.

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
use support::World;

const SERVER: &str = r#"
const words = require("words");
require("node:http").createServer((_, response) => response.end(words)).listen(process.env.PORT);
"#;

fn package(dependencies: &str) -> String {
    format!(
        r#"{{"name":"shop","version":"1.0.0","scripts":{{"start":"node server.js"}},"dependencies":{dependencies}}}"#
    )
}

fn lockfile(dependencies: &str) -> String {
    format!(
        r#"{{"name":"shop","version":"1.0.0","lockfileVersion":3,"requires":true,"packages":{{"":{{"name":"shop","version":"1.0.0","dependencies":{dependencies}}},"node_modules/words":{{"resolved":"words","link":true}},"words":{{"version":"1.0.0"}}}}}}"#
    )
}

const WORDS: &str = r#"{"words":"file:./words"}"#;
const WORDS_PACKAGE: (&str, &str) = (
    "words/package.json",
    r#"{"name":"words","version":"1.0.0","main":"index.js"}"#,
);
const WORDS_CODE: (&str, &str) = (
    "words/index.js",
    r#"module.exports = "words from a dependency";"#,
);

fn reused(world: &World) -> bool {
    world
        .model
        .state(|state| state.said(|phase| *phase == Phase::SetUp { reused: true }))
}

#[tokio::test]
async fn dependencies_are_reused_while_the_lockfile_stays_and_installed_when_it_changes() {
    let (package, lockfile) = (package(WORDS), lockfile(WORDS));
    let files = [
        ("package.json", package.as_str()),
        ("package-lock.json", &lockfile),
        ("server.js", SERVER),
        WORDS_PACKAGE,
        WORDS_CODE,
    ];
    let mut world = World::new(Kind::Node, &files).await;
    let dependencies = world.options.cache_dir.join("dependencies");
    // A copy of an earlier deployment that a stop cut short, and one that another deployment is making just now.
    for name in ["0ff.1", "0ff.2"] {
        std::fs::create_dir_all(dependencies.join(name)).unwrap();
    }
    let cut_short = std::fs::File::open(dependencies.join("0ff.1")).unwrap();
    cut_short
        .set_modified(std::time::SystemTime::UNIX_EPOCH)
        .unwrap();
    world.run().until_running().await;
    assert!(!dependencies.join("0ff.1").exists());
    std::fs::remove_dir(dependencies.join("0ff.2")).unwrap();
    assert!(!reused(&world));
    assert_eq!(
        world.get("app", "/").await,
        (200, "words from a dependency".into())
    );
    world.stop().await;
    let log = world.model.state(|state| state.log(Log::Deployment));
    assert!(
        log.iter()
            .any(|line| line == "installing dependencies of the root with npm ci"),
        "{log:?}"
    );
    let complains = |line: &String| line.contains("npm warn");
    assert!(
        !log.iter().any(complains),
        "npm is told what it knows: {log:?}"
    );

    world.next_machine();
    world.commit(&[("README.md", "only words")]);
    world.run().until_running().await;
    assert!(
        reused(&world),
        "{}",
        world.model.state(support::model::State::all_text)
    );
    assert_eq!(
        world.get("app", "/").await,
        (200, "words from a dependency".into())
    );
    world.stop().await;

    world.next_machine();
    world.commit(&[("package-lock.json", &format!("{lockfile}\n"))]);
    world.run().until_running().await;
    assert!(!reused(&world));
    world.stop().await;
    let kept = std::fs::read_dir(&dependencies).unwrap().count();
    assert_eq!(kept, 2);
}

#[tokio::test]
async fn without_a_lockfile_nothing_is_reused() {
    let files = [
        ("package.json", &*package(WORDS)),
        ("server.js", SERVER),
        WORDS_PACKAGE,
        WORDS_CODE,
    ];
    let mut world = World::new(Kind::Node, &files).await;
    world.run().until_running().await;
    world.stop().await;

    world.next_machine();
    world.commit(&[("README.md", "a shop")]);
    world.run().until_running().await;
    assert!(!reused(&world));
    world.stop().await;
    let log = world.model.state(|state| state.log(Log::Deployment));
    let said = "dependencies of the root are installed anew in each deployment, because no lockfile says which they are";
    assert!(log.iter().any(|line| line == said), "{log:?}");
}

#[tokio::test]
async fn a_lockfile_out_of_date_falls_back_to_npm_install_and_says_so() {
    let (package, lockfile) = (package(WORDS), lockfile("{}"));
    let stale = lockfile.replace(
        r#","node_modules/words":{"resolved":"words","link":true},"words":{"version":"1.0.0"}"#,
        "",
    );
    let files = [
        ("package.json", package.as_str()),
        ("package-lock.json", &stale),
        ("server.js", SERVER),
        WORDS_PACKAGE,
        WORDS_CODE,
    ];
    let mut world = World::new(Kind::Node, &files).await;
    world.run().until_running().await;
    world.stop().await;
    let log = world.model.state(|state| state.log(Log::Deployment));
    assert!(
        log.iter().any(|line| line
            .starts_with("package-lock.json is out of date: it does not fit package.json")),
        "{log:?}"
    );
}

fn noted(world: &World, words: &str) -> bool {
    let noted = |phase: &Phase| matches!(phase, Phase::Noted { text } if text == words);
    world.model.state(|state| state.said(noted))
}

/// Deploys an app with a dependency and this lockfile, which is of no use, and expects to be told why.
async fn told_of((name, content): (&str, &str), why: &str) {
    let files = [
        ("package.json", &*package(WORDS)),
        (name, content),
        ("server.js", SERVER),
        WORDS_PACKAGE,
        WORDS_CODE,
    ];
    let mut world = World::new(Kind::Node, &files).await;
    world.run().until_running().await;
    world.stop().await;
    assert!(
        noted(&world, why),
        "{}",
        world.model.state(support::model::State::all_text)
    );
}

#[tokio::test]
async fn a_lockfile_with_conflict_markers_is_called_so() {
    let lockfile = lockfile(WORDS);
    let conflict = format!("<<<<<<< HEAD\n{lockfile}\n=======\n{lockfile}\n>>>>>>> topic\n");
    let why = "package-lock.json holds the conflict markers of a merge (line 1) and npm ci refused it, so npm install picks the versions of today; run npm install beside it and commit it";
    told_of(("package-lock.json", &conflict), why).await;
}

#[tokio::test]
async fn a_lockfile_that_is_cut_off_is_called_damaged() {
    let why = "package-lock.json is damaged: it is not valid JSON (line 2, column 10) and npm ci refused it, so npm install picks the versions of today; run npm install beside it and commit it";
    let cut = "{\n  \"lockfil";
    told_of(("package-lock.json", cut), why).await;
}

#[tokio::test]
async fn a_lockfile_of_bun_is_said_not_to_be_read() {
    let why = "bun.lock in the root is not read, because bun is not supported: npm install picks the versions of today; commit package-lock.json, pnpm-lock.yaml or yarn.lock instead (npm install --package-lock-only makes the first)";
    told_of(("bun.lock", "{}"), why).await;
}

#[tokio::test]
async fn a_failing_install_says_which_command_and_shows_its_end() {
    let package = r#"{"name":"shop","version":"1.0.0","scripts":{"start":"node server.js","preinstall":"echo no luck today; exit 7"}}"#;
    let mut world = World::new(Kind::Node, &[("package.json", package)]).await;
    let failure = world.run().until_failed().await;
    world.end().await;
    assert_eq!(failure.step, Step::Setup);
    assert_eq!(
        failure.reason,
        "setup of app shop: `npm install` ended with code 7; its output is in the deployment log"
    );
    assert!(
        failure
            .tail
            .iter()
            .any(|line| line.contains("no luck today")),
        "{:?}",
        failure.tail
    );
}

#[tokio::test]
async fn workspaces_are_installed_once_at_their_root() {
    let root = r#"{"name":"root","version":"1.0.0","private":true,"workspaces":["packages/*"]}"#;
    let app = r#"{"name":"shop","version":"1.0.0","scripts":{"start":"node server.js"},"dependencies":{"words":"1.0.0"}}"#;
    let words = r#"{"name":"words","version":"1.0.0","main":"index.js"}"#;
    let files = [
        ("package.json", root),
        ("packages/shop/package.json", app),
        ("packages/shop/server.js", SERVER),
        ("packages/words/package.json", words),
        ("packages/words/index.js", WORDS_CODE.1),
    ];
    let mut world = World::new(Kind::Node, &files)
        .await
        .with(|bundle| bundle.app.root = "packages/shop".into());
    world.run().until_running().await;
    assert_eq!(
        world.get("app", "/").await,
        (200, "words from a dependency".into())
    );
    world.stop().await;
    let log = world.model.state(|state| state.log(Log::Deployment));
    assert_eq!(
        log.iter()
            .filter(|line| line.contains("npm install picks the versions"))
            .count(),
        1,
        "{log:?}"
    );
}

#[tokio::test]
async fn an_app_that_is_no_part_of_the_workspace_above_it_is_installed_on_its_own() {
    let root = r#"{"name":"root","version":"1.0.0","private":true,"workspaces":["packages/*"]}"#;
    let (app, own) = (package(WORDS), lockfile(WORDS));
    let member = r#"{"name":"member","version":"1.0.0"}"#;
    let files = [
        ("package.json", root),
        ("packages/member/package.json", member),
        ("tools/site/package.json", &*app),
        ("tools/site/package-lock.json", &*own),
        ("tools/site/server.js", SERVER),
        ("tools/site/words/package.json", WORDS_PACKAGE.1),
        ("tools/site/words/index.js", WORDS_CODE.1),
    ];
    let mut world = World::new(Kind::Node, &files)
        .await
        .with(|bundle| bundle.app.root = "tools/site".into());
    let installs = |world: &World| {
        let log = world.model.state(|state| state.log(Log::Deployment));
        let told =
            |line: &String| line.starts_with("installing") || line.starts_with("no lockfile");
        let places = log.into_iter().filter(told);
        places
            .map(|line| line.replace("; commit package-lock.json to fix them", ""))
            .collect::<Vec<String>>()
    };
    let own = "installing dependencies of tools/site with npm ci";
    world.run().until_running().await;
    let answer = world.get("app", "/").await;
    world.stop().await;
    assert_eq!(answer, (200, "words from a dependency".into()));
    assert_eq!(installs(&world), [own]);

    // What the root itself needs is there for the app's build.
    world.next_machine();
    let tooled = root.replace(
        '}',
        r#","devDependencies":{"words":"file:./tools/site/words"}}"#,
    );
    world.commit(&[
        ("package.json", &tooled),
        (
            "tools/site/package-lock.json",
            &format!("{}\n", lockfile(WORDS)),
        ),
    ]);
    world.run().until_running().await;
    world.stop().await;
    let above = "no lockfile in the root: npm install picks the versions of today";
    assert_eq!(installs(&world), [above, own]);
}

#[tokio::test]
async fn links_to_what_never_ends_are_not_read_to_see_what_changed() {
    let (package, lockfile) = (package(WORDS), lockfile(WORDS));
    let files = [
        ("package.json", package.as_str()),
        ("package-lock.json", &lockfile),
        ("server.js", SERVER),
        ("patches/README.md", "None yet."),
        WORDS_PACKAGE,
        WORDS_CODE,
    ];
    let mut world = World::new(Kind::Node, &files).await;
    for link in [
        ".yarnrc.yml",
        ".pnpmfile.cjs",
        "patches/endless.patch",
        "words/.gitattributes",
    ] {
        std::os::unix::fs::symlink("/dev/zero", world.repository().join(link)).unwrap();
    }
    world.commit(&[]);
    world.run().until_running().await;
    let answer = world.get("app", "/").await;
    assert_eq!(answer, (200, "words from a dependency".into()));
    world.stop().await;
}

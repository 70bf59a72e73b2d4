//! Submodules that come with the source.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use nestling_protocol::bundle::{Kind, SUBMODULES};
use nestling_protocol::report::Phase;
use support::{World, git};

const SERVER: &str = r#"
const words = require("./vendor/library/words/words.js");
const built = require("node:fs").readFileSync("built.txt", "utf8");
require("node:http").createServer((_, response) => response.end(words + built)).listen(process.env.PORT);
"#;
/// What git says of the submodules, while the app is built.
const PACKAGE: &str = r#"{"name":"shop","scripts":{"start":"node server.js","build":"git submodule status --recursive | cut -c 1,43- > ../built.txt; git status --porcelain >> ../built.txt; git -C vendor/library log --format=%s >> ../built.txt; mv ../built.txt ."}}"#;

/// A repository of its own beside the app's.
fn repository(world: &World, name: &str, files: &[(&str, &str)]) -> String {
    let path = world.folder.path().join(name);
    std::fs::create_dir_all(&path).unwrap();
    git(&path, &["init", "--quiet", "-b", "main"]);
    support::commit(&path, files).0
}

fn add(world: &World, to: &Path, name: &str, path: &str) {
    let address = format!("../{name}");
    let trusting = ["-c", "protocol.file.allow=always"];
    let add = [
        "submodule",
        "--quiet",
        "add",
        "--name",
        "libs/x",
        &address,
        path,
    ];
    git(to, &[&trusting[..], &add].concat());
    // The bundle has its commit, as the server packs it.
    let from = world.folder.path().join(name).display().to_string();
    let reference = format!(
        "+HEAD:{SUBMODULES}{}",
        head(&world.folder.path().join(name))
    );
    git(
        world.repository(),
        &[
            "fetch",
            "--quiet",
            "--no-recurse-submodules",
            &from,
            &reference,
        ],
    );
}

fn head(repository: &Path) -> String {
    git(repository, &["rev-parse", "HEAD"]).trim().to_owned()
}

#[tokio::test]
async fn submodules_are_checked_out_within_each_other_and_git_knows_them() {
    let files = [("package.json", PACKAGE), ("server.js", SERVER)];
    let mut world = World::new(Kind::Node, &files).await;
    repository(
        &world,
        "words",
        &[("words.js", r#"module.exports = "words\n";"#)],
    );
    repository(
        &world,
        "library",
        &[(".gitattributes", "*.bin filter=lfs\n")],
    );
    let library = world.folder.path().join("library");
    add(&world, &library, "words", "words");
    support::commit(&library, &[]);
    add(&world, world.repository(), "library", "vendor/library");
    world.commit(&[]);
    for name in ["words", "library"] {
        std::fs::remove_dir_all(world.folder.path().join(name)).unwrap();
    }
    world.run().until_running().await;
    assert_eq!(
        world.get("app", "/").await.1,
        "words\n vendor/library (heads/nestling)\n vendor/library/words (heads/nestling)\nChange\n"
    );
    let noted = world.model.state(|state| {
        let text = "submodule vendor/library keeps files in Git LFS: they stay pointers";
        state.said(|phase: &Phase| format!("{phase:?}").contains(text))
    });
    assert!(
        noted,
        "{}",
        world.model.state(support::model::State::all_text)
    );
    world.stop().await;
}

#[tokio::test]
async fn a_link_in_the_place_of_a_submodule_leads_nowhere() {
    let files = [(
        "package.json",
        r#"{"name":"shop","scripts":{"start":"node server.js"}}"#,
    )];
    let mut world = World::new(Kind::Node, &files).await;
    let outside = world.folder.path().join("outside");
    std::fs::create_dir_all(&outside).unwrap();
    let library = repository(&world, "library", &[("library.js", "")]);
    add(&world, world.repository(), "library", "vendor/library");
    world.commit(&[("server.js", support::NODE_SERVER)]);

    // A tree that has `vendor` twice: as the submodule's folder, and as a link out of the checkout.
    let link = write(
        &world,
        &["hash-object", "-w", "--stdin"],
        &outside.display().to_string(),
    );
    let vendor = write(
        &world,
        &["mktree", "--missing"],
        &format!("160000 commit {library}\tlibrary\n"),
    );
    let tree = git(world.repository(), &["ls-tree", "HEAD"]);
    let others: Vec<&str> = tree
        .lines()
        .filter(|line| !line.ends_with("\tvendor"))
        .collect();
    let doubled = format!(
        "{}\n120000 blob {link}\tvendor\n040000 tree {vendor}\tvendor\n",
        others.join("\n")
    );
    let tree = write(&world, &["mktree"], &doubled);
    let commit = write(&world, &["commit-tree", "-m", "Link", &tree], "");
    world.offer(&commit);
    world.run().until_running().await;
    let library = world.options.work_dir.join("app/vendor/library/library.js");
    assert!(library.is_file());
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    world.stop().await;
}

/// Writes an object of git's from this text; its name.
fn write(world: &World, order: &[&str], text: &str) -> String {
    let identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"];
    let mut git = Command::new("git")
        .current_dir(world.repository())
        .args(identity)
        .args(order)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    git.stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = git.wait_with_output().unwrap();
    assert!(output.status.success(), "git {order:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

//! What takes too long, or too much.

use super::{SERVES, World, commit, package};

#[test]
fn bad_input_tests_that_hang() {
    let mut world = World::new();
    world.set("NESTLING__LIMITS__TEST", "1s");
    let scripts = [("test", "sleep 600"), ("start", "node server.js")];
    world.repository(
        "shop",
        &[
            ("package.json", &package("shop", &scripts)),
            ("server.js", SERVES),
        ],
    );
    world.start();
    world.until("it runs all the same", |world| {
        world.status("shop/production") == "running"
    });
    insta::assert_snapshot!(world.seen("/local/shop/production", "limits.test"), @"");
    insta::assert_snapshot!(world.logged("shop/production", "deployment", "limits.test"), @"");
    world.neighbour_serves();
}

#[test]
fn bad_input_start_that_never_listens() {
    let mut world = World::new();
    world.set("NESTLING__LIMITS__START", "1s");
    let package = |start| package("shop", &[("start", start)]);
    let files = [
        ("package.json", package("sleep 600")),
        ("server.js", SERVES.to_owned()),
    ];
    let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
    let shop = world.repository("shop", &files);
    world.start();
    world.until("it failed", |world| {
        world.status("shop/production") == "failed"
    });
    insta::assert_snapshot!(world.seen("/local/shop/production", "deployment 1 failed"), @"");
    insta::assert_snapshot!(world.logged("shop/production", "runtime", "limits.start"), @"");

    commit(&shop, &[("package.json", &package("node server.js"))]);
    world.until("it runs", |world| {
        world.status("shop/production") == "running"
    });
    world.neighbour_serves();
}

#[test]
fn bad_input_full_disk_of_an_app() {
    let mut world = World::new();
    world.set("NESTLING__MACHINES__LOCAL__DISK_MIB", "24");
    let runs =
        |line: &str| format!("[start]\nrun = \"cd $NESTLING_STATE && {line} && sleep 600\"\n");
    let files = runs("for n in 1 2 3 4 5 6; do head -c 8M /dev/zero >$n; done");
    let file = runs("head -c 48M /dev/zero >big");
    world.repository("greedy", &[("nestling.toml", &files)]);
    world.repository("huge", &[("nestling.toml", &file)]);
    world.start();
    for name in ["greedy/production", "huge/production"] {
        world.until("it failed", |world| world.status(name) == "failed");
    }
    insta::assert_snapshot!(world.seen("/local/greedy/production", "greedy/production: deployment 1 failed"), @"");
    insta::assert_snapshot!(world.seen("/local/huge/production", "huge/production: deployment 1 failed"), @"");
    world.neighbour_serves();
}

#[test]
fn bad_input_full_disk_of_the_server() {
    let mut world = World::new();
    let shop = world.repository("shop", &[("index.html", "first")]);
    world.start();
    world.until("it runs", |world| {
        world.status("shop/production") == "running"
    });
    world.end();

    // As if all but so much of the disk were used.
    world.set("NESTLING__BUILDS__MIN_FREE_MIB", "999000999");
    world.start();
    let second = commit(&shop, &[("index.html", "second")]);
    world.until("it waits", |world| {
        world.status("shop/production") == "queued"
    });
    insta::assert_snapshot!(world.seen("/local/shop/production", "MiB free"), @"");
    assert!(
        world.get("shop", "/").contains("first"),
        "what runs goes on"
    );
    world.neighbour_serves();
    world.end();

    world.unset("NESTLING__BUILDS__MIN_FREE_MIB");
    world.start();
    world.until("what waited is built", |world| {
        world.serving("shop/production") == (second.clone(), false)
    });
}

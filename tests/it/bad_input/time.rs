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
    insta::assert_snapshot!(world.seen("/local/shop/production", "limits.test"), @r"
    page:
    Running
    The tests could not run: tests of app shop took longer than 1 s (limits.test) in `sleep 600` and were killed: make them quicker, or raise the limit

    ps:
    ENVIRONMENT                 STATUS   COMMIT   TESTS
    local/neighbour/production  running  #
        http://neighbour.localhost:#
    local/shop/production       running  #  broken
        http://shop.localhost:#
        tests of app shop took longer than 1 s (limits.test) in `sleep 600` and were killed: make them quicker, or raise the limit

    log:
    INFO local/shop/production: deployment 1 could not be tested: tests of app shop took longer than 1 s (limits.test) in `sleep 600` and were killed: make them quicker, or raise the limit
    ");
    insta::assert_snapshot!(world.logged("shop/production", "deployment", "limits.test"), @"tests of app shop took longer than 1 s (limits.test) in `sleep 600` and were killed: make them quicker, or raise the limit");
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
    insta::assert_snapshot!(world.seen("/local/shop/production", "deployment 1 failed"), @r"
    page:
    Failed deployment 1 (#) failed while starting (took longer than it may): app shop: `sleep 600` did not listen within 1 s (limits.start): let it listen on the port in PORT, or raise the limit
    app shop: `sleep 600` did not listen within 1 s (limits.start): let it listen on the port in PORT, or raise the limit
    What to do: Let the app listen on the port in PORT, at 127.0.0.1 or at every address. The log shows what it was doing last.

    ps:
    ENVIRONMENT                 STATUS   COMMIT   TESTS
    local/neighbour/production  running  #
        http://neighbour.localhost:#
    local/shop/production       failed   #
        failed while starting: app shop: `sleep 600` did not listen within 1 s (limits.start): let it listen on the port in PORT, or raise the limit
        its last words: nestling logs local/shop/production

    log:
    INFO local/shop/production: deployment 1 failed while starting: app shop: `sleep 600` did not listen within 1 s (limits.start): let it listen on the port in PORT, or raise the limit
    ");
    insta::assert_snapshot!(world.logged("shop/production", "runtime", "limits.start"), @"app shop: `sleep 600` did not listen within 1 s (limits.start): let it listen on the port in PORT, or raise the limit");

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
    insta::assert_snapshot!(world.seen("/local/greedy/production", "greedy/production: deployment 1 failed"), @r"
    page:
    Failed deployment 1 (#) failed while starting: its machine used more than its 24 MiB of disk: raise machines.local.disk_mib, or write less
    its machine used more than its 24 MiB of disk: raise machines.local.disk_mib, or write less
    What to do: The reason above says what would be right. A push that mends it deploys by itself; what is mended outside of the repository needs a redeploy.

    ps:
    ENVIRONMENT                 STATUS   COMMIT   TESTS
    local/greedy/production     failed   #
        failed while starting: its machine used more than its 24 MiB of disk: raise machines.local.disk_mib, or write less
    local/huge/production       failed   #
        failed while starting: app huge: `cd $NESTLING_STATE && head -c 48M /dev/zero >big && sleep 600` was ended by signal 25, because it wrote a file larger than the whole disk of its machine (machines.local.disk_mib) before it listened; its output is in the runtime log
        its last words: nestling logs local/huge/production
    local/neighbour/production  running  #
        http://neighbour.localhost:#

    log:
    INFO local/greedy/production: deployment 1 failed while starting: its machine used more than its 24 MiB of disk: raise machines.local.disk_mib, or write less
    ");
    insta::assert_snapshot!(world.seen("/local/huge/production", "huge/production: deployment 1 failed"), @r"
    page:
    Failed deployment 1 (#) failed while starting (ended by SIGXFSZ): app huge: `cd $NESTLING_STATE && head -c 48M /dev/zero >big && sleep 600` was ended by signal 25, because it wrote a file larger than the whole disk of its machine (machines.local.disk_mib) before it listened; its output is in the runtime log
    app huge: `cd $NESTLING_STATE && head -c 48M /dev/zero >big && sleep 600` was ended by signal 25, because it wrote a file larger than the whole disk of its machine (machines.local.disk_mib) before it listened; its output is in the runtime log
    What to do: It wrote a larger file than its machine has room for. Raise machines.local.disk_mib and redeploy, or let it write less and push.

    ps:
    ENVIRONMENT                 STATUS   COMMIT   TESTS
    local/greedy/production     failed   #
        failed while starting: its machine used more than its 24 MiB of disk: raise machines.local.disk_mib, or write less
    local/huge/production       failed   #
        failed while starting: app huge: `cd $NESTLING_STATE && head -c 48M /dev/zero >big && sleep 600` was ended by signal 25, because it wrote a file larger than the whole disk of its machine (machines.local.disk_mib) before it listened; its output is in the runtime log
        its last words: nestling logs local/huge/production
    local/neighbour/production  running  #
        http://neighbour.localhost:#

    log:
    INFO local/huge/production: deployment 1 failed while starting: app huge: `cd $NESTLING_STATE && head -c 48M /dev/zero >big && sleep 600` was ended by signal 25, because it wrote a file larger than the whole disk of its machine (machines.local.disk_mib) before it listened; its output is in the runtime log
    ");
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
        world
            .get("nestling", "/local/shop/production")
            .contains("next in line")
    });
    insta::assert_snapshot!(world.seen("/local/shop/production", "MiB free"), @r"
    page:
    Queued next in line for a build slot; deployment 1 (#) still answers
    No build is begun right now: the disk of HERE/data has # MiB free and builds need # MiB: free some space, or lower builds.min_free_mib

    ps:
    ENVIRONMENT                 STATUS   COMMIT   TESTS
    local/neighbour/production  running  #
        http://neighbour.localhost:#
    local/shop/production       queued   #
        http://shop.localhost:#

    IN THE WAY
    builds
        no build is begun: the disk of HERE/data has # MiB free and builds need # MiB: free some space, or lower builds.min_free_mib. What runs goes on

    log:
    WARN no build is begun: the disk of HERE/data has # MiB free and builds need # MiB: free some space, or lower builds.min_free_mib
    ");
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

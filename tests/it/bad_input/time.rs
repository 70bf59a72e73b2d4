//! What takes too long.

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
    The tests could not run: tests of app shop took longer than 1 s (limits.test; NESTLING__LIMITS__TEST of the server) in `sleep 600` and were killed: make them quicker, or raise the limit

    ps:
    ENVIRONMENT                 STATUS   COMMIT   TESTS
    local/neighbour/production  running  #
        http://neighbour.localhost:#
    local/shop/production       running  #  broken
        http://shop.localhost:#
        tests of app shop took longer than 1 s (limits.test; NESTLING__LIMITS__TEST of the server) in `sleep 600` and were killed: make them quicker, or raise the limit

    log:
    INFO local/shop/production: deployment 1 could not be tested: tests of app shop took longer than 1 s (limits.test; NESTLING__LIMITS__TEST of the server) in `sleep 600` and were killed: make them quicker, or raise the limit
    ");
    insta::assert_snapshot!(world.logged("shop/production", "deployment", "limits.test"), @"tests of app shop took longer than 1 s (limits.test; NESTLING__LIMITS__TEST of the server) in `sleep 600` and were killed: make them quicker, or raise the limit");
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
    Failed deployment 1 (#) failed while starting (took longer than it may): app shop: `sleep 600` did not listen within 1 s (limits.start; NESTLING__LIMITS__START of the server): let it listen on the port in PORT, or raise the limit
    app shop: `sleep 600` did not listen within 1 s (limits.start; NESTLING__LIMITS__START of the server): let it listen on the port in PORT, or raise the limit
    What to do: The reason above says what would be right. A push that mends it deploys by itself; what is mended outside of the repository needs a redeploy.

    ps:
    ENVIRONMENT                 STATUS   COMMIT   TESTS
    local/neighbour/production  running  #
        http://neighbour.localhost:#
    local/shop/production       failed   #
        failed while starting: app shop: `sleep 600` did not listen within 1 s (limits.start; NESTLING__LIMITS__START of the server): let it listen on the port in PORT, or raise the limit
        its last words: nestling logs local/shop/production

    log:
    WARN local/shop/production: deployment 1 failed while starting: app shop: `sleep 600` did not listen within 1 s (limits.start; NESTLING__LIMITS__START of the server): let it listen on the port in PORT, or raise the limit
    ");
    insta::assert_snapshot!(world.logged("shop/production", "runtime", "limits.start"), @"app shop: `sleep 600` did not listen within 1 s (limits.start; NESTLING__LIMITS__START of the server): let it listen on the port in PORT, or raise the limit");

    commit(&shop, &[("package.json", &package("node server.js"))]);
    world.until("it runs", |world| {
        world.status("shop/production") == "running"
    });
    world.neighbour_serves();
}

#[test]
fn bad_input_app_that_listens_and_answers_badly() {
    let mut world = World::new();
    world.set("NESTLING__LIMITS__HEALTHY", "3s");
    let unwell = SERVES.replace("r.end", "r.writeHead(500).end");
    assert_ne!(unwell, SERVES);
    let package = package("shop", &[("start", "node server.js")]);
    let shop = world.repository(
        "shop",
        &[("package.json", &package), ("server.js", &unwell)],
    );
    world.start();
    world.until("it failed", |world| {
        world.status("shop/production") == "failed"
    });
    insta::assert_snapshot!(world.seen("/local/shop/production", "deployment 1 failed"), @r"
    page:
    Failed deployment 1 (#) failed while starting: it listens, but did not answer well within 3 s: GET / was answered 500 Internal Server Error, and should be anything below 500. Let it do so in time, or raise limits.healthy (NESTLING__LIMITS__HEALTHY of the server) and redeploy
    it listens, but did not answer well within 3 s: GET / was answered 500 Internal Server Error, and should be anything below 500. Let it do so in time, or raise limits.healthy (NESTLING__LIMITS__HEALTHY of the server) and redeploy
    What to do: The reason above says what would be right. A push that mends it deploys by itself; what is mended outside of the repository needs a redeploy.

    ps:
    ENVIRONMENT                 STATUS   COMMIT   TESTS
    local/neighbour/production  running  #
        http://neighbour.localhost:#
    local/shop/production       failed   #
        failed while starting: it listens, but did not answer well within 3 s: GET / was answered 500 Internal Server Error, and should be anything below 500. Let it do so in time, or raise limits.healthy (NESTLING__LIMITS__HEALTHY of the server) and redeploy

    log:
    WARN local/shop/production: deployment 1 failed while starting: it listens, but did not answer well within 3 s: GET / was answered 500 Internal Server Error, and should be anything below 500. Let it do so in time, or raise limits.healthy (NESTLING__LIMITS__HEALTHY of the server) and redeploy
    ");
    commit(&shop, &[("server.js", SERVES)]);
    world.until("it runs", |world| {
        world.status("shop/production") == "running"
    });
    world.neighbour_serves();
}

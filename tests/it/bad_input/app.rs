//! What is wrong with an app.

use super::{SERVES, World, commit, commit_on, package};

#[test]
fn bad_input_unknown_app_kind() {
    let mut world = World::new();
    let rusty = world.repository(
        "rusty",
        &[("Cargo.toml", "[package]"), ("src/main.rs", "fn main() {}")],
    );
    world.start();
    world.until("it is said", |world| world.ps().contains("rusty"));
    insta::assert_snapshot!(world.seen("/", "no app of"), @r#"
    page:
    local/rusty no app of a known kind in branch `main` of HERE/rusty: an app is a folder, at most 4 deep, with a main.w, a package.json that has a start or build script, or an index.html. For any other kind, commit a nestling.toml with [start] and run = "how it starts, listening on $PORT"

    ps:
    ENVIRONMENT                 STATUS   COMMIT   TESTS
    local/neighbour/production  running  #
        http://neighbour.localhost:#

    IN THE WAY
    local/rusty
        no app of a known kind in branch `main` of HERE/rusty: an app is a folder, at most 4 deep, with a main.w, a package.json that has a start or build script, or an index.html. For any other kind, commit a nestling.toml with [start] and run = "how it starts, listening on $PORT"

    log:
    WARN no app of a known kind in branch `main` of HERE/rusty: an app is a folder, at most 4 deep, with a main.w, a package.json that has a start or build script, or an index.html. For any other kind, commit a nestling.toml with [start] and run = "how it starts, listening on $PORT"
    "#);

    // The remedy is one.
    let start =
        "name = \"rusty\"\n[start]\nrun = \"python3 -m http.server --bind 127.0.0.1 $PORT\"\n";
    commit(&rusty, &[("nestling.toml", start)]);
    world.until("it runs", |world| {
        world.status("rusty/production") == "running"
    });
    assert!(!world.ps().contains("IN THE WAY"), "{}", world.ps());
    world.neighbour_serves();
}

#[test]
fn bad_input_missing_entrypoint() {
    let mut world = World::new();
    let good = package("shop", &[("start", "node server.js")]);
    let shop = world.repository("shop", &[("package.json", &good), ("server.js", SERVES)]);
    world.start();
    world.until("it runs", |world| {
        world.status("shop/production") == "running"
    });
    commit_on(
        &shop,
        "no-script",
        &[("package.json", &package("shop", &[]))],
    );
    world.until("it failed", |world| world.status("shop/pr-1") == "failed");
    insta::assert_snapshot!(world.seen("/local/shop/pr-1", "pr-1: deployment 1 failed"), @r"
    page:
    Failed deployment 1 (#) failed while deploying: package.json of app shop in the root has no `start` script: add one that serves on PORT
    package.json of app shop in the root has no `start` script: add one that serves on PORT
    What to do: The reason above says what would be right. A push that mends it deploys by itself; what is mended outside of the repository needs a redeploy.

    ps:
    ENVIRONMENT                 STATUS   COMMIT   TESTS
    local/neighbour/production  running  #
        http://neighbour.localhost:#
    local/shop/production       running  #
        http://shop.localhost:#
    local/shop/pr-1             failed   #
        failed while deploying: package.json of app shop in the root has no `start` script: add one that serves on PORT

    log:
    WARN local/shop/pr-1: deployment 1 failed while deploying: package.json of app shop in the root has no `start` script: add one that serves on PORT
    ");

    commit_on(
        &shop,
        "no-file",
        &[(
            "package.json",
            &package("shop", &[("start", "node sever.js")]),
        )],
    );
    world.until("it failed", |world| world.status("shop/pr-2") == "failed");
    insta::assert_snapshot!(world.seen("/local/shop/pr-2", "pr-2: deployment 1 failed"), @r"
    page:
    Failed deployment 1 (#) failed while starting (exit code 1): app shop: `node sever.js` ended with code 1 before it listened; its output is in the runtime log: Error: Cannot find module '/work/app/sever.js'. Commit sever.js, or let the command name a file that the repository holds or its build makes
    app shop: `node sever.js` ended with code 1 before it listened; its output is in the runtime log: Error: Cannot find module '/work/app/sever.js'. Commit sever.js, or let the command name a file that the repository holds or its build makes
    What to do: The reason above says what would be right. A push that mends it deploys by itself; what is mended outside of the repository needs a redeploy.

    ps:
    ENVIRONMENT                 STATUS   COMMIT   TESTS
    local/neighbour/production  running  #
        http://neighbour.localhost:#
    local/shop/production       running  #
        http://shop.localhost:#
    local/shop/pr-1             failed   #
        failed while deploying: package.json of app shop in the root has no `start` script: add one that serves on PORT
    local/shop/pr-2             failed   #
        failed while starting: app shop: `node sever.js` ended with code 1 before it listened; its output is in the runtime log: Error: Cannot find module '/work/app/sever.js'. Commit sever.js, or let the command name a file that the repository holds or its build makes
        its last words: nestling logs local/shop/pr-2

    log:
    WARN local/shop/pr-2: deployment 1 failed while starting: app shop: `node sever.js` ended with code 1 before it listened; its output is in the runtime log: Error: Cannot find module '/work/app/sever.js'. Commit sever.js, or let the command name a file that the repository holds or its build makes
    ");
    insta::assert_snapshot!(world.logged("shop/pr-2", "runtime", "Cannot find"), @"Error: Cannot find module '/work/app/sever.js'");
    assert_eq!(world.status("shop/production"), "running");
    world.neighbour_serves();
}

#[test]
fn bad_input_failing_install() {
    let mut world = World::new();
    let scripts = [("postinstall", "node make.js"), ("start", "node server.js")];
    let shop = world.repository(
        "shop",
        &[
            ("package.json", &package("shop", &scripts)),
            ("server.js", SERVES),
        ],
    );
    world.start();
    world.until("it failed", |world| {
        world.status("shop/production") == "failed"
    });
    insta::assert_snapshot!(world.seen("/local/shop/production", "deployment 1 failed"), @r"
    page:
    Failed deployment 1 (#) failed while deploying (exit code 1): setup of app shop: `npm install` ended with code 1; its output is in the deployment log: Error: Cannot find module '/work/app/make.js'. Commit make.js, or let the command name a file that the repository holds or its build makes
    setup of app shop: `npm install` ended with code 1; its output is in the deployment log: Error: Cannot find module '/work/app/make.js'. Commit make.js, or let the command name a file that the repository holds or its build makes
    What to do: The reason above says what would be right. A push that mends it deploys by itself; what is mended outside of the repository needs a redeploy.

    ps:
    ENVIRONMENT                 STATUS   COMMIT   TESTS
    local/neighbour/production  running  #
        http://neighbour.localhost:#
    local/shop/production       failed   #
        failed while deploying: setup of app shop: `npm install` ended with code 1; its output is in the deployment log: Error: Cannot find module '/work/app/make.js'. Commit make.js, or let the command name a file that the repository holds or its build makes
        its last words: nestling logs local/shop/production

    log:
    WARN local/shop/production: deployment 1 failed while deploying: setup of app shop: `npm install` ended with code 1; its output is in the deployment log: Error: Cannot find module '/work/app/make.js'. Commit make.js, or let the command name a file that the repository holds or its build makes
    ");
    insta::assert_snapshot!(world.logged("shop/production", "deployment", "Cannot find"), @"Error: Cannot find module '/work/app/make.js'");

    commit(&shop, &[("make.js", "")]);
    world.until("it runs", |world| {
        world.status("shop/production") == "running"
    });
    world.neighbour_serves();
}

#[test]
fn bad_input_lockfile_out_of_date() {
    let mut world = World::new();
    let package = r#"{"name":"shop","version":"1.0.0","scripts":{"start":"node server.js"},"dependencies":{"greeting":"file:greeting"}}"#;
    let lock = r#"{"name":"shop","version":"1.0.0","lockfileVersion":3,"requires":true,"packages":{"":{"name":"shop","version":"1.0.0"}}}"#;
    let files = [
        ("web/package.json", package),
        ("web/package-lock.json", lock),
        (
            "web/greeting/package.json",
            r#"{"name":"greeting","version":"1.0.0"}"#,
        ),
        ("web/greeting/index.js", ""),
        ("web/server.js", SERVES),
    ];
    world.repository("shop", &files);
    world.start();
    world.until("it runs", |world| {
        world.status("shop/production") == "running"
    });
    insta::assert_snapshot!(world.seen("/local/shop/production", "out of date"), @r"
    page:
    Running
    Deployment 1: web/package-lock.json is out of date: it does not fit package.json and npm ci refused it, so npm install picks the versions of today; run npm install beside it and commit it

    ps:
    ENVIRONMENT                 STATUS   COMMIT   TESTS
    local/neighbour/production  running  #
        http://neighbour.localhost:#
    local/shop/production       running  #
        http://shop.localhost:#
        web/package-lock.json is out of date: it does not fit package.json and npm ci refused it, so npm install picks the versions of today; run npm install beside it and commit it

    log:
    INFO local/shop/production: deployment 1: web/package-lock.json is out of date: it does not fit package.json and npm ci refused it, so npm install picks the versions of today; run npm install beside it and commit it
    ");
    insta::assert_snapshot!(world.logged("shop/production", "deployment", "out of date"), @"web/package-lock.json is out of date: it does not fit package.json and npm ci refused it, so npm install picks the versions of today; run npm install beside it and commit it");
    world.neighbour_serves();
}

#[test]
fn bad_input_unknown_key_in_nestling_toml() {
    let mut world = World::new();
    let start = "[start]\nrun = \"python3 -m http.server --bind 127.0.0.1 $PORT\"\n";
    let wrong = format!("{start}helth = \"/\"\n");
    let shop = world.repository("shop", &[("web/nestling.toml", &wrong)]);
    world.start();
    world.until("it failed", |world| {
        world.status("web/production") == "failed"
    });
    insta::assert_snapshot!(world.seen("/local/web/production", "deployment 1 failed"), @r"
    page:
    Failed deployment 1 (#) failed while deploying: app web: web/nestling.toml line 3: unknown key `start.helth`, did you mean `start.health`?
    app web: web/nestling.toml line 3: unknown key `start.helth`, did you mean `start.health`?
    What to do: The reason above says what would be right. A push that mends it deploys by itself; what is mended outside of the repository needs a redeploy.

    ps:
    ENVIRONMENT                 STATUS   COMMIT   TESTS
    local/neighbour/production  running  #
        http://neighbour.localhost:#
    local/web/production        failed   #
        failed while deploying: app web: web/nestling.toml line 3: unknown key `start.helth`, did you mean `start.health`?

    log:
    WARN local/web/production: deployment 1 failed while deploying: app web: web/nestling.toml line 3: unknown key `start.helth`, did you mean `start.health`?
    ");
    insta::assert_snapshot!(world.logged("web/production", "deployment", "unknown"), @"app web: web/nestling.toml line 3: unknown key `start.helth`, did you mean `start.health`?");

    commit(&shop, &[("web/nestling.toml", start)]);
    world.until("it runs", |world| {
        world.status("web/production") == "running"
    });
    world.neighbour_serves();
}

#[test]
fn bad_input_port_taken_by_an_app_that_chose_its_own() {
    let mut world = World::new();
    let fixed = SERVES.replace("process.env.PORT", "3000");
    let package = package("shop", &[("start", "node server.js")]);
    world.repository("shop", &[("package.json", &package), ("server.js", &fixed)]);
    // The same port in another network: nothing is taken.
    world.repository(
        "other",
        &[
            ("package.json", &package.replace("shop", "other")),
            ("server.js", &fixed),
        ],
    );
    world.start();
    for name in ["shop", "other"] {
        world.until("it runs", |world| {
            world.status(&format!("{name}/production")) == "running"
        });
    }
    insta::assert_snapshot!(world.seen("/local/shop/production", "shop/production: deployment 1: "), @r"
    page:
    Running
    Deployment 1: the app listens on port # instead of the one in PORT (#): # is used, after a wait of 15 s; let the app listen on PORT, and it starts at once

    ps:
    ENVIRONMENT                 STATUS   COMMIT   TESTS
    local/neighbour/production  running  #
        http://neighbour.localhost:#
    local/other/production      running  #
        http://other.localhost:#
        the app listens on port # instead of the one in PORT (#): # is used, after a wait of 15 s; let the app listen on PORT, and it starts at once
    local/shop/production       running  #
        http://shop.localhost:#
        the app listens on port # instead of the one in PORT (#): # is used, after a wait of 15 s; let the app listen on PORT, and it starts at once

    log:
    INFO local/shop/production: deployment 1: the app listens on port # instead of the one in PORT (#): # is used, after a wait of 15 s; let the app listen on PORT, and it starts at once
    ");
    insta::assert_snapshot!(world.logged("shop/production", "runtime", "in PORT"), @"the app listens on port # instead of the one in PORT (#): # is used, after a wait of 15 s; let the app listen on PORT, and it starts at once");
    world.neighbour_serves();
}

#[test]
fn bad_input_beside_an_app_that_is_right() {
    let mut world = World::new();
    let shop = world.repository(
        "shop",
        &[
            ("web/index.html", "welcome"),
            (
                "orders/nestling.toml",
                "[start]\nrunn = \"node server.js\"\n",
            ),
            ("jobs/package.json", "{ \"name\": "),
            ("docs/nestling.toml", "name = \"docs\"\n[start\n"),
        ],
    );
    world.start();
    world.until("what is right runs", |world| {
        world.status("web/production") == "running"
    });
    let said = world.seen("/", "not taken as an app");
    for reason in [
        r#"orders/nestling.toml (it has no [start] run, and in [start] a key "runn": run and health are the ones that count)"#,
        "docs/nestling.toml (it is not valid in line 2: ",
        "jobs/package.json (it is not valid JSON: ",
    ] {
        let said = said.replace("&quot;", "\"");
        assert_eq!(
            said.matches(reason).count(),
            3,
            "on the page, in `ps` and in the log, {reason} in: {said}"
        );
    }

    let right = [
        (
            "orders/nestling.toml",
            "name = \"orders\"\n[start]\nrun = \"python3 -m http.server --bind 127.0.0.1 $PORT\"\n",
        ),
        ("jobs/package.json", "{ \"name\": \"jobs\" }"),
        (
            "docs/nestling.toml",
            "name = \"docs\"\n[start]\nrun = \"python3 -m http.server --bind 127.0.0.1 $PORT\"\n",
        ),
    ];
    commit(&shop, &right);
    world.until("all runs", |world| {
        ["orders", "docs"]
            .iter()
            .all(|app| world.status(&format!("{app}/production")) == "running")
    });
    assert!(!world.ps().contains("IN THE WAY"), "{}", world.ps());
    world.neighbour_serves();
}

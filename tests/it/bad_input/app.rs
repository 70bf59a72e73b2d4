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
    insta::assert_snapshot!(world.seen("/", "no app"), @"");

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
    insta::assert_snapshot!(world.seen("/local/shop/pr-1", "pr-1: deployment 1 failed"), @"");

    commit_on(
        &shop,
        "no-file",
        &[(
            "package.json",
            &package("shop", &[("start", "node sever.js")]),
        )],
    );
    world.until("it failed", |world| world.status("shop/pr-2") == "failed");
    insta::assert_snapshot!(world.seen("/local/shop/pr-2", "pr-2: deployment 1 failed"), @"");
    insta::assert_snapshot!(world.logged("shop/pr-2", "runtime", "Cannot find"), @"");
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
    insta::assert_snapshot!(world.seen("/local/shop/production", "deployment 1 failed"), @"");
    insta::assert_snapshot!(world.logged("shop/production", "deployment", "Cannot find"), @"");

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
    insta::assert_snapshot!(world.seen("/local/shop/production", "out of date"), @"");
    insta::assert_snapshot!(world.logged("shop/production", "deployment", "out of date"), @"");
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
    insta::assert_snapshot!(world.seen("/local/web/production", "deployment 1 failed"), @"");
    insta::assert_snapshot!(world.logged("web/production", "deployment", "unknown"), @"");

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
    insta::assert_snapshot!(world.seen("/local/shop/production", "shop/production: deployment 1: "), @"");
    insta::assert_snapshot!(world.logged("shop/production", "runtime", "in PORT"), @"");
    world.neighbour_serves();
}

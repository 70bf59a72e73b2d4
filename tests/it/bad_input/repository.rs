//! What is wrong with a repository, or only looks so.

use std::fs;

use super::{World, commit, commit_on};
use crate::server::git;

#[test]
fn bad_input_branch_with_a_hostile_name() {
    let mut world = World::new();
    let shop = world.repository("shop", &[("index.html", "first")]);
    let hostile = "feat/ünïcode$(x)&&y";
    commit_on(&shop, hostile, &[("index.html", "second")]);
    // With spaces git itself takes no such name; only a hand can have put it there.
    let folder = shop.join(".git/refs/heads/feat");
    fs::copy(
        folder.join("ünïcode$(x)&&y"),
        folder.join("ünïcode $(x) && y"),
    )
    .unwrap();
    world.start();
    world.until("it runs like any other", |world| {
        world.status("shop/pr-1") == "running"
    });
    assert!(world.get("pr-1--shop", "/").contains("second"));
    insta::assert_snapshot!(world.seen("/local/shop/pr-1", "ünïcode"), @r"
    page:
    Running
    branch `feat/ünïcode $(x) && y` of HERE/shop is left out: git takes no branch of such a name; rename its file below refs/heads

    ps:
    ENVIRONMENT                 STATUS   COMMIT   TESTS
    local/neighbour/production  running  #
        http://neighbour.localhost:#
    local/shop/production       running  #
        http://shop.localhost:#
    local/shop/pr-1             running  #
        http://pr-1--shop.localhost:#

    IN THE WAY
    local/shop
        branch `feat/ünïcode $(x) && y` of HERE/shop is left out: git takes no branch of such a name; rename its file below refs/heads

    log:
    WARN branch `feat/ünïcode $(x) && y` of HERE/shop is left out: git takes no branch of such a name; rename its file below refs/heads
    INFO noticed # of feat/ünïcode$(x)&&y, which is pull request 1 in HERE/shop
    ");
    assert!(
        world
            .get("nestling", "/local/shop/pr-1")
            .contains("feat/ünïcode$(x)&amp;&amp;y")
    );

    fs::remove_file(folder.join("ünïcode $(x) && y")).unwrap();
    world.until("nothing is in the way", |world| {
        !world.ps().contains("IN THE WAY")
    });
    world.neighbour_serves();
}

#[test]
fn bad_input_branch_of_240_characters() {
    let mut world = World::new();
    let shop = world.repository("shop", &[("index.html", "first")]);
    let long = format!("{}end", "deeply/nested/".repeat(17))[1..].to_owned();
    assert_eq!(long.len(), 240);
    commit_on(&shop, &long, &[("index.html", "second")]);
    world.start();
    world.until("it runs like any other", |world| {
        world.status("shop/pr-1") == "running"
    });
    assert!(world.get("pr-1--shop", "/").contains("second"));
    insta::assert_snapshot!(world.seen("/local/shop/pr-1", "pr-1: deployment 1 serves"), @r"
    page:
    Running

    ps:
    ENVIRONMENT                 STATUS   COMMIT   TESTS
    local/neighbour/production  running  #
        http://neighbour.localhost:#
    local/shop/production       running  #
        http://shop.localhost:#
    local/shop/pr-1             running  #
        http://pr-1--shop.localhost:#

    log:
    INFO local/shop/pr-1: deployment 1 serves
    ");
    assert!(world.get("nestling", "/local/shop/pr-1").contains(&long));
    world.neighbour_serves();
}

#[test]
fn bad_input_empty_repository() {
    let mut world = World::new();
    let shop = world.repository("shop", &[]);
    world.start();
    world.until("it is said", |world| world.ps().contains("shop"));
    insta::assert_snapshot!(world.seen("/", "no commit"), @r"
    page:
    local/shop HERE/shop has no commit yet: commit to a branch, and it is deployed

    ps:
    ENVIRONMENT                 STATUS   COMMIT   TESTS
    local/neighbour/production  running  #
        http://neighbour.localhost:#

    IN THE WAY
    local/shop
        HERE/shop has no commit yet: commit to a branch, and it is deployed

    log:
    WARN HERE/shop has no commit yet: commit to a branch, and it is deployed
    ");

    commit(&shop, &[("index.html", "first")]);
    world.until("it runs", |world| {
        world.status("shop/production") == "running"
    });
    assert!(!world.ps().contains("IN THE WAY"), "{}", world.ps());
    world.neighbour_serves();
}

#[test]
fn bad_input_repository_that_vanishes() {
    let mut world = World::new();
    let shop = world.repository("shop", &[("index.html", "first")]);
    world.start();
    world.until("it runs", |world| {
        world.status("shop/production") == "running"
    });
    fs::rename(&shop, world.path("elsewhere")).unwrap();
    world.until("it is said", |world| world.ps().contains("IN THE WAY"));
    insta::assert_snapshot!(world.seen("/local/shop/production", "does not exist"), @r"
    page:
    Running
    HERE/shop does not exist any more: put the repository back; its environments stay as they are until then

    ps:
    ENVIRONMENT                 STATUS   COMMIT   TESTS
    local/neighbour/production  running  #
        http://neighbour.localhost:#
    local/shop/production       running  #
        http://shop.localhost:#

    IN THE WAY
    local/shop
        HERE/shop does not exist any more: put the repository back; its environments stay as they are until then

    log:
    WARN HERE/shop does not exist any more: put the repository back; its environments stay as they are until then
    ");
    assert!(world.get("shop", "/").contains("first"), "it still serves");
    world.neighbour_serves();

    // Also of a server that is started meanwhile, and told to watch it.
    world.end();
    world.start();
    assert!(world.get("shop", "/").contains("first"), "it still serves");
    assert!(world.ps().contains("IN THE WAY"), "{}", world.ps());

    fs::rename(world.path("elsewhere"), &shop).unwrap();
    world.until("it is well again", |world| {
        !world.ps().contains("IN THE WAY")
    });
    let second = commit(&shop, &[("index.html", "second")]);
    world.until("commits are noticed", |world| {
        world.serving("shop/production") == (second.clone(), false)
    });
    git(&shop, &["status", "--short"]);
    world.neighbour_serves();
}

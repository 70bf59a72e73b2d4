//! What is wrong with the server's own place.

use std::{
    collections::BTreeMap,
    fs,
    io::{Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{World, commit};
use crate::server::free_port;

#[test]
fn bad_input_port_taken() {
    let mut world = World::new();
    world.start();
    let mut other = World::new();
    other.start();
    other.end();
    insta::assert_snapshot!(other.refusal(world.port()), @"nestling: port # of 127.0.0.1 is taken by another program, perhaps another nestling: end that one, or choose another with --listen 127.0.0.1:PORT, or server.listen in the configuration");
    // Nothing was half begun: what ran still runs, and is adopted at a free port.
    other.neighbour_lives();
    other.start();
    world.neighbour_serves();
}

#[test]
fn bad_input_two_servers_on_one_data_folder() {
    let mut world = World::new();
    world.start();
    insta::assert_snapshot!(world.refusal(free_port()), @"nestling: the data folder HERE/data is in use by another nestling (process #); stop that one, or choose another folder with --data");
    world.neighbour_serves();
}

#[test]
fn bad_input_corrupt_database() {
    let mut world = World::new();
    world.start();
    world.end();
    let file = world.data().join("nestling.db");
    // All of it in one file, as in a backup.
    let database = rusqlite::Connection::open(&file).unwrap();
    database
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    drop(database);
    let good = fs::read(&file).unwrap();
    let mut damaged = fs::OpenOptions::new().write(true).open(&file).unwrap();
    damaged.seek(SeekFrom::Start(4096)).unwrap();
    damaged.write_all(&[0xa5; 4096]).unwrap();
    let before = files(&world.data());

    insta::assert_snapshot!(world.refusal(world.port()), @"nestling: the database HERE/data/nestling.db is damaged: Tree 2 page 2: btreeInitPage() returns error code 11; it was left untouched. Restore a backup of it (with its -wal file, if there is one), or move it and its -wal and -shm files away to start anew");
    insta::assert_snapshot!(world.tidy(&world.ps()), @"nestling: no server answers at http://127.0.0.1:#: start it with `nestling up --data HERE/data`, or name another folder with --data");
    assert_eq!(files(&world.data()), before, "it was left untouched");
    world.neighbour_lives();

    fs::write(&file, good).unwrap();
    world.start();
}

/// The database and the keys, with what is in them.
fn files(data: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let all = fs::read_dir(data)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let kept = all.filter(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        // What SQLite makes and removes for every reader.
        path.is_file() && !name.ends_with("-shm") && !name.ends_with("-wal") && name != "lock"
    });
    kept.map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

#[test]
fn bad_input_wrong_key_file() {
    let mut world = World::new();
    let shows = "require('http').createServer((_, r) => r.end(process.env.API_KEY)).listen(process.env.PORT)";
    let package = super::package("shop", &[("start", "node server.js")]);
    let shop = world.repository("shop", &[("package.json", &package), ("server.js", shows)]);
    world.start();
    set_secret(&world);
    let second = commit(&shop, &[("README.md", "second")]);
    let serves = |world: &World, commit: &str| {
        world.serving("shop/production") == (commit.to_owned(), false)
    };
    world.until("it has the secret", |world| serves(world, &second));
    assert!(world.get("shop", "/").contains("correct horse"));
    world.end();

    let key = world.data().join("master.key");
    let right = fs::read_to_string(&key).unwrap();
    fs::write(&key, format!("{}\n", "5a".repeat(32))).unwrap();
    world.start();
    assert!(
        world.get("shop", "/").contains("correct horse"),
        "what runs has its secret"
    );
    let third = commit(&shop, &[("README.md", "third")]);
    world.until("it failed", |world| {
        world.serving("shop/production") == (second.clone(), true)
    });
    insta::assert_snapshot!(world.seen("/", "master.key"), @r"
    page:
    Secrets HERE/data/master.key holds key #, and secrets were sealed with key #: put the right file back and restart. If that one is lost for ever, remove HERE/data/key-id, restart, and set every secret again. What runs, and every app without secrets, goes on

    ps:
    ENVIRONMENT                 STATUS   COMMIT   TESTS
    local/neighbour/production  running  #
        http://neighbour.localhost:#
    local/shop/production       running  #
        http://shop.localhost:#
        deployment 3 failed while deploying: it cannot be given its secrets: the master key cannot be used: HERE/data/master.key holds key #, and secrets were sealed with key #: put the right file back and restart. If that one is lost for ever, remove HERE/data/key-id, restart, and set every secret again; then redeploy

    IN THE WAY
    secrets
        HERE/data/master.key holds key #, and secrets were sealed with key #: put the right file back and restart. If that one is lost for ever, remove HERE/data/key-id, restart, and set every secret again. What runs, and every app without secrets, goes on

    log:
    ERROR secrets cannot be used: HERE/data/master.key holds key #, and secrets were sealed with key #: put the right file back and restart. If that one is lost for ever, remove HERE/data/key-id, restart, and set every secret again
    WARN local/shop/production: deployment 3 failed while deploying: it cannot be given its secrets: the master key cannot be used: HERE/data/master.key holds key #, and secrets were sealed with key #: put the right file back and restart. If that one is lost for ever, remove HERE/data/key-id, restart, and set every secret again; then redeploy
    ");
    insta::assert_snapshot!(world.seen("/local/shop/production", "production: deployment 3 failed"), @r"
    page:
    Running deployment 3 (#) failed while deploying: it cannot be given its secrets: the master key cannot be used: HERE/data/master.key holds key #, and secrets were sealed with key #: put the right file back and restart. If that one is lost for ever, remove HERE/data/key-id, restart, and set every secret again; then redeploy; deployment 2 (#) still answers
    Its secrets cannot be used: HERE/data/master.key holds key #, and secrets were sealed with key #: put the right file back and restart. If that one is lost for ever, remove HERE/data/key-id, restart, and set every secret again
    it cannot be given its secrets: the master key cannot be used: HERE/data/master.key holds key #, and secrets were sealed with key #: put the right file back and restart. If that one is lost for ever, remove HERE/data/key-id, restart, and set every secret again; then redeploy
    What to do: The reason above says what would be right. A push that mends it deploys by itself; what is mended outside of the repository needs a redeploy.

    ps:
    ENVIRONMENT                 STATUS   COMMIT   TESTS
    local/neighbour/production  running  #
        http://neighbour.localhost:#
    local/shop/production       running  #
        http://shop.localhost:#
        deployment 3 failed while deploying: it cannot be given its secrets: the master key cannot be used: HERE/data/master.key holds key #, and secrets were sealed with key #: put the right file back and restart. If that one is lost for ever, remove HERE/data/key-id, restart, and set every secret again; then redeploy

    IN THE WAY
    secrets
        HERE/data/master.key holds key #, and secrets were sealed with key #: put the right file back and restart. If that one is lost for ever, remove HERE/data/key-id, restart, and set every secret again. What runs, and every app without secrets, goes on

    log:
    WARN local/shop/production: deployment 3 failed while deploying: it cannot be given its secrets: the master key cannot be used: HERE/data/master.key holds key #, and secrets were sealed with key #: put the right file back and restart. If that one is lost for ever, remove HERE/data/key-id, restart, and set every secret again; then redeploy
    ");
    assert!(
        world.get("shop", "/").contains("correct horse"),
        "it still serves"
    );
    world.end();

    fs::write(&key, right).unwrap();
    world.start();
    let fourth = commit(&shop, &[("README.md", "fourth")]);
    world.until("nothing is lost", |world| serves(world, &fourth));
    assert_ne!(third, fourth);
    assert!(world.get("shop", "/").contains("correct horse"));
    assert!(!world.ps().contains("IN THE WAY"), "{}", world.ps());
}

fn set_secret(world: &World) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nestling"))
        .args([
            "secret",
            "set",
            "local/shop",
            "API_KEY",
            "--kind",
            "production",
        ])
        .arg("--data")
        .arg(world.data())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    command
        .stdin
        .take()
        .unwrap()
        .write_all(b"correct horse")
        .unwrap();
    assert!(command.wait().unwrap().success());
}

//! What fills a disk: an app its own, somebody that of the server.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{World, commit};
use crate::server::nestling;

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
        failed while starting: app huge: `cd $NESTLING_STATE && head -c 48M /dev/zero >big && sleep 600` was ended by signal 25, because it wrote a file larger than the whole disk of its machine (machines.local.disk_mib) before it listened; its output is in the runtime log: let it write less, or raise machines.local.disk_mib and redeploy
        its last words: nestling logs local/huge/production
    local/neighbour/production  running  #
        http://neighbour.localhost:#

    log:
    WARN local/greedy/production: deployment 1 failed while starting: its machine used more than its 24 MiB of disk: raise machines.local.disk_mib, or write less
    ");
    insta::assert_snapshot!(world.seen("/local/huge/production", "huge/production: deployment 1 failed"), @r"
    page:
    Failed deployment 1 (#) failed while starting (ended by SIGXFSZ): app huge: `cd $NESTLING_STATE && head -c 48M /dev/zero >big && sleep 600` was ended by signal 25, because it wrote a file larger than the whole disk of its machine (machines.local.disk_mib) before it listened; its output is in the runtime log: let it write less, or raise machines.local.disk_mib and redeploy
    app huge: `cd $NESTLING_STATE && head -c 48M /dev/zero >big && sleep 600` was ended by signal 25, because it wrote a file larger than the whole disk of its machine (machines.local.disk_mib) before it listened; its output is in the runtime log: let it write less, or raise machines.local.disk_mib and redeploy
    What to do: The reason above says what would be right. A push that mends it deploys by itself; what is mended outside of the repository needs a redeploy.

    ps:
    ENVIRONMENT                 STATUS   COMMIT   TESTS
    local/greedy/production     failed   #
        failed while starting: its machine used more than its 24 MiB of disk: raise machines.local.disk_mib, or write less
    local/huge/production       failed   #
        failed while starting: app huge: `cd $NESTLING_STATE && head -c 48M /dev/zero >big && sleep 600` was ended by signal 25, because it wrote a file larger than the whole disk of its machine (machines.local.disk_mib) before it listened; its output is in the runtime log: let it write less, or raise machines.local.disk_mib and redeploy
        its last words: nestling logs local/huge/production
    local/neighbour/production  running  #
        http://neighbour.localhost:#

    log:
    WARN local/huge/production: deployment 1 failed while starting: app huge: `cd $NESTLING_STATE && head -c 48M /dev/zero >big && sleep 600` was ended by signal 25, because it wrote a file larger than the whole disk of its machine (machines.local.disk_mib) before it listened; its output is in the runtime log: let it write less, or raise machines.local.disk_mib and redeploy
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
        next in line for a build slot

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

#[test]
fn bad_input_full_disk_under_the_server_to_the_last_byte() {
    // Goes last: what the server does at its end, it does there.
    let disk;
    let mut world = World::new();
    let Some(mounted) = SmallDisk::under(&world.data()) else {
        eprintln!("skipped: a small disk cannot be mounted here, which needs root");
        return;
    };
    disk = mounted;
    world.set("NESTLING__BUILDS__MIN_FREE_MIB", "1");
    let shop = world.repository("shop", &[("index.html", "first")]);
    world.start();
    world.until("it runs", |world| {
        world.status("shop/production") == "running"
    });

    disk.fill();
    let second = commit(&shop, &[("index.html", "second")]);
    world.until("builds are paused", |world| {
        world.ps().contains("IN THE WAY")
    });
    insta::assert_snapshot!(world.seen("/", "no build is begun"), @r"
    page:
    Builds no build is begun: the disk of HERE/data has 0 MiB free and builds need 1 MiB: free some space, or lower builds.min_free_mib. What runs goes on

    ps:
    ENVIRONMENT                 STATUS   COMMIT   TESTS
    local/neighbour/production  running  #
        http://neighbour.localhost:#
    local/shop/production       running  #
        http://shop.localhost:#

    IN THE WAY
    builds
        no build is begun: the disk of HERE/data has 0 MiB free and builds need 1 MiB: free some space, or lower builds.min_free_mib. What runs goes on

    log:
    WARN no build is begun: the disk of HERE/data has 0 MiB free and builds need 1 MiB: free some space, or lower builds.min_free_mib
    ");
    world.until("the log says what could not be recorded", |world| {
        let words = "could not take in HERE/shop: the store refused: no space is left for HERE/data/nestling.db";
        world.tidy(&world.log()).contains(words)
    });
    let data = world.data();
    let stop = [
        "stop",
        "local/shop/production",
        "--data",
        data.to_str().unwrap(),
    ];
    let refused = String::from_utf8(nestling(&stop).stderr).unwrap();
    insta::assert_snapshot!(world.tidy(&refused), @"nestling: local/shop/production could not be saved: no space is left for HERE/data/nestling.db: nothing was written and nothing is lost; free some space on that disk");
    assert!(
        world
            .get("nestling", "/healthz")
            .starts_with("HTTP/1.1 200")
    );
    assert!(world.get("nestling", "/readyz").starts_with("HTTP/1.1 503"));
    assert!(
        world.get("shop", "/").contains("first"),
        "what runs goes on"
    );
    world.neighbour_serves();

    disk.free();
    world.until("nothing was lost: the commit is deployed", |world| {
        world.serving("shop/production") == (second.clone(), false)
    });
    world.neighbour_serves();
}

/// A file system of its own, small enough to be filled.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounted at this folder; `None` where that is not allowed.
    fn under(folder: &Path) -> Option<Self> {
        fs::create_dir_all(folder).unwrap();
        let (kind, size) = (c"tmpfs", c"size=128m");
        let flags = rustix::mount::MountFlags::empty();
        rustix::mount::mount(c"nestling", folder, kind, flags, size).ok()?;
        Some(SmallDisk(folder.to_owned()))
    }

    /// Somebody fills it.
    fn fill(&self) {
        let mut file = fs::File::create(self.filler()).unwrap();
        let full = std::io::copy(&mut std::io::repeat(0), &mut file).unwrap_err();
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    }

    fn free(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Whatever still runs there keeps it until it ends.
        let _ = rustix::mount::unmount(&self.0, rustix::mount::UnmountFlags::DETACH);
        // The story's folder could not go while this was in it.
        let _ = self.0.parent().map(fs::remove_dir_all);
    }
}

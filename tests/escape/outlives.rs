//! What becomes of machines when their server dies, or what holds them does.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use nestling::{domain::ids::Generation, drivers::sandbox::INIT_INSIDE};

use crate::life::Story;
use crate::world::{World, id, until};

pub(crate) const STORIES: &[Story] = &[
    (
        "another_server_adopts_what_lives_and_its_sockets",
        |world| {
            let sandbox = world.open(&["idle"]);
            world.ensure(&sandbox, "shop", 1);
            assert_eq!(world.result("shop", 1), "ready");
            drop(sandbox);
            let sandbox = world.open(&["idle"]);
            assert_eq!(sandbox.list(), [(id("shop"), Generation(1))]);
            world.ask(&sandbox, "shop", 1);
            world.ensure(&sandbox, "shop", 1);
            kill_pid_1(pid_1(&world, "shop", 1));
            assert_eq!(
                world.watch(&sandbox, "shop", 1).reason,
                "it was killed from outside"
            );
            world.finish(&sandbox);
        },
    ),
    ("machines_outlive_a_server_that_is_killed", outlive),
    (
        "a_machine_that_died_while_no_server_ran_is_known_to_the_next",
        |world| {
            let sandbox = world.open(&["idle"]);
            world.ensure(&sandbox, "shop", 1);
            world.result("shop", 1);
            let pid = pid_1(&world, "shop", 1);
            drop(sandbox);
            kill_pid_1(pid);
            let sandbox = world.open(&["idle"]);
            assert_eq!(
                world.watch(&sandbox, "shop", 1).reason,
                "it was killed from outside"
            );
            world.finish(&sandbox);
        },
    ),
    (
        "after_a_reboot_all_machines_are_gone_and_said_to_be",
        |world| {
            let sandbox = world.open(&["idle"]);
            world.ensure(&sandbox, "shop", 1);
            world.result("shop", 1);
            let pid = pid_1(&world, "shop", 1);
            drop(sandbox);
            kill_pid_1(pid);
            let record = world.machine("shop", 1).join("record.json");
            let text = fs::read_to_string(&record).unwrap();
            let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
            fs::write(&record, text.replace(boot.trim(), "another-boot")).unwrap();
            let sandbox = world.open(&["idle"]);
            assert_eq!(
                world.watch(&sandbox, "shop", 1).reason,
                "the box was restarted"
            );
            world.finish(&sandbox);
        },
    ),
    (
        "killing_the_outer_process_leaves_the_machine_adopted_and_stoppable",
        |world| {
            let sandbox = world.open(&["idle"]);
            world.ensure(&sandbox, "shop", 1);
            world.result("shop", 1);
            let outer = parent_of(pid_1(&world, "shop", 1));
            assert!(
                Command::new("kill")
                    .args(["-9", &outer.to_string()])
                    .status()
                    .unwrap()
                    .success()
            );
            until(|| {
                (!fs::exists(format!("/proc/{outer}/exe")).unwrap_or_default()
                    || fs::read_link(format!("/proc/{outer}/exe")).is_err())
                .then_some(())
            });
            assert!(sandbox.lives(&id("shop"), Generation(1)));
            world.ask(&sandbox, "shop", 1);
            world.finish(&sandbox);
        },
    ),
];

/// The server here is another process, killed as hard as can be.
fn outlive(world: World) {
    if let Ok(folder) = std::env::var("NESTLING_TEST_SERVER") {
        // This is that server: it starts a machine in the folder it is given, and is killed while it waits.
        let mut config = world.config(&[INIT_INSIDE, "inside", "idle"]);
        config.data = Path::new(&folder).join("data");
        let sandbox = world.open_as(config);
        world.ensure(&sandbox, "shop", 1);
        world.watch(&sandbox, "shop", 1);
        return;
    }
    let mut server = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "machines_outlive_a_server_that_is_killed"])
        .env("NESTLING_TEST_SERVER", world.data.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until(|| {
        fs::exists(world.machine("shop", 1).join("run/result"))
            .unwrap_or_default()
            .then_some(())
    });
    server.kill().unwrap();
    server.wait().unwrap();
    let sandbox = world.open(&["idle"]);
    assert_eq!(sandbox.list(), [(id("shop"), Generation(1))]);
    world.ask(&sandbox, "shop", 1);
    world.ensure(&sandbox, "shop", 1);
    assert_eq!(
        fs::read_to_string(world.environment("shop").join("state/starts")).unwrap(),
        "x"
    );
    world.finish(&sandbox);
}

/// The server that made the machine writes it down, soon: one that ends before it has knows the machine by its lock.
pub(crate) fn pid_1(world: &World, environment: &str, generation: u32) -> i32 {
    let record = world.machine(environment, generation).join("record.json");
    until(|| {
        let value: serde_json::Value = serde_json::from_slice(&fs::read(&record).ok()?).ok()?;
        i32::try_from(value["pid"].as_i64()?).ok()
    })
}

pub(crate) fn kill_pid_1(pid: i32) {
    assert!(
        Command::new("kill")
            .args(["-9", &pid.to_string()])
            .status()
            .unwrap()
            .success()
    );
    until(|| {
        (!fs::exists(format!("/proc/{pid}/stat")).unwrap_or_default()
            || fs::read_to_string(format!("/proc/{pid}/stat"))
                .unwrap_or_default()
                .contains(") Z "))
        .then_some(())
    });
}

fn parent_of(pid: i32) -> i32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

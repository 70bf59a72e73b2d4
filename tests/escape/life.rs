//! From the first start to the last file: what becomes of machines while their server lives.

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use libtest_mimic::{Failed, Trial};
use nestling::{
    domain::ids::Generation,
    drivers::sandbox::{INIT_INSIDE, Isolation, Sandbox},
    messages::machines::MachineError,
};

use crate::outlives::{self, kill_pid_1, pid_1};
use crate::world::{World, id, plain, spec};

pub(crate) type Story = (&'static str, fn(World));

pub(crate) fn trials() -> Vec<Trial> {
    STORIES
        .iter()
        .chain(outlives::STORIES)
        .map(|(name, story)| {
            Trial::test(*name, move || {
                story(World::new());
                Ok::<(), Failed>(())
            })
        })
        .collect()
}

const STORIES: &[Story] = &[
    ("this_box_passes_its_own_self_test", |world| {
        let config = world.config(&[]);
        let holds = world.runtime.block_on(Sandbox::probe(&config)).unwrap();
        assert_eq!(
            (holds.isolation, holds.filtered),
            (Isolation::Sandbox, true)
        );
        assert!(
            holds
                .to_string()
                .starts_with("machines: sandboxed by bubblewrap"),
            "{holds}"
        );
        assert_eq!(
            fs::read_dir(world.data.path().join("data"))
                .unwrap()
                .count(),
            0,
            "the self-test left files"
        );
        assert_eq!(world.processes(), Vec::<i32>::new());
    }),
    ("without_bubblewrap_the_remedy_is_named", |world| {
        let this = std::env::current_exe().unwrap();
        let out = Command::new(this)
            .args(["--exact", "this_box_passes_its_own_self_test"])
            .env("PATH", world.data.path())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned()
            + &String::from_utf8_lossy(&out.stderr);
        assert!(
            text.contains("bubblewrap is not installed: `apt-get install bubblewrap`"),
            "{text}"
        );
    }),
    (
        "a_machine_starts_serves_and_stops_without_a_trace",
        |world| {
            let sandbox = world.open(&["idle"]);
            world.ensure(&sandbox, "shop", 1);
            assert_eq!(world.result("shop", 1), "ready");
            world.ask(&sandbox, "shop", 1);
            assert!(world.processes().len() >= 3, "{:?}", world.processes());
            let begun = Instant::now();
            world.destroy(&sandbox, "shop", false);
            assert!(
                begun.elapsed() < Duration::from_secs(5),
                "stopping took {:?}",
                begun.elapsed()
            );
            assert_eq!(
                world.watch(&sandbox, "shop", 1).reason,
                "its machine is gone: it ended while no server was there to see why"
            );
            assert!(
                world.environment("shop").join("state/starts").exists(),
                "stopping keeps the state"
            );
            assert!(
                !world.machine("shop", 1).exists(),
                "stopping removes the rest"
            );
            world.destroy(&sandbox, "shop", true);
            assert!(
                !world.environment("shop").join("state").exists(),
                "erasing removes the state"
            );
            world.finish(&sandbox);
        },
    ),
    (
        "a_token_reaches_the_machine_as_a_file_and_nowhere_else",
        |world| {
            let sandbox = world.open(&["idle"]);
            world.ensure(&sandbox, "shop", 1);
            world.result("shop", 1);
            assert_eq!(
                fs::read_to_string(world.machine("shop", 1).join("run/token")).unwrap(),
                "first-token"
            );
            assert!(
                !fs::read_to_string(world.machine("shop", 1).join("order.json"))
                    .unwrap()
                    .contains("first-token")
            );
            for pid in world.processes() {
                let text = |name: &str| {
                    String::from_utf8_lossy(
                        &fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default(),
                    )
                    .into_owned()
                };
                assert!(
                    !text("cmdline").contains("first-token")
                        && !text("environ").contains("first-token")
                );
            }
            assert!(!format!("{:?}", spec()).contains("first-token"));
            world.finish(&sandbox);
        },
    ),
    (
        "asking_twice_starts_one_machine_and_an_ended_one_stays_ended",
        |world| {
            let sandbox = world.open(&["idle"]);
            world.ensure(&sandbox, "shop", 1);
            world.ensure(&sandbox, "shop", 1);
            assert_eq!(world.result("shop", 1), "ready");
            kill_pid_1(pid_1(&world, "shop", 1));
            assert_eq!(
                world.watch(&sandbox, "shop", 1).reason,
                "it was killed from outside"
            );
            world.ensure(&sandbox, "shop", 1);
            assert!(!sandbox.lives(&id("shop"), Generation(1)));
            assert_eq!(
                fs::read_to_string(world.environment("shop").join("state/starts")).unwrap(),
                "x"
            );
            world.finish(&sandbox);
        },
    ),
    ("an_older_or_removed_generation_is_refused", |world| {
        let sandbox = world.open(&["idle"]);
        world.ensure(&sandbox, "shop", 4);
        let refused = |generation| {
            world
                .runtime
                .block_on(sandbox.ensure(&id("shop"), Generation(generation), &spec()))
        };
        let stale = "generation 3 is stale: generation 4 was asked for since".to_owned();
        assert_eq!(refused(3), Err(MachineError::Rejected(stale)));
        world.destroy(&sandbox, "shop", false);
        assert!(matches!(refused(4), Err(MachineError::Rejected(_))));
        world.ensure(&sandbox, "shop", 5);
        world.finish(&sandbox);
    }),
    (
        "destroying_all_but_one_keeps_that_one_and_the_state",
        |world| {
            let sandbox = world.open(&["idle"]);
            world.ensure(&sandbox, "shop", 1);
            world.result("shop", 1);
            world.ensure(&sandbox, "shop", 2);
            world.result("shop", 2);
            world
                .runtime
                .block_on(sandbox.destroy(&id("shop"), &[Generation(2)], Generation(2), false))
                .unwrap();
            assert_eq!(sandbox.list(), [(id("shop"), Generation(2))]);
            world.ask(&sandbox, "shop", 2);
            let erase = world.runtime.block_on(sandbox.destroy(
                &id("shop"),
                &[Generation(2)],
                Generation(2),
                true,
            ));
            assert!(matches!(erase, Err(MachineError::Rejected(_))));
            world.finish(&sandbox);
        },
    ),
    (
        "a_removal_that_comes_late_touches_no_newer_machine",
        |world| {
            let sandbox = world.open(&["idle"]);
            world.ensure(&sandbox, "shop", 2);
            world.result("shop", 2);
            world
                .runtime
                .block_on(sandbox.destroy(&id("shop"), &[], Generation(1), false))
                .unwrap();
            world.ask(&sandbox, "shop", 2);
            let erase =
                world
                    .runtime
                    .block_on(sandbox.destroy(&id("shop"), &[], Generation(1), true));
            assert!(matches!(erase, Err(MachineError::Rejected(_))));
            world.ensure(&sandbox, "shop", 2);
            world.finish(&sandbox);
        },
    ),
    ("why_a_runner_ended_is_told_within_a_second", |world| {
        let sandbox = world.open(&["end", "7"]);
        let begun = Instant::now();
        world.ensure(&sandbox, "shop", 1);
        let end = world.watch(&sandbox, "shop", 1);
        assert!(end.retry);
        assert_eq!(
            end.reason,
            "its runner ended with exit code 7: cannot go on: the cupboard is bare"
        );
        assert!(begun.elapsed() < Duration::from_secs(2));
        world.finish(&sandbox);
    }),
    (
        "a_runner_that_will_not_stop_is_ended_after_its_grace",
        |world| {
            let mut config = world.config(&["/usr/bin/perl", "-e", "$SIG{TERM} = 'IGNORE'; open(F, '>', '/run/nestling/result'); close F; sleep 3600 while 1"]);
            config.stop_grace = Duration::from_millis(700);
            let sandbox = world.open_as(config);
            world.ensure(&sandbox, "shop", 1);
            world.result("shop", 1);
            let begun = Instant::now();
            world.destroy(&sandbox, "shop", true);
            assert!(begun.elapsed() >= Duration::from_millis(700));
            world.finish(&sandbox);
        },
    ),
    (
        "environments_are_users_of_their_own_and_caches_are_for_their_group",
        |world| {
            if !rustix::process::geteuid().is_root() {
                return;
            }
            let sandbox = world.open(&["idle"]);
            world.ensure(&sandbox, "shop", 1);
            world.ensure(&sandbox, "blog", 1);
            use std::os::unix::fs::MetadataExt as _;
            let of = |path: std::path::PathBuf| fs::metadata(path).unwrap();
            let (shop, blog) = (
                of(world.environment("shop").join("state")),
                of(world.environment("blog").join("state")),
            );
            assert!(shop.uid() >= 200_000 && blog.uid() >= 200_000 && shop.uid() != blog.uid());
            assert_eq!(shop.mode() & 0o777, 0o700);
            let cache = of(world.data.path().join("data/machines/cache/shop-trusted"));
            assert_eq!((cache.uid(), cache.mode() & 0o7777), (0, 0o2770));
            let pid = pid_1(&world, "shop", 1);
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
            assert!(
                status.contains(&format!("Uid:\t{0}\t{0}\t{0}\t{0}", shop.uid())),
                "{status}"
            );
            assert!(
                status.contains(&format!("Gid:\t{0}\t{0}\t{0}\t{0}", cache.gid())),
                "{status}"
            );
            world.finish(&sandbox);
        },
    ),
    ("the_tools_of_a_build_work_inside", |world| {
        let script = "set -e; { node -v; npm -v; git --version; id -un; echo $HOME; touch $HOME/x /state/x /cache/x /tmp/x /run/nestling/x; } > /run/nestling/result.new 2>&1; mv /run/nestling/result.new /run/nestling/result; sleep 60";
        let sandbox = world.open_as(world.config(&["/bin/sh", "-c", script]));
        world.ensure(&sandbox, "shop", 1);
        let text = world.result("shop", 1);
        assert!(
            text.contains("git version") && text.contains("nestling\n/work/home"),
            "{text}"
        );
        world.finish(&sandbox);
    }),
    (
        "a_machine_reaches_the_server_through_its_own_socket",
        |world| {
            use std::io::Write as _;
            let server =
                std::os::unix::net::UnixListener::bind(world.data.path().join("server.sock"))
                    .unwrap();
            let script = "use IO::Socket::UNIX; my $s = IO::Socket::UNIX->new(Peer => '/run/nestling-server/server.sock'); my $l = <$s>; open(F, '>', '/run/nestling/result.new'); print F $l; close F; rename '/run/nestling/result.new', '/run/nestling/result'; sleep 60;";
            let sandbox = world.open_as(world.config(&["/usr/bin/perl", "-e", script]));
            world.ensure(&sandbox, "shop", 1);
            let (mut stream, _) = server.accept().unwrap();
            stream.write_all(b"hello runner\n").unwrap();
            drop(stream);
            assert_eq!(world.result("shop", 1), "hello runner\n");
            world.finish(&sandbox);
        },
    ),
    ("without_isolation_all_of_a_machine_ends_too", |world| {
        let sandbox = world.open_as(plain(world.config(&[INIT_INSIDE, "inside", "idle"])));
        world.ensure(&sandbox, "shop", 1);
        assert_eq!(world.result("shop", 1), "ready");
        world.ask(&sandbox, "shop", 1);
        world.ensure(&sandbox, "blog", 1);
        world.result("blog", 1);
        world.destroy(&sandbox, "shop", true);
        world.ask(&sandbox, "blog", 1);
        kill_pid_1(pid_1(&world, "blog", 1));
        assert_eq!(
            world.watch(&sandbox, "blog", 1).reason,
            "it was killed from outside"
        );
        world.finish(&sandbox);
    }),
    (
        "traps_in_a_state_folder_do_not_lead_the_server_astray",
        |world| {
            let outside = world.data.path().join("outside");
            fs::create_dir(&outside).unwrap();
            fs::write(outside.join("precious"), "kept").unwrap();
            let script = format!(
                "mkdir -p /state/a /work/b; ln -s {0} /state/a/link; ln -s {0} /work/b/link; chmod 000 /state/a; touch /run/nestling/result; sleep 60",
                outside.display()
            );
            let sandbox = world.open_as(world.config(&["/bin/sh", "-c", &script]));
            world.ensure(&sandbox, "shop", 1);
            world.result("shop", 1);
            world.destroy(&sandbox, "shop", true);
            assert_eq!(
                fs::read_to_string(outside.join("precious")).unwrap(),
                "kept"
            );
            world.finish(&sandbox);
        },
    ),
];

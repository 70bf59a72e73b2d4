//! Programs that take all they can get: they end, or are held, and a sibling goes on answering.

use std::{
    fs,
    io::Write as _,
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use libtest_mimic::{Failed, Trial};
use nestling::drivers::sandbox::{Config, INIT_INSIDE, Sandbox};

use crate::world::{World, id, spec, until};
use nestling::domain::ids::Generation;

/// A sibling answers within this while a bomb goes off.
const RESPONSIVE: Duration = Duration::from_secs(1);

pub(crate) fn trials() -> Vec<Trial> {
    let ended = |name: &'static str, kind: &'static str, cgroups: bool, text: &'static str| {
        Trial::test(name, move || ends(kind, cgroups, text))
    };
    vec![
        ended(
            "a_memory_bomb_ends_with_the_limit_as_the_reason",
            "memory",
            true,
            "used more than its 128 MiB of memory: raise machines.local.memory_mib",
        ),
        ended(
            "a_memory_bomb_ends_without_control_groups_too",
            "memory",
            false,
            "used more than its 128 MiB of memory: raise machines.local.memory_mib",
        ),
        ended(
            "a_bomb_in_tmp_counts_as_memory",
            "tmp",
            true,
            "used more than its 128 MiB of memory",
        ),
        ended(
            "a_fork_bomb_ends_without_control_groups",
            "fork",
            false,
            "processes and threads at once, more than its 60: raise machines.local.processes",
        ),
        ended(
            "a_disk_bomb_ends_with_the_limit_as_the_reason",
            "disk",
            true,
            "used more than its 64 MiB of disk: raise machines.local.disk_mib",
        ),
        ended(
            "a_disk_bomb_without_names_ends",
            "nameless",
            true,
            "used more than its 64 MiB of disk",
        ),
        ended(
            "a_disk_bomb_in_the_cache_ends",
            "cache",
            true,
            "used more than 64 MiB of its dependency cache",
        ),
        ended(
            "a_tower_of_folders_ends",
            "tower",
            true,
            "nests folders deeper",
        ),
        Trial::test(
            "an_app_that_is_killed_for_its_memory_leaves_its_runner",
            || spares_the_runner(true),
        ),
        Trial::test("without_control_groups_it_leaves_its_runner_too", || {
            spares_the_runner(false)
        }),
        Trial::test("a_fork_bomb_is_held_by_its_control_group", || held("fork")),
        Trial::test("a_log_bomb_is_held", || held("log")),
        Trial::test("a_descriptor_bomb_is_held", || held("descriptors")),
    ]
}

fn small(config: Config, cgroups: bool) -> Config {
    Config {
        cgroups,
        cache_mib: 64,
        ..config
    }
}

/// A bomb next to a sibling that serves.
fn explode_beside(kind: &str, cgroups: bool) -> (World, Sandbox, Sandbox) {
    let world = World::on_the_disk();
    let sibling = world.open(&["idle"]);
    world.ensure(&sibling, "sibling", 1);
    assert_eq!(world.result("sibling", 1), "ready");
    let mut config = small(
        world.config(&[INIT_INSIDE, "inside", "bomb", kind]),
        cgroups,
    );
    config.data = world.data.path().join("bombs");
    let sandbox = world.open_as(config);
    let mut spec = spec();
    (
        spec.size.memory_mib,
        spec.size.processes,
        spec.size.disk_mib,
    ) = (128, 60, 64);
    world
        .runtime
        .block_on(sandbox.ensure(&id("bomb"), Generation(1), &spec))
        .unwrap();
    (world, sibling, sandbox)
}

fn ends(kind: &str, cgroups: bool, text: &str) -> Result<(), Failed> {
    let (world, sibling, sandbox) = explode_beside(kind, cgroups);
    let mut slowest = Duration::ZERO;
    until(|| {
        slowest = slowest.max(world.ask(&sibling, "sibling", 1));
        (!sandbox.lives(&id("bomb"), Generation(1))).then_some(())
    });
    let end = world.watch(&sandbox, "bomb", 1);
    assert!(end.reason.contains(text), "{}", end.reason);
    assert!(!end.retry, "another try would end the same way");
    assert!(slowest < RESPONSIVE, "the sibling took {slowest:?}");
    world.destroy(&sandbox, "bomb", true);
    world.finish(&sibling);
    Ok(())
}

fn spares_the_runner(cgroups: bool) -> Result<(), Failed> {
    let (world, sibling, sandbox) = explode_beside("app", cgroups);
    let machine = world.data.path().join("bombs/machines/environments/bomb/1");
    let told = until(|| fs::read_to_string(machine.join("run/result")).ok());
    assert_eq!(told, "Some(9), oom_kill 1");
    assert!(sandbox.lives(&id("bomb"), Generation(1)));
    world.destroy(&sandbox, "bomb", true);
    world.finish(&sibling);
    Ok(())
}

fn held(kind: &str) -> Result<(), Failed> {
    let (world, sibling, sandbox) = explode_beside(kind, true);
    let machine = world.data.path().join("bombs/machines/environments/bomb/1");
    let result = machine.join("run/result");
    let mut slowest = Duration::ZERO;
    until(|| {
        slowest = slowest.max(world.ask(&sibling, "sibling", 1));
        result.exists().then_some(())
    });
    assert!(slowest < RESPONSIVE, "the sibling took {slowest:?}");
    let output = fs::metadata(machine.join("output")).unwrap().len();
    assert!(output < 2 << 20, "{output} bytes of output are kept");
    assert!(fs::read_to_string(result).unwrap().starts_with("held"));
    world.destroy(&sandbox, "bomb", true);
    world.finish(&sibling);
    Ok(())
}

/// Inside: the bomb.
pub(crate) fn explode(kind: &str) {
    match kind {
        "app" => app_of_a_runner(),
        "memory" => perl("my @a; while (1) { push @a, 'x' x (1 << 20); }"),
        "tmp" => perl(
            "for my $n (1..200) { open(F, '>', \"/tmp/$n\"); print F 'x' x (1 << 20); close F; open(F, '>', \"/dev/shm/$n\"); print F 'x' x (1 << 20); close F; } my @a; push @a, 'y' x (1 << 20) while 1;",
        ),
        "disk" => perl(
            "my $n = 0; while (1) { open(F, '>', '/work/' . $n++) and print F 'x' x (1 << 20); close F; select(undef, undef, undef, 0.002); }",
        ),
        "nameless" => perl(
            "my @f; while (1) { open(my $f, '>', '/work/hidden'); unlink '/work/hidden'; print $f 'x' x (8 << 20); $f->flush; push @f, $f; select(undef, undef, undef, 0.05); }",
        ),
        "cache" => perl(
            "my $n = 0; while (1) { open(F, '>', '/cache/' . $n++) and print F 'x' x (1 << 20); close F; select(undef, undef, undef, 0.002); }",
        ),
        "tower" => perl("chdir '/work'; for (1..5000) { mkdir 'd'; chdir 'd'; } sleep 3600;"),
        "fork" => perl(
            "my $no = 0; while ($no < 2000) { my $p = fork(); if (!defined $p) { $no++; select(undef, undef, undef, 0.001); next } if ($p == 0) { sleep 3600; exit } } open(F, '>', '/run/nestling/result.new'); print F 'held'; close F; rename '/run/nestling/result.new', '/run/nestling/result'; sleep 3600;",
        ),
        "log" => {
            let line = "x".repeat(8191) + "\n";
            for _ in 0..20_000 {
                let _ = std::io::stdout().write_all(line.as_bytes());
            }
            done("held");
        }
        _ => {
            let mut open = Vec::new();
            while let Ok(file) = fs::File::open("/dev/null") {
                open.push(file);
            }
            let many = open.len();
            drop(open);
            done(&format!("held at {many}"));
        }
    }
}

fn done(text: &str) {
    fs::write("/run/nestling/result.new", text).unwrap();
    fs::rename(
        Path::new("/run/nestling/result.new"),
        "/run/nestling/result",
    )
    .unwrap();
    let _ = Command::new("sleep").arg("3600").status();
}

/// Becomes the bomb: what a limit ends is then the machine's own first program, as when a runner is ended.
fn perl(script: &str) {
    let failed = Command::new("perl")
        .args(["-MIO::Handle", "-e", script])
        .stdin(Stdio::null())
        .exec();
    panic!("perl could not be started: {failed}");
}

/// What it starts takes all the memory there is, and it looks what becomes of that.
fn app_of_a_runner() {
    let app = "my @a; while (1) { push @a, 'x' x (1 << 20); }";
    let ended = Command::new("perl").args(["-e", app]).status().unwrap();
    let told = fs::read_to_string("/run/nestling-server/memory.events").unwrap();
    let kills = told.lines().find(|line| line.starts_with("oom_kill "));
    done(&format!("{:?}, {}", ended.signal(), kills.unwrap()));
}

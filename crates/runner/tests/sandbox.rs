//! What the app's code sees of its machine: nothing but itself.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use nestling_protocol::bundle::Kind;
use nestling_protocol::log::Log;
use support::{World, sandbox_is_usable};

/// Tries what hostile code would try, and says what it got.
const PROBE: &str = r#"
const fs = require("node:fs");
const { execSync } = require("node:child_process");
const machine = process.cwd().replace(/\/work\/app$/, "");
const probe = (name, attempt) => {
  let got;
  try { got = String(attempt()).trim(); } catch (error) { got = error.code ?? "refused"; }
  console.log(`probe ${name}: ${got}`);
};
probe("run dir", () => fs.readdirSync(machine + "/run"));
probe("token", () => fs.readFileSync(machine + "/run/token", "utf8"));
probe("server socket", () => fs.readdirSync(machine + "/server"));
probe("repository of the host", () => fs.readdirSync(machine + "/repository"));
probe("home of root", () => fs.readdirSync("/root"));
probe("state", () => fs.readdirSync(machine + "/state").join());
probe("write state", () => { fs.writeFileSync(machine + "/state/mine", "1"); return "written"; });
probe("write usr", () => fs.writeFileSync("/usr/x", ""));
probe("write etc", () => fs.writeFileSync("/etc/x", ""));
probe("write cache", () => { fs.writeFileSync(machine + "/cache/x", ""); return "written"; });
probe("other processes", () => fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name)).every((pid) => {
  const command = fs.readFileSync(`/proc/${pid}/cmdline`, "utf8");
  return command === "" || /^(\/usr\/(local\/)?bin\/bwrap|sh|node)/.test(command);
}));
probe("nested namespace", () => execSync("unshare --user true 2>&1 || echo refused"));
probe("capabilities", () => /CapEff:\s*0+\n/.test(fs.readFileSync("/proc/self/status", "utf8")));
probe("no new privileges", () => /NoNewPrivs:\s*1\n/.test(fs.readFileSync("/proc/self/status", "utf8")));
"#;

fn files(start: &str) -> Vec<(&'static str, String)> {
    let package =
        serde_json::json!({"name": "shop", "scripts": {"test": "node probe.js", "start": start}})
            .to_string();
    vec![
        ("package.json", package),
        ("probe.js", PROBE.to_owned()),
        ("server.js", support::NODE_SERVER.to_owned()),
    ]
}

fn expectations(log: &[String], state: (&str, &str)) {
    let expected = [
        ("run dir", "ENOENT"),
        ("token", "ENOENT"),
        ("server socket", "ENOENT"),
        ("repository of the host", "ENOENT"),
        ("home of root", "ENOENT"),
        ("state", state.0),
        ("write state", state.1),
        ("write usr", "EROFS"),
        ("write etc", "EROFS"),
        ("write cache", "written"),
        ("other processes", "true"),
        (
            "nested namespace",
            "unshare: unshare failed: No space left on device\nrefused",
        ),
        ("capabilities", "true"),
        ("no new privileges", "true"),
    ];
    let all = log.join("\n");
    for (name, got) in expected {
        assert!(
            all.contains(&format!("probe {name}: {got}")),
            "probe {name} should say {got}:\n{all}"
        );
    }
}

#[tokio::test]
async fn tests_and_app_see_neither_token_nor_server_and_only_the_app_sees_its_state() {
    if !sandbox_is_usable() {
        return;
    }
    let files = files("node probe.js && node server.js");
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, content)| (*name, content.as_str()))
        .collect();
    let mut world = World::nested(Kind::Node, &files).await;
    world.run().until_running().await;
    assert_eq!(
        world.get("app", "/").await,
        (200, "hello from the shop".into())
    );
    world.stop().await;
    expectations(
        &world.model.state(|state| state.log(Log::Deployment)),
        ("ENOENT", "ENOENT"),
    );
    let runtime = world.model.state(|state| state.log(Log::Runtime));
    expectations(&runtime, ("", "written"));
    assert!(
        runtime.contains(&"the shop closes".to_owned()),
        "the app was asked to end: {runtime:?}"
    );
    assert!(world.options.state_dir.join("mine").exists());
}

#[tokio::test]
async fn a_machine_in_a_sandbox_of_its_own_runs_its_steps_in_inner_ones() {
    if !sandbox_is_usable() {
        return;
    }
    let files = files("node server.js");
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, content)| (*name, content.as_str()))
        .collect();
    let mut world = World::nested(Kind::Node, &files).await;
    let machine = world.folder.path().display().to_string();
    let target = std::env::current_exe()
        .unwrap()
        .parent()
        .unwrap()
        .display()
        .to_string();
    let outer = [
        "bwrap",
        "--unshare-all",
        "--die-with-parent",
        "--cap-drop",
        "ALL",
        "--new-session",
        "--ro-bind",
        "/usr",
        "/usr",
        "--ro-bind",
        "/etc",
        "/etc",
        "--symlink",
        "usr/bin",
        "/bin",
        "--symlink",
        "usr/lib",
        "/lib",
        "--symlink",
        "usr/lib64",
        "/lib64",
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--tmpfs",
        "/tmp",
        "--bind",
        &machine,
        &machine,
        "--ro-bind",
        &target,
        &target,
        "--",
    ];
    world = world.inside(outer.map(str::to_owned).to_vec());
    world.run().until_running().await;
    assert_eq!(
        world.get("app", "/").await,
        (200, "hello from the shop".into())
    );
    world.stop().await;
    let log = world.model.state(|state| state.log(Log::Deployment));
    assert!(
        log.iter().any(|line| line == "probe token: ENOENT"),
        "{log:?}"
    );
}

#[tokio::test]
async fn no_program_of_the_app_stands_in_for_one_of_the_runner_and_its_path_cannot_break_the_start()
{
    if !sandbox_is_usable() {
        return;
    }
    let package = r#"{"scripts":{"test":"node --version","start":"greet && node server.js"}}"#;
    let files = [
        ("package.json", package),
        ("server.js", support::NODE_SERVER),
    ];
    let mut world = World::nested(Kind::Node, &files).await;
    let outside = world.options.run_dir.join("outside");
    let planted = format!("#!/bin/sh\necho got out > {}\n", outside.display());
    let programs = [
        ("node_modules/.bin/bwrap", planted.as_str()),
        ("programs/bwrap", &planted),
        (
            "programs/greet",
            "#!/bin/sh\necho the app has its own programs\n",
        ),
    ];
    world.commit(&programs);
    for (name, _) in programs {
        let executable = Permissions::from_mode(0o755);
        std::fs::set_permissions(world.repository().join(name), executable).unwrap();
    }
    world.commit(&[]);
    let own = world.options.work_dir.join("app/programs");
    world = world.with(|bundle| {
        let path = ("PATH".to_owned(), own.display().to_string());
        bundle.variables.extend([path]);
    });
    world.run().until_running().await;
    let answer = world.get("app", "/").await;
    world.stop().await;
    assert_eq!(answer, (200, "hello from the shop".into()));
    assert!(!outside.exists(), "a program of the app ran as the runner");
    let log = world.model.state(|state| state.log(Log::Runtime));
    let greeting = "the app has its own programs".to_owned();
    assert!(log.contains(&greeting), "{log:?}");

    world.next_machine();
    world = world.with(|bundle| {
        bundle.variables.clear();
        let path = ("PATH".to_owned(), "/nowhere/at/all".to_owned());
        bundle.secrets.extend([path]);
    });
    world.commit(&[("package.json", &package.replace("greet && ", ""))]);
    world.run().until_running().await;
    let answer = world.get("app", "/").await;
    world.stop().await;
    assert_eq!(answer, (200, "hello from the shop".into()));
    assert!(!outside.exists(), "a program of the app ran as the runner");
}

#[tokio::test]
async fn what_a_step_leaves_behind_ends_with_the_step() {
    if !sandbox_is_usable() {
        return;
    }
    let package = r#"{"scripts":{"test":"setsid sh -c 'exec -a left-behind sleep 4242' & sleep 0.2","start":"node server.js"}}"#;
    let mut world = World::nested(
        Kind::Node,
        &[
            ("package.json", package),
            ("server.js", support::NODE_SERVER),
        ],
    )
    .await;
    world.run().until_running().await;
    let left = Command::new("pgrep")
        .args(["-u", "200001", "-f", "sleep 4242"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&left.stdout), "");
    world.stop().await;
}

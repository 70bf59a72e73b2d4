//! The runner as a process of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use nestling_runner::{Isolation, Options};

/// The runner itself, when the environment says where its machine is: started by [`World::run`].
#[test]
#[ignore = "started by the stories"]
fn runner_process() {
    let Some(folder) = std::env::var_os("NESTLING_TEST_MACHINE").map(PathBuf::from) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let code = runtime.block_on(nestling_runner::run(options(&folder)));
    std::process::exit(if code == ExitCode::SUCCESS {
        0
    } else if code == ExitCode::FAILURE {
        1
    } else {
        2
    });
}

/// Where a folder lies on the disk, also where those of other tests lie in memory: a sandbox has a `/dev` of its own, with nothing below
/// `/dev/shm`.
pub(super) const DISK: &str = "/var/tmp";

/// Whether every runner keeps its steps in sandboxes.
fn is_nested() -> bool {
    std::env::var_os("NESTLING_TEST_NESTED").is_some()
}

/// Where the folders of these stories lie.
pub(super) fn folders() -> PathBuf {
    if is_nested() {
        DISK.into()
    } else {
        std::env::temp_dir()
    }
}

/// The folders of a test's machine.
pub fn options(folder: &Path) -> Options {
    Options {
        run_dir: folder.join("run"),
        server_dir: folder.join("server"),
        state_dir: folder.join("state"),
        work_dir: folder.join("work"),
        cache_dir: folder.join("cache"),
        image_tools_dir: folder.join("image-tools"),
        lock: Some(folder.join("lock")),
        isolation: if is_nested() {
            Isolation::Nested
        } else {
            Isolation::None
        },
        network: None,
    }
}

pub(super) fn own(folder: &Path, uid: u32) {
    // The repository stays its author's.
    let places = ["run", "server", "state", "work", "cache"].map(|name| folder.join(name));
    for arguments in [
        vec![folder.to_owned()],
        [vec!["-R".into()], places.to_vec()].concat(),
    ] {
        let status = Command::new("chown")
            .arg(format!("{uid}:{uid}"))
            .args(arguments)
            .status()
            .unwrap();
        assert!(status.success());
    }
}

/// The last in a chain of single children.
pub(super) fn innermost(pid: u32) -> u32 {
    let children =
        std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children
        .split_whitespace()
        .next()
        .and_then(|child| child.parse().ok())
        .map_or(pid, |child| {
            if is_runner(child) {
                child
            } else {
                innermost(child)
            }
        })
}

fn is_runner(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/cmdline"))
        .unwrap_or_default()
        .starts_with(&std::env::current_exe().unwrap().display().to_string())
}

/// A user of its own for the machine: bubblewrap is never entered as root.
pub const USER: u32 = 200_001;

/// Whether bubblewrap works here for an ordinary user; says why not otherwise.
pub fn sandbox_is_usable() -> bool {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: needs root, to become the machine's user");
        return false;
    }
    let tried = Command::new("setpriv")
        .args([
            "--reuid",
            "200001",
            "--clear-groups",
            "bwrap",
            "--unshare-user",
            "--disable-userns",
            "--unshare-pid",
            "--ro-bind",
            "/",
            "/",
            "--proc",
            "/proc",
            "true",
        ])
        .output();
    let works = tried.as_ref().is_ok_and(|output| output.status.success());
    if !works {
        eprintln!("skipped: bubblewrap is not usable here: {tried:?}");
    }
    works
}

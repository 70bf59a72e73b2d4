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

/// The folders of a test's machine.
pub fn options(folder: &Path) -> Options {
    let nested = std::env::var_os("NESTLING_TEST_NESTED").is_some();
    Options {
        run_dir: folder.join("run"),
        server_dir: folder.join("server"),
        state_dir: folder.join("state"),
        work_dir: folder.join("work"),
        cache_dir: folder.join("cache"),
        lock: Some(folder.join("lock")),
        isolation: if nested {
            Isolation::Nested
        } else {
            Isolation::None
        },
    }
}

pub(super) fn own(folder: &Path, uid: u32) {
    let status = Command::new("chown")
        .arg("-R")
        .arg(format!("{uid}:{uid}"))
        .arg(folder)
        .status()
        .unwrap();
    assert!(status.success());
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

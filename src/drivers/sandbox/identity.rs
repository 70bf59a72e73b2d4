//! Whether a machine lives, and which process is its pid 1.
//!
//! The lock says whether: it is taken by the server before the machine is started and handed down as a
//! descriptor, so there is no moment in which a machine lives without it, not even when the server is killed
//! right after the start. Bubblewrap says which, in a file. A pid is used only while the lock is held, and
//! through a descriptor of the process, so a reused pid is never hit.

use std::{fs::File, io, os::fd::OwnedFd, path::Path, time::Duration};

use rustix::{
    fs::FlockOperation,
    io::Errno,
    process::{Pid, PidfdFlags, Signal},
};
use serde::{Deserialize, Serialize};
use tokio::io::{Interest, unix::AsyncFd};

use super::{
    layout::{MachineDir, read_json},
    processes,
};

/// How long bubblewrap may take to say which process is pid 1.
const NAMED_WITHIN: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(5);

/// What is written down about a living machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Pid 1 of the machine's namespace, as this box numbers it.
    pub(super) pid: i32,
    /// When it started, in clock ticks after the boot.
    pub(super) started: u64,
    /// Which boot.
    pub(super) boot: String,
}

/// What bubblewrap writes.
#[derive(Debug, Deserialize)]
struct Namespace {
    #[serde(rename = "child-pid")]
    child_pid: i32,
}

/// The boot that we are in.
pub(super) fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// Takes the lock for a machine about to start; `None` when a living one holds it.
pub(super) fn take_lock(path: &Path) -> io::Result<Option<File>> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether anything of the machine lives. Disturbs nobody: only servers ever take the lock, one at a time for
/// each environment, and machines inherit it.
pub(super) fn lives(machine: &MachineDir) -> bool {
    let Ok(file) = File::open(machine.lock()) else {
        return false;
    };
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK)
}

/// Pid 1 of a machine, held by a descriptor.
#[derive(Debug)]
pub(super) struct Init {
    pub(super) pid: i32,
    handle: AsyncFd<OwnedFd>,
}

impl Init {
    #[allow(
        deprecated,
        reason = "its successor is unsafe to call; an owned descriptor is what that asks for"
    )]
    fn open(pid: i32) -> Option<Self> {
        let handle = rustix::process::pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
        Some(Init {
            pid,
            handle: AsyncFd::with_interest(handle, Interest::READABLE).ok()?,
        })
    }

    /// Answers once it has ended.
    pub(super) async fn ended(&self) {
        // An error means that the runtime is going down, and who waits with it.
        let _ = self.handle.readable().await;
    }

    /// Sends a signal; `false` when it has ended already.
    pub(super) fn signal(&self, signal: Signal) -> bool {
        rustix::process::pidfd_send_signal(self.handle.get_ref(), signal).is_ok()
    }
}

/// Finds pid 1 of a living machine; `None` when it does not live, or nobody said in time which it is.
pub(super) async fn init(machine: &MachineDir) -> Option<Init> {
    let deadline = tokio::time::Instant::now() + NAMED_WITHIN;
    while lives(machine) {
        if let Some(namespace) = read_json::<Namespace>(&machine.namespace()) {
            let init = Init::open(namespace.child_pid)?;
            let same = read_json::<Record>(&machine.record()).is_none_or(|record| {
                processes::one(record.pid).is_some_and(|process| process.started == record.started)
                    && record.boot == boot()
            });
            // Held before and after: the pid was the machine's when we got hold of it.
            return (same && lives(machine)).then_some(init);
        }
        if tokio::time::Instant::now() > deadline {
            return None;
        }
        tokio::time::sleep(POLL).await;
    }
    None
}

/// Writes down which process pid 1 is.
pub(super) fn remember(machine: &MachineDir, pid: i32) -> io::Result<()> {
    let Some(process) = processes::one(pid) else {
        return Ok(());
    };
    let record = Record {
        pid,
        started: process.started,
        boot: boot(),
    };
    super::layout::write_whole(
        &machine.record(),
        &serde_json::to_vec(&record).map_err(io::Error::other)?,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_by_who_inherits_it_and_free_when_that_one_ends() {
        let folder = tempfile::tempdir().unwrap();
        let machine = MachineDir {
            path: folder.path().to_owned(),
        };
        assert!(!lives(&machine));
        let lock = take_lock(&machine.lock()).unwrap().unwrap();
        let mut child = std::process::Command::new("/usr/bin/sleep")
            .arg("60")
            .stdin(lock)
            .spawn()
            .unwrap();
        assert!(lives(&machine));
        assert!(take_lock(&machine.lock()).unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!lives(&machine));
    }
}

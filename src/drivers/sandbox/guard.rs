//! Watches one machine: its end, and the limits that the kernel does not keep for us.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use nestling_protocol::{machine::MEMORY_EVENTS, report::Exit};
use rustix::process::Signal;

use super::{
    cgroup::{Group, memory_kills},
    identity::{self, Init},
    layout::MachineDir,
    plan::write_memory_events,
    processes::{self, Process},
    usage::{self, Usage},
    verdict,
};
use crate::messages::machines::{End, Size};

/// How often the cheap checks run.
const TICK: Duration = Duration::from_millis(500);
/// How often the machine's processes are added up where no control group does it.
const SCAN: Duration = Duration::from_secs(1);
/// How often its folders are walked at most …
const WALK: Duration = Duration::from_secs(2);
/// … and the share of the time that walking may take: a big `node_modules` must not cost a core.
const WALK_SHARE: u32 = 20;
/// A drop of free space within a tick that makes the next walk due at once.
const SUDDEN: u64 = 256 << 20;
/// Files that a machine may have per MiB of its disk: twice what a large `node_modules` has.
const FILES_PER_MIB: u64 = 256;
/// And as many at least.
const FILES_AT_LEAST: u64 = 200_000;
/// How long the lock may outlive pid 1: the sandbox's outer process has to notice.
const RELEASE: Duration = Duration::from_secs(5);
const RELEASE_POLL: Duration = Duration::from_millis(5);

/// What is needed to watch one machine.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    pub(super) machine: MachineDir,
    pub(super) state: PathBuf,
    pub(super) cache: PathBuf,
    pub(super) cache_mib: u64,
    /// Whose files in the cache count; everybody's when `None`.
    pub(super) uid: Option<u32>,
    pub(super) size: Size,
    pub(super) group: Group,
    pub(super) watch_memory: bool,
    pub(super) watch_processes: bool,
}

impl Guard {
    /// Stays until the machine has ended, and says why it has. The reason is then also in its folder.
    pub(super) async fn keep(self) -> End {
        if let Some(init) = identity::init(&self.machine).await {
            if let Err(error) = identity::remember(&self.machine, init.pid) {
                tracing::warn!(%error, "could not record pid 1 in {}: {error}", self.machine.path.display());
            }
            self.attend(init).await;
        }
        // Pid 1 was never named, or its outer process is still on its way out.
        while identity::lives(&self.machine) {
            tokio::time::sleep(RELEASE_POLL).await;
        }
        let guard = self.clone();
        let verdict = tokio::task::spawn_blocking(move || guard.verdict())
            .await
            .unwrap_or_else(|error| End {
                reason: error.to_string(),
                retry: true,
                ..End::default()
            });
        if let Err(error) = self.group.remove().await {
            tracing::warn!(%error, "could not remove the control group of {}: {error}", self.machine.path.display());
        }
        verdict
    }

    async fn attend(&self, init: Init) {
        let pid = init.pid;
        let (mut scanned, mut walked, mut pause) = (Instant::now(), Instant::now(), WALK);
        let mut free = usage::free(&self.machine.path);
        let mut held = false;
        loop {
            if tokio::time::timeout(TICK, init.ended()).await.is_ok() {
                return;
            }
            let mut broken = None;
            if !held && self.group.refused_processes() > 0 {
                held = true;
                tracing::warn!(
                    "{} wants more than its {} processes and is held at them",
                    self.machine.path.display(),
                    self.size.processes
                );
            }
            let now_free = usage::free(&self.machine.path);
            let sudden = free.saturating_sub(now_free) > SUDDEN;
            free = now_free;
            if (self.watch_memory || self.watch_processes) && scanned.elapsed() >= SCAN {
                broken = self.blocking(move |guard| guard.scan(pid)).await;
                scanned = Instant::now();
                if broken.as_ref().is_some_and(Broken::is_memory) {
                    // Its runner starts the app again. What is too much without the app is the machine's.
                    broken = self.blocking(move |guard| guard.end_app(pid)).await;
                }
            }
            if broken.is_none() && (sudden || walked.elapsed() >= pause) {
                let begun = Instant::now();
                broken = self.blocking(move |guard| guard.walk(pid)).await;
                pause = WALK.max(begun.elapsed() * WALK_SHARE);
                walked = Instant::now();
            }
            if let Some(broken) = broken {
                self.condemn(broken);
                // It may have ended by itself meanwhile.
                init.signal(Signal::KILL);
            }
        }
    }

    async fn blocking(
        &self,
        check: impl FnOnce(&Guard) -> Option<Broken> + Send + 'static,
    ) -> Option<Broken> {
        let guard = self.clone();
        tokio::task::spawn_blocking(move || check(&guard))
            .await
            .ok()
            .flatten()
    }

    /// A limit of its own is broken: another try would break it again.
    fn condemn(&self, Broken { reason, exit }: Broken) {
        let reason = format!("its machine {reason}");
        verdict::condemn(&self.machine, &reason, exit, false);
    }

    fn scan(&self, pid: i32) -> Option<Broken> {
        let tree = processes::tree(&processes::all(), pid);
        let threads: u64 = tree.iter().map(|process| process.threads).sum();
        if self.watch_processes && threads > self.size.processes {
            let most = self.size.processes;
            return broken(format!(
                "had {threads} processes and threads at once, more than its {most}: raise machines.local.processes or start fewer"
            ));
        }
        self.memory_of(&tree)
    }

    fn memory_of(&self, tree: &[Process]) -> Option<Broken> {
        if !self.watch_memory {
            return None;
        }
        let sizes = tree.iter().map(|process| processes::memory(process.pid));
        (sizes.sum::<u64>() > self.size.memory_mib << 20).then(|| self.too_much_memory())
    }

    /// Kills what the runner has started, as the kernel does where a control group has the memory; says so when it is too
    /// much even then.
    fn end_app(&self, pid: i32) -> Option<Broken> {
        let kills = memory_kills(&self.machine.server().join(MEMORY_EVENTS)) + 1;
        // Before the app ends, so that its runner knows why.
        if let Err(error) = write_memory_events(&self.machine, kills) {
            tracing::warn!(%error, "could not say in {} that its app used too much memory: {error}", self.machine.path.display());
        }
        processes::kill_below_first(pid);
        self.memory_of(&processes::tree(&processes::all(), pid))
    }

    // A full disk ends the whole machine: nothing of it is free again when its app ends, so that an app that is started
    // again would find it as full.
    fn walk(&self, pid: i32) -> Option<Broken> {
        let most_files = (self.size.disk_mib * FILES_PER_MIB).max(FILES_AT_LEAST);
        let mut usage = Usage::default();
        for folder in [&self.machine.work(), &self.machine.run(), &self.state] {
            usage::measure(folder, None, most_files, &mut usage);
        }
        let pids: Vec<i32> = processes::tree(&processes::all(), pid)
            .iter()
            .map(|process| process.pid)
            .collect();
        usage::measure_nameless(pids, &mut usage);
        if usage.too_deep {
            return broken(
                "nests folders deeper than any program needs: look for what makes folders in a loop",
            );
        }
        if usage.files > most_files {
            return broken(format!(
                "has more than {most_files} files: remove what it does not need, or raise machines.local.disk_mib"
            ));
        }
        if usage.bytes > self.size.disk_mib << 20 {
            let most = self.size.disk_mib;
            return broken(format!(
                "used more than its {most} MiB of disk: raise machines.local.disk_mib, or write less"
            ));
        }
        let mut cached = Usage::default();
        let most_cached = (self.cache_mib * FILES_PER_MIB).max(FILES_AT_LEAST);
        usage::measure(&self.cache, self.uid, most_cached, &mut cached);
        let full =
            cached.too_deep || cached.files > most_cached || cached.bytes > self.cache_mib << 20;
        if !full {
            return None;
        }
        let most = self.cache_mib;
        broken(format!(
            "used more than {most} MiB of its dependency cache: let it leave less in its caches"
        ))
    }

    fn too_much_memory(&self) -> Broken {
        let most = self.size.memory_mib;
        let reason = format!(
            "used more than its {most} MiB of memory: raise machines.local.memory_mib, or let the app use less"
        );
        Broken {
            reason,
            exit: Some(Exit::Memory),
        }
    }

    /// Why it ended, as far as anybody can tell; written down, so that it is said again after a restart.
    pub(super) fn verdict(&self) -> End {
        if self.group.ran_out_of_memory() && verdict::was_killed(&self.machine) {
            self.condemn(self.too_much_memory());
        }
        verdict::reach(&self.machine)
    }
}

/// A limit that a machine has broken.
struct Broken {
    /// What it did, and the remedy: what follows "its machine".
    reason: String,
    /// What that means for its app.
    exit: Option<Exit>,
}

impl Broken {
    fn is_memory(&self) -> bool {
        self.exit == Some(Exit::Memory)
    }
}

fn broken(reason: impl Into<String>) -> Option<Broken> {
    Some(Broken {
        reason: reason.into(),
        exit: None,
    })
}

/// Waits until nothing of the machine lives; whether that came true.
pub(super) async fn released(machine: &MachineDir) -> bool {
    let deadline = tokio::time::Instant::now() + RELEASE;
    while identity::lives(machine) {
        if tokio::time::Instant::now() > deadline {
            return false;
        }
        tokio::time::sleep(RELEASE_POLL).await;
    }
    true
}

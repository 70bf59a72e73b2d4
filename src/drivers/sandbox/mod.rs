//! Local machines: each deployment in a sandbox of its own on this box.
//!
//! A machine is a pid namespace that bubblewrap makes, entered as a user of its environment's own when the
//! server is root (bubblewrap entered as root would keep rights), as the server's user otherwise. It sees the
//! system's programs read-only, its own folders, and two sockets of the server's; it has no network but the way
//! out through [`egress`]. It depends on nothing of the server's: it goes on when the server is restarted or
//! killed, and is adopted by the next.
//!
//! | file | holds |
//! |---|---|
//! | `layout`, `fence`, `numbers` | what is on disk: folders, highest generation, users and groups |
//! | `config`, `plan`, `order`, `tools`, `etc`, `seccomp`, `cgroup` | what a sandbox is made of |
//! | `launch`, `inside` | the stages that become it: launcher, pid 1 |
//! | `machine`, `identity`, `guard`, `verdict`, `processes`, `usage` | its life, that it keeps its limits, why it ended |
//! | `left` | what it left of its log when it ended |
//! | `sockets`, `egress` | how it is reached, and what it reaches |
//! | `selftest`, `capabilities` | the proof, at start, that all that holds here |
//!
//! Not covered: the kernel itself (only a virtual machine helps against a hole in it), and files handed over in
//! flight between processes, which no walk can see.

mod caches;
mod capabilities;
mod cgroup;
mod config;
pub mod egress;
mod etc;
mod fence;
mod guard;
mod identity;
mod inside;
mod launch;
mod layout;
mod left;
mod machine;
mod numbers;
mod order;
mod plan;
mod processes;
mod seccomp;
mod selftest;
mod sockets;
mod tools;
mod usage;
mod verdict;

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use nestling_domain::ids::{EnvironmentId, Generation, Timestamp};
use tokio::{net::UnixStream, sync::watch, task::AbortHandle};

pub use capabilities::Capabilities;
pub use config::Config;
pub use launch::machine_init;
pub use left::Left;
pub use order::{INIT_INSIDE, Isolation};
pub use sockets::connect;

use crate::messages::machines::{End, MachineError, Spec};
use cgroup::Cgroups;
use egress::Egress;
use fence::{Asked, Fence};
use layout::{EnvironmentDir, Layout, MachineDir};
use numbers::Numbers;
use tools::System;

/// Why machines cannot be had here: names the thing and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Reason(pub String);

/// All machines of one data folder. Cheap to clone; machines outlive it.
#[derive(Debug, Clone)]
pub struct Sandbox {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: Config,
    layout: Layout,
    system: System,
    bwrap: PathBuf,
    root: bool,
    numbers: Mutex<Numbers>,
    cgroups: Cgroups,
    filter: Option<PathBuf>,
    egress: Arc<Egress>,
    gates: Mutex<HashMap<EnvironmentId, Arc<tokio::sync::Mutex<()>>>>,
    live: Mutex<BTreeMap<(EnvironmentId, Generation), Live>>,
}

/// What the server keeps of a machine while it lives.
#[derive(Debug)]
struct Live {
    ended: watch::Receiver<Option<End>>,
    /// Who will say so; taken by the task that watches.
    tell: Option<watch::Sender<Option<End>>>,
    tasks: Vec<AbortHandle>,
}

impl Drop for Live {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Sandbox {
    /// Opens the machines of a data folder: adopts those that live, and clears up after those that do not.
    /// Call within a tokio runtime. One server at a time: the caller holds the data folder's lock.
    pub fn open(config: Config) -> Result<Self, Reason> {
        let inner = Inner::new(config)?;
        let sandbox = Sandbox {
            inner: Arc::new(inner),
        };
        sandbox.inner.adopt().map_err(|error| {
            Reason(format!(
                "could not take up the machines in {}: {error}",
                sandbox.inner.layout.root().display()
            ))
        })?;
        Ok(sandbox)
    }

    /// Starts a sandbox and tries what it must not be able to do; says what holds on this box.
    pub async fn probe(config: &Config) -> Result<Capabilities, Reason> {
        capabilities::probe(config).await
    }

    /// Ensures that the machine of this generation was started; see [`Ensure`](crate::messages::machines::Ensure).
    /// A machine that began once is never started again: [`watch`](Self::watch) tells its end, and a new
    /// generation is the way on.
    pub async fn ensure(
        &self,
        environment: &EnvironmentId,
        generation: Generation,
        spec: &Spec,
    ) -> Result<(), MachineError> {
        let folder = self
            .inner
            .layout
            .environment(environment)
            .map_err(MachineError::Rejected)?;
        let _gate = self.inner.gate(environment).lock_owned().await;
        let machine = folder.machine(generation);
        let fence = Fence::load(&folder.fence())
            .map_err(|error| MachineError::Rejected(error.to_string()))?;
        match fence.ask(generation) {
            Asked::Refused(why) => return Err(MachineError::Rejected(why)),
            Asked::Again if identity::lives(&machine) || machine.launched().exists() => {
                return Ok(());
            }
            Asked::Again => {}
            Asked::Fresh(fence) => {
                let saved =
                    layout::private_dir(&folder.path).and_then(|()| fence.save(&folder.fence()));
                saved.map_err(|error| {
                    MachineError::Failed(format!(
                        "could not record generation {generation}: {error}"
                    ))
                })?;
            }
        }
        let started = self
            .inner
            .start(environment, generation, &folder, spec)
            .await;
        if started.is_err() {
            self.inner.live().remove(&(environment.clone(), generation));
        }
        started
    }

    /// Answers once this machine has ended, with why; at once when there is none.
    pub async fn watch(&self, environment: &EnvironmentId, generation: Generation) -> End {
        let ended = self
            .inner
            .live()
            .get(&(environment.clone(), generation))
            .map(|live| live.ended.clone());
        if let Some(mut ended) = ended
            && let Ok(end) = ended.wait_for(Option::is_some).await
            && let Some(end) = &*end
        {
            return end.clone();
        }
        let known = self.inner.machine(environment, generation).ok();
        known
            .and_then(|machine| verdict::read(&machine))
            .unwrap_or_else(|| End {
                reason: "its machine is gone: it ended while no server was there to see why"
                    .to_owned(),
                retry: true,
                ..End::default()
            })
    }

    /// Removes dependency caches that nothing has used for long, and begins those anew that are nearly full. For an
    /// hourly round.
    pub async fn prune_caches(&self, now: Timestamp) -> std::io::Result<()> {
        let inner = self.inner.clone();
        let pruned = tokio::task::spawn_blocking(move || inner.prune_caches(now)).await;
        pruned.map_err(std::io::Error::other)?
    }

    /// Every machine that lives, or of which files are left to be removed with [`destroy`](Self::destroy).
    pub fn list(&self) -> Vec<(EnvironmentId, Generation)> {
        let found = self.inner.layout.machines().unwrap_or_else(|error| {
            tracing::warn!(%error, "could not list the machines in {}: {error}", self.inner.layout.root().display());
            Vec::new()
        });
        found
            .into_iter()
            .map(|(environment, generation, _)| (environment, generation))
            .collect()
    }

    /// Whether the machine lives at this moment.
    pub fn lives(&self, environment: &EnvironmentId, generation: Generation) -> bool {
        self.inner
            .layout
            .environment(environment)
            .is_ok_and(|folder| identity::lives(&folder.machine(generation)))
    }

    /// Where the sockets of a machine lie. The folder is the machine's: reach them with [`dial`](Self::dial) or
    /// [`connect`], never by following a path in it.
    pub fn run_dir(&self, environment: &EnvironmentId, generation: Generation) -> PathBuf {
        self.inner
            .machine(environment, generation)
            .map(|machine| machine.run())
            .unwrap_or_default()
    }

    /// Connects to the socket `name` that the runner made in its run folder. The one safe way to do so: a
    /// hostile machine may have put a link there, which is refused.
    pub async fn dial(
        &self,
        environment: &EnvironmentId,
        generation: Generation,
        name: &str,
    ) -> std::io::Result<UnixStream> {
        let machine = self
            .inner
            .machine(environment, generation)
            .map_err(std::io::Error::other)?;
        sockets::dial(&machine.run(), name).await
    }
}

impl Inner {
    fn new(mut config: Config) -> Result<Self, Reason> {
        let sandboxed = config.isolation == Isolation::Sandbox;
        let bwrap = if sandboxed {
            tools::bubblewrap().map_err(Reason)?
        } else {
            PathBuf::new()
        };
        let cannot = |error: std::io::Error| {
            Reason(format!(
                "machines cannot be kept in {}: {error}",
                config.data.display()
            ))
        };
        let layout = Layout::new(&config.data).map_err(cannot)?;
        etc::gather(&layout.etc()).map_err(cannot)?;
        let mut system = System::discover();
        let links = etc::links(&layout.etc()).map_err(cannot)?;
        system.symlinks.extend(links);
        let numbers = Numbers::load(layout.numbers(), config.first_user).map_err(cannot)?;
        let egress = Arc::new(
            Egress::new(&config.egress_allow, Arc::clone(&config.resolver)).map_err(Reason)?,
        );
        let filter = match seccomp::program().filter(|_| sandboxed) {
            Some(bytes) => layout::write_durably(&layout.seccomp(), &bytes)
                .map(|()| Some(layout.seccomp()))
                .map_err(cannot)?,
            None => None,
        };
        config.init.0 = config.init.0.canonicalize().map_err(|error| {
            Reason(format!(
                "this program cannot be found at {}: {error}",
                config.init.0.display()
            ))
        })?;
        let root = rustix::process::geteuid().is_root();
        let cgroups = if config.cgroups {
            Cgroups::detect(layout.root())
        } else {
            Cgroups::None
        };
        Ok(Inner {
            system,
            config,
            layout,
            bwrap,
            root,
            numbers: Mutex::new(numbers),
            cgroups,
            filter,
            egress,
            gates: Mutex::default(),
            live: Mutex::default(),
        })
    }

    fn adopt(&self) -> std::io::Result<()> {
        for (environment, generation, machine) in self.layout.machines()? {
            let folder = EnvironmentDir {
                path: machine
                    .path
                    .parent()
                    .map(Path::to_owned)
                    .unwrap_or_default(),
            };
            if identity::lives(&machine) {
                match self.attach(&environment, generation, &folder) {
                    Ok(()) => {
                        tracing::info!(environment.id = %environment, %generation, "adopted the machine of {environment} at generation {generation}");
                    }
                    Err(error) => {
                        tracing::error!(environment.id = %environment, %generation, "could not adopt the machine of {environment} at generation {generation}: {error}");
                    }
                }
            } else if machine.launched().exists()
                && let Some(guard) = self.guard(&environment, generation, &folder)
            {
                let End { reason, .. } = guard.verdict();
                tracing::info!(environment.id = %environment, %generation, "the machine of {environment} at generation {generation} is gone: {reason}");
                // Sockets of the dead; logs in the run folder stay until the record lets go of the machine.
                usage::remove_tree(&machine.server())?;
            }
        }
        self.cgroups.sweep();
        Ok(())
    }

    fn gate(&self, environment: &EnvironmentId) -> Arc<tokio::sync::Mutex<()>> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        // Gates that nobody waits at are of no use.
        gates.retain(|_, gate| Arc::strong_count(gate) > 1);
        Arc::clone(gates.entry(environment.clone()).or_default())
    }

    fn numbers(&self) -> MutexGuard<'_, Numbers> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn live(&self) -> MutexGuard<'_, BTreeMap<(EnvironmentId, Generation), Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn machine(
        &self,
        environment: &EnvironmentId,
        generation: Generation,
    ) -> Result<MachineDir, String> {
        Ok(self.layout.environment(environment)?.machine(generation))
    }
}

//! What an environment asks of its machines: Fly machines, or sandboxed processes on this box.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use actix::prelude::*;
use nestling_domain::{
    fly::Cost,
    ids::{EnvironmentId, Generation, Timestamp},
};
use nestling_protocol::report::Exit;

/// Ensure that the machine of this generation exists; safe to say twice. Answers as soon as it is started,
/// long before its runner reports.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Made, MachineError>")]
pub struct Ensure {
    /// Whose.
    pub environment: EnvironmentId,
    /// Which. Refused when below the highest that was ever asked for.
    pub generation: Generation,
    /// What it needs to know.
    pub spec: Spec,
}

/// A machine that exists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Made {
    /// The private address that leads to it, where it is on another host.
    pub address: Option<IpAddr>,
    /// What people should know of how it was made, and that stops nothing.
    pub note: Option<String>,
    /// The disk beyond it that it mounts, by the name that whoever made it has for it.
    pub volume: Option<String>,
}

/// What a machine is made of.
#[derive(Clone)]
pub struct Spec {
    /// The runner's first token; reaches the machine as a file or secret, never in arguments.
    pub token: String,
    /// Groups whose members may share dependency caches: `{app}-{trust}`.
    pub cache: String,
    /// Limits.
    pub size: Size,
}

/// Ensure that traffic is let to the machine of this generation, which exists; safe to say twice. Refused when a newer one was asked for.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<(), MachineError>")]
pub struct LetIn {
    /// Whose.
    pub environment: EnvironmentId,
    /// Which.
    pub generation: Generation,
}

/// How big a machine may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Memory in MiB; reaching it ends what the runner has started, and the machine when that does not help.
    pub memory_mib: u64,
    /// Processes and threads.
    pub processes: u64,
    /// Open files per process.
    pub files: u64,
    /// Disk in MiB, over work folder and state folder; reaching it ends the machine.
    pub disk_mib: u64,
}

impl std::fmt::Debug for Spec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spec")
            .field("cache", &self.cache)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// Ensure that of this environment no machine exists but those of `keep`, and no state folder when `erase`.
/// Answers `Ok` only when that was observed.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<(), MachineError>")]
pub struct Destroy {
    /// Whose.
    pub environment: EnvironmentId,
    /// The generations that stay.
    pub keep: Vec<Generation>,
    /// The newest generation that this is about; later ones are none of its business.
    pub upto: Generation,
    /// Whether the state folder goes too.
    pub erase: bool,
}

/// Answers once this machine has ended, with what is known about its end; at once when there is none.
/// The answer may take days.
#[derive(Debug, Clone, Message)]
#[rtype(result = "End")]
pub struct Watch {
    /// Whose.
    pub environment: EnvironmentId,
    /// Which.
    pub generation: Generation,
}

/// How a machine ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, MessageResponse)]
pub struct End {
    /// What is known about it, for people.
    pub reason: String,
    /// Whether another try may help; not when it broke a limit of its own.
    pub retry: bool,
    /// How its app ended, where that is known.
    pub exit: Option<Exit>,
    /// The last lines of its log, clean and in bounds; none where its runner has reported them.
    pub tail: Vec<String>,
}

/// Every machine that is known to exist, of whatever environment.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Vec<(EnvironmentId, Generation)>")]
pub struct ListMachines;

/// What stands somewhere and no record wants, as far as somebody has looked; one cell for all who hold a clone.
#[derive(Debug, Clone, Default)]
pub struct LeftBehind(Arc<Mutex<Vec<Left>>>);

/// Something that no record wants, or why it is not known what else there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// What it is: `Fly`, or an app there.
    pub about: String,
    /// Why it is said, and what becomes of it.
    pub reason: String,
    /// Since when that is known.
    pub since: Option<Timestamp>,
    /// What it has cost since then, where that is known.
    pub cost: Option<Cost>,
}

impl LeftBehind {
    /// Says this from now on, in place of what was said before.
    pub fn say(&self, all: Vec<Left>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = all;
    }

    /// What was said last.
    pub fn said(&self) -> Vec<Left> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Why a machine could not be ensured or removed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MachineError {
    /// It will not work next time either: for people.
    #[error("{0}")]
    Rejected(String),
    /// Another try may help.
    #[error("{0}")]
    Failed(String),
    /// It can be once older machines are gone: why.
    #[error("{0}")]
    Occupied(String),
}

/// The way for everybody else to reach the machines, whatever they are.
#[derive(Clone)]
pub struct Handle {
    /// Ensure a machine.
    pub ensure: Recipient<Ensure>,
    /// Let traffic to a machine; `None` where nothing keeps it out.
    pub let_in: Option<Recipient<LetIn>>,
    /// Ensure that others are gone.
    pub destroy: Recipient<Destroy>,
    /// Learn of a machine's end.
    pub watch: Recipient<Watch>,
    /// All that exist.
    pub list: Recipient<ListMachines>,
}

//! Machines: what they are, in which phase, and what they went through.

use std::{
    collections::{BTreeMap, VecDeque},
    net::Ipv6Addr,
    sync::Arc,
};

use serde_json::Value;

use super::{Hidden, Lease};
use crate::fly::config;

/// Events that are kept of one machine: the API tells 50 at most.
const EVENTS: usize = 50;

/// What Fly calls the state of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It is there and was never started.
    Created,
    /// It is being started.
    Starting,
    /// Its program runs.
    Started,
    /// It is being stopped.
    Stopping,
    /// Its program has ended.
    Stopped,
    /// It is being written to disk.
    Suspending,
    /// It is on disk with its memory.
    Suspended,
    /// It is stopped and started again.
    Restarting,
    /// It gets another configuration.
    Replacing,
    /// It could not be started.
    Failed,
    /// It is being removed.
    Destroying,
    /// It is no more.
    Destroyed,
}

impl Phase {
    /// As the API writes it.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Created => "created",
            Phase::Starting => "starting",
            Phase::Started => "started",
            Phase::Stopping => "stopping",
            Phase::Stopped => "stopped",
            Phase::Suspending => "suspending",
            Phase::Suspended => "suspended",
            Phase::Restarting => "restarting",
            Phase::Replacing => "replacing",
            Phase::Failed => "failed",
            Phase::Destroying => "destroying",
            Phase::Destroyed => "destroyed",
        }
    }

    /// Whether it stays so until somebody does something.
    pub fn is_settled(self) -> bool {
        match self {
            Phase::Created
            | Phase::Started
            | Phase::Stopped
            | Phase::Suspended
            | Phase::Failed
            | Phase::Destroyed => true,
            Phase::Starting
            | Phase::Stopping
            | Phase::Suspending
            | Phase::Restarting
            | Phase::Replacing
            | Phase::Destroying => false,
        }
    }

    /// Whether its program may run.
    pub(crate) fn is_up(self) -> bool {
        matches!(
            self,
            Phase::Starting | Phase::Started | Phase::Stopping | Phase::Suspending
        )
    }
}

/// What Fly knows of the physical host of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostStatus {
    /// It answers.
    Ok,
    /// Nobody can say.
    Unknown,
    /// It does not answer.
    Unreachable,
}

impl HostStatus {
    /// As the API writes it.
    pub fn name(self) -> &'static str {
        match self {
            HostStatus::Ok => "ok",
            HostStatus::Unknown => "unknown",
            HostStatus::Unreachable => "unreachable",
        }
    }
}

/// Something that happened to a machine.
#[derive(Clone, Debug)]
pub struct Event {
    /// Sorts by time.
    pub id: String,
    /// `launch`, `start`, `exit` and so on.
    pub kind: &'static str,
    /// `created`, `started`, `stopped` and so on.
    pub status: &'static str,
    /// `user` or `flyd`.
    pub source: &'static str,
    /// In milliseconds since 1970.
    pub at: i64,
    /// Its exit, if its program ended.
    pub exit_code: Option<i32>,
}

/// What a machine becomes by itself, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Next {
    pub(crate) at: i64,
    pub(crate) to: Phase,
}

/// What a health check found.
#[derive(Clone, Debug)]
pub(crate) struct Probed {
    pub(crate) passes: bool,
    pub(crate) output: String,
    pub(crate) at: i64,
}

/// A machine.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Its id, for ever.
    pub id: String,
    /// Unique in its app while it is not destroyed.
    pub name: String,
    /// Name of its app.
    pub app: String,
    /// Code of its region.
    pub region: String,
    /// Of its present configuration; every change has another.
    pub instance: String,
    /// What Fly calls its state.
    pub phase: Phase,
    /// As it was sent last: an update replaces all of it.
    pub config: Value,
    /// Within the private network.
    pub private_ip: Ipv6Addr,
    /// In milliseconds since 1970.
    pub created_at: i64,
    /// In milliseconds since 1970.
    pub updated_at: i64,
    /// When its program was started last, in milliseconds since 1970.
    pub started_at: Option<i64>,
    /// Newest first.
    pub events: VecDeque<Event>,
    /// Who alone may change it, if anybody.
    pub lease: Option<Lease>,
    /// Whether Fly's proxy leads nobody to it.
    pub cordoned: bool,
    /// Name of the physical host.
    pub hardware: String,
    /// Version of the secrets that it was given; 0 is none.
    pub secrets_version: u64,
    /// Whether its checks fail by order of a story.
    pub sick: bool,
    /// Earlier configurations with their instances, oldest first.
    pub versions: Vec<(String, Value)>,
    pub(crate) secrets: Arc<BTreeMap<String, Hidden>>,
    pub(crate) next: Option<Next>,
    pub(crate) probed: BTreeMap<String, Probed>,
    /// Whether what it runs was begun on the host and not ended.
    pub(crate) runs: bool,
    pub(crate) restarts: u32,
}

impl Machine {
    /// Pairs of its configuration by which callers find it.
    pub fn metadata(&self) -> BTreeMap<String, String> {
        let pairs = self.config.get("metadata").and_then(Value::as_object);
        let pairs = pairs.into_iter().flatten();
        let text =
            |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
        pairs.filter_map(text).collect()
    }

    /// One pair of them.
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.config.get("metadata")?.get(key)?.as_str()
    }

    /// Ids of the volumes that it mounts, and where.
    pub(crate) fn mounts(&self) -> Vec<(String, String)> {
        config::mounts(&self.config)
    }

    /// Megabytes that it was given.
    pub fn memory_mb(&self) -> u64 {
        config::memory_mb(&self.config)
    }

    pub(crate) fn remember(&mut self, event: Event) {
        self.updated_at = event.at;
        self.events.push_front(event);
        self.events.truncate(EVENTS);
    }

    /// The lease that holds now.
    pub(crate) fn leased(&self, now: i64) -> Option<&Lease> {
        self.lease.as_ref().filter(|lease| lease.ends > now)
    }
}

//! What GitHub knows.

mod check;
mod conversation;
mod delivery;
mod deployment;
mod installation;
mod people;
mod pull_request;
mod repository;

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use super::{
    clock::Clock, description::Description, faults::Faults, ledger::Ledger, webhooks::Outbox,
};

pub use check::{Button, CheckRun, Output};
pub use conversation::{Comment, Reaction};
pub use delivery::{Delivery, Sent};
pub use deployment::{Deployment, DeploymentStatus};
pub use installation::{Access, App, Installation, Level, Permissions, Selection, Token};
pub use people::{Account, Author, Role};
pub use pull_request::{Label, PullRequest};
pub use repository::Repository;

/// Ids of GitHub have not fitted 32 bits for years: nobody who reads them may think so.
const FIRST_ID: u64 = 4_300_000_000;

/// All of it, behind one lock.
#[derive(Debug)]
pub struct State {
    /// `http://127.0.0.1:PORT`, which is `api.github.com` and `github.com` at once.
    pub base: String,
    /// Time as the model tells it.
    pub clock: Clock,
    /// Users and organisations, by login.
    pub accounts: BTreeMap<String, Account>,
    /// Apps, by id.
    pub apps: BTreeMap<u64, App>,
    /// Installations, by id.
    pub installations: BTreeMap<u64, Installation>,
    /// Repositories, by id.
    pub repositories: BTreeMap<u64, Repository>,
    /// Deliveries, by id: the newest has the largest.
    pub deliveries: BTreeMap<u64, Delivery>,
    /// What goes wrong next.
    pub faults: Faults,
    /// What was asked and written.
    pub ledger: Ledger,
    /// GitHub's own description of its API, if this checkout has it.
    pub description: Option<&'static Description>,
    pub(crate) manifests: BTreeMap<String, serde_json::Value>,
    pub(crate) tokens: BTreeMap<String, Token>,
    pub(crate) outbox: Outbox,
    pub(crate) limits: super::limits::Limits,
    last_id: u64,
    folder: TempDir,
}

impl State {
    pub(crate) fn new(base: String, outbox: Outbox) -> Result<Self> {
        Ok(State {
            base,
            clock: Clock::default(),
            accounts: BTreeMap::new(),
            apps: BTreeMap::new(),
            installations: BTreeMap::new(),
            repositories: BTreeMap::new(),
            deliveries: BTreeMap::new(),
            faults: Faults::default(),
            ledger: Ledger::default(),
            description: Description::of_this_checkout(),
            manifests: BTreeMap::new(),
            tokens: BTreeMap::new(),
            outbox,
            limits: super::limits::Limits::default(),
            last_id: FIRST_ID,
            folder: tempfile::tempdir().context("no folder for the repositories of the model")?,
        })
    }

    /// A number that nothing else has.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.now()
    }

    /// Where the bare repository of this id stands; its name never changes, as its id does not.
    pub(crate) fn git_folder(&self, repository: u64) -> PathBuf {
        self.folder.path().join(format!("{repository}.git"))
    }
}

//! What GitHub knows.

mod check;
mod conversation;
mod delivery;
mod deployment;
mod installation;
mod people;
mod pull_request;
mod repository;

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use super::{
    clock::Clock,
    description::Description,
    faults::Faults,
    git::Objects,
    keys::{self, Key},
    ledger::Ledger,
    webhooks::Outbox,
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
    pub(crate) manifests: BTreeMap<String, super::routes::manifests::Agreed>,
    pub(crate) tokens: BTreeMap<String, Token>,
    pub(crate) outbox: Outbox,
    pub(crate) limits: super::limits::Limits,
    last_id: u64,
    ground: Ground,
    /// What its secrets are made from.
    salt: String,
}

/// Where repositories stand.
#[derive(Debug)]
pub(crate) enum Ground {
    /// In this folder, as git has them.
    Folder(TempDir),
    /// Nowhere but here.
    Memory(Arc<Objects>),
}

impl Ground {
    pub(crate) fn folder() -> Result<Self> {
        let folder = tempfile::tempdir();
        Ok(Ground::Folder(
            folder.context("no folder for the repositories of the model")?,
        ))
    }

    pub(crate) fn memory() -> Self {
        Ground::Memory(Arc::default())
    }
}

impl State {
    pub(crate) fn new(base: String, outbox: Outbox, ground: Ground, salt: String) -> Self {
        State {
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
            ground,
            salt,
        }
    }

    /// A number that nothing else has.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// So many letters (hexadecimal) that nobody had before; the same in every run of a story in process.
    pub(crate) fn letters(&mut self, count: usize) -> String {
        let mut letters = String::new();
        while letters.len() < count {
            let number = self.next_id();
            letters += &keys::digest(format!("{} {number}", self.salt).as_bytes());
        }
        letters.truncate(count);
        letters
    }

    /// A key for an App: of a second one another, unless the story is to be the same each time.
    pub(crate) fn app_key(&self) -> Result<Key> {
        match self.ground {
            Ground::Folder(_) if !self.apps.is_empty() => Key::generate(),
            Ground::Folder(_) | Ground::Memory(_) => Key::of_stories(),
        }
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.now()
    }
}

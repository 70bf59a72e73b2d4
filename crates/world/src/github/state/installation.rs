//! An App, where it is installed, and the tokens it was given.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};

use super::State;
use crate::github::keys::Key;

/// What a permission allows. Writing includes reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// May look.
    Read,
    /// May change.
    Write,
    /// May administer.
    Admin,
}

impl Level {
    /// As the API says it.
    pub fn name(self) -> &'static str {
        match self {
            Level::Read => "read",
            Level::Write => "write",
            Level::Admin => "admin",
        }
    }

    /// What the API calls so, or nothing.
    pub fn parse(name: &str) -> Option<Self> {
        [Level::Read, Level::Write, Level::Admin]
            .into_iter()
            .find(|level| level.name() == name)
    }
}

/// Levels by the name of what they concern: `checks`, `contents` and so on.
pub type Permissions = BTreeMap<String, Level>;

/// A GitHub App.
#[derive(Clone, Debug)]
pub struct App {
    /// Its `iss`.
    pub id: u64,
    /// Says it too: newer clients put this into `iss`.
    pub client_id: String,
    /// As in `https://github.com/apps/SLUG` and in `SLUG[bot]`.
    pub slug: String,
    /// As people read it.
    pub name: String,
    /// Login of whom it belongs to.
    pub owner: String,
    /// What it asks for at installation.
    pub permissions: Permissions,
    /// Names of the events that it wants.
    pub events: BTreeSet<String>,
    /// Where somebody's browser is sent after they have installed it; nowhere while it is empty.
    pub setup_url: String,
    /// Where its deliveries go; nothing is sent while it is empty.
    pub webhook_url: String,
    /// What they are signed with.
    pub webhook_secret: String,
    /// Number of its hook, as in `X-GitHub-Hook-ID`.
    pub hook_id: u64,
    /// User id of its bot.
    pub bot_id: u64,
    /// When it was made, in milliseconds since 1970.
    pub created_at: i64,
    pub(crate) key: Key,
}

/// Which repositories an installation reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All of the account, also those made later.
    All,
    /// These ids.
    Selected(BTreeSet<u64>),
}

/// An App at an account.
#[derive(Clone, Debug)]
pub struct Installation {
    /// Never changes.
    pub id: u64,
    /// The App's id.
    pub app: u64,
    /// Login of the account.
    pub account: String,
    /// Which repositories.
    pub selection: Selection,
    /// What was granted.
    pub permissions: Permissions,
    /// Whether it sends and allows nothing just now.
    pub suspended: Option<i64>,
    /// When it was made, in milliseconds since 1970.
    pub created_at: i64,
}

/// What a token allows.
#[derive(Clone, Debug)]
pub struct Token {
    /// Of this installation.
    pub installation: u64,
    /// Only these repositories, or all that the installation reaches.
    pub repositories: Option<BTreeSet<u64>>,
    /// Only these permissions.
    pub permissions: Permissions,
    /// In milliseconds since 1970.
    pub expires_at: i64,
}

/// What is needed to do something.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    /// Any of these permissions suffices.
    pub any_of: &'static [&'static str],
    /// At this level.
    pub level: Level,
}

impl Access {
    /// To look at what this permission covers.
    pub const fn read(any_of: &'static [&'static str]) -> Self {
        let level = Level::Read;
        Access { any_of, level }
    }

    /// To change what this permission covers.
    pub const fn write(any_of: &'static [&'static str]) -> Self {
        let level = Level::Write;
        Access { any_of, level }
    }

    /// Whether these permissions suffice.
    pub fn given_by(&self, permissions: &Permissions) -> bool {
        let had = |name: &&str| permissions.get(*name).is_some_and(|had| *had >= self.level);
        self.any_of.iter().any(had)
    }
}

impl State {
    pub(crate) fn app(&self, id: u64) -> Result<&App> {
        self.apps.get(&id).with_context(|| format!("no App {id}"))
    }

    /// The installations whose App hears of this repository.
    pub(crate) fn installations_of(&self, repository: u64) -> Vec<u64> {
        let reaches = |installation: &&Installation| {
            installation.suspended.is_none() && self.reaches(installation, repository)
        };
        let found = self.installations.values().filter(reaches);
        found.map(|installation| installation.id).collect()
    }

    /// Whether the installation covers this repository.
    pub(crate) fn reaches(&self, installation: &Installation, repository: u64) -> bool {
        let Some(found) = self.repositories.get(&repository) else {
            return false;
        };
        found.owner == installation.account
            && match &installation.selection {
                Selection::All => true,
                Selection::Selected(ids) => ids.contains(&repository),
            }
    }

    /// Ids of the repositories that the installation covers.
    pub(crate) fn reach(&self, installation: &Installation) -> Vec<u64> {
        let ids = self.repositories.keys().copied();
        ids.filter(|id| self.reaches(installation, *id)).collect()
    }
}

//! What an environment asks of the forge: GitHub, or local git repositories.

use actix::prelude::*;
use nestling_domain::{
    ids::{AppId, Commit, Kind, RepositoryId},
    lifecycle::Found,
};

/// What is true now: is the pull request open, and what is the head of its branch?
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Found, ForgeError>")]
pub struct Head {
    /// In which repository.
    pub repository: RepositoryId,
    /// The default branch, or which pull request.
    pub kind: Kind,
    /// The branch that the environment tracks.
    pub branch: String,
}

/// A git bundle file that holds this commit, for a runner that is about to clone it. Answers its path.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<std::path::PathBuf, ForgeError>")]
pub struct Pack {
    /// In which repository.
    pub repository: RepositoryId,
    /// Exactly this commit.
    pub commit: Commit,
}

/// Which apps this commit holds. Those that were not known are recorded first.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Vec<AppId>, ForgeError>")]
pub struct AppsAt {
    /// In which repository.
    pub repository: RepositoryId,
    /// Exactly this commit.
    pub commit: Commit,
}

/// What the pull request shows has changed: compose it anew from the records and ensure it is shown.
/// An older version than one already shown is ignored.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<(), ForgeError>")]
pub struct Announce {
    /// In which repository.
    pub repository: RepositoryId,
    /// The default branch, or which pull request.
    pub kind: Kind,
    /// Grows with every change.
    pub version: u64,
}

/// A person wants this waiting pull request to run although the limit is reached.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<(), ForgeError>")]
pub struct StartWaiting {
    /// In which repository.
    pub repository: RepositoryId,
    /// Which pull request.
    pub number: u32,
}

/// Watch this repository (a local path) from now on.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<RepositoryId, ForgeError>")]
pub struct WatchRepository {
    /// Where it lies.
    pub path: std::path::PathBuf,
}

/// Why the forge could not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForgeError {
    /// It will not work next time either: for people.
    #[error("{0}")]
    Rejected(String),
    /// Another try may help.
    #[error("{0}")]
    Failed(String),
}

/// There is something in the inbox.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Arrived;

/// The way for everybody else to reach the forge, whichever it is.
#[derive(Clone)]
pub struct Handle {
    /// What is true now.
    pub head: Recipient<Head>,
    /// The source of a commit.
    pub pack: Recipient<Pack>,
    /// Which apps a commit holds.
    pub apps_at: Recipient<AppsAt>,
    /// What the pull request shows.
    pub announce: Recipient<Announce>,
    /// A person starts a waiting pull request.
    pub start_waiting: Recipient<StartWaiting>,
}

//! What an environment asks of the forge: GitHub, or local git repositories.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use actix::prelude::*;
use nestling_domain::{
    discovery::Discovery,
    github::Unheard,
    ids::{AppId, Commit, Kind, RepositoryId, Timestamp},
    lifecycle::Found,
    record::PullRequest,
};

use super::said::Said;

/// What is true now: is the pull request open, and what is the head of its branch?
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Found, ForgeError>")]
pub struct Head {
    /// In which repository.
    pub repository: RepositoryId,
    /// For which app: its policy says whether that may run.
    pub app: AppId,
    /// The default branch, or which pull request.
    pub kind: Kind,
    /// The branch that the environment tracks.
    pub branch: String,
    /// Which question of its environment it is; `None` when somebody else asks.
    pub question: Option<Question>,
}

/// A question of an environment, which is asked again under the same number until it is answered. Whatever the forge learns
/// for it, it learns after the hint that the question came from: a later hint is another question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// Its number among those of the environment, see [`Look`](nestling_domain::lifecycle::Look).
    pub number: u32,
    /// How long whoever asks waits for the answer, this time.
    pub within: Duration,
}

/// A git bundle file that holds this commit, for a runner that is about to clone it. Answers its path.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<std::path::PathBuf, ForgeError>")]
pub struct Pack {
    /// In which repository.
    pub repository: RepositoryId,
    /// Of the default branch, or of which pull request.
    pub kind: Kind,
    /// Exactly this commit.
    pub commit: Commit,
}

/// Which apps this commit holds. Those that were not known are recorded first; those that are removed are named too.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Vec<AppId>, ForgeError>")]
pub struct AppsAt {
    /// In which repository.
    pub repository: RepositoryId,
    /// Of the default branch, or of which pull request.
    pub kind: Kind,
    /// Exactly this commit.
    pub commit: Commit,
}

/// Which apps the default branch holds now, and where there is none.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<FoundApps, ForgeError>")]
pub struct FindApps {
    /// In which repository.
    pub repository: RepositoryId,
}

/// What the default branch holds.
#[derive(Debug, Clone)]
pub struct FoundApps {
    /// The default branch.
    pub branch: String,
    /// Its head.
    pub commit: Commit,
    /// Where that is, for people: branch and repository.
    pub place: String,
    /// What was found there.
    pub discovery: Arc<Discovery>,
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

/// A person wants this open pull request to run although the limit is reached, or policy would make no preview of it.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<(), ForgeError>")]
pub struct StartWaiting {
    /// In which repository.
    pub repository: RepositoryId,
    /// Which pull request.
    pub number: u32,
    /// Of which app; `None` for all of them. Where pull requests wait as a whole, as branches of local repositories do, all.
    pub app: Option<AppId>,
}

/// Watch this repository (a local path) from now on.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<RepositoryId, ForgeError>")]
pub struct WatchRepository {
    /// Where it lies.
    pub path: std::path::PathBuf,
}

/// Whether somebody may write to a repository, as the forge says now.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<bool, ForgeError>")]
pub struct MayWrite {
    /// The repository.
    pub repository: RepositoryId,
    /// Their login.
    pub login: String,
}

/// What the forge shows of a pull request now, recorded before it is answered; `None` when it shows no such one.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Option<PullRequest>, ForgeError>")]
pub struct See {
    /// In which repository.
    pub repository: RepositoryId,
    /// Which pull request.
    pub number: u32,
}

/// A comment below a pull request was deleted: if it is the one that tells of our previews, it is made again.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct CommentDeleted {
    /// In which repository.
    pub repository: RepositoryId,
    /// Below which pull request.
    pub number: u32,
    /// Which.
    pub comment: u64,
}

/// The forge can be told of this repository again, after it could not be for a while: all of it is shown anew, where that differs.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct ShowAgain {
    /// Which.
    pub repository: RepositoryId,
}

/// Look at these repositories as a listing does, without waiting for the next one.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct LookAt(pub BTreeSet<RepositoryId>);

/// The way to a forge on which people write comments.
#[derive(Clone)]
pub struct People {
    /// Who may write.
    pub may_write: Recipient<MayWrite>,
    /// What a pull request is now.
    pub see: Recipient<See>,
    /// Whether a preview of it may run.
    pub head: Recipient<Head>,
    /// Where what came of it is told.
    pub announce: Recipient<Announce>,
    /// Whoever makes comments again.
    pub deleted: Recipient<CommentDeleted>,
    /// Where a repository is shown anew.
    pub show_again: Recipient<ShowAgain>,
    /// Who looks at repositories that are there again.
    pub look_at: Recipient<LookAt>,
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

/// Look at all that the forge covers, without waiting for the next time. Answered once that is done.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct LookAround;

/// What the forge's looks at everything found gone and have not ended yet, in words.
pub type HeldBack = Said<String>;

/// Webhooks that do not get through.
pub type NotHeard = Said<Unheard>;

/// What the forge refuses to show.
pub type NotShown = Said<Vec<Unshown>>;

/// That the forge refuses to show something of a pull request, or of production.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unshown {
    /// The repository.
    pub repository: RepositoryId,
    /// The pull request, or production.
    pub kind: Kind,
    /// What was refused, and why, for people.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// When it was refused last. What is owed is tried again each minute, so that it is over when this is long ago.
    pub last: Timestamp,
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
    /// What the default branch holds.
    pub find_apps: Recipient<FindApps>,
    /// What the pull request shows.
    pub announce: Recipient<Announce>,
    /// A person starts a waiting pull request.
    pub start_waiting: Recipient<StartWaiting>,
}

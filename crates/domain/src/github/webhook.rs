//! What a webhook says, read from its event's name and its body. Only what decisions need is kept.
//!
//! A webhook is a hint: it may be lost, repeated, late, and older than the one before it. So nothing here orders
//! anything of an environment; it names what may have changed, and the forge is asked what is true.
//!
//! Events and fields: GitHub's documentation, "Webhook events and payloads".

use serde::{Deserialize, Serialize};

use crate::ids::{Commit, RepositoryId};

/// What is kept of one webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// The installation of our App that it was sent for.
    pub installation: Option<u64>,
    /// The repository that it speaks of, as it is called now.
    pub repository: Option<Named>,
    /// Who caused it.
    pub sender: Option<Sender>,
    /// What it says.
    pub says: Says,
}

/// A repository with its names. The number is for ever; owner, name and default branch change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Its number.
    pub id: RepositoryId,
    /// The login of its owner.
    pub owner: String,
    /// Its name, without the owner.
    pub name: String,
    /// The branch whose environment is production; not told by every event.
    pub default_branch: Option<String>,
}

/// A person or a bot of GitHub. What it may do is asked of GitHub, never read from a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    /// Its number, for ever.
    pub id: u64,
    /// Its login, which may change.
    pub login: String,
    /// Whether it is a program.
    pub bot: bool,
}

/// What a webhook says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "says", rename_all = "kebab-case")]
pub enum Says {
    /// Something about a pull request changed.
    PullRequest {
        /// Its number.
        number: u32,
        /// The branch of its head; of a fork `owner:branch`, as GitHub shows it and as no branch can be called: a fork's `main`
        /// is never taken for ours.
        branch: String,
        /// Whether the head is in another repository than the base, or in one that is gone.
        fork: bool,
        /// Its title, at most 256 characters, GitHub's own limit.
        title: String,
        /// Its head, as of the webhook.
        head: Commit,
        /// What changed.
        change: PullRequestChange,
    },
    /// A branch has a new head.
    Push {
        /// The branch.
        branch: String,
        /// Its head, as of the webhook.
        head: Commit,
    },
    /// A branch is gone.
    BranchDeleted {
        /// The branch.
        branch: String,
    },
    /// The repository has another name, owner or default branch; `repository` says which.
    RepositoryChanged,
    /// The repository is gone.
    RepositoryDeleted,
    /// The App was installed, or its installation changed.
    Installation {
        /// How.
        change: InstallationChange,
    },
    /// An installation covers other repositories now.
    Repositories {
        /// From now on, too.
        added: Vec<Named>,
        /// No longer.
        removed: Vec<Named>,
    },
    /// Somebody wrote a comment on a pull request that holds commands.
    Comment {
        /// The pull request.
        number: u32,
        /// The comment.
        comment: u64,
        /// Its lines that may be commands, see [`super::command_lines`].
        lines: Vec<String>,
    },
    /// A comment on a pull request was deleted.
    CommentDeleted {
        /// The pull request.
        number: u32,
        /// The comment.
        comment: u64,
    },
    /// Somebody asks something of one of our check runs.
    Check {
        /// What we called it when we made it.
        external_id: String,
        /// The commit that it stands on.
        head: Commit,
        /// What is asked.
        ask: CheckAsk,
    },
    /// Somebody asks for all of our check runs on a commit once more.
    ChecksAgain {
        /// The commit.
        head: Commit,
    },
    /// Nothing that concerns us.
    Nothing {
        /// Why not, for people.
        why: String,
    },
}

/// What changed about a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PullRequestChange {
    /// It is new.
    Opened,
    /// It was closed, and is open again.
    Reopened,
    /// It has a new head.
    Pushed,
    /// It was closed, merged or not.
    Closed,
    /// Its title, base, labels, or whether it is a draft: policy decides anew.
    Described,
}

/// How an installation changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum InstallationChange {
    /// It is new, or was allowed more, and covers these repositories at least.
    Covers {
        /// Them.
        repositories: Vec<Named>,
    },
    /// It is gone, and covered these repositories at least.
    Deleted {
        /// Them.
        repositories: Vec<Named>,
    },
    /// Its owner stopped it for a while: nothing can be asked or said.
    Suspended,
    /// Its owner lets it go on.
    Unsuspended,
}

/// What is asked of a check run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum CheckAsk {
    /// Run again.
    Again,
    /// One of our buttons was pressed.
    Pressed {
        /// Which, as we called it.
        button: String,
    },
}

/// Why a webhook could not be read, for its sender and the log.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The body is no JSON at all.
    #[error("the body of this `{event}` webhook is not JSON: {source}")]
    NotJson {
        /// The event's name.
        event: String,
        /// What the parser says, with line and column.
        source: serde_json::Error,
    },
    /// It is JSON of another shape than GitHub documents.
    #[error("this `{event}` webhook is not of the shape that GitHub documents: {source}")]
    Misshapen {
        /// The event's name.
        event: String,
        /// What the parser says, with the field, line and column.
        source: serde_json::Error,
    },
}

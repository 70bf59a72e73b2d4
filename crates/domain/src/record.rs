//! The other records: history, events, inbox, pull requests, secrets and variables.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    app::VariableName,
    deployment::{Cause, CommitInfo, Failed, Shown, Tests},
    github::Webhook,
    ids::{AppId, Class, EnvironmentId, Generation, RepositoryId, Timestamp},
    lifecycle::{Happened, Trigger},
    orders::Orders,
};
use nestling_protocol::report::Endpoint;

/// One deployment in the history of its environment. Written with the state that changed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentRecord {
    /// Whose.
    pub environment: EnvironmentId,
    /// Its number.
    pub generation: Generation,
    /// What it ran.
    pub commit: CommitInfo,
    /// Why it existed.
    pub cause: Cause,
    /// How far it is, or how it ended.
    pub shown: Shown,
    /// When it entered each phase, in order; the last one lasts until `ended_at`, or still.
    pub phases: Vec<(Shown, Timestamp)>,
    /// How its tests went.
    pub tests: Tests,
    /// What it serves.
    pub endpoints: Vec<Endpoint>,
    /// Why it failed, if it did.
    pub failed: Option<Failed>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it ended: failed, superseded, stopped or replaced.
    pub ended_at: Option<Timestamp>,
}

/// The number of an event: grows over the whole store, and is the cursor of its consumers.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct EventNumber(pub u64);

/// One event of the append-only table, written in the same commit as the state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord {
    /// Its number, given by the store.
    pub number: EventNumber,
    /// Whose.
    pub environment: EnvironmentId,
    /// The version of the record that it belongs to: the durable order within one environment.
    pub version: crate::ids::Version,
    /// When.
    pub at: Timestamp,
    /// Who or what caused it, for people: `push`, `local user`, `runner`, `clock`.
    pub by: String,
    /// What.
    pub what: Happened,
}

/// Something that the forge told us, in the inbox until every environment it concerns has saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// GitHub's delivery id, or one made by the local forge of what it saw; a repeat is ignored.
    pub id: String,
    /// When it came.
    pub at: Timestamp,
    /// The repository; `None` when it speaks of none, as news of an installation do.
    pub repository: Option<RepositoryId>,
    /// What it says.
    pub fact: Fact,
}

/// What a delivery says. Never an order: it makes environments look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "kebab-case")]
pub enum Fact {
    /// The default branch has this head.
    Production {
        /// The default branch.
        branch: String,
        /// Its head.
        commit: crate::ids::Commit,
    },
    /// The forge shows nothing of the repository: production asks whether that is gone.
    Missing {
        /// The default branch, as it was called.
        branch: String,
    },
    /// A pull request was opened, pushed to, closed or reopened.
    PullRequest {
        /// Its number.
        number: u32,
        /// Its branch.
        branch: String,
        /// Its title.
        title: String,
        /// Its head, if the delivery named one.
        commit: Option<crate::ids::Commit>,
        /// What it was.
        trigger: Trigger,
    },
    /// A person asked for the preview of one app of a pull request, and of no other one.
    Preview {
        /// Which app.
        app: AppId,
        /// The pull request.
        number: u32,
        /// Its branch.
        branch: String,
        /// Its title.
        title: String,
    },
    /// A person recorded an app, or brought one back that was removed: its environments begin, and those of no other app.
    Returned {
        /// Which app.
        app: AppId,
        /// The default branch.
        branch: String,
        /// The head of the default branch, when it holds the app.
        commit: Option<crate::ids::Commit>,
    },
    /// A webhook of GitHub.
    Webhook {
        /// The name of its event.
        event: String,
        /// What was read of it; the rest of it is not kept.
        webhook: Box<Webhook>,
    },
    /// A webhook of GitHub that was signed as it should be, and could not be read.
    Unreadable {
        /// The name of its event.
        event: String,
        /// Why not, for people.
        why: String,
    },
}

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum DeliveryState {
    /// Not yet handed to every environment it concerns.
    Pending,
    /// Done; per environment what it caused, or why nothing.
    Done {
        /// Environment to decision, in words.
        decisions: BTreeMap<String, String>,
    },
}

/// A pull request as it was last seen: one of GitHub, or a branch beside the default one, which the local forge numbers
/// for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRequest {
    /// The repository.
    pub repository: RepositoryId,
    /// Its number, stable: a branch of the same name gets the same number again.
    pub number: u32,
    /// Its branch.
    pub branch: String,
    /// Its title: the first line of the head's message.
    pub title: String,
    /// Whether it is open, and may run.
    pub status: PullRequestStatus,
    /// Its head when last seen.
    pub head: Option<CommitInfo>,
    /// Its labels, where the forge has such.
    #[serde(default)]
    pub labels: Vec<String>,
    /// The branch that it is to be merged into, where the forge has such; none of what was recorded before that was.
    #[serde(default)]
    pub base: Option<String>,
    /// Whether it is a draft.
    #[serde(default)]
    pub draft: bool,
    /// What people who may write have ordered about it.
    #[serde(default)]
    pub orders: Orders,
}

/// Whether a pull request is open, and may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PullRequestStatus {
    /// Open and running.
    Open,
    /// Open, but more than the limit are; a person may start it.
    Waiting,
    /// Its branch is gone, has nothing that the default branch lacks, or is too old.
    Closed,
}

/// The GitHub App that a person made on the dashboard: what the server is at GitHub, where the configuration names none.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnApp {
    /// The App's number.
    pub number: u64,
    /// Its name.
    pub name: String,
    /// The address of its page at GitHub.
    pub page: String,
    /// Its private key: an envelope, see the keys driver.
    pub private_key: Vec<u8>,
    /// What GitHub signs webhooks with: an envelope, too.
    pub webhook_secret: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Nothing of the envelopes.
impl std::fmt::Debug for OwnApp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OwnApp({}, {:?})", self.number, self.name)
    }
}

/// A secret or a plain variable of an app, for one kind of environment.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Value {
    /// The app.
    pub app: AppId,
    /// The kind of environment.
    pub class: Class,
    /// Its name.
    pub name: VariableName,
    /// What it holds.
    pub content: Content,
    /// When it was last put.
    pub updated_at: Timestamp,
}

/// What a value holds.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Content {
    /// A plain variable.
    Plain {
        /// In the clear.
        text: String,
    },
    /// A secret: an envelope that only the keys driver opens.
    Secret {
        /// The envelope, see the keys driver.
        envelope: Vec<u8>,
    },
}

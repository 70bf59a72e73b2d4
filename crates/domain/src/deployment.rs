//! Deployments: one attempt each to run one commit in an environment.

use std::net::IpAddr;

use nestling_protocol::{
    report::{Endpoint, Exit, Failure, Step},
    test::Counts,
};
use serde::{Deserialize, Serialize};

use crate::ids::{Commit, Generation, Timestamp};

/// A commit and what people recognise it by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitInfo {
    /// The commit.
    pub id: Commit,
    /// The first line of its message, at most 200 characters.
    pub message: String,
    /// Who wrote it.
    pub author: String,
    /// What it may see and share, as decided when it was looked at.
    #[serde(default, skip_serializing_if = "Trust::is_member")]
    pub trust: Trust,
}

/// Who stands behind a commit, and what it therefore may see and share. It goes with the commit wherever that goes: into a
/// redeploy, a retry, a roll-back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// Somebody who may write to the repository: it sees the secrets of its kind, and shares caches with its app.
    #[default]
    Member,
    /// Anybody: it sees no secret, and what it installs is met by nobody but its own pull request.
    Outsider,
    /// Anybody, approved by somebody who may write, for an app that lets approved commits see the secrets of previews.
    OutsiderWithSecrets,
}

impl Trust {
    /// Whether it is the trust that most commits have.
    #[allow(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde hands it over like this"
    )]
    fn is_member(&self) -> bool {
        *self == Trust::Member
    }

    /// Whether it sees the secrets of its kind of environment.
    pub fn sees_secrets(self) -> bool {
        matches!(self, Trust::Member | Trust::OutsiderWithSecrets)
    }

    /// Whether it shares caches with other environments of its app: what it puts there runs in them.
    pub fn shares_caches(self) -> bool {
        self == Trust::Member
    }
}

/// One attempt to run one commit. Its number fences everything stale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// Its number.
    pub generation: Generation,
    /// What it runs.
    pub commit: CommitInfo,
    /// Why it exists.
    pub cause: Cause,
    /// Which try this is, from 1; see [`Cause::Retry`].
    pub attempt: u32,
    /// How far it is.
    pub phase: Phase,
    /// Since when it is in this phase.
    pub since: Timestamp,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When the phase must be over, else it failed; `None` for a phase that may last.
    pub deadline: Option<Timestamp>,
    /// Not before this moment is the next thing done about it (back-off of a retry, the next probe).
    pub not_before: Option<Timestamp>,
    /// The boot whose reports count, once one has reported.
    pub boot: Option<Boot>,
    /// Whether it cannot share its state folder with an older instance, once it has said so.
    pub exclusive: bool,
    /// Whether its machine can be made only when older ones are gone, once that was tried.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_place: bool,
    /// How its tests went, once they ran.
    pub tests: Tests,
    /// What it serves, once it listens.
    pub endpoints: Vec<Endpoint>,
    /// What the last probe got instead of health, for people.
    pub trouble: Option<String>,
    /// What its runner, or who made its machine, noted that people should know and that stops nothing.
    #[serde(default)]
    pub notes: Vec<String>,
    /// How its app ended, while that is started again in its machine.
    #[serde(default)]
    pub again: Option<Again>,
    /// Where its machine is reached on a private network, once it exists; `None` on this box.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
}

/// An app that ended and is started again by its runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Again {
    /// How it ended.
    pub exit: Exit,
    /// How often within the time in which its runner counts, this one included.
    pub times: u32,
}

/// One start of a runner, and the last report that counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// Random per start.
    pub id: String,
    /// The last report's number.
    pub seq: u64,
}

/// Why a deployment exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The branch has a new head, or was seen for the first time.
    Push,
    /// A person asked for it again.
    Redeploy,
    /// A person started a stopped environment.
    Start,
    /// A visit woke it.
    Visit,
    /// The pull request was opened again.
    Reopened,
    /// That deployment's try failed through no fault of the app.
    Retry(Generation),
    /// The machine of that deployment is gone (reboot, crash), though it should serve.
    Lost(Generation),
    /// That deployment replaced an exclusive app and did not become healthy.
    RolledBack(Generation),
    /// The server answers elsewhere than the older deployment was told, see [`crate::lifecycle::World::reached`].
    Moved {
        /// Where it answered.
        from: String,
        /// Where it answers.
        to: String,
    },
}

/// How far a deployment is. People see [`Phase::shown`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Waits for a slot, see admission.
    Queued,
    /// Has a slot; its machine is being made.
    Launching,
    /// Its machine exists; its runner has not reported yet.
    Booting,
    /// The runner is up and clones.
    Cloning,
    /// The commit is there; it is installed and built.
    SettingUp,
    /// Its tests run.
    Testing,
    /// Waits for `go`: an exclusive app until the older machine is gone.
    Prepared,
    /// Its process has been started and does not listen yet. That which serves is here, too, while its app is started
    /// again.
    Starting,
    /// It listens; our probe has not succeeded yet.
    Probing,
    /// It serves.
    Serving,
}

/// The phases as people see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shown {
    /// Waits for a slot.
    Queued,
    /// Clones, installs and builds.
    Deploying,
    /// Runs its tests.
    RunningTests,
    /// Starts, until it is proven healthy.
    Starting,
    /// Serves.
    Running,
    /// Ended by a failure.
    Failed,
    /// A newer commit took its place before it served.
    Superseded,
    /// Ended on purpose.
    Stopped,
}

impl Phase {
    /// What people see.
    pub fn shown(self) -> Shown {
        match self {
            Phase::Queued => Shown::Queued,
            Phase::Launching | Phase::Booting | Phase::Cloning | Phase::SettingUp => {
                Shown::Deploying
            }
            Phase::Testing => Shown::RunningTests,
            Phase::Prepared | Phase::Starting | Phase::Probing => Shown::Starting,
            Phase::Serving => Shown::Running,
        }
    }

    /// Whether a slot is held: from the launch until it is proven healthy.
    pub fn builds(self) -> bool {
        !matches!(self, Phase::Queued | Phase::Serving)
    }
}

impl Shown {
    /// The word for pages, the API and the command line.
    pub fn name(self) -> &'static str {
        match self {
            Shown::Queued => "queued",
            Shown::Deploying => "deploying",
            Shown::RunningTests => "running-tests",
            Shown::Starting => "starting",
            Shown::Running => "running",
            Shown::Failed => "failed",
            Shown::Superseded => "superseded",
            Shown::Stopped => "stopped",
        }
    }
}

/// How a deployment's tests went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tests {
    /// They have not ended yet.
    #[default]
    Pending,
    /// They ran.
    Ran(Counts),
    /// The run itself broke, and why.
    Broken(String),
}

/// Why a deployment failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// Which deployment.
    pub generation: Generation,
    /// What it tried to run.
    pub commit: CommitInfo,
    /// In which phase.
    pub phase: Shown,
    /// One sentence for people: the thing, the place and the remedy.
    pub reason: String,
    /// How the process ended, where one ended.
    pub exit: Option<Exit>,
    /// The last lines of the log of that phase, secrets masked.
    pub tail: Vec<String>,
    /// When.
    pub at: Timestamp,
    /// Whether a push or a person asked for it, or for the try that it repeats: then it is the newest word about its commit.
    #[serde(default)]
    pub asked: bool,
}

impl Cause {
    /// Whether a push or a person asks for it: then what comes of it is news of its commit.
    pub fn is_asked(&self) -> bool {
        match self {
            Cause::Push | Cause::Redeploy | Cause::Reopened => true,
            Cause::Start
            | Cause::Visit
            | Cause::Retry(_)
            | Cause::Lost(_)
            | Cause::RolledBack(_)
            | Cause::Moved { .. } => false,
        }
    }
}

impl Deployment {
    /// The failure of this deployment in its present phase, in our own words.
    pub fn failed(&self, reason: impl Into<String>, at: Timestamp) -> Failed {
        Failed {
            generation: self.generation,
            commit: self.commit.clone(),
            phase: self.phase.shown(),
            reason: reason.into(),
            exit: None,
            tail: Vec::new(),
            at,
            asked: self.cause.is_asked(),
        }
    }

    /// The failure that its runner reported, in the words of [`crate::failure`].
    pub fn failed_as_reported(&self, failure: Failure, at: Timestamp) -> Failed {
        let reason = crate::failure::reason(&failure);
        let phase = match failure.step {
            Step::Clone | Step::Setup => Shown::Deploying,
            Step::Test => Shown::RunningTests,
            Step::Start => Shown::Starting,
            Step::Run => Shown::Running,
        };
        Failed {
            phase,
            exit: failure.exit,
            tail: failure.tail,
            ..self.failed(reason, at)
        }
    }
}

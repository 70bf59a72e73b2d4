//! What can happen to an environment, and what a step answers.

use std::net::IpAddr;

use nestling_protocol::report::{Exit, Next, Phase as Reported};
use serde::{Deserialize, Serialize};

use super::{Lifecycle, Trigger, Waits, owed::Effect};
use crate::{
    deployment::{Again, Cause, CommitInfo, Failed, Shown},
    ids::{Commit, Generation, Timestamp},
};

/// Something that happened, in one of three kinds that must not be mixed up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// A person ordered it.
    Command(Command),
    /// A webhook, a moved ref or a refresh hints that the forge changed. Never an order: it becomes a look.
    Hint {
        /// The head that the hint announced.
        commit: Option<Commit>,
        /// What it was.
        trigger: Trigger,
    },
    /// The outside told us what is so.
    Observed(Observation),
    /// Time passed; deadlines are looked at.
    Tick,
}

/// What a person, or the owner of the app, can order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Deploy exactly this commit.
    Deploy(CommitInfo),
    /// Deploy the newest commit again.
    Redeploy,
    /// Give up the deployment on its way.
    Cancel,
    /// Stop it, keeping its state folder.
    Stop,
    /// Start a stopped one again; deploy the head of its branch, if another commit runs.
    Start,
    /// Stop it for a policy, with the reason in words.
    Suspend(String),
    /// Stop it until somebody visits it, if it runs and nothing newer is on its way.
    Sleep,
    /// The app is deleted: like a close, but final.
    Delete,
}

/// What the outside told us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Observation {
    /// The forge's answer to a look.
    Found {
        /// To which question, see [`Effect::Look`].
        look: u32,
        /// What it says.
        found: Found,
    },
    /// The forge could not answer; asked again later.
    NotFound {
        /// Which question.
        look: u32,
        /// Why, for people.
        reason: String,
    },
    /// Admission gave this generation a slot.
    Admitted(Generation),
    /// The machine of this generation exists.
    Launched {
        /// Whose.
        generation: Generation,
        /// Where it is reached on a private network; `None` on this box.
        address: Option<IpAddr>,
        /// What people should know of how it was made, and that stops nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
        /// The disk beyond it that it mounts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        volume: Option<String>,
    },
    /// The machine of this generation can be made once older ones are gone, and not before: one of them holds the disk that it mounts.
    Occupied(Generation),
    /// The machine of this generation could not be made.
    NotLaunched {
        /// Whose.
        generation: Generation,
        /// Why, for people.
        reason: String,
        /// Whether another try may help.
        retry: bool,
    },
    /// The runner of this generation said something.
    Reported {
        /// Whose.
        generation: Generation,
        /// Which start of the runner.
        boot: String,
        /// Which report of that boot.
        seq: u64,
        /// What.
        phase: Reported,
    },
    /// The probe of this generation succeeded, three times in a row.
    Healthy(Generation),
    /// The probe of this generation did not succeed this time.
    Unhealthy {
        /// Whose.
        generation: Generation,
        /// What came instead, for people.
        reason: String,
    },
    /// Requests to this generation have ended.
    Drained(Generation),
    /// The machine of this generation ended, or is silent for too long.
    Lost {
        /// Whose.
        generation: Generation,
        /// What is known about its end, for people.
        reason: String,
        /// Whether another try may help; not when it broke a limit of its own.
        retry: bool,
        /// How its app ended, where that is known.
        exit: Option<Exit>,
        /// The last lines of its log that its runner could not report any more.
        tail: Vec<String>,
    },
    /// All machines but those of these generations are gone; with the folder when it was to be erased.
    Absent {
        /// The generations that were to stay.
        keep: Vec<Generation>,
        /// The newest generation that this is about.
        upto: Generation,
        /// Whether the state folder was to go too, and is gone.
        erased: bool,
    },
    /// The machines could not be removed this time.
    NotAbsent {
        /// Why, for people.
        reason: String,
    },
    /// The forge shows this edition of the announcement, or a newer one.
    Announced(u32),
    /// The forge did not take the announcement.
    NotAnnounced {
        /// Why, for people.
        reason: String,
    },
    /// Previews of this server answer here, as `http://*.localhost:4100`.
    Reached {
        /// Where.
        at: String,
    },
    /// An order by a button of a check run was refused, and is to be told there.
    RefusedOrder {
        /// Why, for people.
        reason: String,
    },
}

impl Observation {
    /// The machine of this generation exists, on this box.
    pub fn launched(generation: Generation) -> Self {
        Observation::Launched {
            generation,
            address: None,
            note: None,
            volume: None,
        }
    }
}

/// What the forge says about an environment's branch or pull request, now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// It is open and this is its head.
    Open(CommitInfo),
    /// It is open and this is its head, which only a person deploys, after the first.
    Offered(CommitInfo),
    /// It is closed, or its branch is gone.
    Closed,
    /// It is open, and policy says that it must wait.
    Waiting(Waits),
}

/// What one step decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The state to save; equal to the old one when nothing changed.
    pub next: Lifecycle,
    /// What happened, for the event table: the audit log, the feed and the notifications.
    pub happened: Vec<Happened>,
    /// The answer for a runner that reported; `None` for every other event.
    pub answer: Option<Next>,
    /// Why nothing came of it, when nothing did and somebody may wonder.
    pub skipped: Option<String>,
}

/// A command that cannot be obeyed, and why, for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// Something that changed. Append-only; readers must accept kinds they do not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Happened {
    /// A deployment was asked for.
    Queued {
        /// Its number.
        generation: Generation,
        /// What it runs.
        commit: CommitInfo,
        /// Why.
        cause: Cause,
    },
    /// A deployment reached a phase.
    Phase {
        /// Its number.
        generation: Generation,
        /// The phase, as people see it.
        phase: Shown,
    },
    /// A deployment's tests ended.
    Tested {
        /// Its number.
        generation: Generation,
    },
    /// The app of a deployment ended, and is started again in its machine.
    Again {
        /// Its number.
        generation: Generation,
        /// How it ended, and how often.
        again: Again,
    },
    /// A deployment goes on, and people should know something about it.
    Noted {
        /// Its number.
        generation: Generation,
        /// What.
        text: String,
    },
    /// A deployment serves.
    Serving {
        /// Its number.
        generation: Generation,
    },
    /// A deployment failed.
    Failed(Box<Failed>),
    /// A deployment gave way to a newer one before it served.
    Superseded {
        /// Its number.
        generation: Generation,
        /// The newer one's.
        by: Generation,
    },
    /// A deployment on its way was given up.
    Cancelled {
        /// Its number.
        generation: Generation,
    },
    /// A deployment that served no longer does.
    Retired {
        /// Its number.
        generation: Generation,
    },
    /// The environment is stopped.
    Stopped {
        /// Why, in one word, see [`super::Why::name`].
        why: String,
    },
    /// Nothing of the environment is left.
    Removed,
    /// Nothing came of an event, and why.
    Skipped {
        /// Why, for people.
        reason: String,
    },
}

impl Step {
    /// What the new state owes, when it is new. Recovery is normal operation: nothing else is ever performed.
    pub fn owed(&self, before: &Lifecycle, now: Timestamp) -> Vec<Effect> {
        if self.next == *before {
            Vec::new()
        } else {
            self.next.owed(now)
        }
    }
}

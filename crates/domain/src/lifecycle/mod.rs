//! The lifecycle of one environment: `State × Event → State × Effects`, pure.
//!
//! [`Lifecycle::step`] is total and decides; [`Lifecycle::owed`] says what the state owes the world, so that
//! normal running, a restarted actor and a restarted process all run the same line. The effects of a step
//! are never anything but what its new state owes.

mod confirm;
mod draft;
mod event;
mod found;
mod late;
mod moved;
mod owed;
mod reported;
mod resume;
mod step;
mod stuck;
mod times;
mod why;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub(crate) use confirm::asks_first;
pub use event::{Command, Event, Found, Happened, Observation, Refused, Step};
pub use owed::{Effect, Lane};
pub use stuck::{Leftover, Remains, Removal, STUCK, Silence};
pub use times::Times;
pub use why::{Trigger, Waits, Why};

use crate::{
    deployment::{CommitInfo, Deployment, Failed, Phase, Shown},
    ids::{Commit, Generation, Timestamp},
};

/// What is saved of one environment's life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifecycle {
    /// The newest generation handed out; 0 before the first deployment. Never goes back.
    pub generation: Generation,
    /// Where it stands.
    pub state: State,
    /// What is known to be true outside, so that what is owed is a difference.
    pub world: World,
    /// A hint from the forge that has not been settled yet.
    pub look: Option<Look>,
    /// How many questions were put to the forge.
    pub looks: u32,
    /// The newest head, when a person cancelled its deployment and what serves, or starts again, is older.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled: Option<CommitInfo>,
    /// The newest head, when it came while a person or a policy had stopped it, so that nothing came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<CommitInfo>,
    /// Why the last order by a button was refused, for people, until the next deployment begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// The newest head, when only a person deploys it, and nobody has yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offered: Option<CommitInfo>,
}

/// Where an environment stands. At most two deployments are named: the one that serves and the one that is next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum State {
    /// Nothing has served yet. Without `next`, the forge has not yet said what should run.
    Creating {
        /// The first deployment.
        next: Option<Box<Deployment>>,
        /// Why the last try failed, while `next` repairs it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failed: Option<Box<Failed>>,
    },
    /// A deployment serves.
    Running {
        /// The one that serves.
        serving: Box<Deployment>,
        /// The newest deployment, when that one failed and the older one still serves.
        failed: Option<Box<Failed>>,
    },
    /// A newer deployment is on its way.
    Restarting {
        /// The one that serves meanwhile; `None` when it had to go first, or is lost.
        serving: Option<Box<Deployment>>,
        /// The one on its way.
        next: Box<Deployment>,
        /// The commit to start again if `next` fails, because it replaced an exclusive app; at most once.
        rollback: Option<CommitInfo>,
        /// Why the last try failed, while `next` repairs it (a roll-back, a retry).
        failed: Option<Box<Failed>>,
    },
    /// Nothing runs.
    Stopped {
        /// Why.
        why: Why,
        /// The commit that ran or was to run last.
        last: Option<CommitInfo>,
        /// Since when.
        since: Timestamp,
    },
}

impl Default for State {
    /// Nothing is known yet.
    fn default() -> Self {
        State::Creating {
            next: None,
            failed: None,
        }
    }
}

/// What is known to be true outside.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct World {
    /// Generations whose machine may exist: asked for, and not yet observed absent.
    pub machines: BTreeSet<Generation>,
    /// The newest generation whose machine was ever asked for.
    pub asked: Generation,
    /// The deployment that no longer gets new requests and still answers old ones.
    pub draining: Option<Generation>,
    /// Whether the state folder may exist.
    pub folder: bool,
    /// The disk beyond its machines on which the state folder is, by the name that whoever makes machines has for it; `None` where it goes with them,
    /// and on this box.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<String>,
    /// How often everything unwanted was observed absent since it was last wanted; see [`Times::absent_again`].
    pub absent: u8,
    /// When it must be observed again, while that is owed.
    pub observe_at: Option<Timestamp>,
    /// What came of the last try to remove what is unwanted, when that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remains: Option<Remains>,
    /// Counts the changes of what people are to see: the newest edition of the announcement.
    pub edition: u32,
    /// The newest edition that the forge shows.
    pub announced: u32,
    /// Not before this moment is the announcement tried again.
    pub announce_at: Option<Timestamp>,
    /// How often in a row the forge did not take an announcement.
    #[serde(default)]
    pub not_announced: u8,
    /// Where previews answer, as `http://*.localhost:4100`: what machines asked for from now on are told. `None` before
    /// anybody said so.
    #[serde(default)]
    pub reached: Option<String>,
}

/// A hint that has not been settled: the forge must be asked what is true now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// Counts the questions, so that a late answer to an earlier one is known as such.
    pub number: u32,
    /// The commit that the hint announced, if it named one. While the forge answers another, it is asked again.
    pub announced: Option<Commit>,
    /// How often it was asked since the hint.
    pub asked: u8,
    /// When to ask (again).
    pub at: Timestamp,
    /// What the hint was, which decides whether a stopped environment may come back.
    pub trigger: Trigger,
    /// Since when a close that was announced waits to be confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closing: Option<Timestamp>,
    /// What came of the last try to ask, when that brought no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence: Option<Silence>,
}

impl Lifecycle {
    /// An environment that was just recorded: it owes a look at the forge.
    pub fn new(now: Timestamp, announced: Option<Commit>) -> Self {
        Lifecycle {
            generation: Generation(0),
            state: State::default(),
            world: World {
                edition: 1,
                ..World::default()
            },
            looks: 1,
            look: Some(Look {
                number: 1,
                announced,
                asked: 0,
                at: now,
                trigger: Trigger::Push,
                closing: None,
                silence: None,
            }),
            cancelled: None,
            skipped: None,
            refused: None,
            offered: None,
        }
    }

    /// Whether it is closed: nothing of it runs, and its state folder is gone or goes.
    pub fn is_closed(&self) -> bool {
        matches!(
            self.state,
            State::Stopped {
                why: Why::Closed,
                ..
            }
        )
    }

    /// The deployment that serves.
    pub fn serving(&self) -> Option<&Deployment> {
        match &self.state {
            State::Running { serving, .. } => Some(serving),
            State::Restarting { serving, .. } => serving.as_deref(),
            State::Creating { .. } | State::Stopped { .. } => None,
        }
    }

    /// The deployment that serves, when its app is there to answer: not while that is started again.
    pub fn answering(&self) -> Option<&Deployment> {
        self.serving().filter(|one| one.phase == Phase::Serving)
    }

    /// The deployment on its way.
    pub fn next(&self) -> Option<&Deployment> {
        match &self.state {
            State::Creating { next, .. } => next.as_deref(),
            State::Restarting { next, .. } => Some(next),
            State::Running { .. } | State::Stopped { .. } => None,
        }
    }

    /// The deployment of this generation, when the record names it. Everything else is stale.
    pub fn named(&self, generation: Generation) -> Option<&Deployment> {
        [self.serving(), self.next()]
            .into_iter()
            .flatten()
            .find(|d| d.generation == generation)
    }

    /// The newest deployment's failure, while it is the newest news.
    pub fn failure(&self) -> Option<&Failed> {
        match &self.state {
            State::Creating { failed, .. }
            | State::Running { failed, .. }
            | State::Restarting { failed, .. } => failed.as_deref(),
            State::Stopped {
                why: Why::Failed(failed),
                ..
            } => Some(failed),
            State::Stopped { .. } => None,
        }
    }

    /// The commit that its status speaks of: what serves while nothing is on its way, else the newest.
    pub fn shown_commit(&self) -> Option<&CommitInfo> {
        match &self.state {
            State::Running { serving, .. } => Some(&serving.commit),
            State::Creating { .. } | State::Restarting { .. } | State::Stopped { .. } => {
                self.newest_commit()
            }
        }
    }

    /// The commit that was last asked for: on its way, failed, cancelled, serving or stopped.
    pub fn newest_commit(&self) -> Option<&CommitInfo> {
        if self.cancelled.is_some() {
            return self.cancelled.as_ref();
        }
        match &self.state {
            State::Creating { next, .. } => next.as_ref().map(|next| &next.commit),
            State::Running {
                failed: Some(failed),
                ..
            } => Some(&failed.commit),
            State::Running {
                serving,
                failed: None,
            } => Some(&serving.commit),
            // A roll-back runs an old commit because the newest one failed.
            State::Restarting {
                failed: Some(failed),
                ..
            } => Some(&failed.commit),
            State::Restarting { next, .. } => Some(&next.commit),
            State::Stopped { last, .. } => last.as_ref(),
        }
    }

    /// What people see, in one word.
    pub fn shown(&self) -> Shown {
        match &self.state {
            State::Creating { next: None, .. } => Shown::Queued,
            State::Creating {
                next: Some(next), ..
            } => next.phase.shown(),
            State::Restarting { next, .. } => next.phase.shown(),
            State::Running { serving, .. } => serving.phase.shown(),
            State::Stopped {
                why: Why::Failed(_),
                ..
            } => Shown::Failed,
            State::Stopped { .. } => Shown::Stopped,
        }
    }

    /// The four words of the lifecycle itself.
    pub fn state_name(&self) -> &'static str {
        match &self.state {
            State::Creating { .. } => "creating",
            State::Running { .. } => "running",
            State::Restarting { .. } => "restarting",
            State::Stopped { .. } => "stopped",
        }
    }
}

//! What a state owes the world: the difference between what it wants and what is known to be true.

use super::{Lifecycle, State, Why};
use crate::{
    deployment::Phase,
    ids::{Generation, Timestamp},
};
use serde::{Deserialize, Serialize};

/// How often the absence of everything must be observed before it is believed.
pub(super) const ABSENT_ENOUGH: u8 = 2;

/// Something to do in the world. Each is an *ensure*: safe to run twice, over in 10 s, and its end comes
/// back as an [`Observation`](super::Observation).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Ask admission for a slot for this generation.
    Admit(Generation),
    /// Ensure that the machine of this generation exists.
    Launch(Generation),
    /// Ask this generation, through the gateway's own code, whether it is healthy.
    Probe(Generation),
    /// Wait until this generation answers no more requests.
    Drain(Generation),
    /// Ensure that no machine exists but those of these generations, and no folder when `erase`.
    Destroy {
        /// The generations that stay, lowest first.
        keep: Vec<Generation>,
        /// The newest generation whose machine was asked for by then; later ones are none of its business.
        upto: Generation,
        /// Whether the state folder goes too.
        erase: bool,
    },
    /// Ask the forge what is true now; the number tells this question from earlier ones.
    Look(u32),
    /// Tell the forge that there is this edition of the announcement to show.
    Announce(u32),
}

/// Effects of one lane run one at a time; lanes never wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// The wait for a slot.
    Admission,
    /// The environment's machines.
    Machine,
    /// The end of requests to what served before: up to 10 s for which no newer build has to wait.
    Drain,
    /// The proof that a deployment is healthy.
    Proof,
    /// Questions to the forge.
    Look,
    /// What the forge shows.
    Announce,
}

impl Effect {
    /// The lane in which it runs.
    pub fn lane(&self) -> Lane {
        match self {
            Effect::Admit(_) => Lane::Admission,
            Effect::Launch(_) | Effect::Destroy { .. } => Lane::Machine,
            Effect::Drain(_) => Lane::Drain,
            Effect::Probe(_) => Lane::Proof,
            Effect::Look(_) => Lane::Look,
            Effect::Announce(_) => Lane::Announce,
        }
    }
}

impl Lifecycle {
    /// Every effect that this state owes at `now`, in order.
    pub fn owed(&self, now: Timestamp) -> Vec<Effect> {
        let due = |at: Option<Timestamp>| at.is_none_or(|at| at <= now);
        let mut owed = Vec::new();
        if let Some(generation) = self.world.draining {
            owed.push(Effect::Drain(generation));
        }
        if self.wants_destroy() && due(self.world.observe_at) {
            owed.push(Effect::Destroy {
                keep: self.keep(),
                upto: self.world.asked,
                erase: self.erases(),
            });
        }
        if let Some(next) = self.next() {
            let generation = next.generation;
            match next.phase {
                Phase::Queued if due(next.not_before) => owed.push(Effect::Admit(generation)),
                Phase::Launching if self.may_go(generation, next.in_place) => {
                    owed.push(Effect::Launch(generation));
                }
                // The switch would begin another drain: what drains has its time first.
                Phase::Probing if self.world.draining.is_none() => {
                    owed.push(Effect::Probe(generation));
                }
                Phase::Queued
                | Phase::Launching
                | Phase::Probing
                | Phase::Booting
                | Phase::Cloning
                | Phase::SettingUp
                | Phase::Testing
                | Phase::Prepared
                | Phase::Starting
                | Phase::Serving => {}
            }
        }
        if let Some(serving) = self.serving().filter(|one| one.phase == Phase::Probing) {
            owed.push(Effect::Probe(serving.generation));
        }
        if let Some(look) = self.look.as_ref().filter(|look| look.at <= now) {
            owed.push(Effect::Look(look.number));
        }
        if self.world.announced != self.world.edition && due(self.world.announce_at) {
            owed.push(Effect::Announce(self.world.edition));
        }
        owed
    }

    /// When this environment must be looked at next: zero when something is owed at once, `None` when it
    /// owes and awaits nothing. A start and the sweeper read only this.
    pub fn due_at(&self) -> Option<Timestamp> {
        let mut times = Vec::new();
        if self.world.draining.is_some() {
            times.push(Timestamp(0));
        }
        if self.wants_destroy() {
            times.push(self.world.observe_at.unwrap_or_default());
        }
        if let Some(next) = self.next() {
            let owes = match next.phase {
                Phase::Queued | Phase::Probing => true,
                Phase::Launching => self.may_go(next.generation, next.in_place),
                Phase::Booting
                | Phase::Cloning
                | Phase::SettingUp
                | Phase::Testing
                | Phase::Prepared
                | Phase::Starting
                | Phase::Serving => false,
            };
            let awaits = if owes { next.not_before } else { next.deadline };
            times.push(awaits.unwrap_or_default());
        }
        times.extend(self.serving().and_then(|serving| {
            let owes = serving.phase == Phase::Probing;
            if owes {
                Some(Timestamp(0))
            } else {
                serving.deadline
            }
        }));
        times.extend(self.look.as_ref().map(|look| look.at));
        if self.world.announced != self.world.edition {
            times.push(self.world.announce_at.unwrap_or_default());
        }
        times.into_iter().min()
    }

    /// The next moment at which time alone changes what is owed or what is so.
    pub fn wakes_at(&self, now: Timestamp) -> Option<Timestamp> {
        let next = self.next();
        [
            next.and_then(|next| next.deadline),
            self.serving().and_then(|serving| serving.deadline),
            next.and_then(|next| next.not_before).filter(|at| *at > now),
            self.look
                .as_ref()
                .map(|look| look.at)
                .filter(|at| *at > now),
            self.world.observe_at.filter(|at| *at > now),
            self.world.announce_at.filter(|at| *at > now),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The generations whose machine stays: what the record names and what still answers requests.
    pub fn keep(&self) -> Vec<Generation> {
        let named = [self.serving(), self.next()]
            .into_iter()
            .flatten()
            .map(|d| d.generation);
        self.world
            .machines
            .iter()
            .copied()
            .filter(|g| named.clone().any(|n| n == *g) || self.world.draining == Some(*g))
            .collect()
    }

    /// Whether it may begin to use the state folder, or have a machine that mounts it: an exclusive app only alone.
    pub(super) fn may_go(&self, generation: Generation, exclusive: bool) -> bool {
        !exclusive
            || self
                .world
                .machines
                .iter()
                .all(|machine| *machine == generation)
    }

    /// Whether people are to see something else after this than before.
    pub(super) fn reads_like(&self, before: &Self) -> bool {
        let shown = |life: &Self| {
            let serving = life.serving().map(|d| {
                let shown = (d.phase.shown(), d.again);
                (d.generation, d.endpoints.clone(), d.tests.clone(), shown)
            });
            let next = life
                .next()
                .map(|d| (d.generation, d.phase.shown(), d.tests.clone()));
            let failure = life.failure().map(|failed| failed.generation);
            let why = match &life.state {
                State::Stopped { why, .. } => Some(why.clone()),
                State::Creating { .. } | State::Running { .. } | State::Restarting { .. } => None,
            };
            (
                life.state_name(),
                life.shown(),
                serving,
                next,
                failure,
                why,
                (
                    life.newest_commit().cloned(),
                    life.skipped.clone(),
                    (life.refused.clone(), life.offered.clone()),
                ),
                (life.lasting_silence(), life.is_closing()),
            )
        };
        shown(self) == shown(before)
    }

    pub(super) fn wants_destroy(&self) -> bool {
        match &self.state {
            State::Stopped { .. } => self.world.absent < ABSENT_ENOUGH,
            State::Creating { .. } | State::Running { .. } | State::Restarting { .. } => {
                self.keep().len() < self.world.machines.len()
            }
        }
    }

    fn erases(&self) -> bool {
        matches!(
            &self.state,
            State::Stopped {
                why: Why::Closed,
                ..
            }
        )
    }
}

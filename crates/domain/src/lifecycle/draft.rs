//! A step in the making: the new state, and what is said about it. Every change of state is one of these verbs.

use super::{Happened, Lifecycle, State, Step, Times, Why};
use crate::{
    deployment::{Cause, CommitInfo, Deployment, Failed, Phase, Tests},
    ids::{Generation, Timestamp},
};

/// How often one commit is tried when tries fail through no fault of the app.
const MOST_ATTEMPTS: u32 = 3;

pub(super) struct Draft<'a> {
    pub(super) now: Timestamp,
    pub(super) times: &'a Times,
    pub(super) step: Step,
}

impl<'a> Draft<'a> {
    pub(super) fn of(before: &Lifecycle, now: Timestamp, times: &'a Times) -> Self {
        Draft {
            now,
            times,
            step: Step {
                next: before.clone(),
                happened: Vec::new(),
                answer: None,
                skipped: None,
            },
        }
    }

    pub(super) fn life(&self) -> &Lifecycle {
        &self.step.next
    }

    pub(super) fn life_mut(&mut self) -> &mut Lifecycle {
        &mut self.step.next
    }

    pub(super) fn say(&mut self, what: Happened) {
        self.step.happened.push(what);
    }

    pub(super) fn skip(&mut self, reason: impl Into<String>) {
        self.step.skipped = Some(reason.into());
    }

    /// The deployment on its way, if it has this generation.
    pub(super) fn next_mut(&mut self, generation: Generation) -> Option<&mut Deployment> {
        let next = match &mut self.step.next.state {
            State::Creating { next, .. } => next.as_deref_mut(),
            State::Restarting { next, .. } => Some(&mut **next),
            State::Running { .. } | State::Stopped { .. } => None,
        };
        next.filter(|next| next.generation == generation)
    }

    /// The deployment that serves, if it has this generation.
    pub(super) fn serving_mut(&mut self, generation: Generation) -> Option<&mut Deployment> {
        let serving = match &mut self.step.next.state {
            State::Running { serving, .. } => Some(&mut **serving),
            State::Restarting { serving, .. } => serving.as_deref_mut(),
            State::Creating { .. } | State::Stopped { .. } => None,
        };
        serving.filter(|serving| serving.generation == generation)
    }

    /// The deployment that the record names by this generation.
    pub(super) fn named_mut(&mut self, generation: Generation) -> Option<&mut Deployment> {
        if self
            .life()
            .next()
            .is_some_and(|next| next.generation == generation)
        {
            return self.next_mut(generation);
        }
        self.serving_mut(generation)
    }

    /// Moves a deployment to a phase, with the deadline of that phase.
    pub(super) fn enter(&mut self, generation: Generation, phase: Phase) {
        let (now, deadline) = (self.now, self.deadline(phase));
        let Some(next) = self.named_mut(generation) else {
            return;
        };
        let shown = next.phase.shown();
        // Clone, install and build share one limit, so that the clock is not set back by reaching the next of them.
        let shared = next.phase == Phase::Cloning && phase == Phase::SettingUp;
        next.phase = phase;
        next.not_before = None;
        if !shared {
            next.deadline = deadline;
        }
        if shown != phase.shown() {
            next.since = now;
            self.say(Happened::Phase {
                generation,
                phase: phase.shown(),
            });
        }
    }

    /// Asks for a new deployment, which takes the place of one on its way. What serves goes on serving.
    pub(super) fn begin(
        &mut self,
        commit: CommitInfo,
        cause: Cause,
        attempt: u32,
        not_before: Option<Timestamp>,
    ) {
        let now = self.now;
        let life = self.life_mut();
        life.generation = life.generation.next();
        let generation = life.generation;
        life.world.absent = 0;
        life.world.observe_at = None;
        life.skipped = None;
        life.refused = None;
        life.offered = life
            .offered
            .take()
            .filter(|offered| offered.id != commit.id);
        let repairs = matches!(cause, Cause::Retry(_) | Cause::RolledBack(_));
        // What nobody asked for leaves standing what failed before, and what was cancelled.
        let keeps_failure = repairs || matches!(cause, Cause::Moved { .. } | Cause::Lost(_));
        if !keeps_failure {
            life.cancelled = None;
        }
        let new = Box::new(Deployment {
            generation,
            commit: commit.clone(),
            cause: cause.clone(),
            attempt,
            phase: Phase::Queued,
            since: now,
            created_at: now,
            deadline: None,
            not_before,
            boot: None,
            exclusive: false,
            in_place: false,
            tests: Tests::Pending,
            endpoints: Vec::new(),
            trouble: None,
            notes: Vec::new(),
            again: None,
            address: None,
        });
        let (state, superseded) = match std::mem::take(&mut life.state) {
            State::Creating { next, failed } => (
                State::Creating {
                    next: Some(new),
                    failed: failed.filter(|_| keeps_failure),
                },
                next,
            ),
            State::Running { serving, failed } => {
                let failed = failed.filter(|_| keeps_failure);
                (
                    State::Restarting {
                        serving: Some(serving),
                        next: new,
                        rollback: None,
                        failed,
                    },
                    None,
                )
            }
            State::Restarting {
                serving,
                next,
                rollback,
                failed,
            } => {
                let failed = failed.filter(|_| keeps_failure);
                (
                    State::Restarting {
                        serving,
                        next: new,
                        rollback,
                        failed,
                    },
                    Some(next),
                )
            }
            State::Stopped { .. } => (
                State::Restarting {
                    serving: None,
                    next: new,
                    rollback: None,
                    failed: None,
                },
                None,
            ),
        };
        life.state = state;
        if let Some(old) = superseded.filter(|_| !repairs) {
            self.say(Happened::Superseded {
                generation: old.generation,
                by: generation,
            });
        }
        self.say(Happened::Queued {
            generation,
            commit,
            cause,
        });
    }

    /// The deployment on its way has failed: tried again where that may help, else rolled back where an
    /// exclusive app was replaced, else what serves goes on, else nothing runs.
    pub(super) fn fail_next(&mut self, failed: Failed, retry: bool) {
        let Some(next) = self.life().next().cloned() else {
            return;
        };
        // A retry is as much asked for as what it repeats.
        let repeats = matches!(next.cause, Cause::Retry(_));
        let before = self.life().failure().filter(|_| repeats);
        let asked = failed.asked || before.is_some_and(|before| before.asked);
        let failed = Failed { asked, ..failed };
        self.say(Happened::Failed(Box::new(failed.clone())));
        if retry && next.attempt < MOST_ATTEMPTS {
            let waits = &self.times.retry;
            let wait = waits
                .get(next.attempt as usize - 1)
                .or(waits.last())
                .copied()
                .unwrap_or_default();
            let at = self.now.plus(wait);
            self.begin(
                next.commit,
                Cause::Retry(next.generation),
                next.attempt + 1,
                Some(at),
            );
            self.remember(failed);
            return;
        }
        if let Some(commit) = self.take_rollback() {
            self.begin(commit, Cause::RolledBack(next.generation), 1, None);
            self.remember(failed);
            return;
        }
        match std::mem::take(&mut self.life_mut().state) {
            State::Restarting {
                serving: Some(serving),
                ..
            } => {
                self.life_mut().state = State::Running {
                    serving,
                    failed: Some(Box::new(failed)),
                };
            }
            State::Creating { .. }
            | State::Running { .. }
            | State::Restarting { .. }
            | State::Stopped { .. } => {
                self.stop(Why::Failed(Box::new(failed)), Some(next.commit));
            }
        }
    }

    /// What serves no longer does, through no wish of ours.
    pub(super) fn lose_serving(&mut self, failed: Failed, start_again: bool) {
        let Some(serving) = self.life().serving().cloned() else {
            return;
        };
        let generation = serving.generation;
        // It did come to serve what was asked for.
        let failed = Failed {
            asked: false,
            ..failed
        };
        self.say(Happened::Failed(Box::new(failed.clone())));
        if let State::Restarting { serving, .. } = &mut self.life_mut().state {
            *serving = None;
            return;
        }
        let steady = self.now.since(serving.since) >= self.times.steady;
        let attempt = if steady { 1 } else { serving.attempt + 1 };
        if !start_again || attempt > MOST_ATTEMPTS {
            self.stop(Why::Failed(Box::new(failed)), Some(serving.commit));
            return;
        }
        self.begin(serving.commit, Cause::Lost(generation), attempt, None);
        self.ask_first();
        if let State::Restarting { serving, .. } = &mut self.life_mut().state {
            *serving = None;
        }
    }

    /// The app of what serves is proven to be there again.
    pub(super) fn serve_again(&mut self, generation: Generation) {
        let now = self.now;
        if let Some(serving) = self.serving_mut(generation) {
            serving.phase = Phase::Serving;
            serving.since = now;
            serving.deadline = None;
            serving.trouble = None;
            serving.again = None;
            self.say(Happened::Serving { generation });
        }
    }

    /// The deployment on its way is proven: from now on it serves, and the older one answers only what it has begun.
    pub(super) fn serve(&mut self, generation: Generation) {
        let now = self.now;
        let life = self.life_mut();
        let (older, mut next, failed) = match std::mem::take(&mut life.state) {
            State::Creating {
                next: Some(next), ..
            } => (None, next, None),
            State::Restarting {
                serving,
                next,
                failed,
                ..
            } => (serving, next, failed),
            other @ (State::Creating { next: None, .. }
            | State::Running { .. }
            | State::Stopped { .. }) => {
                life.state = other;
                return;
            }
        };
        next.phase = Phase::Serving;
        next.since = now;
        next.deadline = None;
        next.not_before = None;
        next.trouble = None;
        next.again = None;
        // After a roll-back the newest commit is still the one that failed. That what served moves, or is started again, changes
        // nothing about that.
        let failed = failed.filter(|failed| match next.cause {
            Cause::RolledBack(_) => true,
            Cause::Moved { .. } | Cause::Lost(_) => failed.commit.id != next.commit.id,
            Cause::Push
            | Cause::Redeploy
            | Cause::Start
            | Cause::Visit
            | Cause::Reopened
            | Cause::Retry(_) => false,
        });
        life.world.draining = older.as_ref().map(|older| older.generation);
        life.state = State::Running {
            serving: next,
            failed,
        };
        if let Some(older) = older {
            self.say(Happened::Retired {
                generation: older.generation,
            });
        }
        self.say(Happened::Serving { generation });
    }

    /// Lets go of what serves, so that an exclusive app that is prepared can take its state folder, or its machine can be made at all; remembered
    /// for a roll-back. What drains already has its time first.
    pub(super) fn make_way(&mut self) {
        if self.life().world.draining.is_some() {
            return;
        }
        let State::Restarting {
            serving,
            rollback,
            next,
            ..
        } = &mut self.life_mut().state
        else {
            return;
        };
        let waits = match next.phase {
            Phase::Prepared => next.exclusive,
            Phase::Launching => next.in_place,
            Phase::Queued
            | Phase::Booting
            | Phase::Cloning
            | Phase::SettingUp
            | Phase::Testing
            | Phase::Starting
            | Phase::Probing
            | Phase::Serving => false,
        };
        if !waits {
            return;
        }
        let Some(older) = serving.take() else { return };
        let generation = older.generation;
        *rollback = Some(older.commit);
        self.life_mut().world.draining = Some(generation);
        self.say(Happened::Retired { generation });
    }

    /// Nothing is to run any more.
    pub(super) fn stop(&mut self, why: Why, last: Option<CommitInfo>) {
        let since = self.now;
        let name = why.name().to_owned();
        if matches!(why, Why::Person) {
            self.only_hear();
        }
        let life = self.life_mut();
        life.cancelled = None;
        life.skipped = None;
        life.refused = None;
        life.world.draining = None;
        life.world.absent = 0;
        life.world.observe_at = None;
        life.state = State::Stopped { why, last, since };
        self.say(Happened::Stopped { why: name });
    }

    /// The same, ordered; says what became of a deployment on its way.
    pub(super) fn stop_all(&mut self, why: Why) {
        if let Some(next) = self.life().next() {
            let generation = next.generation;
            self.say(Happened::Cancelled { generation });
        }
        if let Some(serving) = self.life().serving() {
            let generation = serving.generation;
            self.say(Happened::Retired { generation });
        }
        let last = self.life().newest_commit().cloned();
        self.stop(why, last);
    }

    pub(super) fn take_rollback(&mut self) -> Option<CommitInfo> {
        match &mut self.life_mut().state {
            State::Restarting { rollback, .. } => rollback.take(),
            State::Creating { .. } | State::Running { .. } | State::Stopped { .. } => None,
        }
    }

    fn remember(&mut self, why: Failed) {
        if let State::Creating { failed, .. } | State::Restarting { failed, .. } =
            &mut self.life_mut().state
        {
            *failed = Some(Box::new(why));
        }
    }
}

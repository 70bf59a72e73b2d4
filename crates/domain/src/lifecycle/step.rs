//! What each event changes.

use std::net::IpAddr;

use super::{
    Command, Event, Happened, Lifecycle, Observation, Refused, State, Step, Times, Trigger, Why,
    draft::Draft, owed::ABSENT_ENOUGH,
};
use crate::{
    deployment::{Cause, CommitInfo, Deployment, Failed, Phase},
    ids::{Generation, Timestamp},
};

impl Lifecycle {
    /// What `event` changes at `now`. Total: only a command can be refused, everything else at worst changes nothing.
    pub fn step(&self, event: &Event, now: Timestamp, times: &Times) -> Result<Step, Refused> {
        let mut draft = Draft::of(self, now, times);
        match event {
            Event::Command(command) => draft.command(command)?,
            Event::Hint { commit, trigger } => draft.hint(commit.clone(), *trigger),
            Event::Observed(observation) => draft.observe(observation),
            Event::Tick => draft.tick(),
        }
        if !draft.life().wants_destroy() {
            draft.life_mut().world.remains = None;
        }
        if !draft.life().reads_like(self) {
            draft.life_mut().world.edition += 1;
            draft.life_mut().world.announce_at = None;
        }
        if let Some(reason) = draft.step.skipped.clone()
            && !matches!(event, Event::Observed(_))
        {
            draft.say(Happened::Skipped { reason });
        }
        Ok(draft.step)
    }
}

impl Draft<'_> {
    fn command(&mut self, command: &Command) -> Result<(), Refused> {
        if let State::Stopped {
            why: Why::Closed, ..
        } = &self.life().state
            && !matches!(
                command,
                Command::Stop | Command::Delete | Command::Suspend(_) | Command::Sleep
            )
        {
            return Err(Refused(
                "its pull request is closed: open it again to deploy it".to_owned(),
            ));
        }
        if let State::Stopped {
            why: Why::Waits(waits),
            ..
        } = &self.life().state
            && matches!(command, Command::Deploy(_) | Command::Redeploy)
        {
            return Err(Refused(format!("it may not run now: {}", waits.reason)));
        }
        match command {
            Command::Deploy(commit) => self.begin(commit.clone(), Cause::Redeploy, 1, None),
            Command::Redeploy => {
                let Some(commit) = self.life().newest_commit().cloned() else {
                    return Err(Refused(
                        "nothing was deployed yet, so there is nothing to deploy again".to_owned(),
                    ));
                };
                self.begin(commit, Cause::Redeploy, 1, None);
                self.ask_first();
            }
            Command::Cancel => self.cancel()?,
            Command::Stop => match &mut self.life_mut().state {
                // It would start by itself, with a visit, a push, a free place or an approval.
                State::Stopped {
                    why: why @ (Why::Idle | Why::Waits(_) | Why::Failed(_)),
                    ..
                } => {
                    *why = Why::Person;
                    self.only_hear();
                }
                State::Stopped { .. } => {}
                State::Creating { .. } | State::Running { .. } | State::Restarting { .. } => {
                    self.stop_all(Why::Person);
                }
            },
            // Of one that runs: whatever is newer is deployed, as for production that no push deploys.
            Command::Start => {
                if let State::Stopped {
                    why: Why::Waits(waits),
                    ..
                } = &self.life().state
                {
                    let reason = &waits.reason;
                    self.skip(format!(
                        "it waits, unless the forge says otherwise now: {reason}"
                    ));
                }
                self.look(None, Trigger::Start);
            }
            Command::Suspend(reason) => {
                if !matches!(
                    self.life().state,
                    State::Stopped {
                        why: Why::Closed | Why::Policy(_) | Why::Waits(_),
                        ..
                    }
                ) {
                    self.stop_all(Why::Policy(reason.clone()));
                }
            }
            Command::Sleep => {
                if matches!(self.life().state, State::Running { .. }) {
                    self.stop_all(Why::Idle);
                }
            }
            Command::Delete => self.close(),
        }
        Ok(())
    }

    fn cancel(&mut self) -> Result<(), Refused> {
        let Some(next) = self.life().next() else {
            return Err(Refused(
                "no deployment is on its way, so there is nothing to cancel".to_owned(),
            ));
        };
        let (generation, commit) = (next.generation, next.commit.clone());
        // Whoever looks at the older commit is told of this one, and only a person or another head changes that.
        let unless = |older: &CommitInfo| (older.id != commit.id).then(|| commit.clone());
        if let Some(older) = self.take_rollback() {
            let cancelled = unless(&older);
            self.say(Happened::Cancelled { generation });
            self.begin(older, Cause::RolledBack(generation), 1, None);
            self.life_mut().cancelled = cancelled;
            return Ok(());
        }
        match &self.life().state {
            State::Restarting {
                serving: Some(serving),
                ..
            } => {
                let serving = serving.clone();
                self.life_mut().cancelled = unless(&serving.commit);
                self.life_mut().state = State::Running {
                    serving,
                    failed: None,
                };
                self.say(Happened::Cancelled { generation });
            }
            State::Creating { .. }
            | State::Running { .. }
            | State::Restarting { .. }
            | State::Stopped { .. } => {
                self.stop_all(Why::Person);
            }
        }
        Ok(())
    }

    fn hint(&mut self, commit: Option<crate::ids::Commit>, trigger: Trigger) {
        let trigger = if trigger == Trigger::Return {
            // What was told while it was out of reach may have reached nobody.
            self.life_mut().world.edition += 1;
            self.life_mut().world.announce_at = None;
            Trigger::Refresh
        } else {
            trigger
        };
        let closing = (trigger == Trigger::Close).then_some(self.now);
        // That it is open again is as good an answer as any to an earlier close.
        let reopens = trigger == Trigger::Reopen;
        self.look_if_it_matters(commit, trigger);
        if let Some(look) = &mut self.life_mut().look {
            look.closing = look.closing.filter(|_| !reopens).or(closing);
        }
    }

    fn look_if_it_matters(&mut self, commit: Option<crate::ids::Commit>, trigger: Trigger) {
        let reaches = |why: &Why, one: Trigger| one.refreshes() || why.revived_by(one);
        let asked = self.life().look.as_ref().map(|look| look.trigger);
        if let State::Stopped { why, .. } = &self.life().state
            && !reaches(why, trigger)
            // What is asked already may bring it back, and is to know of this.
            && !asked.is_some_and(|asked| reaches(why, asked))
        {
            let reason = format!("it is stopped ({}), which this does not change", why.name());
            // A push is shown all the same, once the forge has confirmed it.
            let is_shown = trigger == Trigger::Push && matches!(why, Why::Person);
            self.skip(reason);
            if is_shown {
                self.look(commit, trigger);
            }
            return;
        }
        // A visit needs nothing from one that runs or is on its way.
        if trigger == Trigger::Visit && !matches!(self.life().state, State::Stopped { .. }) {
            return;
        }
        self.look(commit, trigger);
    }

    fn observe(&mut self, observation: &Observation) {
        match observation {
            Observation::Found { look, found } => self.found(*look, found),
            Observation::NotFound { look, reason } => self.not_found(*look, reason),
            Observation::Admitted(generation) => self.admitted(*generation),
            Observation::Launched {
                generation,
                address,
                note,
                volume,
            } => {
                self.launched(*generation, *address);
                if self.named_mut(*generation).is_some() && volume.is_some() {
                    self.life_mut().world.volume.clone_from(volume);
                }
                if let Some(note) = note {
                    self.noted(*generation, note);
                }
            }
            Observation::Occupied(generation) => self.takes_place(*generation),
            Observation::NotLaunched {
                generation,
                reason,
                retry,
            } => {
                if let Some(next) = self
                    .next_mut(*generation)
                    .filter(|next| next.phase == Phase::Launching)
                    .cloned()
                {
                    self.fail_next(next.failed(reason, self.now), *retry);
                }
            }
            Observation::Reported {
                generation,
                boot,
                seq,
                phase,
            } => self.reported(*generation, boot, *seq, phase),
            Observation::Healthy(generation) => {
                if self.life().world.draining.is_none()
                    && self
                        .next_mut(*generation)
                        .is_some_and(|next| next.phase == Phase::Probing)
                {
                    self.serve(*generation);
                } else if self
                    .serving_mut(*generation)
                    .is_some_and(|serving| serving.phase == Phase::Probing)
                {
                    self.serve_again(*generation);
                }
            }
            Observation::Unhealthy { generation, reason } => {
                if let Some(named) = self
                    .named_mut(*generation)
                    .filter(|named| named.phase == Phase::Probing)
                {
                    named.trouble = Some(reason.clone());
                }
            }
            Observation::Drained(generation) => {
                if self.life().world.draining == Some(*generation) {
                    self.life_mut().world.draining = None;
                    self.make_way();
                }
            }
            Observation::Lost {
                generation,
                reason,
                retry,
                exit,
                tail,
            } => self.lost(*generation, *retry, |deployment, at| Failed {
                exit: *exit,
                tail: tail.clone(),
                ..deployment.failed(reason, at)
            }),
            Observation::Absent { keep, upto, erased } => self.absent(keep, *upto, *erased),
            Observation::NotAbsent { reason } => self.not_absent(reason),
            Observation::Announced(edition) => {
                let announced = &mut self.life_mut().world.announced;
                *announced = (*announced).max(*edition);
                self.life_mut().world.announce_at = None;
                self.life_mut().world.not_announced = 0;
            }
            Observation::NotAnnounced { .. } => self.not_announced(),
            Observation::Reached { at } => self.reached(at),
            // Nobody looks at what is closed.
            Observation::RefusedOrder { reason } => {
                if !self.life().is_closed() {
                    self.life_mut().refused = Some(reason.clone());
                }
            }
        }
    }

    /// Its machine exists. Where that is counts also for one whose runner has reported before this was heard.
    fn launched(&mut self, generation: Generation, address: Option<IpAddr>) {
        if address.is_some()
            && let Some(named) = self.named_mut(generation)
        {
            named.address = address;
        }
        if self
            .next_mut(generation)
            .is_some_and(|next| next.phase == Phase::Launching)
        {
            self.enter(generation, Phase::Booting);
        }
    }

    /// What serves has to go before this machine can be made.
    fn takes_place(&mut self, generation: Generation) {
        let launching = self
            .next_mut(generation)
            .filter(|next| next.phase == Phase::Launching);
        if let Some(next) = launching {
            next.exclusive = true;
            next.in_place = true;
            self.make_way();
        }
    }

    /// The forge did not take it: tried again later, and later each time. A newer edition is tried at once.
    fn not_announced(&mut self) {
        let (now, times) = (self.now, self.times);
        let world = &mut self.life_mut().world;
        if world.announce_at.is_some_and(|at| at > now) {
            return;
        }
        let waits = &times.announce_again;
        let wait = waits.get(usize::from(world.not_announced)).or(waits.last());
        world.announce_at = Some(now.plus(wait.copied().unwrap_or_default()));
        world.not_announced = world.not_announced.saturating_add(1);
    }

    fn admitted(&mut self, generation: Generation) {
        let now = self.now;
        let ready = self.next_mut(generation).is_some_and(|next| {
            next.phase == Phase::Queued && next.not_before.is_none_or(|at| at <= now)
        });
        if !ready {
            return;
        }
        // Recorded before it is asked for, so that whatever may exist is known.
        let world = &mut self.life_mut().world;
        world.machines.insert(generation);
        world.asked = generation;
        world.folder = true;
        self.enter(generation, Phase::Launching);
    }

    fn lost(
        &mut self,
        generation: Generation,
        retry: bool,
        failed: impl Fn(&Deployment, Timestamp) -> Failed,
    ) {
        let now = self.now;
        if let Some(serving) = self
            .life()
            .serving()
            .filter(|serving| serving.generation == generation)
            .cloned()
        {
            return self.lose_serving(failed(&serving, now), true);
        }
        // Before its machine was asked for, nothing can be lost.
        let begun = |next: &&mut Deployment| next.phase != Phase::Queued;
        if let Some(next) = self.next_mut(generation).filter(begun).cloned() {
            self.fail_next(failed(&next, now), retry);
        }
    }

    fn absent(&mut self, keep: &[Generation], upto: Generation, erased: bool) {
        let (now, again) = (self.now, self.times.absent_again);
        let stopped = matches!(self.life().state, State::Stopped { .. });
        let closed = matches!(
            self.life().state,
            State::Stopped {
                why: Why::Closed,
                ..
            }
        );
        // What was asked for since is none of this observation's business.
        let current = self.life().world.asked == upto;
        let world = &mut self.life_mut().world;
        world
            .machines
            .retain(|machine| *machine > upto || keep.contains(machine));
        world.observe_at = None;
        world.remains = None;
        if !stopped || !current {
            return;
        }
        if erased {
            world.folder = false;
            world.volume = None;
        }
        let complete = keep.is_empty() && (erased || !closed);
        if !complete || world.absent >= ABSENT_ENOUGH {
            return;
        }
        world.absent += 1;
        if world.absent < ABSENT_ENOUGH {
            world.observe_at = Some(now.plus(again));
        } else if closed {
            self.say(Happened::Removed);
        }
    }
}

//! What the forge is asked, and what it answers: closed, open at this head, or open and not to run now.

use super::{Found, Look, State, Trigger, Waits, Why, draft::Draft};
use crate::{
    deployment::{Cause, CommitInfo},
    ids::Commit,
};

impl Draft<'_> {
    /// Asks the forge. The answer to a question that stands may have been read before what this hint tells of, so that this is another
    /// question; unless it waits for the very head that is announced, or the hint is a visit, which tells nothing of the forge.
    pub(super) fn look(&mut self, announced: Option<Commit>, trigger: Trigger) {
        let at = self.now;
        let standing = self.life_mut().look.take();
        let both = |standing: &Look| match &self.life().state {
            State::Stopped { why, .. } => why.revived_most_by(trigger, standing.trigger),
            State::Creating { .. } | State::Running { .. } | State::Restarting { .. } => {
                trigger.or(standing.trigger)
            }
        };
        let trigger_of_both = standing.as_ref().map_or(trigger, both);
        let is_expected = |standing: &Look| announced.is_some() && announced == standing.announced;
        // The look that is kept is a refresh that may be confirmed as a close.
        let trigger_of_both = if trigger_of_both == Trigger::Close {
            Trigger::Refresh
        } else {
            trigger_of_both
        };
        let life = self.life_mut();
        let closing = standing.as_ref().and_then(|standing| standing.closing);
        let silence = standing.as_ref().and_then(|one| one.silence.clone());
        life.look = Some(match standing {
            Some(standing) if trigger == Trigger::Visit || is_expected(&standing) => Look {
                trigger: trigger_of_both,
                ..standing
            },
            standing => {
                life.looks += 1;
                Look {
                    number: life.looks,
                    announced: announced.or(standing.and_then(|standing| standing.announced)),
                    asked: 0,
                    at,
                    trigger: trigger_of_both,
                    closing,
                    silence,
                }
            }
        });
    }

    /// What was asked is still to be heard: a pull request that was closed, a push that mends what failed. But nothing that came
    /// before an order to stop starts it again.
    pub(super) fn only_hear(&mut self) {
        if let Some(look) = &mut self.life_mut().look {
            look.trigger = Trigger::Refresh;
        }
    }

    /// The forge has answered this question; what was asked before says nothing any more.
    pub(super) fn found(&mut self, number: u32, found: &Found) {
        let Some(look) = self
            .life()
            .look
            .clone()
            .filter(|look| look.number == number)
        else {
            return;
        };
        match found {
            Found::Closed => self.close(),
            Found::Waiting(waits) => {
                self.life_mut().look = None;
                self.wait(waits, look.trigger);
            }
            Found::Open(head) | Found::Offered(head) => {
                let expected = look
                    .announced
                    .as_ref()
                    .is_none_or(|announced| *announced == head.id);
                let wait = self.times.look_again.get(usize::from(look.asked)).copied();
                if let (false, Some(wait)) = (expected, wait) {
                    // Yesterday's head: ask again before the hint is spent.
                    let at = self.now.plus(wait);
                    self.life_mut().looks += 1;
                    let number = self.life().looks;
                    self.life_mut().look = Some(Look {
                        number,
                        asked: look.asked + 1,
                        at,
                        silence: None,
                        ..look
                    });
                    return;
                }
                self.life_mut().look = None;
                if matches!(found, Found::Offered(_)) && !self.takes_offer(look.trigger) {
                    return self.offer(head);
                }
                self.life_mut().offered = None;
                self.confirmed(head);
                self.settle(head, look.trigger);
            }
        }
    }

    /// Whether what only a person deploys is deployed now: somebody starts it, or nothing of it was deployed since it was made or
    /// came back.
    fn takes_offer(&self, trigger: Trigger) -> bool {
        let life = self.life();
        trigger == Trigger::Start || life.newest_commit().is_none() || life.is_closed()
    }

    /// Remembers what a person may deploy.
    fn offer(&mut self, head: &CommitInfo) {
        let newest = self.life().newest_commit();
        let is_new = newest.is_none_or(|newest| newest.id != head.id);
        self.life_mut().offered = is_new.then(|| head.clone());
        if is_new {
            let head = head.id.short();
            self.skip(format!(
                "no push deploys it (production_deploys is \"manual\"): {head} waits until somebody starts it"
            ));
        }
    }

    /// The forge says that it is open and may not run now. What is stopped for another reason stays so, except what is open
    /// again, and what would have started now: that it waits is the news.
    fn wait(&mut self, waits: &Waits, trigger: Trigger) {
        let now = self.now;
        match &mut self.life_mut().state {
            State::Stopped { why, last, since } => {
                let last = last.as_ref().map(|last| &last.id);
                let is_new = waits.approval.is_some() && waits.approval.as_ref() != last;
                let news = match why {
                    // It would have started now, and there is no place for it.
                    _ if waits.place => true,
                    Why::Waits(_) | Why::Closed => true,
                    Why::Failed(_) | Why::Idle => is_new || why.revived_by(trigger),
                    // Whoever pressed start, or pushed, is told why nothing starts.
                    Why::Person => trigger == Trigger::Start,
                    Why::Policy(_) => why.revived_by(trigger),
                };
                if news {
                    let stood_in_line = matches!(why, Why::Waits(waits) if waits.place);
                    if waits.place && !stood_in_line {
                        *since = now;
                    }
                    *why = Why::Waits(waits.clone());
                    // It waits with the newest head, whichever that is.
                    self.life_mut().skipped = None;
                }
            }
            State::Creating { .. } | State::Running { .. } | State::Restarting { .. } => {
                self.stop_all(Why::Waits(waits.clone()));
            }
        }
    }

    /// The forge says that it is open and this is its head: is there anything to deploy?
    fn settle(&mut self, head: &CommitInfo, trigger: Trigger) {
        let known = self
            .life()
            .newest_commit()
            .is_some_and(|newest| newest.id == head.id);
        let cause = match &self.life().state {
            State::Stopped { why, .. } => {
                // A refresh that finds a new head stands for the push that was lost.
                let lost_push =
                    trigger == Trigger::Refresh && !known && !matches!(why, Why::Closed);
                let trigger = if lost_push { Trigger::Push } else { trigger };
                if !why.revived_by(trigger) {
                    let reason =
                        format!("it is stopped ({}), which this does not change", why.name());
                    // Whoever pushed is told, and whoever starts it gets this one.
                    if matches!(why, Why::Person) {
                        self.life_mut().skipped = (!known).then(|| head.clone());
                    }
                    return self.skip(reason);
                }
                if known && trigger == Trigger::Push && matches!(why, Why::Failed(_)) {
                    return self.skip(format!(
                        "{} failed already: push a fix, or redeploy it",
                        head.id.short()
                    ));
                }
                // The webhook of a push from before it was stopped may come late.
                if known && trigger == Trigger::Push && matches!(why, Why::Policy(_)) {
                    return self.skip(format!(
                        "{} ran already when it was stopped (policy): push something new, or start it",
                        head.id.short()
                    ));
                }
                match trigger {
                    Trigger::Push => Cause::Push,
                    Trigger::Reopen | Trigger::Refresh | Trigger::Close | Trigger::Return => {
                        Cause::Reopened
                    }
                    Trigger::Visit => Cause::Visit,
                    Trigger::Start => Cause::Start,
                }
            }
            State::Creating { .. } | State::Running { .. } | State::Restarting { .. } => {
                let cancelled = self.life().cancelled.is_some();
                let idle = self.life().next().is_none();
                let mut serving = self.life().serving().into_iter();
                let serves = serving.any(|serving| serving.commit.id == head.id);
                let head = head.id.short();
                match (known, cancelled) {
                    (true, true) if idle && trigger == Trigger::Start => Cause::Start,
                    (true, true) => {
                        let reason = format!("{head} was cancelled by a person: redeploy it");
                        return self.skip(reason);
                    }
                    // The branch was set back to what serves, so nothing newer is left to speak of.
                    (false, true) if idle && serves => {
                        self.life_mut().cancelled = None;
                        return self.skip(format!("{head} is deployed already"));
                    }
                    (true, false) => {
                        let reason = format!("{head} is deployed or on its way already");
                        return self.skip(reason);
                    }
                    (false, _) => Cause::Push,
                }
            }
        };
        self.begin(head.clone(), cause, 1, None);
    }

    pub(super) fn close(&mut self) {
        self.life_mut().look = None;
        if matches!(
            self.life().state,
            State::Stopped {
                why: Why::Closed,
                ..
            }
        ) {
            return;
        }
        self.stop_all(Why::Closed);
    }
}

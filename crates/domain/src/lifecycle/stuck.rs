//! What does not come to its end: a forge that does not answer, and what cannot be removed. It is kept in the record, so that
//! people are told why an environment is as it is, and it is tried for ever.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Lifecycle, State, draft::Draft};
use crate::{
    ids::{Generation, Timestamp},
    text,
};

/// After this much time a removal that has not come to its end is listed as stuck. Without faults it takes some 35 s: all is
/// observed absent twice, 30 s apart.
pub const STUCK: Duration = Duration::from_mins(1);

/// How much of a reason is kept, in bytes.
const REASON_KEPT: usize = 500;

/// The forge was asked, and has not answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// Since when: the first try without an answer.
    pub since: Timestamp,
    /// What came of the last one, for people.
    pub reason: String,
    /// Whether that lasts: the pull request is to show it, too.
    pub lasts: bool,
}

/// What could not be removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remains {
    /// Since when: the first try that failed.
    pub since: Timestamp,
    /// What came of the last one, for people.
    pub reason: String,
    /// How often in a row it failed.
    pub tries: u8,
}

/// A removal that has not come to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal<'a> {
    /// Since when it is wanted.
    pub since: Timestamp,
    /// What is left to do.
    pub left: Leftover,
    /// What came of the last try, for people; `None` before one failed.
    pub reason: Option<&'a str>,
}

/// What a removal has left to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leftover {
    /// A close was announced, and the forge has not confirmed it: what runs goes on.
    Close,
    /// These machines, and the state folder, may still be there.
    Outside {
        /// Whose machines.
        machines: Vec<Generation>,
        /// Whether the state folder.
        folder: bool,
    },
}

impl Lifecycle {
    /// What is to be removed and is not known to be gone. What is superseded, or was stopped and keeps its state, counts once a
    /// try to remove it failed.
    pub fn removal(&self) -> Option<Removal<'_>> {
        if let Some(look) = self.look.as_ref().filter(|_| !self.is_closed())
            && let Some(since) = look.closing
        {
            let left = Leftover::Close;
            let reason = look.silence.as_ref().map(|silence| &*silence.reason);
            return Some(Removal {
                since,
                left,
                reason,
            });
        }
        if !self.wants_destroy() {
            return None;
        }
        let remains = self.world.remains.as_ref();
        let since = match &self.state {
            State::Stopped { since, .. } if self.is_closed() => *since,
            State::Creating { .. }
            | State::Running { .. }
            | State::Restarting { .. }
            | State::Stopped { .. } => remains?.since,
        };
        let keep = self.keep();
        let machines = self.world.machines.iter().copied();
        Some(Removal {
            since,
            left: Leftover::Outside {
                machines: machines.filter(|one| !keep.contains(one)).collect(),
                folder: self.is_closed() && self.world.folder,
            },
            reason: remains.map(|remains| &*remains.reason),
        })
    }

    /// The removal that should have come to its end by now.
    pub fn stuck(&self, now: Timestamp) -> Option<Removal<'_>> {
        self.removal()
            .filter(|removal| now.since(removal.since) >= STUCK)
    }

    /// Whether it is closed, and something of it could not be removed and was never seen gone.
    pub fn is_closing(&self) -> bool {
        self.is_closed() && self.world.absent == 0 && self.world.remains.is_some()
    }

    /// Whether it is closed, and everything of it was seen gone as often as that must be.
    pub fn is_gone(&self) -> bool {
        self.is_closed() && !self.wants_destroy()
    }

    /// Whether the forge does not answer for long, and whether a close waits for it.
    pub(super) fn lasting_silence(&self) -> Option<bool> {
        let look = self.look.as_ref()?;
        let silence = look.silence.as_ref()?;
        silence.lasts.then_some(look.closing.is_some())
    }
}

impl Draft<'_> {
    /// The forge could not answer this question: it is asked again later.
    pub(super) fn not_found(&mut self, number: u32, reason: &str) {
        let (now, times) = (self.now, self.times);
        let look = self.life_mut().look.as_mut();
        let Some(look) = look.filter(|look| look.number == number) else {
            return;
        };
        let since = look.silence.as_ref().map_or(now, |silence| silence.since);
        look.at = now.plus(times.forge_again);
        look.silence = Some(Silence {
            since,
            reason: text::clean(reason, REASON_KEPT),
            lasts: now.since(since) >= times.silence,
        });
    }

    /// What is unwanted could not be removed: tried again later, and later each time.
    pub(super) fn not_absent(&mut self, reason: &str) {
        let (now, times) = (self.now, self.times);
        let is_wanted = self.life().wants_destroy();
        let world = &mut self.life_mut().world;
        // Told twice, or of what nobody wants any more.
        if !is_wanted || world.observe_at.is_some_and(|at| at > now) {
            return;
        }
        let before = world.remains.take();
        let tries = before.as_ref().map_or(0, |remains| remains.tries);
        let waits = &times.destroy_again;
        let wait = waits.get(usize::from(tries)).or(waits.last());
        world.observe_at = Some(now.plus(wait.copied().unwrap_or_default()));
        world.remains = Some(Remains {
            since: before.map_or(now, |remains| remains.since),
            reason: text::clean(reason, REASON_KEPT),
            tries: tries.saturating_add(1),
        });
    }
}

//! What starts although no answer of the forge led to it was trusted before, and wanted: whether that still holds is asked first.

use super::{Trigger, draft::Draft};
use crate::deployment::{Cause, CommitInfo, Deployment, Phase};

impl Draft<'_> {
    /// What was queued just now waits for the forge's word, and no longer than [`ask_first`](super::Times::ask_first).
    pub(super) fn ask_first(&mut self) {
        let wait = self.times.ask_first;
        let Some(generation) = self.life().next().map(|next| next.generation) else {
            return;
        };
        if wait.is_zero() {
            return;
        }
        let until = self.now.plus(wait);
        if let Some(next) = self.next_mut(generation) {
            next.not_before = Some(until);
        }
        // Whatever is asked already answers this, too.
        if self.life().look.is_none() {
            self.look(None, Trigger::Refresh);
        }
    }

    /// The forge says that it is open and this is its head: what waited for that may start, with the trust that it has now.
    pub(super) fn confirmed(&mut self, head: &CommitInfo) {
        let waits = self.life().next().filter(|next| asks_first(next));
        let Some(generation) = waits.map(|next| next.generation) else {
            return;
        };
        if let Some(next) = self.next_mut(generation) {
            next.not_before = None;
            if next.commit.id == head.id {
                next.commit.trust = head.trust;
            }
        }
    }
}

/// Whether it waits for the forge's word.
pub(crate) fn asks_first(next: &Deployment) -> bool {
    let asks = match next.cause {
        Cause::Redeploy | Cause::Lost(_) | Cause::Moved { .. } => true,
        Cause::Push
        | Cause::Start
        | Cause::Visit
        | Cause::Reopened
        | Cause::Retry(_)
        | Cause::RolledBack(_) => false,
    };
    asks && next.phase == Phase::Queued && next.not_before.is_some()
}

//! Down for ten minutes is not a mass redeploy: after a start of our own, deadlines are given grace.

use super::{Lifecycle, State, Times};
use crate::ids::Timestamp;

impl Lifecycle {
    /// This record as a server sees it that has just begun to listen: a deadline on something that only
    /// the outside can report is at least [`Times::grace`] away.
    #[must_use]
    pub fn resumed(mut self, now: Timestamp, times: &Times) -> Self {
        let next = match &mut self.state {
            State::Creating { next: Some(next) } => next,
            State::Restarting { next, .. } => next,
            State::Creating { next: None } | State::Running { .. } | State::Stopped { .. } => {
                return self;
            }
        };
        next.deadline = next
            .deadline
            .map(|deadline| deadline.max(now.plus(times.grace)));
        self
    }
}

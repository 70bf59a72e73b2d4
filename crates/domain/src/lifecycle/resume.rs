//! Down for ten minutes is not a mass redeploy: after a start of our own, deadlines are given grace.

use super::{Lifecycle, State, Times};
use crate::ids::Timestamp;

impl Lifecycle {
    /// This record as a server sees it that has just begun to listen: a deadline on something that only
    /// the outside can report is at least [`Times::grace`] away.
    #[must_use]
    pub fn resumed(mut self, now: Timestamp, times: &Times) -> Self {
        let (serving, next) = match &mut self.state {
            State::Creating { next, .. } => (None, next.as_mut()),
            State::Running { serving, .. } => (Some(serving), None),
            State::Restarting { serving, next, .. } => (serving.as_mut(), Some(next)),
            State::Stopped { .. } => (None, None),
        };
        for deployment in serving.into_iter().chain(next) {
            deployment.deadline = deployment
                .deadline
                .map(|deadline| deadline.max(now.plus(times.grace)));
        }
        self
    }
}

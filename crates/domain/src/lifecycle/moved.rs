//! The server answers elsewhere than before: whatever was told its old addresses is deployed again.

use super::{State, draft::Draft};
use crate::deployment::{Cause, Deployment, Phase};

impl Draft<'_> {
    /// Previews answer here. What runs, or is on its way, was told where they answered when its machine was asked for.
    pub(super) fn reached(&mut self, at: &str) {
        let known = self.life_mut().world.reached.replace(at.to_owned());
        // A record of a server that did not write this down: where it answered is not known.
        let Some(from) = known.filter(|known| known != at) else {
            return;
        };
        // What waits for its machine is told with it.
        let told = |deployment: &Deployment| deployment.phase != Phase::Queued;
        let told = match &self.life().state {
            State::Creating { next, .. } => next.as_deref().filter(|next| told(next)),
            State::Restarting { next, .. } => Some(&**next).filter(|next| told(next)),
            State::Running { serving, .. } => Some(&**serving),
            State::Stopped { .. } => None,
        };
        if let Some(commit) = told.map(|deployment| deployment.commit.clone()) {
            let to = at.to_owned();
            self.begin(commit, Cause::Moved { from, to }, 1, None);
            self.ask_first();
        }
    }
}

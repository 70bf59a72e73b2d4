//! What news of a forge mean for one environment: never an order, always a reason to look.

use crate::{
    ids::{Commit, Kind},
    lifecycle::Trigger,
};

/// What an environment is told, and what it is recorded as if it is new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// Production, or the preview of which pull request.
    pub kind: Kind,
    /// The branch that it tracks.
    pub branch: String,
    /// The pull request's title; the branch for production.
    pub title: String,
    /// The head that was announced, if one was.
    pub commit: Option<Commit>,
    /// What it was.
    pub trigger: Trigger,
    /// Whether an environment that is not there yet is made.
    pub creates: bool,
}

impl Hint {
    /// The default branch has this head, or whichever the forge says.
    pub fn of_production(branch: &str, commit: Option<&Commit>) -> Self {
        Hint {
            kind: Kind::Production,
            branch: branch.to_owned(),
            title: branch.to_owned(),
            commit: commit.cloned(),
            trigger: Trigger::Push,
            creates: true,
        }
    }
}

//! What may come of a request that was not answered well.

use std::time::Duration;

/// Why GitHub did not do what was asked, for people; and what follows from it, for us.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GitHubError {
    /// There is no such thing, or we may not see it: GitHub does not tell these apart.
    #[error(
        "GitHub does not know {asked}, or does not show it to the App: is the App installed there, with the permissions it asks for?"
    )]
    Absent {
        /// What was asked for.
        asked: String,
    },
    /// It says no, and will say so next time.
    #[error("GitHub refuses {asked}: {said} ({status})")]
    Refused {
        /// What was asked for.
        asked: String,
        /// Its status.
        status: u16,
        /// Its words.
        said: String,
    },
    /// Its limits are reached; nothing has happened, and nothing is asked before the wait is over.
    #[error("GitHub wants us to wait {} s before {asked}", .wait.as_secs())]
    Limited {
        /// What was asked for.
        asked: String,
        /// For so long.
        wait: Duration,
    },
    /// Nothing has happened; another try may help.
    #[error("GitHub could not be asked for {asked}: {why}")]
    Failed {
        /// What was asked for.
        asked: String,
        /// What went wrong.
        why: String,
    },
    /// It may have happened: look before it is asked for again.
    #[error("it is not known whether GitHub did {asked}: {why}")]
    Unknown {
        /// What was asked for.
        asked: String,
        /// What went wrong.
        why: String,
    },
    /// GitHub answered in a shape that it does not document.
    #[error("GitHub's answer about {asked} cannot be read: {why}")]
    Unreadable {
        /// What was asked for.
        asked: String,
        /// Where it differs.
        why: String,
    },
}

impl GitHubError {
    /// Nothing where there is none.
    pub(super) fn or_none<T>(self) -> Result<Option<T>, GitHubError> {
        if matches!(self, GitHubError::Absent { .. }) {
            return Ok(None);
        }
        Err(self)
    }
}

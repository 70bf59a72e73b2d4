//! How the clock of this machine stands to GitHub's, by the `Date` of its answers.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, UNIX_EPOCH},
};

use hyper::{HeaderMap, header::DATE};
use nestling_domain::ids::Timestamp;

/// How far apart the clocks may be: what an App signs is dated a minute back, and one from the future is not taken.
pub const TOLERATED: Duration = Duration::from_mins(1);

/// By how much this machine's clock is wrong, if GitHub's is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skew {
    /// It is so far ahead.
    Ahead(Duration),
    /// It is so far behind.
    Behind(Duration),
}

/// What the last answer said.
#[derive(Debug, Default)]
pub(super) struct Heard(Mutex<Option<Skew>>);

impl Skew {
    /// Whether what the App signs may not be taken for it.
    pub fn is_too_much(self) -> bool {
        let (Skew::Ahead(by) | Skew::Behind(by)) = self;
        by > TOLERATED
    }
}

impl std::fmt::Display for Skew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (by, how) = match self {
            Skew::Ahead(by) => (by, "ahead of"),
            Skew::Behind(by) => (by, "behind"),
        };
        write!(
            f,
            "this machine's clock is {} s {how} GitHub's",
            by.as_secs()
        )
    }
}

impl Heard {
    /// Takes in an answer that came just now.
    pub(super) fn heard(&self, headers: &HeaderMap, now: Timestamp) {
        let date = headers.get(DATE).and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| httpdate::parse_http_date(date).ok());
        let Some(theirs) = date.and_then(|date| date.duration_since(UNIX_EPOCH).ok()) else {
            return;
        };
        let ours = Duration::from_millis(now.0);
        let skew = match ours.checked_sub(theirs) {
            Some(ahead) => Skew::Ahead(ahead),
            None => Skew::Behind(theirs.saturating_sub(ours)),
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(skew);
    }

    /// As of the last answer; `None` before the first.
    pub(super) fn skew(&self) -> Option<Skew> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

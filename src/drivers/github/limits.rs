//! GitHub's limits, obeyed: what its answers say about how much may still be asked, and until when nothing.
//!
//! GitHub's documentation, "Rate limits for the REST API" and "Best practices": wait as long as `retry-after` says; with
//! nothing left until `x-ratelimit-reset`; otherwise a minute at least. A secondary limit that a write has reached counts for
//! writes: what GitHub shows is late then, and what runs is not. A reading that is limited as well stops everything.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hyper::HeaderMap;
use nestling_domain::ids::Timestamp;
use tokio::time::Instant;

/// What GitHub asks for when it names no time.
const UNNAMED: Duration = Duration::from_mins(1);
/// No clock is so wrong, and no limit so long, that we would wait longer than this without asking.
const LONGEST: Duration = Duration::from_hours(1);

/// Who asks: the App itself, or one of its installations. Each has limits of its own.
pub(super) type Who = Option<u64>;

/// What may still be asked in this hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Requests of an hour.
    pub limit: u32,
    /// How many of them are left.
    pub remaining: u32,
    /// When the hour ends.
    pub reset: Timestamp,
}

#[derive(Debug, Default)]
pub(super) struct Limits {
    known: Mutex<HashMap<Who, Known>>,
}

#[derive(Debug, Default)]
struct Known {
    quota: Option<Quota>,
    until: Option<Instant>,
    /// Until when nothing may be written.
    until_writing: Option<Instant>,
}

impl Limits {
    /// How long this one must not ask, if so; or not write.
    pub(super) fn wait(&self, who: Who, writes: bool) -> Option<Duration> {
        let known = self.known();
        let known = known.get(&who)?;
        let writing = known.until_writing.filter(|_| writes);
        let until = known.until.max(writing)?;
        let wait = until.saturating_duration_since(Instant::now());
        (!wait.is_zero()).then_some(wait)
    }

    pub(super) fn quota(&self, who: Who) -> Option<Quota> {
        self.known().get(&who)?.quota
    }

    /// What everybody may still ask who asked something.
    pub(super) fn quotas(&self) -> Vec<(Who, Quota)> {
        let known = self.known();
        let all = known
            .iter()
            .filter_map(|(who, known)| Some((*who, known.quota?)));
        all.collect()
    }

    /// Takes in the answer to a question, or to something written; how long to wait if it says that a limit is reached.
    pub(super) fn heard(
        &self,
        (who, writes): (Who, bool),
        (status, said): (u16, &str),
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Option<Duration> {
        let quota = quota(headers);
        let wait = reached(status, said, headers, now).map(|wait| wait.min(LONGEST));
        let mut known = self.known();
        let known = known.entry(who).or_default();
        known.quota = quota.or(known.quota);
        if let Some(wait) = wait {
            let is_used_up = quota.is_some_and(|quota| quota.remaining == 0);
            let until = if writes && !is_used_up {
                &mut known.until_writing
            } else {
                &mut known.until
            };
            *until = Some(Instant::now() + wait);
        }
        wait
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Who, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn quota(headers: &HeaderMap) -> Option<Quota> {
    Some(Quota {
        limit: number(headers, "x-ratelimit-limit")?,
        remaining: number(headers, "x-ratelimit-remaining")?,
        reset: Timestamp(number::<u64>(headers, "x-ratelimit-reset")?.saturating_mul(1000)),
    })
}

/// How long to wait, when this answer says that a limit is reached.
fn reached(status: u16, said: &str, headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    if !matches!(status, 403 | 429) {
        return None;
    }
    if let Some(seconds) = number(headers, "retry-after") {
        return Some(Duration::from_secs(seconds));
    }
    let quota = quota(headers);
    if let Some(quota) = quota.filter(|quota| quota.remaining == 0) {
        let left = Duration::from_millis(quota.reset.0.saturating_sub(now.0));
        return Some(left.max(Duration::from_secs(1)));
    }
    let limited = status == 429 || said.to_lowercase().contains("rate limit");
    limited.then_some(UNNAMED)
}

fn number<T: std::str::FromStr>(headers: &HeaderMap, name: &str) -> Option<T> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| {
                let name = hyper::header::HeaderName::from_static(name);
                (name, hyper::header::HeaderValue::from_static(value))
            })
            .collect()
    }

    #[test]
    fn each_way_to_be_told_to_wait() {
        let now = Timestamp(1_000_000);
        let used_up = [
            ("x-ratelimit-limit", "5000"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1090"),
        ];
        let seconds = Duration::from_secs;
        for (status, said, told, wait) in [
            (
                403,
                "You have exceeded a secondary rate limit.",
                &[("retry-after", "53")][..],
                Some(seconds(53)),
            ),
            (
                403,
                "API rate limit exceeded.",
                &used_up[..],
                Some(seconds(90)),
            ),
            (429, "Too many requests", &[][..], Some(UNNAMED)),
            (
                403,
                "You have exceeded a secondary rate limit.",
                &[][..],
                Some(UNNAMED),
            ),
            (403, "Resource not accessible by integration", &[][..], None),
            (404, "Not Found", &used_up[..], None),
        ] {
            assert_eq!(
                reached(status, said, &headers(told), now),
                wait,
                "{status} {said}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_installation_waits_and_another_does_not() {
        let limits = Limits::default();
        let told = headers(&[("retry-after", "60")]);
        limits.heard((Some(1), false), (403, ""), &told, Timestamp(0));
        assert_eq!(limits.wait(Some(1), false), Some(Duration::from_mins(1)));
        assert_eq!(limits.wait(Some(1), true), Some(Duration::from_mins(1)));
        assert_eq!(limits.wait(Some(2), false), None);
        assert_eq!(limits.wait(None, false), None);
        tokio::time::advance(Duration::from_mins(1)).await;
        assert_eq!(limits.wait(Some(1), false), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_written_too_often_keeps_nobody_from_asking() {
        let limits = Limits::default();
        let told = headers(&[("retry-after", "60")]);
        limits.heard((Some(1), true), (403, ""), &told, Timestamp(0));
        assert_eq!(limits.wait(Some(1), true), Some(Duration::from_mins(1)));
        assert_eq!(limits.wait(Some(1), false), None);
        // With no request left there is none for questions either.
        let used_up = headers(&[
            ("x-ratelimit-limit", "5000"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "90"),
        ]);
        limits.heard((Some(2), true), (403, ""), &used_up, Timestamp(0));
        assert_eq!(limits.wait(Some(2), false), Some(Duration::from_secs(90)));
    }
}

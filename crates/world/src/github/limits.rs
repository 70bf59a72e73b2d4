//! GitHub's limits: requests an hour, and writes that people see.

use std::collections::{BTreeMap, VecDeque};

use super::wire::Answer;

/// Requests that an installation may make in an hour.
const PRIMARY: u32 = 5_000;
/// Requests an hour of somebody who does not say who they are.
const ANONYMOUS: u32 = 60;
/// What people see may be written so often a minute and an hour.
const CONTENT: (usize, usize) = (80, 500);
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// Who has used how much.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    windows: BTreeMap<String, Window>,
    writes: BTreeMap<String, VecDeque<i64>>,
    /// What a story set instead of [`PRIMARY`].
    primary: Option<u32>,
    /// Whether a story is about something else than [`CONTENT`].
    writes_freely: bool,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    ends: i64,
    used: u32,
}

/// As the headers say it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    pub(crate) limit: u32,
    pub(crate) used: u32,
    /// In seconds since 1970.
    pub(crate) reset: i64,
}

impl Rate {
    pub(crate) fn remaining(&self) -> u32 {
        self.limit.saturating_sub(self.used)
    }

    /// Written onto an answer.
    pub(crate) fn onto(self, answer: Answer) -> Answer {
        answer
            .with("x-ratelimit-limit", self.limit.to_string())
            .with("x-ratelimit-remaining", self.remaining().to_string())
            .with("x-ratelimit-used", self.used.to_string())
            .with("x-ratelimit-reset", self.reset.to_string())
            .with("x-ratelimit-resource", "core")
    }
}

impl Limits {
    pub(crate) fn set_primary(&mut self, limit: u32) {
        self.primary = Some(limit);
    }

    pub(crate) fn write_freely(&mut self) {
        self.writes_freely = true;
    }

    pub(crate) fn rate(&mut self, who: &str, now: i64) -> Rate {
        let fresh = Window {
            ends: now + HOUR_MS,
            used: 0,
        };
        let window = self.windows.entry(who.to_owned()).or_insert(fresh);
        if window.ends <= now {
            *window = fresh;
        }
        let limit = if who == "nobody" {
            ANONYMOUS
        } else {
            self.primary.unwrap_or(PRIMARY)
        };
        Rate {
            limit,
            used: window.used.min(limit),
            reset: window.ends / 1000,
        }
    }

    pub(crate) fn count(&mut self, who: &str, now: i64) {
        self.rate(who, now);
        if let Some(window) = self.windows.get_mut(who) {
            window.used += 1;
        }
    }

    /// Uses the hour up.
    pub(crate) fn exhaust(&mut self, who: &str, now: i64) -> Rate {
        let limit = self.rate(who, now).limit;
        if let Some(window) = self.windows.get_mut(who) {
            window.used = limit;
        }
        self.rate(who, now)
    }

    /// One more write; or what GitHub says to one too many.
    pub(crate) fn content(&mut self, who: &str, now: i64) -> Result<(), Answer> {
        let writes = self.writes.entry(who.to_owned()).or_default();
        while writes.front().is_some_and(|at| *at <= now - HOUR_MS) {
            writes.pop_front();
        }
        let oldest_of = |count: usize| writes.len().checked_sub(count).map(|place| writes[place]);
        let minute = oldest_of(CONTENT.0).map_or(0, |at| at + MINUTE_MS - now);
        let hour = oldest_of(CONTENT.1).map_or(0, |at| at + HOUR_MS - now);
        let wait = minute.max(hour);
        if wait > 0 && !self.writes_freely {
            return Err(secondary(u32::try_from(wait / 1000 + 1).unwrap_or(60)));
        }
        writes.push_back(now);
        Ok(())
    }
}

/// What GitHub says when somebody is too quick.
pub(crate) fn secondary(retry_after: u32) -> Answer {
    let words =
        "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
    Answer::error(403, words).with("retry-after", retry_after.to_string())
}

/// What GitHub says when the hour is used up.
pub(crate) fn primary(who: &str, rate: Rate) -> Answer {
    rate.onto(Answer::error(
        403,
        &format!("API rate limit exceeded for {who}."),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_81st_write_of_a_minute_waits_for_its_end() {
        let mut limits = Limits::default();
        for n in 0..80 {
            limits.content("installation 1", n * 100).unwrap();
        }
        let refused = limits.content("installation 1", 8_000).unwrap_err();
        assert_eq!(refused.status, 403);
        assert!(
            refused
                .headers
                .contains(&("retry-after".into(), "53".into())),
            "{refused:?}"
        );
        limits.content("installation 2", 8_000).unwrap();
        limits.content("installation 1", 60_000).unwrap();
    }

    #[test]
    fn an_hour_ends() {
        let mut limits = Limits::default();
        assert_eq!(limits.exhaust("installation 1", 0).remaining(), 0);
        assert_eq!(limits.rate("installation 1", HOUR_MS - 1).remaining(), 0);
        assert_eq!(limits.rate("installation 1", HOUR_MS).remaining(), PRIMARY);
    }
}

//! Which webhooks GitHub is asked to deliver once more: all that did not get through, for as long as GitHub keeps them.
//!
//! While none gets through, a few are asked for each minute, to see when one does; then all at once. One that fails though others get through is asked for
//! after longer and longer waits.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::ids::Timestamp;

/// How many are asked for in a minute while none gets through: GitHub takes 5,000 requests of an App in an hour.
const PROBES: usize = 10;
/// Between two attempts of one while none gets through.
const APART: Duration = Duration::from_mins(1);
/// The longest between two attempts of one that fails though others get through.
const MOST_APART: Duration = Duration::from_hours(1);
/// After so long another one is asked for though the one that was asked for has not been seen.
const ASKED_IN_VAIN: Duration = Duration::from_mins(10);
/// How long GitHub delivers a webhook again: <https://docs.github.com/en/webhooks/testing-and-troubleshooting-webhooks/redelivering-webhooks>.
const KEPT: Duration = Duration::from_hours(3 * 24);
/// What we answer to a webhook that cannot be read. It is recorded, and could not be read next time either.
const UNREADABLE: u16 = 400;
/// How long none gets through before people are told.
const SILENT: Duration = Duration::from_mins(2);

/// An attempt to deliver, as GitHub's log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its number: later ones have higher ones.
    pub id: u64,
    /// The delivery: the same for all attempts of one.
    pub guid: String,
    /// What we answered; 0 when there was no answer.
    pub status: u16,
}

impl Attempt {
    fn got_through(&self) -> bool {
        (200..400).contains(&self.status) || self.status == UNREADABLE
    }
}

/// A webhook that did not get through yet.
#[derive(Debug, Default)]
struct Lost {
    /// When each attempt was seen first, and what was answered.
    attempts: BTreeMap<u64, (Timestamp, u16)>,
    /// The attempt after which another was asked for, and when.
    asked: Option<(u64, Timestamp)>,
    /// Nothing more is to be asked for: it came, or GitHub refuses to deliver it.
    over: bool,
}

impl Lost {
    fn newest(&self) -> Option<(u64, Timestamp, u16)> {
        let (id, (seen, status)) = self.attempts.last_key_value()?;
        Some((*id, *seen, *status))
    }
}

/// What is known of GitHub's log: what did not get through, and whether anything did meanwhile.
#[derive(Debug, Default)]
pub struct Log {
    lost: BTreeMap<String, Lost>,
    /// Attempts that got through, as many as lie between those that did not.
    through: BTreeSet<u64>,
    /// The highest number that was read.
    read_to: Option<u64>,
}

/// What does not get through, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unheard {
    /// So many webhooks wait at GitHub.
    pub waiting: usize,
    /// Whether none got through after them.
    pub silent: bool,
    /// When the first of them was seen.
    pub since: Timestamp,
    /// What was answered to the newest attempt; 0 when there was no answer.
    pub status: u16,
}

impl Unheard {
    /// What came of the newest attempt, after "the newest".
    pub fn how(&self) -> String {
        match self.status {
            0 => "without an answer: is the address reached from outside?".to_owned(),
            401 => "answered 401: is forge.github.webhook_secret the App's?".to_owned(),
            status => format!("answered {status}"),
        }
    }
}

impl Log {
    /// The highest number of an attempt that was read; `None` before the first.
    pub fn read_to(&self) -> Option<u64> {
        self.read_to
    }

    /// Takes in attempts, of whatever order, which may be known already.
    pub fn learn(&mut self, attempts: &[Attempt], now: Timestamp) {
        // What failed before anybody looked did so a while ago.
        let seen = match self.read_to {
            Some(_) => now,
            None => Timestamp(now.0.saturating_sub(millis(APART))),
        };
        for attempt in attempts {
            self.read_to = self.read_to.max(Some(attempt.id));
            if attempt.got_through() {
                self.through.insert(attempt.id);
                continue;
            }
            let lost = self.lost.entry(attempt.guid.clone()).or_default();
            let known = lost.attempts.entry(attempt.id);
            known.or_insert((seen, attempt.status));
        }
        for came in attempts.iter().filter(|attempt| attempt.got_through()) {
            self.lost.remove(&came.guid);
        }
        self.forget(now);
    }

    /// What GitHub does not deliver any more, and attempts that tell nothing.
    fn forget(&mut self, now: Timestamp) {
        self.lost.retain(|_, lost| {
            let newest = lost.newest();
            newest.is_some_and(|(_, seen, _)| now.since(seen) < KEPT)
        });
        let lost = self.lost.values().flat_map(|lost| lost.attempts.keys());
        let failed: BTreeSet<u64> = lost.copied().collect();
        let mut newest = BTreeMap::new();
        for through in &self.through {
            let after = failed.range(..through).next_back().copied();
            newest.insert(after, *through);
        }
        self.through = newest.into_values().collect();
    }

    /// Nothing more is asked for of the delivery of this attempt.
    pub fn is_over(&mut self, attempt: u64) {
        let mut lost = self.lost.values_mut();
        let of_it = lost.find(|lost| lost.attempts.contains_key(&attempt));
        if let Some(lost) = of_it {
            lost.over = true;
        }
    }

    /// Another one was asked for after this attempt.
    pub fn was_asked(&mut self, attempt: u64, now: Timestamp) {
        let mut lost = self.lost.values_mut();
        let of_it = lost.find(|lost| lost.attempts.contains_key(&attempt));
        if let Some(lost) = of_it {
            lost.asked = Some((attempt, now));
        }
    }

    /// The delivery that this was an attempt of.
    pub fn delivery(&self, attempt: u64) -> Option<&str> {
        let mut lost = self.lost.iter();
        let of_it = lost.find(|(_, lost)| lost.attempts.contains_key(&attempt));
        of_it.map(|(guid, _)| guid.as_str())
    }

    /// Whether the newest that is known did not get through.
    pub fn is_silent(&self) -> bool {
        let lost = self.waiting().filter_map(Lost::newest);
        lost.map(|(id, ..)| id).max() > self.through.last().copied()
    }

    fn waiting(&self) -> impl Iterator<Item = &Lost> {
        self.lost.values().filter(|lost| !lost.over)
    }

    /// The attempts after which another one is to be asked for now, in the order in which they happened.
    pub fn again(&self, now: Timestamp) -> Vec<u64> {
        let silent = self.is_silent();
        let due = self.waiting().filter_map(|lost| {
            let (id, seen, _) = lost.newest()?;
            let in_vain = |at: Timestamp| now.since(at) >= ASKED_IN_VAIN;
            let is_awaited = lost
                .asked
                .is_some_and(|(asked, at)| asked == id && !in_vain(at));
            let waits = match lost.attempts.len() {
                2.. if silent => APART,
                // Only that one may have failed.
                _ if silent => Duration::ZERO,
                _ => self.wait(lost),
            };
            let is_due = !is_awaited && now.since(seen) >= waits;
            is_due.then_some((lost.attempts.len(), id))
        });
        let mut due: Vec<(usize, u64)> = due.collect();
        due.sort_unstable();
        due.truncate(if silent { PROBES } else { usize::MAX });
        let mut again: Vec<u64> = due.into_iter().map(|(_, id)| id).collect();
        again.sort_unstable();
        again
    }

    /// How long one waits while others get through: not at all the first time, and longer each time that it failed again between two that did.
    fn wait(&self, lost: &Lost) -> Duration {
        let before = |id: &u64| self.through.range(..id).next_back();
        let turns: BTreeSet<_> = lost.attempts.keys().map(before).collect();
        match u32::try_from(turns.len()).unwrap_or(u32::MAX) {
            0 | 1 => Duration::ZERO,
            more => APART
                .saturating_mul(2_u32.saturating_pow(more - 2))
                .min(MOST_APART),
        }
    }

    /// What people should know: that nothing has got through for a while, or that something does not though others do.
    pub fn unheard(&self, now: Timestamp) -> Option<Unheard> {
        let lost = self.lost()?;
        let fails_alone = self.waiting().any(|lost| !self.wait(lost).is_zero());
        let is_told = lost.silent || fails_alone;
        (is_told && now.since(lost.since) >= SILENT).then_some(lost)
    }

    /// All that has not got through.
    pub fn lost(&self) -> Option<Unheard> {
        let failed = self.waiting().flat_map(|lost| lost.attempts.values());
        let since = failed.map(|(seen, _)| *seen).min()?;
        let newest = self.waiting().filter_map(Lost::newest);
        let (_, _, status) = newest.max_by_key(|(id, ..)| *id)?;
        Some(Unheard {
            waiting: self.waiting().count(),
            silent: self.is_silent(),
            since,
            status,
        })
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp(1_800_000_000_000);

    fn at(seconds: u64) -> Timestamp {
        NOON.plus(Duration::from_secs(seconds))
    }

    fn attempt(id: u64, guid: &str, status: u16) -> Attempt {
        Attempt {
            id,
            guid: guid.to_owned(),
            status,
        }
    }

    /// Asks for what is due, each of which fails again.
    fn fails_again(log: &mut Log, now: Timestamp, next: &mut u64) -> usize {
        let again = log.again(now);
        for id in &again {
            log.was_asked(*id, now);
            let guid = log.delivery(*id).unwrap().to_owned();
            *next += 1;
            log.learn(&[attempt(*next, &guid, 503)], now);
        }
        again.len()
    }

    #[test]
    fn each_lost_webhook_is_asked_for_once_after_each_failed_attempt() {
        let mut log = Log::default();
        let found = [
            attempt(9, "a", 503),
            attempt(7, "b", 0),
            attempt(5, "a", 0),
            attempt(3, "misshapen", 400),
        ];
        log.learn(&found, NOON);
        assert_eq!(log.again(NOON), [7, 9], "what failed before a start");
        log.was_asked(9, NOON);
        log.learn(&found, at(15));
        assert_eq!(log.again(at(15)), [7]);
        log.was_asked(7, at(15));
        assert_eq!(log.again(at(30)), [0_u64; 0], "they are on their way");
        log.learn(&[attempt(11, "a", 202)], at(30));
        assert_eq!(log.again(at(700)), [7], "nothing came of it");
        log.is_over(7);
        assert_eq!(log.again(at(1_400)), [0_u64; 0]);
    }

    #[test]
    fn while_none_gets_through_a_few_are_asked_for_each_minute_and_then_all_at_once() {
        let mut log = Log::default();
        log.learn(&[attempt(1, "before", 202)], NOON);
        let lost: Vec<_> = (0..40)
            .map(|n| attempt(2 + n, &format!("lost {n}"), 0))
            .collect();
        log.learn(&lost, NOON);
        let mut next = 100;
        // For three hours.
        for minute in 1..180 {
            assert_eq!(fails_again(&mut log, at(60 * minute), &mut next), PROBES);
        }
        let unheard = log.unheard(at(10_800)).unwrap();
        let (waiting, silent) = (unheard.waiting, unheard.silent);
        assert_eq!((waiting, silent, unheard.since), (40, true, NOON));
        // One of those that were asked for gets through.
        let one = log.again(at(10_800))[0];
        let guid = log.delivery(one).unwrap().to_owned();
        log.was_asked(one, at(10_800));
        log.learn(&[attempt(next + 1, &guid, 202)], at(10_815));
        assert_eq!(log.again(at(10_815)).len(), 39);
        assert_eq!(log.unheard(at(10_815)), None);
    }

    #[test]
    fn one_that_fails_though_others_get_through_waits_longer_and_longer_and_is_told() {
        let mut log = Log::default();
        log.learn(&[attempt(1, "poison", 500), attempt(2, "good", 202)], NOON);
        let mut next = 10;
        let mut asked = Vec::new();
        for minute in 0..3 * 24 * 60 {
            let now = at(60 * minute);
            if fails_again(&mut log, now, &mut next) == 1 {
                asked.push(minute);
            }
            next += 1;
            log.learn(&[attempt(next, "another good one", 202)], now);
        }
        assert_eq!(asked[..8], [0, 1, 3, 7, 15, 31, 63, 123]);
        assert!(asked.len() < 90, "{} in three days", asked.len());
        let unheard = log.unheard(at(3 * 24 * 3_600)).unwrap();
        let known = (unheard.waiting, unheard.silent, unheard.status);
        assert_eq!(known, (1, false, 503));
        // GitHub does not keep it longer.
        log.learn(&[], at(7 * 24 * 3_600));
        assert_eq!(log.again(at(7 * 24 * 3_600)), [0_u64; 0]);
        assert_eq!(log.unheard(at(7 * 24 * 3_600)), None);
    }

    #[test]
    fn what_got_through_takes_no_room() {
        let mut log = Log::default();
        for id in 0..10_000 {
            let status = if id % 1_000 == 0 { 503 } else { 202 };
            log.learn(&[attempt(id, &id.to_string(), status)], at(id));
        }
        assert_eq!((log.lost.len(), log.through.len()), (10, 10));
        assert_eq!(log.read_to(), Some(9_999));
    }
}

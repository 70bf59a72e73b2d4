//! How much may be written: what GitHub documents as the limit of content that a person or App makes in its name
//! ("Rate limits for the REST API", secondary limits), kept by us so that it is never reached.

use std::{collections::VecDeque, time::Duration};

use crate::ids::Timestamp;

/// Writes within a minute.
const A_MINUTE: usize = 80;
/// Writes within an hour.
const AN_HOUR: usize = 500;

/// What one installation has written within the last hour.
#[derive(Debug, Clone, Default)]
pub struct Budget {
    /// When, oldest first.
    writes: VecDeque<Timestamp>,
}

impl Budget {
    /// Takes one write at `now`; an error says how long to wait for it, and takes nothing.
    pub fn take(&mut self, now: Timestamp) -> Result<(), Duration> {
        let (minute, hour) = (Duration::from_mins(1), Duration::from_hours(1));
        while self.writes.front().is_some_and(|at| at.plus(hour) <= now) {
            self.writes.pop_front();
        }
        for (most, span) in [(AN_HOUR, hour), (A_MINUTE, minute)] {
            // The one that must be older than the span before there is room.
            let before = self.writes.len().checked_sub(most);
            let until = before.map(|place| self.writes[place].plus(span));
            if let Some(until) = until.filter(|until| *until > now) {
                return Err(until.since(now));
            }
        }
        self.writes.push_back(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1000;

    /// How many of the writes that are wanted in each second of `seconds` are taken.
    fn taken(budget: &mut Budget, seconds: std::ops::Range<u64>, each: usize) -> usize {
        let tries = seconds.flat_map(|second| std::iter::repeat_n(second, each));
        tries
            .filter(|second| budget.take(Timestamp(second * SECOND)).is_ok())
            .count()
    }

    #[test]
    fn eighty_a_minute_are_taken_and_the_next_waits_for_the_first_to_be_a_minute_old() {
        let mut budget = Budget::default();
        assert_eq!(taken(&mut budget, 0..40, 2), 80);
        let wait = budget.take(Timestamp(41 * SECOND)).unwrap_err();
        assert_eq!(wait, Duration::from_secs(19));
        assert_eq!(budget.take(Timestamp(60 * SECOND)), Ok(()));
        assert_eq!(budget.take(Timestamp(60 * SECOND)), Ok(()));
        assert_eq!(
            budget.take(Timestamp(60 * SECOND)),
            Err(Duration::from_secs(1))
        );
    }

    #[test]
    fn five_hundred_an_hour_are_taken_whatever_the_minutes_allow() {
        let mut budget = Budget::default();
        assert_eq!(taken(&mut budget, 0..3600, 1), AN_HOUR);
        let wait = budget.take(Timestamp(3599 * SECOND)).unwrap_err();
        assert_eq!(wait, Duration::from_secs(1));
        assert_eq!(taken(&mut budget, 3600..7200, 10), AN_HOUR);
        assert!(budget.writes.len() <= AN_HOUR);
    }

    #[test]
    fn a_clock_that_goes_back_waits_and_breaks_nothing() {
        let mut budget = Budget::default();
        assert_eq!(taken(&mut budget, 100..101, 80), 80);
        let wait = budget.take(Timestamp(50 * SECOND)).unwrap_err();
        assert_eq!(wait, Duration::from_secs(110));
    }
}

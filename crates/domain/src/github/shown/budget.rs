//! How much may be written: what GitHub documents as the limit of content that a person or App makes in its name
//! ("Rate limits for the REST API", secondary limits), kept by us so that it is never reached.

use std::{collections::VecDeque, time::Duration};

use crate::ids::Timestamp;

/// Writes within a minute.
const A_MINUTE: usize = 80;
/// Writes within an hour.
const AN_HOUR: usize = 500;

/// Reactions among them: so many comments with orders would need all that comments and checks have, if they got it.
const REACTIONS_A_MINUTE: usize = 20;
/// The same within an hour.
const REACTIONS_AN_HOUR: usize = 100;

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// What people have to read: comments, check runs, deployments.
    Content,
    /// A face on a comment. Whoever comments causes it, so it has a share of its own, and no more.
    Reaction,
}

/// What one installation has written within the last hour.
#[derive(Debug, Clone, Default)]
pub struct Budget {
    /// When, oldest first.
    all: VecDeque<Timestamp>,
    /// When reactions were written, which stand among all, too.
    reactions: VecDeque<Timestamp>,
}

impl Budget {
    /// Takes one write at `now`; an error says how long to wait for it, and takes nothing.
    pub fn take(&mut self, weight: Weight, now: Timestamp) -> Result<(), Duration> {
        room(&mut self.all, (A_MINUTE, AN_HOUR), now)?;
        if weight == Weight::Reaction {
            let share = (REACTIONS_A_MINUTE, REACTIONS_AN_HOUR);
            room(&mut self.reactions, share, now)?;
            self.reactions.push_back(now);
        }
        self.all.push_back(now);
        Ok(())
    }
}

/// Whether one more write has room within a minute and within an hour; if not, how long it has to wait.
fn room(
    writes: &mut VecDeque<Timestamp>,
    (a_minute, an_hour): (usize, usize),
    now: Timestamp,
) -> Result<(), Duration> {
    let (minute, hour) = (Duration::from_mins(1), Duration::from_hours(1));
    while writes.front().is_some_and(|at| at.plus(hour) <= now) {
        writes.pop_front();
    }
    for (most, span) in [(an_hour, hour), (a_minute, minute)] {
        // The one that must be older than the span before there is room.
        let before = writes.len().checked_sub(most);
        let until = before.map(|place| writes[place].plus(span));
        if let Some(until) = until.filter(|until| *until > now) {
            return Err(until.since(now));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1000;

    /// How many of the writes that are wanted in each second of `seconds` are taken.
    fn taken(budget: &mut Budget, seconds: std::ops::Range<u64>, each: usize) -> usize {
        taken_of(Weight::Content, budget, seconds, each)
    }

    fn taken_of(
        weight: Weight,
        budget: &mut Budget,
        seconds: std::ops::Range<u64>,
        each: usize,
    ) -> usize {
        let tries = seconds.flat_map(|second| std::iter::repeat_n(second, each));
        tries
            .filter(|second| budget.take(weight, Timestamp(second * SECOND)).is_ok())
            .count()
    }

    #[test]
    fn eighty_a_minute_are_taken_and_the_next_waits_for_the_first_to_be_a_minute_old() {
        let mut budget = Budget::default();
        assert_eq!(taken(&mut budget, 0..40, 2), 80);
        let wait = budget
            .take(Weight::Content, Timestamp(41 * SECOND))
            .unwrap_err();
        assert_eq!(wait, Duration::from_secs(19));
        assert_eq!(budget.take(Weight::Content, Timestamp(60 * SECOND)), Ok(()));
        assert_eq!(budget.take(Weight::Content, Timestamp(60 * SECOND)), Ok(()));
        assert_eq!(
            budget.take(Weight::Content, Timestamp(60 * SECOND)),
            Err(Duration::from_secs(1))
        );
    }

    #[test]
    fn five_hundred_an_hour_are_taken_whatever_the_minutes_allow() {
        let mut budget = Budget::default();
        assert_eq!(taken(&mut budget, 0..3600, 1), AN_HOUR);
        let wait = budget
            .take(Weight::Content, Timestamp(3599 * SECOND))
            .unwrap_err();
        assert_eq!(wait, Duration::from_secs(1));
        assert_eq!(taken(&mut budget, 3600..7200, 10), AN_HOUR);
        assert!(budget.all.len() <= AN_HOUR);
    }

    #[test]
    fn a_clock_that_goes_back_waits_and_breaks_nothing() {
        let mut budget = Budget::default();
        assert_eq!(taken(&mut budget, 100..101, 80), 80);
        let wait = budget
            .take(Weight::Content, Timestamp(50 * SECOND))
            .unwrap_err();
        assert_eq!(wait, Duration::from_secs(110));
    }

    #[test]
    fn whoever_comments_uses_up_nothing_that_comments_and_checks_need() {
        let mut budget = Budget::default();
        let reactions = taken_of(Weight::Reaction, &mut budget, 0..60, 10);
        assert_eq!(reactions, REACTIONS_A_MINUTE);
        let rest = A_MINUTE - REACTIONS_A_MINUTE;
        assert_eq!(taken(&mut budget, 59..60, 100), rest);
        let mut budget = Budget::default();
        let reactions = taken_of(Weight::Reaction, &mut budget, 0..3600, 1);
        assert_eq!(reactions, REACTIONS_AN_HOUR);
        // What has to be read goes before them, and leaves them nothing if it needs all.
        let rest = taken(&mut budget, 3000..3600, 1);
        assert_eq!(rest, AN_HOUR - REACTIONS_AN_HOUR);
        let none = taken_of(Weight::Reaction, &mut budget, 3599..3600, 1);
        assert_eq!(none, 0);
    }
}

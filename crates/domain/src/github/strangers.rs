//! How much is answered to people who may not write: each answer is a write or two of the few that GitHub allows, a record, and
//! the place of an answer to somebody who may.

use std::{collections::VecDeque, time::Duration};

use super::Sender;
use crate::ids::Timestamp;

/// Within which time answers are counted.
const SPAN: Duration = Duration::from_hours(1);
/// Answers to one person: they know by then.
const TO_EACH: usize = 3;
/// Answers to all of them together: a twentieth of what may be written in an hour, if each needs a comment and a face.
const TO_ALL: usize = 12;

/// What strangers of one installation were answered within the last hour.
#[derive(Debug, Clone, Default)]
pub struct Strangers {
    /// Whom and when, oldest first.
    answered: VecDeque<(u64, Timestamp)>,
}

impl Strangers {
    /// Whether this one is answered at `now` once more; who is not is refused in the log only.
    pub fn answer(&mut self, who: &Sender, now: Timestamp) -> bool {
        let is_over = |(_, at): &(u64, Timestamp)| at.plus(SPAN) <= now;
        while self.answered.front().is_some_and(is_over) {
            self.answered.pop_front();
        }
        let theirs = self.answered.iter().filter(|(one, _)| *one == who.id);
        if self.answered.len() >= TO_ALL || theirs.count() >= TO_EACH {
            return false;
        }
        self.answered.push_back((who.id, now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn somebody(id: u64) -> Sender {
        Sender {
            id,
            login: format!("stranger-{id}"),
            bot: false,
        }
    }

    #[test]
    fn one_stranger_is_told_a_few_times_and_all_of_them_not_much_more_often() {
        let mut strangers = Strangers::default();
        let now = Timestamp(1_000_000);
        let told = |strangers: &mut Strangers, id, at| {
            let tries = std::iter::repeat_n((), 100);
            tries
                .filter(|()| strangers.answer(&somebody(id), at))
                .count()
        };
        assert_eq!(told(&mut strangers, 1, now), TO_EACH);
        let others: usize = (2..50).map(|id| told(&mut strangers, id, now)).sum();
        assert_eq!(others, TO_ALL - TO_EACH);
        assert_eq!(told(&mut strangers, 99, now.plus(SPAN)), TO_EACH);
    }
}

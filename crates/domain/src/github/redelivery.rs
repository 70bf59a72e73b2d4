//! Which webhooks GitHub is asked to deliver once more.

use std::collections::{BTreeMap, BTreeSet};

/// How often a webhook is delivered in all before it is given up: something of it cannot be taken, and the listing finds what
/// it spoke of.
const MOST_ATTEMPTS: usize = 10;
/// What we answer to a webhook that cannot be read. It is recorded, and could not be read next time either.
const UNREADABLE: u16 = 400;

/// An attempt to deliver that did not get through, as GitHub's log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedAttempt {
    /// Its number.
    pub id: u64,
    /// The delivery: the same for all attempts of one.
    pub guid: String,
    /// What we answered; 0 when there was no answer.
    pub status: u16,
}

/// Of the attempts that failed, newest first, those after which another one is asked for: the newest of each delivery, unless
/// it was `asked` for after it already.
pub fn again(failed: &[FailedAttempt], asked: &BTreeSet<u64>) -> Vec<u64> {
    let mut deliveries: BTreeMap<&str, (&FailedAttempt, usize)> = BTreeMap::new();
    for attempt in failed {
        let (_, count) = deliveries.entry(&attempt.guid).or_insert((attempt, 0));
        *count += 1;
    }
    let lost = deliveries.into_values().filter(|(newest, count)| {
        newest.status != UNREADABLE && *count < MOST_ATTEMPTS && !asked.contains(&newest.id)
    });
    let mut again: Vec<u64> = lost.map(|(newest, _)| newest.id).collect();
    // In the order in which they happened, as far as numbers tell.
    again.sort_unstable();
    again
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(id: u64, guid: &str, status: u16) -> FailedAttempt {
        FailedAttempt {
            id,
            guid: guid.to_owned(),
            status,
        }
    }

    #[test]
    fn each_lost_webhook_is_asked_for_once_after_each_failed_attempt() {
        let failed = [
            attempt(9, "a", 503),
            attempt(7, "b", 0),
            attempt(5, "a", 0),
            attempt(3, "misshapen", 400),
        ];
        assert_eq!(again(&failed, &BTreeSet::new()), [7, 9]);
        assert_eq!(again(&failed, &BTreeSet::from([9])), [7]);
        let hopeless: Vec<_> = (0..10).map(|id| attempt(id, "c", 500)).collect();
        assert_eq!(again(&hopeless, &BTreeSet::new()), [0_u64; 0]);
    }
}

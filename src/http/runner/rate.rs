//! Rates: how often a machine may speak. A token bucket each, by the server's own clock.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use nestling_domain::ids::{EnvironmentId, Generation, Timestamp};

/// Buckets kept at most; full ones are forgotten first, because a full bucket and none are the same.
const MOST: usize = 4_096;

/// How often something may happen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    /// In the long run.
    pub(super) per_second: u32,
    /// At once, after a silence.
    pub(super) burst: u32,
}

/// The buckets of all machines for one kind of request.
#[derive(Debug)]
pub(super) struct Rates {
    rate: Rate,
    buckets: Mutex<HashMap<(EnvironmentId, Generation), Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// In thousandths of a request.
    left: u64,
    at: Timestamp,
}

impl Rates {
    pub(super) fn new(rate: Rate) -> Self {
        Rates {
            rate,
            buckets: Mutex::default(),
        }
    }

    /// Whether this machine may do it now.
    pub(super) fn allow(
        &self,
        environment: &EnvironmentId,
        generation: Generation,
        now: Timestamp,
    ) -> bool {
        let full = u64::from(self.rate.burst) * 1_000;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST {
            let rate = self.rate;
            buckets.retain(|_, bucket| bucket.filled(rate, now).left < full);
        }
        let bucket = buckets
            .entry((environment.clone(), generation))
            .or_insert(Bucket {
                left: full,
                at: now,
            });
        *bucket = bucket.filled(self.rate, now);
        let allowed = bucket.left >= 1_000;
        if allowed {
            bucket.left -= 1_000;
        }
        allowed
    }
}

impl Bucket {
    fn filled(self, rate: Rate, now: Timestamp) -> Self {
        let passed = u64::try_from(now.since(self.at).as_millis()).unwrap_or(u64::MAX);
        let gained = passed.saturating_mul(u64::from(rate.per_second));
        Bucket {
            left: self
                .left
                .saturating_add(gained)
                .min(u64::from(rate.burst) * 1_000),
            at: self.at.max(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_machine_may_burst_and_then_goes_on_at_its_rate_beside_its_neighbours() {
        let rates = Rates::new(Rate {
            per_second: 5,
            burst: 20,
        });
        let (a, b) = (EnvironmentId("a".into()), EnvironmentId("b".into()));
        let mut now = Timestamp(1_000_000);
        let burst = (0..30).filter(|_| rates.allow(&a, Generation(1), now));
        assert_eq!(burst.count(), 20);
        assert!(
            rates.allow(&b, Generation(1), now),
            "the neighbour is not held"
        );
        assert!(
            rates.allow(&a, Generation(2), now),
            "nor the next generation"
        );
        now = now.plus(Duration::from_secs(1));
        let then = (0..30).filter(|_| rates.allow(&a, Generation(1), now));
        assert_eq!(then.count(), 5);
    }

    #[test]
    fn buckets_of_machines_that_fell_silent_are_forgotten() {
        let rates = Rates::new(Rate {
            per_second: 5,
            burst: 20,
        });
        let start = Timestamp(1_000_000);
        for n in 0..MOST {
            rates.allow(&EnvironmentId(n.to_string()), Generation(1), start);
        }
        let later = start.plus(Duration::from_mins(1));
        rates.allow(&EnvironmentId("late".into()), Generation(1), later);
        assert_eq!(rates.buckets.lock().unwrap().len(), 1);
    }
}

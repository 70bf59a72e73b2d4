//! Fly's limits, as "Working with the Machines API" documents them: per action and per machine or app.

use std::collections::BTreeMap;

use super::action::Action;

/// Requests a second, and at once, of any action.
const ANY: Rate = Rate {
    a_second: 1,
    burst: 3,
};
/// Those of Get Machine.
const GET_MACHINE: Rate = Rate {
    a_second: 5,
    burst: 10,
};
/// Apps that an organisation may delete in a minute.
const DELETIONS: usize = 100;
const MINUTE_MS: i64 = 60_000;
/// Buckets that are remembered at least before those that are full again are forgotten.
const BUCKETS: usize = 10_000;

#[derive(Clone, Copy)]
struct Rate {
    a_second: i64,
    burst: i64,
}

/// What is left, in thousandths of a request.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: i64,
    at: i64,
}

/// Who has used how much.
#[derive(Debug)]
pub struct Limits {
    /// Whether they hold: a story without them says so.
    pub hold: bool,
    buckets: BTreeMap<(Action, String), Bucket>,
    /// How many of them there may be before it is looked which are full again.
    most: usize,
    deletions: BTreeMap<String, Vec<i64>>,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            hold: true,
            buckets: BTreeMap::new(),
            most: BUCKETS,
            deletions: BTreeMap::new(),
        }
    }
}

impl Limits {
    /// One more; or in how many milliseconds it may come again.
    pub(crate) fn take(&mut self, action: Action, of: &str, now: i64) -> Result<(), i64> {
        if !self.hold {
            return Ok(());
        }
        let looks = action == Action::GetMachine;
        let rate = if looks { GET_MACHINE } else { ANY };
        if self.buckets.len() > self.most {
            let old = now - MINUTE_MS;
            self.buckets.retain(|_, bucket| bucket.at > old);
            self.most = BUCKETS.max(self.buckets.len() * 2);
        }
        let full = Bucket {
            left: rate.burst * 1000,
            at: now,
        };
        let bucket = self.buckets.entry((action, of.to_owned())).or_insert(full);
        let since = (now - bucket.at).max(0);
        bucket.left = (bucket.left + since * rate.a_second).min(rate.burst * 1000);
        bucket.at = now;
        if bucket.left < 1000 {
            let missing = 1000 - bucket.left;
            return Err(missing.div_euclid(rate.a_second).max(1));
        }
        bucket.left -= 1000;
        Ok(())
    }

    /// One app more that is deleted; or in how many milliseconds it may be.
    pub(crate) fn delete_app(&mut self, organisation: &str, now: i64) -> Result<(), i64> {
        if !self.hold {
            return Ok(());
        }
        let made = self.deletions.entry(organisation.to_owned()).or_default();
        made.retain(|at| *at > now - MINUTE_MS);
        if made.len() >= DELETIONS {
            let first = made.first().copied().unwrap_or(now);
            return Err(first + MINUTE_MS - now);
        }
        made.push(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_at_once_and_one_a_second_of_each_action_and_machine() {
        let mut limits = Limits::default();
        let mut ask = |action, of: &str, now| limits.take(action, of, now);
        for _ in 0..3 {
            assert_eq!(ask(Action::StopMachine, "a", 0), Ok(()));
        }
        assert_eq!(ask(Action::StopMachine, "a", 0), Err(1_000));
        assert_eq!(ask(Action::StopMachine, "a", 400), Err(600));
        assert_eq!(ask(Action::StopMachine, "b", 400), Ok(()));
        assert_eq!(ask(Action::StartMachine, "a", 400), Ok(()));
        assert_eq!(ask(Action::StopMachine, "a", 1_000), Ok(()));
        assert!(ask(Action::StopMachine, "a", 1_000).is_err());
    }

    #[test]
    fn a_machine_is_looked_at_more_often() {
        let mut limits = Limits::default();
        for _ in 0..10 {
            assert_eq!(limits.take(Action::GetMachine, "a", 0), Ok(()));
        }
        assert_eq!(limits.take(Action::GetMachine, "a", 0), Err(200));
        assert_eq!(limits.take(Action::GetMachine, "a", 200), Ok(()));
    }

    #[test]
    fn a_hundred_apps_are_deleted_in_a_minute() {
        let mut limits = Limits::default();
        for n in 0..100 {
            assert_eq!(limits.delete_app("acme", n), Ok(()));
        }
        assert_eq!(limits.delete_app("acme", 1_000), Err(59_000));
        assert_eq!(limits.delete_app("other", 1_000), Ok(()));
        assert_eq!(limits.delete_app("acme", 60_000), Ok(()));
    }
}

//! What browsers that are away at GitHub must bring back: random, of one sign-in, for an hour, once. In memory, as sign-ins are.

use std::time::Duration;

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, digest},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use nestling_domain::ids::Timestamp;

/// How long a browser may be away: GitHub's own code is good for an hour, too.
const LIFE: Duration = Duration::from_hours(1);
/// How many may be away at once; beyond it the one that left first is forgotten. A person presses the button a few times.
const MOST: usize = 20;

#[derive(Default)]
pub(super) struct Pending {
    away: Vec<Away>,
}

struct Away {
    by: String,
    /// Of the state: what is away need not be known here.
    digest: [u8; 32],
    since: Timestamp,
}

impl Pending {
    /// The state that this browser must bring back. `None` without randomness.
    pub(super) fn begin(&mut self, by: String, now: Timestamp) -> Option<String> {
        let mut bytes = [0; 32];
        aws_lc_rs::rand::fill(&mut bytes).ok()?;
        let state = URL_SAFE_NO_PAD.encode(bytes);
        self.away.retain(|one| one.lives(now));
        if self.away.len() >= MOST {
            self.away.remove(0);
        }
        let digest = sha256(&state);
        let since = now;
        self.away.push(Away { by, digest, since });
        Some(state)
    }

    /// Whether this state is one that this sign-in was given, which is thereby used up. A wrong one uses up nothing.
    pub(super) fn take(&mut self, by: &str, state: &str, now: Timestamp) -> bool {
        self.away.retain(|one| one.lives(now));
        let given = sha256(state);
        // Digests have one length, and are compared in constant time.
        let same = |one: &Away| verify_slices_are_equal(&one.digest, &given).is_ok();
        let found = self.away.iter().position(|one| one.by == by && same(one));
        found.map(|at| self.away.remove(at)).is_some()
    }
}

impl Away {
    fn lives(&self, now: Timestamp) -> bool {
        now.since(self.since) < LIFE
    }
}

fn sha256(text: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp(1_800_000_000_000);

    #[test]
    fn a_state_is_good_once_for_the_sign_in_that_got_it() {
        let mut pending = Pending::default();
        let state = pending.begin("ann".to_owned(), NOON).unwrap();
        assert_eq!(state.len(), 43, "32 random bytes");
        for (by, guess) in [("bob", state.as_str()), ("ann", ""), ("ann", &state[1..])] {
            assert!(!pending.take(by, guess, NOON), "{by} brings {guess:?}");
        }
        assert!(
            pending.take("ann", &state, NOON),
            "wrong ones changed nothing"
        );
        assert!(!pending.take("ann", &state, NOON), "it was used up");
    }

    #[test]
    fn a_state_is_good_for_an_hour() {
        let mut pending = Pending::default();
        let mut state = || pending.begin("ann".to_owned(), NOON).unwrap();
        let (first, second) = (state(), state());
        let almost = NOON.plus(LIFE.saturating_sub(Duration::from_millis(1)));
        assert!(pending.take("ann", &first, almost));
        assert!(!pending.take("ann", &second, NOON.plus(LIFE)));
    }

    #[test]
    fn beyond_the_most_the_one_that_left_first_is_forgotten() {
        let mut pending = Pending::default();
        let states: Vec<String> = (0..=MOST)
            .map(|_| pending.begin("ann".to_owned(), NOON).unwrap())
            .collect();
        assert!(!pending.take("ann", &states[0], NOON));
        assert!(
            states[1..]
                .iter()
                .all(|state| pending.take("ann", state, NOON))
        );
    }
}

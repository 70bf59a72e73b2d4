//! Fly's limits, kept on our side: per action, and per app or machine
//! (<https://fly.io/docs/machines/api/working-with-machines-api/#rate-limits>).

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

/// What Fly counts a request as.
pub(super) type Action = &'static str;

/// Seconds between two requests of one action about one thing, in the long run; and how many may come at once.
const MOST: (Duration, u32) = (Duration::from_secs(1), 3);
/// The same for removals of apps, of all of an organisation together: a hundred a minute.
const APP_REMOVALS: (Duration, u32) = (Duration::from_millis(600), 10);
/// How many things are remembered before those are forgotten whose turn has long come.
const REMEMBERED: usize = 10_000;

/// When the next request of each action may be made.
pub(super) struct Limits {
    booked: Mutex<HashMap<(Action, String), Instant>>,
    /// By how much a story makes us faster than Fly allows.
    hurry: u32,
}

impl Limits {
    pub(super) fn new(hurry: u32) -> Self {
        Limits {
            booked: Mutex::default(),
            hurry,
        }
    }

    /// Waits until it is this request's turn.
    pub(super) async fn turn(&self, action: Action, about: &str) {
        let turn = self.book(action, about);
        sleep_until(turn).await;
        if action == "app_delete" {
            sleep_until(self.book(action, "")).await;
        }
    }

    /// Books the next turn, and says when it is.
    fn book(&self, action: Action, about: &str) -> Instant {
        let (every, at_once) = match (action, about) {
            ("app_delete", "") => APP_REMOVALS,
            _ => MOST,
        };
        let every = every / self.hurry;
        let now = Instant::now();
        let mut booked = self.booked.lock().unwrap_or_else(PoisonError::into_inner);
        if booked.len() > REMEMBERED {
            booked.retain(|_, full| *full > now);
        }
        // When the bucket is full again; a request takes one drop out of it.
        let full = booked.entry((action, about.to_owned())).or_insert(now);
        *full = (*full).max(now) + every;
        let turn = *full - every * at_once;
        turn.max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn moments(limits: &Limits, action: Action, about: &str, count: u32) -> Vec<u128> {
        let begin = Instant::now();
        let mut all = Vec::new();
        for _ in 0..count {
            limits.turn(action, about).await;
            all.push(begin.elapsed().as_millis());
        }
        all
    }

    #[tokio::test(start_paused = true)]
    async fn three_at_once_and_then_one_a_second_for_each_thing() {
        let limits = Limits::new(1);
        let first = moments(&limits, "machine_create", "one", 5).await;
        assert_eq!(first, [0, 0, 0, 1_000, 2_000]);
        // Another app, and another action, have turns of their own.
        assert_eq!(moments(&limits, "machine_create", "two", 3).await, [0; 3]);
        assert_eq!(moments(&limits, "machines_list", "one", 3).await, [0; 3]);
        // Who waited long enough has them all again, and no more.
        tokio::time::sleep(Duration::from_mins(1)).await;
        let again = moments(&limits, "machine_create", "one", 4).await;
        assert_eq!(again, [0, 0, 0, 1_000]);
    }

    #[tokio::test(start_paused = true)]
    async fn apps_go_a_hundred_a_minute() {
        let limits = Limits::new(1);
        let begin = Instant::now();
        for app in 0..110 {
            limits.turn("app_delete", &format!("app-{app}")).await;
        }
        assert_eq!(begin.elapsed().as_secs(), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_long_ago_is_forgotten() {
        let limits = Limits::new(1);
        for app in 0..=REMEMBERED {
            limits.turn("app_show", &format!("app-{app}")).await;
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
        limits.turn("app_show", "one more").await;
        assert_eq!(limits.booked.lock().unwrap().len(), 1);
    }
}

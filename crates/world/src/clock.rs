//! The model's own clock: it can be moved, so that a token's hour passes without waiting.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970, by the clock of the box and what a story moved it by, or as a story set it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    moved: i64,
    stands: Option<i64>,
}

impl Clock {
    /// The present moment, in milliseconds since 1970.
    pub fn now(&self) -> i64 {
        self.stands.unwrap_or_else(wall) + self.moved
    }

    /// Lets so many milliseconds pass at once.
    pub fn advance(&mut self, by: i64) {
        self.moved += by;
    }

    /// Stops the clock at this moment, in milliseconds since 1970: from now on only [`Clock::advance`] moves it.
    pub fn stop_at(&mut self, moment: i64) {
        *self = Clock {
            moved: 0,
            stands: Some(moment),
        };
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "this is the one place of the model where time enters"
)]
fn wall() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
}

/// A moment as GitHub writes it: `2026-01-31T09:05:00Z`.
pub fn iso(moment: i64) -> String {
    let seconds = moment.div_euclid(1000);
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days to a civil date, with years that begin in March, so that the leap day is the last one.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_github_writes_them() {
        assert_eq!(iso(0), "1970-01-01T00:00:00Z");
        assert_eq!(iso(1_709_164_800_000), "2024-02-29T00:00:00Z");
        assert_eq!(iso(1_735_689_599_999), "2024-12-31T23:59:59Z");
        assert_eq!(iso(1_790_000_000_000), "2026-09-21T14:13:20Z");
    }

    #[test]
    fn a_stopped_clock_moves_only_when_told() {
        let mut clock = Clock::default();
        clock.stop_at(1_000);
        clock.advance(60_000);
        assert_eq!(clock.now(), 61_000);
    }
}

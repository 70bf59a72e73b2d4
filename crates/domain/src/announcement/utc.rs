//! Moments as people read them, in UTC.

use std::fmt;

use crate::ids::Timestamp;

/// A moment split into the parts of a calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Utc {
    /// The year.
    pub year: u64,
    /// The month, from 1.
    pub month: u64,
    /// The day of the month, from 1.
    pub day: u64,
    /// The hour, 0 to 23.
    pub hour: u64,
    /// The minute.
    pub minute: u64,
    /// The second.
    pub second: u64,
}

/// Splits a moment. Leap seconds do not exist in it, as in all Unix time.
pub fn utc(at: Timestamp) -> Utc {
    let seconds = at.0 / 1000;
    let (year, month, day) = civil(seconds / 86_400);
    Utc {
        year,
        month,
        day,
        hour: seconds / 3600 % 24,
        minute: seconds / 60 % 60,
        second: seconds % 60,
    }
}

impl Utc {
    /// `2026-03-07 09:05`, every part padded with zeros.
    pub fn minute(&self) -> String {
        let Utc {
            year,
            month,
            day,
            hour,
            minute,
            ..
        } = self;
        format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}")
    }

    /// `09:05:07`.
    pub fn clock(&self) -> String {
        format!("{:02}:{:02}:{:02}", self.hour, self.minute, self.second)
    }
}

/// `2026-03-07T09:05:07Z`, as machines and `<time datetime>` read it.
impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Utc {
            year, month, day, ..
        } = self;
        write!(f, "{year:04}-{month:02}-{day:02}T{}Z", self.clock())
    }
}

/// Year, month and day of the day with this number since 1970, in the Gregorian calendar. The year is
/// counted from March, so that the leap day is its last; 400 such years have 146,097 days.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_read_with_the_right_month_and_zeros_in_front() {
        for (seconds, reads) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_767_225_599, "2025-12-31T23:59:59Z"),
            (1_772_874_307, "2026-03-07T09:05:07Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc(Timestamp(seconds * 1000)).to_string(), reads);
        }
        assert_eq!(
            utc(Timestamp(1_772_874_307_999)).minute(),
            "2026-03-07 09:05"
        );
    }
}

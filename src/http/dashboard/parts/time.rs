//! Moments and spans: text that is right when it arrives, and that the script keeps right.

use std::time::Duration;

use maud::{Markup, html};
use nestling_domain::{announcement::utc, ids::Timestamp};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// From this age on a date says more than a number of days.
const DATE_FROM: u64 = 30 * DAY;

/// How long ago something was: `3 min ago`, with the moment itself for who asks.
pub fn ago(at: Timestamp, now: Timestamp) -> Markup {
    let moment = utc(at);
    html! {
        time datetime=(moment.to_string()) title=(format!("{} UTC", moment.minute())) data-ago=(at.0) { (age(at, now)) }
    }
}

/// A span that still grows; the script counts on.
pub fn growing(since: Timestamp, now: Timestamp) -> Markup {
    html! { span.ticking data-since=(since.0) { (span(now.since(since))) } }
}

/// How long ago, in words. The script's `age` says the same.
pub fn age(at: Timestamp, now: Timestamp) -> String {
    match now.since(at).as_secs() {
        0..10 => "just now".to_owned(),
        seconds if seconds < MINUTE => format!("{seconds} s ago"),
        seconds if seconds < HOUR => format!("{} min ago", seconds / MINUTE),
        seconds if seconds < DAY => format!("{} h ago", seconds / HOUR),
        seconds if seconds < 2 * DAY => "yesterday".to_owned(),
        seconds if seconds < DATE_FROM => format!("{} days ago", seconds / DAY),
        _ => utc(at)
            .minute()
            .split(' ')
            .next()
            .unwrap_or_default()
            .to_owned(),
    }
}

/// A span in words: `850 ms`, `12 s`, `2 min 5 s`, `1 h 3 min`. The script's `span` says the same.
pub fn span(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0 => format!("{} ms", length.as_millis()),
        1..10 if length.subsec_millis() >= 100 => {
            format!("{seconds}.{} s", length.subsec_millis() / 100)
        }
        _ if seconds < MINUTE => format!("{seconds} s"),
        _ if seconds < HOUR => format!("{} min {} s", seconds / MINUTE, seconds % MINUTE),
        _ if seconds < DAY => format!("{} h {} min", seconds / HOUR, seconds / MINUTE % 60),
        _ => format!("{} d {} h", seconds / DAY, seconds / HOUR % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_spans_read_as_people_say_them() {
        let now = Timestamp(1_772_874_307_000);
        let ages = [3, 42, 61, 7_300, 90_000, 400_000, 9_000_000]
            .map(|seconds| age(Timestamp(now.0 - seconds * 1000), now));
        assert_eq!(
            ages,
            [
                "just now",
                "42 s ago",
                "1 min ago",
                "2 h ago",
                "yesterday",
                "4 days ago",
                "2025-11-23"
            ]
        );
        let spans = [
            12, 850, 1_000, 2_340, 12_000, 125_000, 3_780_000, 90_000_000,
        ]
        .map(|millis| span(Duration::from_millis(millis)));
        assert_eq!(
            spans,
            [
                "12 ms",
                "850 ms",
                "1 s",
                "2.3 s",
                "12 s",
                "2 min 5 s",
                "1 h 3 min",
                "1 d 1 h"
            ]
        );
    }
}

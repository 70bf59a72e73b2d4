//! What happened to an environment, and why nothing did.

use maud::{Markup, html};
use nestling_domain::{ids::Timestamp, record::EventRecord};

use super::super::parts::{pill::tone, time, words};

/// The newest events, newest first, as they are handed in.
pub fn show(events: &[EventRecord], now: Timestamp) -> Markup {
    html! {
        section.block aria-labelledby="activity" {
            h2 id="activity" { "Activity" }
            @if events.is_empty() { p.empty { "Nothing has happened yet." } }
            ol.activity {
                @for event in events {
                    @let (mark, text) = words::happened(&event.what);
                    li class=(format!("tone-{}", tone(mark))) {
                        span.what { (text) }
                        span.muted { "by " (event.by) " · " (time::ago(event.at, now)) }
                    }
                }
            }
        }
    }
}

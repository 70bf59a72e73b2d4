//! A failure: in which phase, why, how the process ended, the end of its log, and what to do.

use maud::{Markup, html};
use nestling_domain::{
    deployment::{Failed, Shown},
    failure::then,
    ids::Timestamp,
};
use nestling_protocol::log::Log;

use super::super::{
    parts::{
        ansi,
        icons::{Icon, icon},
        time, words,
    },
    paths,
};

/// The log that the phase of a failure wrote to.
pub fn log_of(phase: Shown) -> Log {
    match phase {
        Shown::Starting | Shown::Running => Log::Runtime,
        Shown::Queued
        | Shown::Deploying
        | Shown::RunningTests
        | Shown::Failed
        | Shown::Superseded
        | Shown::Stopped => Log::Deployment,
    }
}

/// Shows it; `environment` is the path of the environment's page.
pub fn show(failed: &Failed, environment: &str, now: Timestamp) -> Markup {
    let log = paths::log(environment, failed.generation, log_of(failed.phase));
    html! {
        section.block.failure aria-labelledby="failure" {
            h2 id="failure" { (icon(Icon::Cross)) (words::failure(failed)) }
            p.reason { (failed.reason) }
            p.muted {
                "Deployment " a href=(paths::deployment(environment, failed.generation)) { (failed.generation) }
                " of " code { (failed.commit.id.short()) } ", " (time::ago(failed.at, now))
            }
            @if !failed.tail.is_empty() {
                div.log.short role="region" aria-label="The last lines of the log" tabindex="0" {
                    @for line in &failed.tail { div.line { span.text { (ansi::line(line)) } } }
                }
            }
            p.todo { strong { "What to do: " } (then(failed.phase)) }
            p { a href=(log) { "The whole log" } }
        }
    }
}

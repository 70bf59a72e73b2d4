//! The phases of a deployment with how long each took.

use std::time::Duration;

use maud::{Markup, html};
use nestling_domain::{deployment::Shown, ids::Timestamp, record::DeploymentRecord};

use super::super::parts::{
    icons::{Icon, icon},
    time,
};

/// The phases in the order of a run without faults.
const STEPS: [(Shown, &str); 5] = [
    (Shown::Queued, "Queued"),
    (Shown::Deploying, "Deploying"),
    (Shown::RunningTests, "Running tests"),
    (Shown::Starting, "Starting"),
    (Shown::Running, "Running"),
];

/// A deployment's phases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    /// All five, in order.
    pub steps: Vec<Step>,
    /// From being asked for until it served, once it did.
    pub ready_after: Option<Duration>,
}

/// One phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Which.
    pub phase: Shown,
    /// Its name.
    pub name: &'static str,
    /// How far it is.
    pub is: Is,
}

/// How far a phase is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Is {
    /// Over, after this long.
    Over(Duration),
    /// Going on since then.
    Now(Timestamp),
    /// Ended by a failure, after this long.
    Failed(Duration),
    /// Broken off, after this long.
    BrokenOff(Duration),
    /// Still to come.
    Ahead,
    /// Never reached, or passed over.
    Left,
}

impl Timeline {
    /// The phases of this deployment.
    pub fn of(record: &DeploymentRecord) -> Self {
        let last = record.phases.last().map(|(phase, _)| *phase);
        let reached = |phase| STEPS.iter().position(|(step, _)| Some(*step) == phase);
        let steps = STEPS.iter().enumerate().map(|(place, (phase, name))| {
            let is = match spent(record, *phase) {
                Some((_, spent)) if record.ended_at.is_some() && last == Some(*phase) => {
                    match record.shown {
                        Shown::Failed => Is::Failed(spent),
                        // A deployment that served and was replaced has done what it was for.
                        _ if *phase == Shown::Running => Is::Over(spent),
                        Shown::Queued
                        | Shown::Deploying
                        | Shown::RunningTests
                        | Shown::Starting
                        | Shown::Running
                        | Shown::Superseded
                        | Shown::Stopped => Is::BrokenOff(spent),
                    }
                }
                Some((since, _)) if last == Some(*phase) => Is::Now(since),
                Some((_, spent)) => Is::Over(spent),
                None if record.ended_at.is_some() || reached(last) > Some(place) => Is::Left,
                None => Is::Ahead,
            };
            Step {
                phase: *phase,
                name,
                is,
            }
        });
        let served = record
            .phases
            .iter()
            .find(|(phase, _)| *phase == Shown::Running);
        Timeline {
            steps: steps.collect(),
            ready_after: served.map(|(_, at)| at.since(record.created_at)),
        }
    }
}

/// When this phase was last entered, and how long it lasted in all so far as it has ended.
fn spent(record: &DeploymentRecord, phase: Shown) -> Option<(Timestamp, Duration)> {
    let ends = record
        .phases
        .iter()
        .skip(1)
        .map(|(_, at)| *at)
        .chain(record.ended_at);
    let mut ends = ends.map(Some).chain(std::iter::repeat(None));
    let mut found = None;
    for (entered, at) in &record.phases {
        let end = ends.next().flatten();
        if *entered == phase {
            let before = found.map_or(Duration::ZERO, |(_, spent)| spent);
            found = Some((
                *at,
                before + end.map_or(Duration::ZERO, |end| end.since(*at)),
            ));
        }
    }
    found
}

/// The phases as a list, with a bar of how the time was spent.
pub fn show(timeline: &Timeline, now: Timestamp) -> Markup {
    html! {
        ol.timeline {
            @for step in &timeline.steps { (show_step(step, now)) }
        }
        (bar(timeline, now))
        @if let Some(ready) = timeline.ready_after { p.muted.small { "Ready after " (time::span(ready)) } }
    }
}

fn show_step(step: &Step, now: Timestamp) -> Markup {
    let (class, shows, word) = match step.is {
        Is::Over(_) => ("over", Icon::Check, "done"),
        Is::Now(_) if step.phase == Shown::Running => ("up", Icon::Check, "up for"),
        Is::Now(_) => ("now", Icon::Gear, "in progress"),
        Is::Failed(_) => ("failed", Icon::Cross, "failed"),
        Is::BrokenOff(_) => ("left", Icon::Stop, "broken off"),
        Is::Ahead => ("ahead", Icon::Dot, "to come"),
        Is::Left => ("left", Icon::Skip, "not reached"),
    };
    html! {
        li class=(class) aria-current=[(class == "now").then_some("step")] {
            span.node { (icon(shows)) }
            span.step { (step.name) span.unseen { ", " (word) " " } }
            span.took {
                @match step.is {
                    Is::Over(took) | Is::Failed(took) | Is::BrokenOff(took) => (time::span(took)),
                    Is::Now(since) => (time::growing(since, now)),
                    Is::Ahead | Is::Left => "–",
                }
            }
        }
    }
}

/// Widths are attributes of SVG, which a strict content security policy allows where styles are not.
fn bar(timeline: &Timeline, now: Timestamp) -> Markup {
    let spans = timeline
        .steps
        .iter()
        .filter(|step| step.phase != Shown::Running)
        .map(|step| {
            let length = match step.is {
                Is::Over(took) | Is::Failed(took) | Is::BrokenOff(took) => took,
                Is::Now(since) => now.since(since),
                Is::Ahead | Is::Left => Duration::ZERO,
            };
            (step, u64::try_from(length.as_millis()).unwrap_or(u64::MAX))
        });
    let spans: Vec<_> = spans.filter(|(_, length)| *length > 0).collect();
    let whole = spans
        .iter()
        .fold(0_u64, |sum, (_, length)| sum.saturating_add(*length))
        .max(1);
    let mut at = 0;
    html! {
        @if !spans.is_empty() {
            svg.bar width="100%" height="6" aria-hidden="true" focusable="false" {
                @for (step, length) in spans {
                    // In hundredths of a percent, so that whole numbers suffice.
                    @let begin = at;
                    @let width = length.saturating_mul(10_000) / whole;
                    @let () = at += width;
                    rect class=(step.phase.name()) x=(percent(begin)) width=(percent(width)) y="0" height="6" {
                        title { (step.name) ": " (time::span(Duration::from_millis(length))) }
                    }
                }
            }
        }
    }
}

fn percent(hundredths: u64) -> String {
    format!("{}.{:02}%", hundredths / 100, hundredths % 100)
}

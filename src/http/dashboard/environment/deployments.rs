//! The history of an environment, and one deployment of it.

use maud::{Markup, html};
use nestling_domain::{deployment::Tests, ids::Timestamp, record::DeploymentRecord};
use nestling_protocol::log::Log;

use super::{
    super::{
        parts::{
            icons::{Icon, icon},
            pill, time, words,
        },
        paths,
    },
    failure,
    head::Head,
    timeline::{self, Timeline},
};

/// All deployments, a page at a time.
#[derive(Debug, Clone)]
pub struct HistoryView {
    /// Newest first.
    pub deployments: Vec<DeploymentRecord>,
    /// Where older ones are, if there are any.
    pub older: Option<String>,
}

/// One deployment.
#[derive(Debug, Clone)]
pub struct DeploymentView {
    /// Its record.
    pub record: DeploymentRecord,
    /// Its phases.
    pub timeline: Timeline,
}

impl DeploymentView {
    /// Puts together what is known.
    pub fn of(record: &DeploymentRecord) -> Self {
        DeploymentView {
            record: record.clone(),
            timeline: Timeline::of(record),
        }
    }
}

/// The tab with all of them.
pub fn show(view: &HistoryView, head: &Head, now: Timestamp) -> Markup {
    html! {
        section.block id="deployments" data-live aria-labelledby="history" {
            h2 id="history" { "Deployments" }
            @if view.deployments.is_empty() { p.empty { "Nothing was deployed yet." } } @else {
                table.stack {
                    caption.unseen { "Deployments of " (head.name) ", newest first" }
                    thead { tr { th scope="col" { "Number" } th scope="col" { "Result" } th scope="col" { "Commit" } th scope="col" { "Cause" } th scope="col" { "Tests" } th scope="col" { "Took" } th scope="col" { "Asked for" } } }
                    tbody { @for record in &view.deployments { (row(record, head, now)) } }
                }
            }
            @if let Some(older) = &view.older { p { a href=(older) { "Older deployments" } } }
        }
    }
}

fn row(record: &DeploymentRecord, head: &Head, now: Timestamp) -> Markup {
    html! {
        tr {
            th scope="row" data-label="Number" { a href=(paths::deployment(&head.path, record.generation)) { "Deployment " (record.generation) } }
            td data-label="Result" {
                (pill::deployment(record.shown))
                @if let Some(failed) = &record.failed { div.muted.clamp { (failed.reason) } }
            }
            td data-label="Commit" { code { (record.commit.id.short()) } " " span.clamp { (record.commit.message) } }
            td data-label="Cause" { (words::cause(&record.cause)) }
            td data-label="Tests" { (pill::tests(&record.tests)) }
            td data-label="Took" { (took(record, now)) }
            td data-label="Asked for" { span.muted { (time::ago(record.created_at, now)) } }
        }
    }
}

/// A short list, for beside something else.
pub fn brief(deployments: &[DeploymentRecord], head: &Head, now: Timestamp) -> Markup {
    html! {
        @if deployments.is_empty() { p.empty { "Nothing was deployed yet." } }
        ol.brief {
            @for record in deployments {
                li {
                    a href=(paths::deployment(&head.path, record.generation)) { "Deployment " (record.generation) }
                    (pill::deployment(record.shown))
                    p.muted.cut { code { (record.commit.id.short()) } " " (record.commit.message) }
                    span.muted.small { (time::ago(record.created_at, now)) }
                }
            }
        }
    }
}

/// The tab with one of them.
pub fn show_one(view: &DeploymentView, head: &Head, now: Timestamp) -> Markup {
    let record = &view.record;
    html! {
        div id="deployment" data-live {
            section.block aria-labelledby="one" {
                h2 id="one" { "Deployment " (record.generation) (pill::deployment(record.shown)) }
                (timeline::show(&view.timeline, now))
                dl.facts {
                    div { dt { "Commit" } dd { (icon(Icon::Commit)) code { (record.commit.id.as_str()) } } }
                    div { dt { "Message" } dd { (record.commit.message) } }
                    div { dt { "Author" } dd { (record.commit.author) } }
                    div { dt { "Cause" } dd { (words::cause(&record.cause)) } }
                    div { dt { "Asked for" } dd { (time::ago(record.created_at, now)) } }
                    @if let Some(ended) = record.ended_at { div { dt { "Ended" } dd { (time::ago(ended, now)) } } }
                    div { dt { "Tests" } dd {
                        @match &record.tests {
                            Tests::Pending => "Not ended",
                            Tests::Broken(reason) => (reason),
                            Tests::Ran(_) => { (pill::tests(&record.tests)) " " a href=(format!("{}/tests?deployment={}", head.path, record.generation)) { "All tests" } },
                        }
                    } }
                    div { dt { "Logs" } dd.links {
                        a href=(paths::log(&head.path, record.generation, Log::Deployment)) { "Deployment log" }
                        a href=(paths::log(&head.path, record.generation, Log::Runtime)) { "Runtime log" }
                    } }
                }
            }
            @if let Some(failed) = &record.failed { (failure::show(failed, &head.path, now)) }
        }
    }
}

/// From being asked for until it served or ended; still growing until then.
fn took(record: &DeploymentRecord, now: Timestamp) -> Markup {
    let ready = Timeline::of(record).ready_after;
    match (ready, record.ended_at) {
        (Some(ready), _) => html! { (time::span(ready)) },
        (None, Some(ended)) => html! { (time::span(ended.since(record.created_at))) },
        (None, None) => time::growing(record.created_at, now),
    }
}

//! Logs: the newest lines as text, and a stream of what follows for who has scripts.

use maud::{Markup, html};
use nestling_domain::{
    announcement::utc,
    environment::Environment,
    ids::{Generation, Timestamp},
    record::DeploymentRecord,
};
use nestling_protocol::log::{Line, Log, Source};

use super::{
    super::{
        parts::{
            ansi,
            icons::{Icon, icon},
        },
        paths,
    },
    TEXT_SHOWN,
    head::Head,
};

/// How many lines the page carries; the script adds what came before and what comes, up to 10,000.
const LINES_SHOWN: usize = 500;

/// The tab's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogsView {
    /// Of which deployment; `None` before there is one.
    pub generation: Option<Generation>,
    /// Which of its two logs.
    pub log: Log,
    /// The newest lines, oldest first.
    pub lines: Vec<Line>,
    /// Whether there are older lines than those.
    pub older: bool,
    /// Whether more may come.
    pub growing: bool,
    /// Where the API gives this log.
    pub source: String,
    /// The deployments to choose from, newest first.
    pub deployments: Vec<Generation>,
}

impl LogsView {
    /// Puts together what is known: `lines` are the newest of that log, `deployments` newest first.
    pub fn of(
        environment: &Environment,
        deployments: &[DeploymentRecord],
        chosen: Option<&DeploymentRecord>,
        log: Log,
        lines: &[Line],
    ) -> Self {
        let mut room = TEXT_SHOWN;
        let mut kept: Vec<Line> = Vec::new();
        for line in lines.iter().rev().take(LINES_SHOWN) {
            let length = line.text.chars().count();
            if length > room {
                break;
            }
            room -= length;
            kept.push(line.clone());
        }
        kept.reverse();
        LogsView {
            generation: chosen.map(|record| record.generation),
            log,
            older: kept.first().is_some_and(|line| line.n > 0) || kept.len() < lines.len(),
            lines: kept,
            growing: chosen.is_some_and(|record| record.ended_at.is_none()),
            source: chosen
                .map(|record| paths::log_lines(environment, record.generation, log))
                .unwrap_or_default(),
            deployments: deployments.iter().map(|record| record.generation).collect(),
        }
    }
}

/// The tab.
pub fn show(view: &LogsView, head: &Head) -> Markup {
    let Some(generation) = view.generation else {
        return html! { section.block { h2 { "Logs" } p.empty { "There is no log yet: it begins with the first deployment." } } };
    };
    html! {
        section.block.logs aria-labelledby="logs-title" {
            h2.unseen id="logs-title" { "Logs of deployment " (generation) }
            div.log-bar {
                nav.switch aria-label="Which log" {
                    @for (log, name) in [(Log::Deployment, "Deployment"), (Log::Runtime, "Runtime")] {
                        a href=(paths::log(&head.path, generation, log)) aria-current=[(log == view.log).then_some("page")] { (name) }
                    }
                }
                form.choose method="get" action=(format!("{}/logs", head.path)) {
                    input type="hidden" name="log" value=(view.log.name());
                    label.unseen for="deployment" { "Deployment" }
                    select id="deployment" name="deployment" data-submit {
                        @for one in &view.deployments { option value=(one) selected[*one == generation] { "Deployment " (one) } }
                    }
                    button.button type="submit" { "Show" }
                }
                div.search.grow data-script hidden {
                    label.unseen for="find" { "Find in log" }
                    (icon(Icon::Search))
                    input id="find" type="search" placeholder="Find in log" autocomplete="off" data-find="log-lines";
                    span.muted.small id="found" role="status" {}
                }
                button.button type="button" data-follow="log-lines" aria-pressed="true" hidden { (icon(Icon::Pause)) span { "Pause" } }
                a.button href=(view.source) download { (icon(Icon::Download)) "Download" }
            }
            @if view.older { p.muted.small { "Older lines are in the download." } }
            div.log id="log-lines" role="log" aria-label=(format!("{} log", view.log.name())) aria-live="off" tabindex="0"
                data-stream=[view.growing.then(|| format!("{}?follow=true", view.source))]
                data-last=[view.lines.last().map(|line| line.n)] {
                @for line in &view.lines { (show_line(line)) }
            }
            @if view.lines.is_empty() { p.empty id="log-empty" { @if view.growing { "No line yet." } @else { "This log is empty." } } }
        }
    }
}

/// One line. The script makes the same.
fn show_line(line: &Line) -> Markup {
    let class = match line.from {
        Source::Runner => "line runner",
        Source::Out => "line",
        Source::Err => "line err",
    };
    html! { div class=(class) { time { (utc(Timestamp(line.at)).clock()) } span.text { (ansi::line(&line.text)) } } }
}

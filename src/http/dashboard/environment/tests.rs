//! The tests of one deployment, red ones first.

use maud::{Markup, html};
use nestling_domain::{deployment::Tests, ids::Generation};
use nestling_protocol::test::{Counts, Outcome, Results, TestRecord};
use std::time::Duration;

use super::{
    super::{
        parts::{
            ansi,
            icons::{Icon, icon},
            time,
        },
        paths,
    },
    TEXT_SHOWN,
    head::Head,
};

/// How many tests one page shows.
const TESTS_SHOWN: usize = 400;

/// The tab's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestsView {
    /// Of which deployment; `None` before there is one.
    pub generation: Option<Generation>,
    /// How they went.
    pub tests: Tests,
    /// How many went how.
    pub counts: Counts,
    /// The first [`TESTS_SHOWN`] in the order to be shown, each with its place in the run.
    pub rows: Vec<(usize, TestRecord)>,
    /// How many more there are.
    pub hidden: usize,
    /// How many ran beside these and are counted only.
    pub left_out: u32,
    /// Whether logs were left out because there is too much.
    pub cut: bool,
}

impl TestsView {
    /// Puts together what is known.
    pub fn of(generation: Option<Generation>, tests: &Tests, results: Option<&Results>) -> Self {
        let mut rows: Vec<(usize, &TestRecord)> = results
            .map(|results| results.tests.iter().enumerate().collect())
            .unwrap_or_default();
        rows.sort_by_key(|(place, test)| (rank(test.outcome), *place));
        let hidden = rows.len().saturating_sub(TESTS_SHOWN);
        let mut room = TEXT_SHOWN;
        let mut cut = false;
        let rows = rows.into_iter().take(TESTS_SHOWN).map(|(place, test)| {
            let (test, whole) = shortened(test, &mut room);
            cut |= !whole;
            (place, test)
        });
        let rows = rows.collect();
        let counts = match (results, tests) {
            (Some(results), _) => results.counts(),
            (None, Tests::Ran(counts)) => *counts,
            (None, Tests::Pending | Tests::Broken(_)) => Counts::default(),
        };
        TestsView {
            generation,
            tests: tests.clone(),
            counts,
            rows,
            hidden,
            left_out: results.map_or(0, |results| results.left_out.total()),
            cut,
        }
    }
}

/// A test with as much of its error and log as there is room for, and whether that is all.
fn shortened(test: &TestRecord, room: &mut usize) -> (TestRecord, bool) {
    let mut whole = true;
    let mut take = |text: &str| {
        let kept: String = text.chars().take(*room).collect();
        let length = text.chars().count();
        whole &= length <= *room;
        *room = room.saturating_sub(length);
        kept
    };
    let short = TestRecord {
        path: take(&test.path),
        name: take(&test.name),
        outcome: test.outcome,
        error: test.error.as_deref().map(&mut take),
        millis: test.millis,
        log: test
            .log
            .iter()
            .map(|line| take(line))
            .filter(|line| !line.is_empty())
            .collect(),
    };
    (short, whole)
}

fn rank(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Failed => 0,
        Outcome::Passed => 1,
        Outcome::Skipped => 2,
    }
}

/// The tab.
pub fn show(view: &TestsView, head: &Head) -> Markup {
    html! {
        section.block id="tests" data-live aria-labelledby="all-tests" {
            h2 id="all-tests" {
                "Tests"
                @if let Some(generation) = view.generation { span.muted.small { "of " a href=(paths::deployment(&head.path, generation)) { "deployment " (generation) } } }
            }
            @match &view.tests {
                Tests::Pending if view.rows.is_empty() => p.empty { "No test has ended yet. Results appear here as soon as the run is over." },
                Tests::Broken(reason) => div.notice.troubled { (icon(Icon::Warning)) div { p { strong { "The tests could not run." } } p { (reason) } } },
                Tests::Ran(counts) if counts.total() == 0 => p.empty { "This app has no tests that Nestling knows to run." },
                Tests::Pending | Tests::Ran(_) => (counts(view.counts)),
            }
            @if !view.rows.is_empty() { (table(view)) }
            @if view.hidden > 0 { p.muted { (view.hidden) " more tests are not shown here; the API lists them." } }
            @if view.left_out > 0 { p.muted { (view.left_out) " more tests are counted and not listed, because there are too many; those that failed are listed before all others. The deployment log has what the run said." } }
            @if view.cut { p.muted { "Some logs are cut, as there is too much for one page; the deployment log has everything." } }
        }
    }
}

fn counts(counts: Counts) -> Markup {
    html! {
        ul.counts {
            @if counts.failed > 0 { li.bad { (icon(Icon::Cross)) strong { (counts.failed) } " failed" } }
            li.good { (icon(Icon::Check)) strong { (counts.passed) } " passed" }
            @if counts.skipped > 0 { li.resting { (icon(Icon::Skip)) strong { (counts.skipped) } " skipped" } }
        }
    }
}

fn table(view: &TestsView) -> Markup {
    html! {
        table.stack.tests {
            caption.unseen { "Tests, those that failed first" }
            thead { tr { th scope="col" { "Result" } th scope="col" { "Test" } th.right scope="col" { "Time" } } }
            tbody {
                @for (place, test) in &view.rows {
                    @let (tone, shows, word) = match test.outcome {
                        Outcome::Failed => ("bad", Icon::Cross, "Failed"),
                        Outcome::Passed => ("good", Icon::Check, "Passed"),
                        Outcome::Skipped => ("resting", Icon::Skip, "Skipped"),
                    };
                    tr id=(format!("test-{place}")) {
                        td data-label="Result" { span class=(format!("pill {tone}")) { (icon(shows)) (word) } }
                        th scope="row" data-label="Test" {
                            div { (ansi::line(&test.name)) }
                            @if test.path != test.name { code.path { (test.path) } }
                            @if let Some(error) = &test.error { pre.error { (ansi::plain_lines(error)) } }
                            @if !test.log.is_empty() {
                                details id=(format!("log-{place}")) {
                                    summary { "Log, " (super::super::apps::count(test.log.len(), "line")) }
                                    div.log.short { @for line in &test.log { div.line { span.text { (ansi::line(line)) } } } }
                                }
                            }
                        }
                        td.right data-label="Time" { (time::span(Duration::from_millis(test.millis))) }
                    }
                }
            }
        }
    }
}

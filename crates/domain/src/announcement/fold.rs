//! What stands under the table: failures with their log tails, and tests.

use std::fmt::Write as _;

use nestling_protocol::test::{Counts, Outcome, TestRecord};

use super::{
    LONGEST, REASON_SHOWN, Section, Site, ended,
    escape::{self, text},
    tested, while_,
};
use crate::deployment::Tests;

/// The lines of a log that a comment quotes, from its end.
const TAIL: usize = 40;
/// How much of one such line, in characters.
const TAIL_LINE: usize = 400;
/// Kept free for the sentence that says what is missing.
const FOR_THE_REST: usize = 600;
/// How much of a test's name and path is shown, in characters.
const NAME_SHOWN: usize = 120;

/// Adds what does not belong into the table, as far as it fits, and says what did not.
pub(super) fn push_all(out: &mut String, sections: &[Section<'_>], site: &Site<'_>) {
    let mut missing = 0;
    for section in sections {
        let room = LONGEST.saturating_sub(out.len() + FOR_THE_REST);
        match failure(section, site) {
            Some(block) if block.len() > room => missing += 1,
            Some(block) => out.push_str(&block),
            None => {}
        }
    }
    for section in sections {
        let room = LONGEST.saturating_sub(out.len() + FOR_THE_REST);
        match tests(section, site, room) {
            Some(block) if block.len() > room => missing += 1,
            Some(block) => out.push_str(&block),
            None => {}
        }
    }
    if missing > 0 {
        let _ = writeln!(
            out,
            "{missing} more failures or test results did not fit here: see [the dashboard]({}/).",
            site.dashboard
        );
    }
}

/// The tests of an environment, red ones first, as many as the room allows.
fn tests(section: &Section<'_>, site: &Site<'_>, room: usize) -> Option<String> {
    let deployment = tested(&section.environment.lifecycle)?;
    let app = text(section.environment.slug.as_str(), 64);
    let page = site.reading(section.environment);
    let link = |counts| format!("[{app} tests]({page}/tests): {}\n\n", words(counts));
    match (&deployment.tests, section.results) {
        (Tests::Pending, _) => None,
        (Tests::Broken(reason), _) => Some(format!(
            "**{app}** tests could not run: {}\n\n",
            text(reason, REASON_SHOWN)
        )),
        (Tests::Ran(counts), _) if counts.total() == 0 => None,
        (Tests::Ran(counts), None) => Some(link(*counts)),
        (Tests::Ran(_), Some(results)) => {
            let counts = results.counts();
            let slug = section.environment.slug.as_str();
            Some(table(slug, &page, &results.tests, counts, room).unwrap_or_else(|| link(counts)))
        }
    }
}

/// `3 passed, 1 failed`.
pub(crate) fn words(counts: Counts) -> String {
    let mut parts = vec![format!("{} passed", counts.passed)];
    if counts.failed > 0 {
        parts.push(format!("{} failed", counts.failed));
    }
    if counts.skipped > 0 {
        parts.push(format!("{} skipped", counts.skipped));
    }
    parts.join(", ")
}

/// What failed, with the last lines of its log; `None` when nothing did.
pub(crate) fn failure(section: &Section<'_>, site: &Site<'_>) -> Option<String> {
    let failed = section.environment.lifecycle.failure()?;
    let app = section.environment.slug.as_str();
    let exit = failed
        .exit
        .map(|exit| format!(" ({})", ended(exit)))
        .unwrap_or_default();
    let mut out = format!(
        "**{}** failed while {}{exit}: {} · [Log]({}/logs)\n\n",
        text(app, 64),
        while_(failed.phase),
        text(&failed.reason, REASON_SHOWN),
        site.reading(section.environment),
    );
    let tail = &failed.tail[failed.tail.len().saturating_sub(TAIL)..];
    if !tail.is_empty() {
        let app = escape::html(app, 64);
        let last = match tail.len() {
            1 => "the last line".to_owned(),
            lines => format!("the last {lines} lines"),
        };
        let _ = writeln!(
            out,
            "<details>\n<summary>{app}: {last} of the log</summary>\n"
        );
        out.push_str(&escape::block(tail.iter().map(String::as_str), TAIL_LINE));
        out.push_str("\n</details>\n\n");
    }
    Some(out)
}

fn table(
    app: &str,
    page: &str,
    tests: &[TestRecord],
    counts: Counts,
    room: usize,
) -> Option<String> {
    let mut out = format!(
        "<details>\n<summary>{} tests: {}</summary>\n\n| Test | Path | Result | Log |\n|---|---|---|---|\n",
        escape::html(app, 64),
        words(counts)
    );
    let mut rows: Vec<(usize, &TestRecord)> = tests.iter().enumerate().collect();
    rows.sort_by_key(|(place, test)| (rank(test.outcome), *place));
    let mut missing = 0;
    for (place, test) in rows {
        if missing > 0 {
            missing += 1;
            continue;
        }
        let row = format!(
            "| {} | {} | {} | [Log]({page}/tests#test-{place}) |\n",
            text(&test.name, NAME_SHOWN),
            text(&test.path, NAME_SHOWN),
            result(test.outcome),
        );
        if out.len() + row.len() > room {
            missing += 1;
        } else {
            out.push_str(&row);
        }
    }
    if missing == tests.len() {
        return None;
    }
    missing += (counts.total() as usize).saturating_sub(tests.len());
    if missing > 0 {
        let _ = writeln!(
            out,
            "\n{missing} more did not fit here: see [all tests]({page}/tests)."
        );
    }
    out.push_str("\n</details>\n\n");
    Some(out)
}

fn rank(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Failed => 0,
        Outcome::Passed => 1,
        Outcome::Skipped => 2,
    }
}

fn result(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Failed => "❌ Failed",
        Outcome::Passed => "✅ Passed",
        Outcome::Skipped => "⏭ Skipped",
    }
}

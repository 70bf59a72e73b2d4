//! The test run: how it is done, and what becomes of it as records.

mod junit;
mod tap;

use std::path::Path;

use nestling_protocol::report::Exit;
use nestling_protocol::test::{Outcome, Results, TestRecord};
use tokio::time::Instant;

use crate::kinds::Test;
use crate::kinds::wing;
use crate::machine::Machine;
use crate::process::{Capture, words};
use crate::read;
use crate::sandbox::Step;

/// A larger report is not read: it would be the report of something else.
const REPORT_LIMIT: u64 = 5 * 1024 * 1024;
/// More tests than this are cut: the results are for reading.
const RECORDS: usize = 10_000;
/// Log lines kept with a test; the whole of them is in the deployment log.
const LOG_LINES: usize = 200;

/// Where the results of a test command are found.
#[derive(Clone)]
pub(crate) enum Report {
    /// A file in the app's folder that the app names.
    Named(String),
    /// A JUnit file that we asked Node's own test runner for.
    Asked(std::path::PathBuf),
    /// Its output, if that is TAP; else its exit code is the one result.
    Output,
}

/// What a test run brought.
pub(crate) enum Ran {
    /// Results, pass or fail.
    Results(Results),
    /// It broke: why, for a person.
    Broken(String),
}

/// Runs the tests.
pub(crate) async fn run(machine: &Machine, test: &Test, deadline: Instant) -> Ran {
    machine.deployment.begin_step();
    let ran = match test {
        Test::None => Ran::Results(Results::default()),
        Test::Wing(wing) => wing::test(machine, wing, deadline).await,
        Test::Command {
            step,
            shown,
            report,
        } => command(machine, step, shown, report, deadline).await,
    };
    match ran {
        Ran::Results(results) => Ran::Results(tidy(machine, results)),
        Ran::Broken(reason) => Ran::Broken(machine.deployment.mask().whole(&reason)),
    }
}

/// Why a test run that took too long ended.
pub(crate) fn hung(machine: &Machine, shown: &str) -> String {
    format!(
        "tests of app {} took longer than {} s (limits.test) in `{shown}` and were killed: make them quicker, or raise the limit",
        machine.bundle.app.name, machine.bundle.limits.test
    )
}

async fn command(
    machine: &Machine,
    step: &Step,
    shown: &str,
    report: &Report,
    deadline: Instant,
) -> Ran {
    machine.deployment.say(format!("running tests: {shown}"));
    let capture = Capture::of_output();
    let exit = match machine.start(step, &machine.deployment, Some(capture.clone())) {
        Ok(mut running) => running.ended_by(deadline).await,
        Err(error) => {
            return Ran::Broken(format!("tests of app {}: {error}", machine.bundle.app.name));
        }
    };
    if exit == Exit::Timeout {
        return Ran::Broken(hung(machine, shown));
    }
    let reported = match report {
        Report::Named(path) => match named(machine, path) {
            Ok(text) => parse(&text),
            Err(error) => {
                return Ran::Broken(format!(
                    "test report {path} of app {}: {error}",
                    machine.bundle.app.name
                ));
            }
        },
        Report::Asked(path) => {
            read::plain(path, REPORT_LIMIT).and_then(|text| junit::parse(&text).ok())
        }
        Report::Output => tap::parse(&capture.text()),
    };
    let mut results = reported.unwrap_or_default();
    let failed = results
        .tests
        .iter()
        .any(|test| test.outcome == Outcome::Failed);
    if results.tests.is_empty() || (exit != Exit::Code(0) && !failed) {
        results.tests.push(by_exit(machine, shown, exit));
    }
    Ran::Results(results)
}

/// The one record of a command that reports nothing, or that failed although its report says otherwise.
fn by_exit(machine: &Machine, shown: &str, exit: Exit) -> TestRecord {
    let passed = exit == Exit::Code(0);
    TestRecord {
        path: "test".into(),
        name: shown.into(),
        outcome: if passed {
            Outcome::Passed
        } else {
            Outcome::Failed
        },
        error: (!passed).then(|| format!("`{shown}` {}", words(exit))),
        millis: 0,
        log: machine.deployment.tail(),
    }
}

/// The report that the app names; never a file outside of its checkout, whatever links say.
fn named(machine: &Machine, path: &str) -> Result<String, String> {
    let full = machine
        .app()
        .join(path)
        .canonicalize()
        .map_err(|_| "there is none after the tests: let them write it there")?;
    let checkout = machine
        .checkout()
        .canonicalize()
        .map_err(|error| error.to_string())?;
    if !full.starts_with(&checkout) {
        return Err("lies outside of the app's repository".into());
    }
    read_report(&full).ok_or_else(|| {
        format!(
            "must be a text file of at most {} MiB",
            REPORT_LIMIT / (1024 * 1024)
        )
    })
}

fn read_report(path: &Path) -> Option<String> {
    read::plain(path, REPORT_LIMIT)
}

fn parse(text: &str) -> Option<Results> {
    if text.trim_start().starts_with('<') {
        junit::parse(text).ok()
    } else {
        tap::parse(text)
    }
}

/// Masks, makes paths unique, and cuts what is beyond reading.
fn tidy(machine: &Machine, mut results: Results) -> Results {
    let mask = machine.deployment.mask();
    results.tests.truncate(RECORDS);
    let mut seen = std::collections::BTreeMap::new();
    for test in &mut results.tests {
        test.path = mask.whole(&test.path);
        test.name = mask.whole(&test.name);
        test.error = test.error.as_deref().map(|error| mask.whole(error));
        // Before the cut: half a secret is not recognised.
        test.log = mask.lines(&test.log);
        test.log.truncate(LOG_LINES);
        let times = seen.entry(test.path.clone()).or_insert(0_u32);
        *times += 1;
        if *times > 1 {
            test.path = format!("{} ({times})", test.path);
        }
    }
    results
}

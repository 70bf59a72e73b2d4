//! The test run: how it is done, and what becomes of it as records.

mod junit;
mod kept;
mod progress;
mod tap;

use std::path::{Path, PathBuf};

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
/// What some editors and tools put before the first character of a text.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Where the results of a test command are found.
#[derive(Clone)]
pub(crate) enum Report {
    /// A file in the app's folder that the app names.
    Named(String),
    /// Two files that we asked Node's own test runner for.
    Asked {
        /// JUnit, written when all has ended.
        junit: PathBuf,
        /// What our reporter says on the way, see [`progress`].
        progress: PathBuf,
    },
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

/// What a report told.
#[derive(Default)]
struct Told {
    tests: Vec<TestRecord>,
    /// Where and why it could not be read to its end.
    broke_off: Option<String>,
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
        Ran::Results(results) => Ran::Results(kept(machine, results)),
        Ran::Broken(reason) => Ran::Broken(machine.deployment.mask().whole(&reason)),
    }
}

/// Why a test run that took too long ended.
pub(crate) fn hung(machine: &Machine, shown: &str) -> String {
    format!(
        "tests of app {} took longer than {} s (limits.test; NESTLING__LIMITS__TEST of the server) in `{shown}` and were killed: make them quicker, or raise the limit",
        machine.bundle.app.name, machine.bundle.limits.test
    )
}

/// What is said of a test that began and did not end in a run that ended like this.
pub(crate) fn unfinished(machine: &Machine, exit: Exit) -> String {
    match exit {
        Exit::Timeout => format!(
            "it did not end within the {} s of the test run (limits.test; NESTLING__LIMITS__TEST of the server)",
            machine.bundle.limits.test
        ),
        Exit::Code(_) | Exit::Signal(_) | Exit::Memory => {
            "the test run ended before it did".to_owned()
        }
    }
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
        let before = told(machine, report, &capture, exit).ok().flatten();
        return ended(before.unwrap_or_default().tests, hung(machine, shown));
    }
    let told = match told(machine, report, &capture, exit) {
        Ok(told) => told.unwrap_or_default(),
        Err(error) => return Ran::Broken(error),
    };
    let mut tests = told.tests;
    if let Some(why) = told.broke_off {
        let reason = format!(
            "{} of app {} could not be read to its end, {why}: what stands before is shown; let the tests write all of it",
            place(machine, report, shown),
            machine.bundle.app.name
        );
        machine.deployment.say(&reason);
        tests.push(failed("test report", reason));
    }
    let green = tests.iter().all(|test| test.outcome != Outcome::Failed);
    if tests.is_empty() || (exit != Exit::Code(0) && green) {
        tests.push(by_exit(machine, shown, exit));
    }
    Ran::Results(Results {
        tests,
        ..Results::default()
    })
}

/// A test run that was ended: what was told before, and that it did not end by itself.
pub(crate) fn ended(mut tests: Vec<TestRecord>, why: String) -> Ran {
    if tests.is_empty() {
        return Ran::Broken(why);
    }
    tests.push(failed("test run", why));
    Ran::Results(Results {
        tests,
        ..Results::default()
    })
}

/// What the report of a test command that ended like this tells; nothing where its output is none.
fn told(
    machine: &Machine,
    report: &Report,
    said: &Capture,
    exit: Exit,
) -> Result<Option<Told>, String> {
    match report {
        Report::Named(path) => match named(machine, path) {
            Ok(text) => Ok(Some(parse(&text))),
            Err(error) => Err(format!(
                "test report {} of app {}: {error}",
                machine.place(path),
                machine.bundle.app.name
            )),
        },
        Report::Asked { junit, progress } => {
            // Whoever changes Node's reporters has no such files, or empty ones.
            let text =
                |path| read::plain(path, REPORT_LIMIT).filter(|text| !text.trim().is_empty());
            let told = text(junit).map(|text| junit::parse(&text));
            if told.as_ref().is_some_and(|told| told.broke_off.is_none()) {
                return Ok(told);
            }
            let on_the_way = text(progress).map(|text| so_far(&text, &unfinished(machine, exit)));
            match on_the_way.filter(|tests| !tests.is_empty()) {
                Some(tests) => {
                    let broke_off = told.and_then(|told| told.broke_off);
                    Ok(Some(Told { tests, broke_off }))
                }
                None => Ok(told),
            }
        }
        Report::Output => {
            let told = tap::parse(&said.text());
            Ok(told.map(|told| Told {
                broke_off: said
                    .is_full()
                    .then(|| format!("it is longer than {} MiB", REPORT_LIMIT / (1024 * 1024))),
                ..told
            }))
        }
    }
}

/// What was said on the way by a test run that ended before it wrote its report.
fn so_far(text: &str, unfinished: &str) -> Vec<TestRecord> {
    let told = progress::parse(text);
    let open = told.unfinished.into_iter().map(|test| TestRecord {
        error: Some(unfinished.to_owned()),
        ..test
    });
    told.tests.into_iter().chain(open).collect()
}

/// Where a report was read, for people.
fn place(machine: &Machine, report: &Report, shown: &str) -> String {
    match report {
        Report::Named(path) => format!("test report {}", machine.place(path)),
        Report::Asked { .. } => format!("the report of Node's test runner in `{shown}`"),
        Report::Output => format!("the report on the output of `{shown}`"),
    }
}

/// The one record of a command that reports nothing, or that failed although its report says otherwise.
fn by_exit(machine: &Machine, shown: &str, exit: Exit) -> TestRecord {
    let passed = exit == Exit::Code(0);
    TestRecord {
        name: shown.into(),
        error: (!passed).then(|| format!("`{shown}` {}", words(exit))),
        log: machine.deployment.tail(),
        ..record(
            "test",
            if passed {
                Outcome::Passed
            } else {
                Outcome::Failed
            },
        )
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

fn parse(text: &str) -> Told {
    let text = text.trim_start_matches(BYTE_ORDER_MARK);
    if text.trim_start().starts_with('<') {
        return junit::parse(text);
    }
    tap::parse(text).unwrap_or_else(|| Told {
        tests: Vec::new(),
        broke_off: Some("line 1: it is neither JUnit XML nor TAP".into()),
    })
}

/// A test of which no more is known.
fn record(path: impl Into<String>, outcome: Outcome) -> TestRecord {
    let path = path.into();
    TestRecord {
        name: path.clone(),
        path,
        outcome,
        error: None,
        millis: 0,
        log: Vec::new(),
    }
}

/// What stands among the tests because it makes the run a failed one.
fn failed(name: &str, error: String) -> TestRecord {
    TestRecord {
        error: Some(error),
        ..record(name, Outcome::Failed)
    }
}

/// What is kept of the results; the log says how many are not.
fn kept(machine: &Machine, results: Results) -> Results {
    let kept = kept::of(results, machine.deployment.mask());
    let counts = kept.counts();
    if kept.left_out.total() > 0 {
        machine.deployment.say(format!(
            "{} of {} test results are kept, those that failed before all others; this log has what the run said",
            kept.tests.len(),
            counts.total()
        ));
    }
    kept
}

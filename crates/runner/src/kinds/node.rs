//! Node apps: a `package.json` with a `start` script.

use std::fs;
use std::path::Path;

use nestling_protocol::report::{Failure, Step as StepName};

use super::{Start, Test};
use crate::config::{Config, Run};
use crate::machine::Machine;
use crate::sandbox::Step;
use crate::setup::{Package, script_environment};
use crate::tests::Report;

/// The placeholder that `npm init` writes: not a test.
const NO_TEST: &str = "Error: no test specified";

/// Our reporter for Node's own test runner, beside the steps that read it.
const PROGRESS: (&str, &str) = ("node-progress.mjs", include_str!("node-progress.mjs"));

/// What asks Node's own test runner to print TAP.
const TAP: &str = "--test-reporter=tap --test-reporter-destination=stdout";

/// What a Node app lacks.
pub(crate) fn missing(machine: &Machine) -> Option<String> {
    let app = &machine.bundle.app.name;
    let place = if machine.bundle.app.root.is_empty() {
        "the root"
    } else {
        &machine.bundle.app.root
    };
    match Package::of(machine) {
        None => Some(format!(
            "app {app} has no readable package.json in {place}: commit one, with a `start` script"
        )),
        Some(package) if package.script("start").is_none() => Some(format!(
            "package.json of app {app} in {place} has no `start` script: add one that serves on PORT"
        )),
        Some(_) => None,
    }
}

/// The `test` script, if any.
pub(crate) fn test(machine: &Machine, config: &Config) -> Test {
    let Some(package) = Package::of(machine) else {
        return Test::None;
    };
    let Some(script) = package
        .script("test")
        .filter(|script| !script.contains(NO_TEST))
    else {
        return Test::None;
    };
    let shown = script.to_owned();
    let mut step = script_step(machine, &package, "test");
    let mut beside = ["pretest", "posttest"]
        .into_iter()
        .filter_map(|name| package.script(name));
    let alone = !beside.any(|script| script.contains("--test"));
    let report = match &config.report {
        Some(path) => Report::Named(path.clone()),
        None => ask(machine, &mut step, script, alone),
    };
    Test::Command {
        step,
        shown,
        report,
    }
}

/// Asks Node's own test runner for a report, if this command runs it and leaves the choice to us. `alone` says that nothing
/// beside the command runs it, too.
pub(crate) fn ask(machine: &Machine, step: &mut Step, command: &str, alone: bool) -> Report {
    let known = machine.node.get().is_some_and(|node| has_junit(node));
    let (options, report) = match runs_of_nodes_own(command) {
        Runs::One if known && alone => reporters(machine),
        // Node 23 and newer print TAP only when asked to.
        Runs::One | Runs::Several if known => (TAP.to_owned(), Report::Output),
        Runs::None | Runs::One | Runs::Several => return Report::Output,
    };
    let given = step.environment.entry("NODE_OPTIONS".into()).or_default();
    given.push(' ');
    given.push_str(&options);
    report
}

/// Node's runner is asked for reports beside the one that people read: JUnit, which it writes at the end, and what ours says
/// on the way. Without ours, which is there unless the disk is full, the first is all there is.
fn reporters(machine: &Machine) -> (String, Report) {
    let junit = machine.control().join("node-tests.xml");
    let progress = machine.control().join("node-tests.jsonl");
    let ours = machine.tools().join(PROGRESS.0);
    let mut all = vec![
        ("spec".into(), "stdout".into()),
        ("junit".into(), quoted(&junit)),
    ];
    if fs::write(&ours, PROGRESS.1).is_ok() {
        all.push((quoted(&ours), quoted(&progress)));
    }
    let option = |(reporter, destination): (String, String)| {
        format!("--test-reporter={reporter} --test-reporter-destination={destination}")
    };
    let options: Vec<String> = all.into_iter().map(option).collect();
    (options.join(" "), Report::Asked { junit, progress })
}

/// A path as one word of `NODE_OPTIONS`.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The `start` script.
pub(crate) fn start(machine: &Machine) -> Result<Start, Failure> {
    let package = Package::of(machine).filter(|package| package.script("start").is_some());
    let Some(package) = package else {
        let reason = missing(machine)
            .unwrap_or_else(|| format!("app {} cannot be started", machine.bundle.app.name));
        return Err(machine.failure(StepName::Setup, reason, None));
    };
    let shown = package.script("start").unwrap_or_default().to_owned();
    Ok(Start::Process {
        step: script_step(machine, &package, "start"),
        shown,
    })
}

/// A script as npm would run it, but without npm between it and its signals.
fn script_step(machine: &Machine, package: &Package, name: &str) -> Step {
    let there = |name: &String| package.script(name).is_some();
    let parts = [format!("pre{name}"), name.to_owned(), format!("post{name}")];
    let parts: Vec<String> = parts.into_iter().filter(there).collect();
    let script = |name: &str| package.script(name).unwrap_or_default();
    let line = match parts.as_slice() {
        [only] => script(only).to_owned(),
        several => {
            let part = |name: &String| {
                // Each finds its own name where npm leaves it; no script has a zero byte, which alone cannot be quoted.
                let told = shlex::try_quote(script(name)).unwrap_or_default();
                let event =
                    format!("export npm_lifecycle_event={name} npm_lifecycle_script={told}");
                format!("{{ {event}\n{}\n}}", script(name))
            };
            several.iter().map(part).collect::<Vec<_>>().join(" && ")
        }
    };
    let mut step = machine.app_step(Run::in_shell(&line).argv);
    let told = script_environment(machine, package, name, &step.environment, &package.folder);
    step.environment.extend(told);
    step
}

/// Whether a Node of this version, in its own words, writes JUnit. One that does not ends at once when asked to, before
/// any test; unasked it writes TAP where nobody looks on, which is read, too.
fn has_junit(version: &str) -> bool {
    let version = semver::Version::parse(version.trim_start_matches('v'));
    version.is_ok_and(|version| match version.major {
        18 => version.minor >= 19,
        20 => version.minor >= 8,
        major => major > 20,
    })
}

/// How often a command runs Node's own test runner.
#[derive(Debug, PartialEq, Eq)]
enum Runs {
    None,
    One,
    /// Each would write over the report of the one before; what they all print tells more.
    Several,
}

/// How often a command runs `node --test` without a reporter of its own choice.
fn runs_of_nodes_own(command: &str) -> Runs {
    let words = || command.split_whitespace();
    let times = words()
        .filter(|word| word.trim_end_matches(';') == "--test")
        .count();
    if !words().any(|word| word == "node") || command.contains("--test-reporter") {
        return Runs::None;
    }
    match times {
        0 => Runs::None,
        1 if !command.contains([';', '&', '|', '\n']) => Runs::One,
        _ => Runs::Several,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_cannot_write_junit_is_not_asked_to() {
        // Each as its `node --version` says, and tried: those without end with code 7 or 9 when asked.
        for with in [
            "v18.19.0", "v18.20.0", "v20.8.0", "v20.20.2", "v21.0.0", "v24.1.0",
        ] {
            assert!(has_junit(with), "{with}");
        }
        for without in [
            "v16.20.0", "v18.13.0", "v18.18.2", "v19.9.0", "v20.7.0", "?",
        ] {
            assert!(!has_junit(without), "{without}");
        }
    }

    #[test]
    fn only_nodes_own_runner_is_asked_for_a_report() {
        let table = [
            ("node --test", Runs::One),
            (
                "NODE_ENV=test node --enable-source-maps --test tests/",
                Runs::One,
            ),
            ("node --test --test-reporter=tap", Runs::None),
            ("jest --test", Runs::None),
            ("node test.js", Runs::None),
            ("node --test a && node --test b", Runs::Several),
            ("node --test; jest", Runs::Several),
        ];
        for (command, expected) in table {
            assert_eq!(runs_of_nodes_own(command), expected, "{command}");
        }
    }
}

//! Wing apps: tests in the simulator, the app in the console, every `cloud.Endpoint` an endpoint of ours.
//!
//! The work inside Node is done by two small scripts of ours, `wing.mjs` and `wing-platform.js`.

use std::fs;
use std::path::PathBuf;

use nestling_protocol::report::{Endpoint, EndpointKind, Exit, Failure, Step as StepName};
use nestling_protocol::test::{Outcome, Results, TestRecord};
use serde::Deserialize;
use tokio::time::Instant;

use crate::config::is_endpoint_name;
use crate::machine::Machine;
use crate::process::words;
use crate::read;
use crate::sandbox::Step;
use crate::tests::{Ran, ended, hung, unfinished};

/// The only version that the registry still has; for apps that bring none of their own.
const PINNED: &str = "0.85.49";
/// A Wing app's entry.
const ENTRY: &str = "main.w";
/// The name of the console's endpoint.
const CONSOLE: &str = "console";
/// Results and endpoints beyond this are not read.
const FILE_LIMIT: u64 = 5 * 1024 * 1024;
/// Endpoints beyond this are not offered.
const ENDPOINTS: usize = 64;

const SCRIPT: (&str, &str) = ("wing.mjs", include_str!("wing.mjs"));
const PLATFORM: (&str, &str) = ("wing-platform.js", include_str!("wing-platform.js"));

/// The Wing that an app uses.
#[derive(Clone)]
pub(crate) struct Wing {
    /// The folder whose `node_modules` hold it.
    home: PathBuf,
}

/// An endpoint that the running console knows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) label: String,
    pub(crate) browser: bool,
    pub(crate) port: u16,
}

/// What the console listens on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Served {
    pub(crate) console: u16,
    pub(crate) endpoints: Vec<Found>,
}

/// What a Wing app lacks.
pub(crate) fn missing(machine: &Machine) -> Option<String> {
    let (app, root) = (&machine.bundle.app.name, &machine.bundle.app.root);
    let place = if root.is_empty() { "the root" } else { root };
    (!machine.app().join(ENTRY).is_file()).then(|| {
        format!("app {app} has no {ENTRY} in {place}: commit it, or change the app's folder")
    })
}

impl Wing {
    /// The project's own Wing, else the pinned one, installed once into the cache.
    pub(crate) async fn find(machine: &Machine, deadline: Instant) -> Result<Self, Failure> {
        write_scripts(machine).map_err(|error| {
            machine.failure(
                StepName::Setup,
                format!("the machine's folder cannot be written: {error}"),
                None,
            )
        })?;
        let (app, checkout) = (machine.app(), machine.checkout());
        let own = app
            .ancestors()
            .take_while(|folder| folder.starts_with(&checkout))
            .find(|folder| folder.join("node_modules/winglang/package.json").is_file());
        if let Some(own) = own {
            return Ok(Wing {
                home: own.to_owned(),
            });
        }
        let home = machine.tool_home(&format!("wing-{PINNED}"));
        if !home.join("node_modules/winglang/package.json").is_file() {
            install(machine, &home, deadline).await?;
        }
        machine.deployment.say(format!(
            "the app brings no winglang of its own: using {PINNED}"
        ));
        Ok(Wing { home })
    }

    /// The command that runs our script.
    fn step(&self, machine: &Machine, arguments: &[String]) -> Step {
        let script = machine.tools().join(SCRIPT.0).display().to_string();
        let entry = machine.app().join(ENTRY).display().to_string();
        let argv = ["node".to_owned(), script]
            .into_iter()
            .chain(arguments.iter().cloned())
            .chain([entry])
            .collect();
        let mut step = machine.app_step(argv);
        let own = [
            ("NESTLING_WING_HOME", self.home.display().to_string()),
            (
                "NESTLING_WING_PLATFORM",
                machine.tools().join(PLATFORM.0).display().to_string(),
            ),
            (
                "NESTLING_ENDPOINT_URL",
                machine.bundle.environment.endpoint_url.clone(),
            ),
        ];
        step.environment
            .extend(own.map(|(name, value)| (name.to_owned(), value)));
        step
    }

    /// The command that serves the app, its state in the persistent folder.
    pub(crate) fn serve(&self, machine: &Machine) -> Step {
        let state = machine.options.state_dir.join("wing").display().to_string();
        let mut step = self.step(
            machine,
            &[
                "serve".into(),
                served_file(machine).display().to_string(),
                state,
            ],
        );
        step.state = true;
        step
    }
}

/// What the console serves; nothing while it does not serve yet.
pub(crate) fn served(machine: &Machine) -> Option<Served> {
    let text = read::plain(&served_file(machine), FILE_LIMIT)?;
    let mut served: Served = serde_json::from_str(&text).ok()?;
    served.endpoints.truncate(ENDPOINTS);
    // The file lies where the app's code can write: only what can be an address is believed.
    served
        .endpoints
        .retain(|found| is_endpoint_name(&found.name) && found.name != CONSOLE && found.port > 0);
    let mut names = std::collections::BTreeSet::new();
    served
        .endpoints
        .retain(|found| names.insert(found.name.clone()));
    Some(served)
}

/// Forgets what an earlier console served.
pub(crate) fn forget_served(machine: &Machine) {
    let _ = fs::remove_file(served_file(machine));
}

/// The endpoints to report, each with the port that it leads to. The first that a browser can show is the
/// primary one, else the first, else the console.
pub(crate) fn endpoints(served: &Served) -> Vec<(Endpoint, u16)> {
    let primary = served
        .endpoints
        .iter()
        .position(|found| found.browser)
        .unwrap_or(0);
    let mut all: Vec<(Endpoint, u16)> = served
        .endpoints
        .iter()
        .enumerate()
        .map(|(n, found)| {
            let endpoint = crate::app::endpoint(
                &found.name,
                &found.label,
                EndpointKind::App,
                n == primary,
                found.browser,
            );
            (endpoint, found.port)
        })
        .collect();
    let console = crate::app::endpoint(
        CONSOLE,
        "Wing Console",
        EndpointKind::Console,
        all.is_empty(),
        true,
    );
    all.push((console, served.console));
    all
}

/// Runs every test in the simulator.
pub(crate) async fn test(machine: &Machine, wing: &Wing, deadline: Instant) -> Ran {
    let file = machine.control().join("wing-tests.jsonl");
    let step = wing.step(machine, &["test".into(), file.display().to_string()]);
    machine
        .deployment
        .say(format!("running the tests of {ENTRY}"));
    let app = &machine.bundle.app.name;
    let told = |exit| {
        let text = read::plain(&file, FILE_LIMIT).unwrap_or_default();
        records(&text, &unfinished(machine, exit))
    };
    let exit = match machine.run(&step, deadline).await {
        Ok(exit @ Exit::Timeout) => return ended(told(exit), hung(machine, ENTRY)),
        Ok(exit) => exit,
        Err(error) => return Ran::Broken(format!("tests of app {app}: {error}")),
    };
    if exit != Exit::Code(0) {
        let said = machine.deployment.tail().join("\n");
        let why = format!("the test run of app {app} {}:\n{said}", words(exit));
        return ended(told(exit), why);
    }
    Ran::Results(Results {
        tests: told(exit),
        ..Results::default()
    })
}

/// What the script wrote: the tests that ended, and the one that began and did not, of which this is said.
fn records(text: &str, unfinished: &str) -> Vec<TestRecord> {
    let mut begun = None;
    let mut tests = Vec::new();
    for line in text.lines() {
        match serde_json::from_str(line) {
            Ok(Line::Begun { begun: path }) => begun = Some(path),
            Ok(Line::Ended(told)) => {
                begun = None;
                tests.push(record(told));
            }
            // Cut off, as its writer was.
            Err(_) => {}
        }
    }
    tests.extend(begun.map(|path| {
        record(Told {
            path,
            pass: false,
            error: Some(unfinished.to_owned()),
            millis: 0,
            log: Vec::new(),
        })
    }));
    tests
}

/// One line that the script writes.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Begun { begun: String },
    Ended(Told),
}

/// A test that ended.
#[derive(Deserialize)]
struct Told {
    path: String,
    pass: bool,
    error: Option<String>,
    millis: u64,
    log: Vec<String>,
}

fn record(told: Told) -> TestRecord {
    let name = told
        .path
        .rsplit_once("test:")
        .map_or(told.path.as_str(), |(_, name)| name)
        .to_owned();
    let outcome = if told.pass {
        Outcome::Passed
    } else {
        Outcome::Failed
    };
    TestRecord {
        path: told.path,
        name,
        outcome,
        error: told.error,
        millis: told.millis,
        log: told.log,
    }
}

async fn install(
    machine: &Machine,
    home: &std::path::Path,
    deadline: Instant,
) -> Result<(), Failure> {
    machine
        .deployment
        .say(format!("installing winglang {PINNED}, once for this app"));
    let package = format!("winglang@{PINNED}");
    crate::setup::tool::install(machine, home, &package, deadline).await
}

fn write_scripts(machine: &Machine) -> std::io::Result<()> {
    for (name, content) in [SCRIPT, PLATFORM] {
        fs::write(machine.tools().join(name), content)?;
    }
    Ok(())
}

fn served_file(machine: &Machine) -> PathBuf {
    machine.control().join("wing-served.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runners_image_brings_the_pinned_wing() {
        let tools = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/images/tools");
        let brought = format!("{tools}/wing-{PINNED}/package.json");
        let brought = fs::read_to_string(&brought).expect(&brought);
        assert!(brought.contains(&format!(r#""winglang": "{PINNED}""#)));
    }

    #[test]
    fn a_test_that_does_not_end_is_named_after_those_that_did() {
        let text = r#"{"begun":"root/Default/test:adds"}
{"path":"root/Default/test:adds","pass":true,"millis":3,"log":["a line"]}
{"begun":"root/Default/test:waits"}
{"path":"root/Default/te"#;
        let all = records(text, "it did not end");
        let told = all
            .iter()
            .map(|test| (&*test.name, test.outcome, test.error.as_deref()));
        assert_eq!(
            told.collect::<Vec<_>>(),
            [
                ("adds", Outcome::Passed, None),
                ("waits", Outcome::Failed, Some("it did not end")),
            ]
        );
    }
}

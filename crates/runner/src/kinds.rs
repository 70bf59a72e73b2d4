//! The kinds of app: what each needs, how it is tested, how it starts.

pub(crate) mod any;
pub(crate) mod files;
pub(crate) mod node;
pub(crate) mod wing;

use std::path::PathBuf;

use nestling_protocol::bundle::Kind;
use nestling_protocol::report::{Failure, Step as StepName};
use tokio::time::Instant;

use crate::config::{Config, Run};
use crate::machine::Machine;
use crate::sandbox::Step;
use crate::tests::Report;
use wing::Wing;

/// How an app is tested.
pub(crate) enum Test {
    /// It has no tests.
    None,
    /// By a command.
    Command {
        step: Step,
        /// The command, for people.
        shown: String,
        report: Report,
    },
    /// By the Wing simulator.
    Wing(Wing),
}

/// How an app starts.
pub(crate) enum Start {
    /// By a command that listens on a port.
    Process {
        step: Step,
        /// The command, for people.
        shown: String,
    },
    /// In the Wing console.
    Wing(Wing),
    /// Not at all: the runner serves this folder.
    Files(PathBuf),
}

/// What happens once an app is set up.
pub(crate) struct Plan {
    pub(crate) test: Test,
    pub(crate) start: Start,
    /// Whether two instances may not run at once, where the app or its kind says so.
    alone: Option<bool>,
}

/// Whether the checkout holds what its kind needs. Asked before anything is installed.
pub(crate) fn check(machine: &Machine, config: &Config) -> Result<(), Failure> {
    let missing = match machine.bundle.app.kind {
        _ if config.start.is_some() => None,
        Kind::Wing => wing::missing(machine),
        Kind::Node => node::missing(machine),
        Kind::Static => files::missing(machine),
        Kind::Any => any::missing(machine),
    };
    missing.map_or(Ok(()), |reason| {
        Err(machine.failure(StepName::Setup, reason, None))
    })
}

/// How this app is tested and started. `nestling.toml` speaks before the kind.
pub(crate) async fn plan(
    machine: &Machine,
    config: &Config,
    deadline: Instant,
) -> Result<Plan, Failure> {
    let kind = machine.bundle.app.kind;
    let needs_wing = kind == Kind::Wing && (config.start.is_none() || config.test.is_none());
    let wing = if needs_wing {
        Some(Wing::find(machine, deadline).await?)
    } else {
        None
    };
    let test = match (&config.test, kind, &wing) {
        (Some(run), _, _) => named_test(machine, config, run),
        (None, Kind::Wing, Some(wing)) => Test::Wing(wing.clone()),
        (None, Kind::Node | Kind::Static, _) => node::test(machine, config),
        (None, Kind::Wing | Kind::Any, _) => Test::None,
    };
    let start = match (&config.start, wing) {
        (Some(run), _) => Start::Process {
            step: machine.app_step(run.argv.clone()),
            shown: run.shown.clone(),
        },
        (None, Some(wing)) => Start::Wing(wing),
        (None, None) if kind == Kind::Static => {
            Start::Files(files::folder(machine, deadline).await?)
        }
        (None, None) => node::start(machine)?,
    };
    Ok(Plan {
        test,
        alone: config.alone.or((kind == Kind::Wing).then_some(true)),
        start,
    })
}

impl Plan {
    /// Whether the older instance must have ended before this one starts. An app that keeps something in its state folder is
    /// replaced unless it says that two instances can share it: one that reads a file at its start and writes it back later
    /// would undo what the other one was told meanwhile, and neither would notice.
    pub(crate) fn exclusive(&self, machine: &Machine) -> bool {
        self.alone.unwrap_or_else(|| machine.keeps_state())
    }
}

fn named_test(machine: &Machine, config: &Config, run: &Run) -> Test {
    let mut step = machine.app_step(run.argv.clone());
    let report = match &config.report {
        Some(path) => Report::Named(path.clone()),
        None => node::ask(machine, &mut step, &run.shown, true),
    };
    Test::Command {
        step,
        shown: run.shown.clone(),
        report,
    }
}

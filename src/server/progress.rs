//! What the terminal shows while a server runs: every environment that changes, in one line, and why.

use std::{collections::BTreeMap, convert::Infallible, io::Write as _, sync::Arc, time::Duration};

use nestling_domain::{
    announcement::cancelled,
    deployment::{Shown, Tests},
    environment::Environment,
    ids::EnvironmentId,
    lifecycle::{State, Why},
};

use crate::{drivers::store::Store, http::Addresses, telemetry::told};

/// How often the records are looked at.
const ROUND: Duration = Duration::from_millis(300);
/// Environments that one round reads; a terminal shows no more anyway.
const MOST: usize = 200;

/// Whether all that was expected runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// So many environments run, and none is on its way.
    Running,
    /// These do not run and will not: name and reason.
    Failed(Vec<(String, String)>),
}

/// Watches the records and prints what changes.
pub struct Progress {
    store: Arc<dyn Store>,
    addresses: Addresses,
    shown: BTreeMap<EnvironmentId, String>,
    /// Whether the records could not be read at the last look.
    blind: bool,
}

impl Progress {
    /// A watcher that has shown nothing yet.
    pub fn new(store: Arc<dyn Store>, addresses: Addresses) -> Self {
        Progress {
            store,
            addresses,
            shown: BTreeMap::new(),
            blind: false,
        }
    }

    /// Prints changes until this many environments run, or one of them cannot.
    pub async fn until_running(&mut self, expected: usize) -> Outcome {
        loop {
            let environments = self.look().await;
            let failed: Vec<_> = environments.iter().filter_map(failure).collect();
            let running = environments
                .iter()
                .filter(|e| e.lifecycle.shown() == Shown::Running)
                .count();
            if running >= expected {
                return Outcome::Running;
            }
            if running + failed.len() >= expected {
                return Outcome::Failed(failed);
            }
            tokio::time::sleep(ROUND).await;
        }
    }

    /// Prints changes for ever.
    pub async fn follow(&mut self) -> Infallible {
        loop {
            self.look().await;
            tokio::time::sleep(ROUND).await;
        }
    }

    /// Records that cannot be read are no reason to end what runs: that is said once, and again when they can be.
    async fn look(&mut self) -> Vec<Environment> {
        let page = match self.store.environments(None, MOST).await {
            Ok(page) => page,
            Err(error) => {
                if !std::mem::replace(&mut self.blind, true) {
                    let why = told(&error.into());
                    say(&format!(
                        "  The records cannot be read ({why}). What runs goes on."
                    ));
                }
                return Vec::new();
            }
        };
        if std::mem::take(&mut self.blind) {
            say("  The records can be read again.");
        }
        for environment in &page.items {
            let line = line(environment, &self.addresses);
            if self.shown.get(&environment.id) != Some(&line) {
                say(&line);
                self.shown.insert(environment.id.clone(), line);
            }
        }
        page.items
    }
}

/// One line to the terminal; who closed it does not want it.
#[allow(
    clippy::explicit_write,
    reason = "println! panics when the terminal is gone"
)]
pub fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn line(environment: &Environment, addresses: &Addresses) -> String {
    let name = environment.name();
    let life = &environment.lifecycle;
    let commit = life.shown_commit().map_or("", |commit| commit.id.short());
    let rest = match (&life.state, life.shown()) {
        (
            State::Running {
                failed: Some(failed),
                ..
            },
            _,
        ) => {
            format!(
                "{} (deployment {} failed: {})",
                addresses.of(environment.label().as_str()),
                failed.generation,
                failed.reason
            )
        }
        (_, Shown::Running) => {
            let address = addresses.of(environment.label().as_str());
            match cancelled(life) {
                Some(words) => format!("{address} ({words})"),
                None => address,
            }
        }
        (
            State::Stopped {
                why: Why::Failed(failed),
                ..
            },
            _,
        ) => failed.reason.clone(),
        (State::Stopped { why, .. }, _) => why.name().to_owned(),
        _ => String::new(),
    };
    let mut line = format!(
        "  {name:<32} {:<14} {commit:<8} {rest}",
        life.shown().name()
    )
    .trim_end()
    .to_owned();
    for note in notes(environment) {
        line.push_str("\n      ");
        line.push_str(note);
    }
    line
}

/// What people should know although it stops nothing; said once it runs, because each line is printed for good.
fn notes(environment: &Environment) -> Vec<&str> {
    let life = &environment.lifecycle;
    let running = life.next().is_none();
    let Some(newest) = life.serving().filter(|_| running) else {
        return Vec::new();
    };
    let broken = match &newest.tests {
        Tests::Broken(reason) => Some(reason.as_str()),
        Tests::Pending | Tests::Ran(_) => None,
    };
    let notes = newest.notes.iter().map(String::as_str);
    broken.into_iter().chain(notes).collect()
}

fn failure(environment: &Environment) -> Option<(String, String)> {
    match &environment.lifecycle.state {
        State::Stopped {
            why: Why::Failed(failed),
            ..
        } => {
            let mut reason = failed.reason.clone();
            for line in &failed.tail {
                reason.push_str("\n      ");
                reason.push_str(line);
            }
            Some((environment.name(), reason))
        }
        State::Stopped { why, .. } => Some((environment.name(), why.name().to_owned())),
        State::Creating { .. } | State::Running { .. } | State::Restarting { .. } => None,
    }
}

//! How an app is started, each time, and waited for until it listens.

use std::time::Duration;

use nestling_protocol::report::{Exit, Failure, Step as StepName};
use tokio::time::{Instant, timeout};

use super::readiness::{Late, Readiness, Seen};
use super::{Serves, debugger, failure};
use crate::config::Config;
use crate::endpoints::Listener;
use crate::kinds::{Start, wing};
use crate::machine::Machine;
use crate::ports;
use crate::process::{Running, Whom, words};
use crate::sandbox::Step;

/// How often to look whether an app listens.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// How the app is started, each time.
pub(super) struct Launch {
    start: Start,
    config: Config,
}

/// An app that was started and listens.
pub(super) struct Up {
    pub(super) running: Running,
    pub(super) serves: Serves,
    /// What people should know of it.
    pub(super) notice: Option<String>,
    /// What leads it to `PORT`, if it listens elsewhere.
    pub(super) late: Option<Late>,
}

impl Launch {
    pub(super) fn new(start: Start, config: Config) -> Self {
        Launch { start, config }
    }

    /// Starts the process and waits until it listens.
    pub(super) async fn again(&self, machine: &Machine) -> Result<Up, Failure> {
        machine.runtime.begin_step();
        match &self.start {
            Start::Process { step, shown } => self.process(machine, step, shown).await,
            Start::Wing(wing) => self.wing(machine, wing).await,
            // Served by the runner, never launched.
            Start::Files(_) => Err(failure(
                machine,
                StepName::Start,
                "a folder of files is not a process",
                None,
            )),
        }
    }

    async fn process(&self, machine: &Machine, step: &Step, shown: &str) -> Result<Up, Failure> {
        let refused =
            |error: std::io::Error| failure(machine, StepName::Start, error.to_string(), None);
        let port = ports::free().map_err(refused)?;
        let mut step = step.clone();
        step.state = true;
        step.environment.insert("PORT".into(), port.to_string());
        step.environment.insert(
            "NESTLING_STATE".into(),
            machine.options.state_dir.display().to_string(),
        );
        machine
            .runtime
            .say(format!("starting {shown}, PORT={port}"));
        let mut running = machine
            .start(&step, &machine.runtime, None)
            .map_err(refused)?;
        let mut readiness = Readiness::new(port, self.config.endpoints.clone());
        let look = async |running: &mut Running, last: bool| {
            loop {
                let listeners = ports::listeners(&running.processes());
                match readiness.look(&listeners, Instant::now(), last)? {
                    Seen::NotYet => return Ok(None),
                    Seen::Ready(ready) => return Ok(Some(ready)),
                    Seen::Ask(unknown) => {
                        for listener in unknown {
                            readiness.told(listener, debugger::answers(listener).await);
                        }
                    }
                }
            }
        };
        let ready = wait(machine, &mut running, shown, look).await?;
        Ok(Up {
            running,
            serves: ready.serves(&machine.bundle.app.name),
            notice: ready.notice,
            late: ready.instead,
        })
    }

    async fn wing(&self, machine: &Machine, wing: &wing::Wing) -> Result<Up, Failure> {
        wing::forget_served(machine);
        machine.runtime.say("starting main.w in the Wing console");
        let started = machine.start(&wing.serve(machine), &machine.runtime, None);
        let mut running =
            started.map_err(|error| failure(machine, StepName::Start, error.to_string(), None))?;
        let look = async |_: &mut Running, _: bool| Ok(wing::served(machine));
        let served = wait(machine, &mut running, "main.w", look).await?;
        let listening = wing::endpoints(&served)
            .into_iter()
            .map(|(endpoint, port)| (endpoint, Listener::loopback(port)))
            .collect();
        Ok(Up {
            running,
            serves: listening,
            notice: None,
            late: None,
        })
    }

    /// Who hears that the app is to end. The Wing console closes its own children, in order.
    pub(super) fn whom(&self) -> Whom {
        match self.start {
            Start::Wing(_) => Whom::First,
            Start::Process { .. } | Start::Files(_) => Whom::All,
        }
    }
}

/// Looks again and again until the app is ready, has ended, or took too long.
async fn wait<T>(
    machine: &Machine,
    running: &mut Running,
    shown: &str,
    mut look: impl AsyncFnMut(&mut Running, bool) -> Result<Option<T>, String>,
) -> Result<T, Failure> {
    let app = &machine.bundle.app.name;
    let limit = machine.bundle.limits.start;
    let deadline = Instant::now() + Duration::from_secs(limit);
    loop {
        if let Ok(exit) = timeout(LOOK_EVERY, running.ended()).await {
            let mut reason = format!(
                "app {app}: `{shown}` {} before it listened; its output is in the runtime log",
                words(exit)
            );
            if exit == Exit::Code(0) {
                reason +=
                    "; whoever goes on in the background is to stay in the foreground instead";
            }
            return Err(failure(machine, StepName::Start, reason, Some(exit)));
        }
        let last = Instant::now() >= deadline;
        match look(running, last).await {
            Ok(Some(ready)) => return Ok(ready),
            Ok(None) if !last => {}
            Ok(None) => {
                running.kill().await;
                let reason = format!(
                    "app {app}: `{shown}` did not listen within {limit} s (limits.start; NESTLING__LIMITS__START of the server): let it listen on the port in PORT, or raise the limit"
                );
                return Err(failure(
                    machine,
                    StepName::Start,
                    reason,
                    Some(Exit::Timeout),
                ));
            }
            Err(reason) => {
                running.kill().await;
                return Err(failure(
                    machine,
                    StepName::Start,
                    format!("app {app}: {reason}"),
                    None,
                ));
            }
        }
    }
}

//! The running app: started, watched, started again, stopped.

mod readiness;

use std::collections::VecDeque;
use std::time::Duration;

use nestling_protocol::report::{
    Address, Endpoint, EndpointKind, Exit, Failure, Phase, Step as StepName,
};
use tokio::time::{Instant, timeout};

use crate::config::Config;
use crate::endpoints::{self, Listener, Target};
use crate::kinds::{Start, wing};
use crate::machine::Machine;
use crate::process::{Running, Whom, words};
use crate::reporter::Reporter;
use crate::sandbox::Step;
use crate::stop::Stop;
use crate::{ports, static_site};
use readiness::Readiness;

/// How often an app that ends is started again before its deployment has failed.
const RESTARTS: usize = 3;
/// Within this time.
const RESTARTS_WITHIN: Duration = Duration::from_mins(5);
/// The pause before the first restart; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// How long an app may take to end when asked to.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// How often to look whether an app listens.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// The name of the endpoint at `PORT`.
const APP: &str = "app";

/// An app that serves.
pub(crate) struct App {
    served: Vec<(Endpoint, Target)>,
    /// Nothing for a folder of files, which the runner serves itself.
    process: Option<Process>,
}

struct Process {
    running: Running,
    launch: Launch,
}

/// How the app is started, each time.
struct Launch {
    start: Start,
    config: Config,
}

/// Where an app serves.
type Serves = Vec<(Endpoint, Listener)>;

/// Starts the app and waits until it listens.
pub(crate) async fn start(
    machine: &Machine,
    config: &Config,
    start: Start,
) -> Result<App, Failure> {
    let run_dir = &machine.options.run_dir;
    let unbound = |error: std::io::Error| {
        failure(
            machine,
            StepName::Start,
            format!("an endpoint's socket could not be made: {error}"),
            None,
        )
    };
    if let Start::Files(folder) = start {
        let endpoint = endpoint(APP, &machine.bundle.app.name, EndpointKind::App, true, true);
        let listener = endpoints::bind(run_dir, &file(&endpoint.name)).map_err(unbound)?;
        machine.runtime.say("serving the files of the site");
        static_site::serve(listener, folder);
        return Ok(App {
            served: vec![(endpoint, Target::new(Listener::loopback(0)))],
            process: None,
        });
    }
    let launch = Launch {
        start,
        config: config.clone(),
    };
    let (running, serves) = launch.again(machine).await?;
    let mut bound = Vec::new();
    for (endpoint, listener) in serves {
        let socket = endpoints::bind(run_dir, &file(&endpoint.name)).map_err(unbound)?;
        let target = Target::new(listener);
        endpoints::forward(socket, target.clone());
        bound.push((endpoint, target));
    }
    Ok(App {
        served: bound,
        process: Some(Process { running, launch }),
    })
}

impl App {
    /// What it serves.
    pub(crate) fn endpoints(&self) -> Vec<Endpoint> {
        self.served
            .iter()
            .map(|(endpoint, _)| endpoint.clone())
            .collect()
    }

    /// Watches over the app until told to stop, or until it has ended too often: then the failure.
    pub(crate) async fn serve(
        mut self,
        machine: &Machine,
        reporter: &Reporter,
        stop: &Stop,
    ) -> Option<Failure> {
        let Some(mut process) = self.process.take() else {
            stop.said().await;
            return None;
        };
        let mut restarts: VecDeque<Instant> = VecDeque::new();
        loop {
            let exit = tokio::select! {
                exit = process.running.ended() => exit,
                () = stop.said() => {
                    machine.runtime.say("stopping");
                    process.running.stop(STOP_GRACE, process.launch.whom()).await;
                    return None;
                }
            };
            restarts.retain(|at| at.elapsed() < RESTARTS_WITHIN);
            if restarts.len() >= RESTARTS {
                return Some(gave_up(machine, exit));
            }
            let pause = FIRST_PAUSE * 2_u32.pow(u32::try_from(restarts.len()).unwrap_or(0));
            machine.runtime.say(format!(
                "the app {}; starting it again in {} s",
                words(exit),
                pause.as_secs()
            ));
            restarts.push_back(Instant::now());
            if timeout(pause, stop.said()).await.is_ok() {
                return None;
            }
            reporter.tell(Phase::Restarted {
                exit,
                times: u32::try_from(restarts.len()).unwrap_or(u32::MAX),
            });
            tokio::select! {
                launched = process.launch.again(machine) => match launched {
                    Ok((running, serves)) => {
                        process.running = running;
                        self.follow(&serves);
                    }
                    // Its end is what the next turn finds.
                    Err(failure) => machine.runtime.say(failure.reason),
                },
                () = stop.said() => return None,
            }
        }
    }

    /// Leads the endpoints to where the app listens now.
    fn follow(&self, serves: &Serves) {
        for (endpoint, target) in &self.served {
            if let Some((_, listener)) =
                serves.iter().find(|(found, _)| found.name == endpoint.name)
            {
                target.set(*listener);
            }
        }
    }
}

impl Launch {
    /// Starts the process and waits until it listens.
    async fn again(&self, machine: &Machine) -> Result<(Running, Serves), Failure> {
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

    async fn process(
        &self,
        machine: &Machine,
        step: &Step,
        shown: &str,
    ) -> Result<(Running, Serves), Failure> {
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
            let listeners = ports::listeners(&running.processes());
            readiness.look(&listeners, Instant::now(), last)
        };
        let ready = wait(machine, &mut running, shown, look).await?;
        if let Some(notice) = &ready.notice {
            machine.note(&machine.runtime, notice);
        }
        Ok((running, ready.serves(&machine.bundle.app.name)))
    }

    async fn wing(
        &self,
        machine: &Machine,
        wing: &wing::Wing,
    ) -> Result<(Running, Serves), Failure> {
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
        Ok((running, listening))
    }

    /// Who hears that the app is to end. The Wing console closes its own children, in order.
    fn whom(&self) -> Whom {
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
            let reason = format!(
                "app {app}: `{shown}` {} before it listened; its output is in the runtime log",
                words(exit)
            );
            return Err(failure(machine, StepName::Start, reason, Some(exit)));
        }
        let last = Instant::now() >= deadline;
        match look(running, last).await {
            Ok(Some(ready)) => return Ok(ready),
            Ok(None) if !last => {}
            Ok(None) => {
                running.kill().await;
                let reason = format!(
                    "app {app}: `{shown}` did not listen within {limit} s (limits.start): let it listen on the port in PORT, or raise the limit"
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

fn gave_up(machine: &Machine, exit: Exit) -> Failure {
    let app = &machine.bundle.app.name;
    let minutes = RESTARTS_WITHIN.as_secs() / 60;
    let reason = format!(
        "app {app} {}, after {RESTARTS} restarts in {minutes} minutes: its last output says why",
        words(exit)
    );
    failure(machine, StepName::Run, reason, Some(exit))
}

fn failure(
    machine: &Machine,
    step: StepName,
    reason: impl AsRef<str>,
    exit: Option<Exit>,
) -> Failure {
    let log = &machine.runtime;
    Failure {
        step,
        reason: log.mask().whole(reason.as_ref()),
        exit,
        tail: log.tail(),
    }
}

/// An endpoint behind a socket of its own name.
pub(crate) fn endpoint(
    name: &str,
    label: &str,
    kind: EndpointKind,
    primary: bool,
    browser: bool,
) -> Endpoint {
    Endpoint {
        name: name.to_owned(),
        label: label.to_owned(),
        kind,
        primary,
        browser,
        address: Address::Unix(file(name)),
    }
}

fn file(endpoint: &str) -> String {
    format!("{endpoint}.sock")
}

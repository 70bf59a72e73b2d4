//! The running app: started, watched, started again, stopped.

mod debugger;
mod launch;
mod readiness;

use std::collections::VecDeque;
use std::time::Duration;

use nestling_protocol::report::{
    Address, Endpoint, EndpointKind, Exit, Failure, Phase, RESTARTS, RESTARTS_WITHIN,
    Step as StepName,
};
use tokio::time::{Instant, sleep, timeout};

use crate::config::Config;
use crate::endpoints::{self, Listener, Target};
use crate::kinds::Start;
use crate::machine::Machine;
use crate::process::{Running, words};
use crate::reporter::Reporter;
use crate::stop::Stop;
use crate::{ports, static_site};
use launch::{Launch, Up};
use readiness::Late;

/// The pause before the first restart; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// How long an app may take to end when asked to.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// How often to look whether an app that is served elsewhere listens on `PORT` at last.
const LOOK_LATE_EVERY: Duration = Duration::from_secs(1);
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
    /// What leads it to `PORT`, if it is served elsewhere.
    late: Option<Late>,
    launch: Launch,
}

/// Where an app serves.
type Serves = Vec<(Endpoint, Listener)>;

/// Why nobody watches over an app any more.
enum Over {
    /// We were told to stop.
    Stopped,
    Ended(Exit),
}

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
        static_site::serve(listener, folder, machine.checkout());
        return Ok(App {
            served: vec![(endpoint, Target::new(Listener::loopback(0)))],
            process: None,
        });
    }
    let launch = Launch::new(start, config.clone());
    let Up {
        running,
        serves,
        notice,
        late,
    } = launch.again(machine).await?;
    if let Some(notice) = notice {
        machine.note(&machine.runtime, &notice);
    }
    let mut bound = Vec::new();
    for (endpoint, listener) in serves {
        let socket = endpoints::bind(run_dir, &file(&endpoint.name)).map_err(unbound)?;
        let target = Target::new(listener);
        endpoints::forward(socket, target.clone());
        bound.push((endpoint, target));
    }
    Ok(App {
        served: bound,
        process: Some(Process {
            running,
            late,
            launch,
        }),
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
            let exit = match self.watch(&mut process, machine, reporter, stop).await {
                Over::Ended(exit) => exit,
                Over::Stopped => {
                    machine.runtime.say("stopping");
                    let whom = process.launch.whom();
                    process.running.stop(STOP_GRACE, whom).await;
                    return None;
                }
            };
            restarts.retain(|at| at.elapsed() < RESTARTS_WITHIN);
            let before = u32::try_from(restarts.len()).unwrap_or(RESTARTS);
            if before >= RESTARTS {
                return Some(gave_up(machine, exit));
            }
            let pause = FIRST_PAUSE * 2_u32.pow(before);
            machine.runtime.say(format!(
                "the app {}; starting it again in {} s",
                words(exit),
                pause.as_secs()
            ));
            restarts.push_back(Instant::now());
            // Before the pause: from now on nobody need ask an app that is not there.
            reporter.tell(Phase::Restarted {
                exit,
                times: before + 1,
            });
            if timeout(pause, stop.said()).await.is_ok() {
                return None;
            }
            tokio::select! {
                launched = process.launch.again(machine) => match launched {
                    Ok(up) => {
                        (process.running, process.late) = (up.running, up.late);
                        self.follow(&up.serves);
                        // It was reported at the first start.
                        if let Some(notice) = up.notice {
                            machine.runtime.say(notice);
                        }
                        reporter.tell(Phase::Running {
                            endpoints: self.endpoints(),
                        });
                    }
                    // Its end is what the next turn finds.
                    Err(failure) => machine.runtime.say(failure.reason),
                },
                () = stop.said() => return None,
            }
        }
    }

    /// Until the app's end. Leads its own address to `PORT`, if that opens only now.
    async fn watch(
        &self,
        process: &mut Process,
        machine: &Machine,
        reporter: &Reporter,
        stop: &Stop,
    ) -> Over {
        loop {
            tokio::select! {
                exit = process.running.ended() => return Over::Ended(exit),
                () = stop.said() => return Over::Stopped,
                () = sleep(LOOK_LATE_EVERY), if process.late.is_some() => {}
            }
            let listeners = ports::listeners(&process.running.processes());
            let found = process.late.and_then(|late| late.look(&listeners));
            let own = self.served.iter().find(|(endpoint, _)| endpoint.primary);
            if let (Some((listener, notice)), Some((_, target))) = (found, own) {
                target.set(listener);
                process.late = None;
                machine.note(&machine.runtime, &notice);
                reporter.tell_notes(machine);
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

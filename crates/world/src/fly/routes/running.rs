//! Machines as they are started, stopped and removed.

use serde::Deserialize;
use serde_json::json;

use super::Asking;
use crate::fly::{
    state::{Machine, Phase},
    wire::{self, Answer, Answered},
};

#[derive(Deserialize)]
struct Stop {
    signal: Option<String>,
}

impl Asking<'_> {
    pub(super) fn start_machine(&mut self) -> Answered {
        let machine = self.changing()?;
        let (id, old) = (machine.id.clone(), machine.phase);
        let (metadata, pending) = (machine.metadata(), machine.next.is_some());
        let now = self.state.now();
        match old {
            Phase::Created if pending => {
                return Err(wire::precondition("machine still attempting to start"));
            }
            Phase::Replacing => {
                return Err(wire::precondition(
                    "machine getting replaced, refusing to start",
                ));
            }
            Phase::Stopping | Phase::Suspending | Phase::Restarting => {
                return Err(wire::precondition(
                    "machine still active, refusing to start",
                ));
            }
            Phase::Destroying | Phase::Destroyed => {
                return Err(wire::precondition(format_args!(
                    "machine is {}",
                    old.name()
                )));
            }
            Phase::Starting | Phase::Started => {}
            Phase::Suspended => {
                self.wrote(&id, metadata);
                self.resume(&id, now);
            }
            Phase::Created | Phase::Stopped | Phase::Failed => {
                self.wrote(&id, metadata);
                self.state.boot(&id, now);
            }
        }
        Ok(Answer::ok(json!({
            "previous_state": old.name(),
            "migrated": false,
            "new_host": "",
        })))
    }

    fn resume(&mut self, id: &str, now: i64) {
        if self.state.host.resume(id).is_err() {
            self.state.boot(id, now);
            return;
        }
        self.state.enter(id, Phase::Starting, "start", "user", now);
        let delay = self.state.manners.delays.start;
        self.state.becomes(id, Phase::Started, now, delay);
    }

    pub(super) fn stop_machine(&mut self) -> Answered {
        let machine = self.changing()?;
        let (id, old, metadata) = (machine.id.clone(), machine.phase, machine.metadata());
        let asked: Stop = wire::body(self.request)?;
        let now = self.state.now();
        match old {
            Phase::Destroying | Phase::Destroyed | Phase::Replacing => {
                return Err(wire::precondition(format_args!(
                    "machine is {}",
                    old.name()
                )));
            }
            Phase::Stopping | Phase::Stopped | Phase::Created | Phase::Failed => {}
            Phase::Starting
            | Phase::Started
            | Phase::Suspending
            | Phase::Suspended
            | Phase::Restarting => {
                self.wrote(&id, metadata);
                self.state.enter(&id, Phase::Stopping, "stop", "user", now);
                let delay = self.state.manners.delays.stop;
                let signal = asked.signal.filter(|signal| !signal.is_empty());
                let to = Phase::Stopped;
                self.state.stop_machine(&id, signal.as_deref(), to, delay);
            }
        }
        Ok(wire::done())
    }

    pub(super) fn suspend_machine(&mut self) -> Answered {
        let machine = self.changing()?;
        let (id, old, metadata) = (machine.id.clone(), machine.phase, machine.metadata());
        let now = self.state.now();
        match old {
            Phase::Suspending | Phase::Suspended => {}
            Phase::Started => {
                self.wrote(&id, metadata);
                self.state
                    .enter(&id, Phase::Suspending, "suspend", "user", now);
                let delay = self.state.manners.delays.stop;
                self.state.becomes(&id, Phase::Suspended, now, delay);
            }
            Phase::Created
            | Phase::Starting
            | Phase::Stopping
            | Phase::Stopped
            | Phase::Restarting
            | Phase::Replacing
            | Phase::Failed
            | Phase::Destroying
            | Phase::Destroyed => return Err(not_running(old)),
        }
        Ok(wire::done())
    }

    pub(super) fn restart_machine(&mut self) -> Answered {
        let machine = self.changing()?;
        let (id, old, metadata) = (machine.id.clone(), machine.phase, machine.metadata());
        let now = self.state.now();
        if !matches!(old, Phase::Started | Phase::Stopped | Phase::Failed) {
            return Err(not_running(old));
        }
        self.wrote(&id, metadata);
        self.state
            .enter(&id, Phase::Restarting, "restart", "user", now);
        let signal = self.request.parameter("signal").map(str::to_owned);
        let delay = self.state.manners.delays.stop;
        let to = Phase::Starting;
        self.state.stop_machine(&id, signal.as_deref(), to, delay);
        Ok(wire::done())
    }

    pub(super) fn signal_machine(&mut self) -> Answered {
        let machine = self.changing()?;
        let (id, old, metadata) = (machine.id.clone(), machine.phase, machine.metadata());
        let asked: Stop = wire::body(self.request)?;
        let signal = asked
            .signal
            .ok_or_else(|| wire::invalid("signal is required"))?;
        if old != Phase::Started {
            return Err(not_running(old));
        }
        self.wrote(&id, metadata);
        self.state.host.signal(&id, &signal);
        Ok(wire::done())
    }

    pub(super) fn cordon(&mut self, cordoned: bool) -> Answered {
        let machine = self.changing()?;
        let (id, metadata) = (machine.id.clone(), machine.metadata());
        self.wrote(&id, metadata);
        if let Some(machine) = self.state.machines.get_mut(&id) {
            machine.cordoned = cordoned;
        }
        Ok(wire::done())
    }

    /// It is taken even if nobody reaches the host: then it happens later, and what runs there goes on until then.
    pub(super) fn delete_machine(&mut self) -> Answered {
        let machine = self.machine()?;
        self.leases(machine)?;
        let (id, old, metadata) = (machine.id.clone(), machine.phase, machine.metadata());
        let force = self.flag("force") || self.flag("kill");
        let still = matches!(
            old,
            Phase::Stopped | Phase::Suspended | Phase::Failed | Phase::Created
        );
        if matches!(old, Phase::Destroying | Phase::Destroyed) {
            return Ok(wire::done());
        }
        if !still && !force {
            let words =
                "unable to destroy machine, not currently stopped, suspended, failed or created";
            return Err(wire::precondition(words));
        }
        self.wrote(&id, metadata);
        let now = self.state.now();
        self.state
            .enter(&id, Phase::Destroying, "destroy", "user", now);
        let delay = self.state.manners.delays.destroy;
        self.state.becomes(&id, Phase::Destroyed, now, delay);
        Ok(wire::done())
    }

    /// Whether the asker may change the machine: whoever holds its lease, or anybody if nobody does.
    pub(super) fn leases(&self, machine: &Machine) -> Result<(), Answer> {
        let said = super::nonce(self.request);
        match (machine.leased(self.state.now()), said) {
            (None, None) => Ok(()),
            (Some(lease), Some(said)) if lease.nonce == said => Ok(()),
            (Some(lease), _) => Err(super::leases::held(&machine.id, lease)),
            (None, Some(_)) => Err(wire::error(
                409,
                format!(
                    "machine ID {}: no lease with this nonce is held",
                    machine.id
                ),
            )),
        }
    }
}

fn not_running(phase: Phase) -> Answer {
    wire::precondition(format_args!("machine not running, it is {}", phase.name()))
}

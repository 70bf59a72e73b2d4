//! What machines, volumes and apps become by themselves as time passes.

use super::{
    checks,
    host::Ended,
    state::{Due, Event, Machine, Next, Phase, State, VolumeState},
};

/// How often a machine whose program ends is started again in a row by its policy `on-failure`, unless it says so itself.
const RESTARTS: u32 = 10;

impl State {
    /// When something changes by itself next, in milliseconds since 1970.
    pub fn next_change(&self) -> Option<i64> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Lets everything happen whose time has come, and says whether anything did. Requests and acts do so by themselves.
    pub fn tick(&mut self) -> bool {
        let ended = self.host.ended();
        let mut changed = !ended.is_empty();
        for ended in ended {
            self.program_ended(&ended);
        }
        let now = self.now();
        while self.due.first().is_some_and(|(at, _)| *at <= now) {
            let Some((at, due)) = self.due.pop_first() else {
                break;
            };
            changed = true;
            match due {
                Due::Machine(id) => self.machine_due(&id, at),
                Due::Volume(id) => self.remove_volume(&id),
                Due::App(name) => self.remove_app(&name),
                Due::Check(_) => {}
            }
        }
        changed
    }

    /// Lets a machine become something so many milliseconds after a moment, unless a story holds it longer where it is.
    pub(crate) fn becomes(&mut self, id: &str, to: Phase, from: i64, after: i64) {
        let Some(machine) = self.machines.get_mut(id) else {
            return;
        };
        let held = self.faults.held(machine.phase, &machine.app);
        let next = Next {
            at: from + after + held,
            to,
        };
        if let Some(old) = machine.next.replace(next) {
            self.due.remove(&(old.at, Due::Machine(id.to_owned())));
        }
        self.due.insert((next.at, Due::Machine(id.to_owned())));
    }

    fn machine_due(&mut self, id: &str, at: i64) {
        let Some(machine) = self.machines.get_mut(id) else {
            return;
        };
        let reachable = self.hardware.get(&machine.hardware);
        if reachable.is_some_and(|host| !host.reachable) {
            // It happens once somebody reaches its host again: see `find_host`.
            return;
        }
        let Some(next) = machine.next.take() else {
            return;
        };
        match next.to {
            Phase::Starting => self.boot(id, at),
            Phase::Started => self.started(id, at),
            Phase::Stopped => self.stopped(id, at),
            Phase::Suspended => {
                self.host.suspend(id);
                self.enter(id, Phase::Suspended, "suspend", "flyd", at);
            }
            Phase::Destroyed => self.gone(id, at),
            to @ (Phase::Created
            | Phase::Stopping
            | Phase::Suspending
            | Phase::Restarting
            | Phase::Replacing
            | Phase::Failed
            | Phase::Destroying) => self.enter(id, to, "update", "flyd", at),
        }
    }

    /// Notes that a machine is in another phase now.
    pub(crate) fn enter(
        &mut self,
        id: &str,
        phase: Phase,
        kind: &'static str,
        source: &'static str,
        at: i64,
    ) {
        let event = Event {
            id: self.ids.ulid(at),
            kind,
            status: phase.name(),
            source,
            at,
            exit_code: None,
        };
        if let Some(machine) = self.machines.get_mut(id) {
            machine.phase = phase;
            machine.remember(event);
        }
    }

    /// Begins what the machine runs.
    pub(crate) fn boot(&mut self, id: &str, at: i64) {
        if self.machines.get(id).is_some_and(|machine| machine.runs) {
            self.end_program(id);
        }
        self.enter(id, Phase::Starting, "start", "flyd", at);
        let runs = self.boot_of(id).and_then(|boot| self.host.start(&boot));
        if let Some(machine) = self.machines.get_mut(id) {
            machine.runs = runs.is_ok();
            machine.probed.clear();
        }
        match runs {
            Ok(()) => self.becomes(id, Phase::Started, at, self.manners.delays.start),
            Err(_) => self.enter(id, Phase::Failed, "launch_failed", "flyd", at),
        }
    }

    fn started(&mut self, id: &str, at: i64) {
        self.enter(id, Phase::Started, "start", "flyd", at);
        let Some(machine) = self.machines.get_mut(id) else {
            return;
        };
        machine.started_at = Some(at);
        // Whoever waits for its health looks again then.
        let first = checks::listed(&machine.config).into_iter();
        let first = first.map(|check| check.grace.max(self.manners.delays.check));
        let due = first.map(|after| (at + after, Due::Check(id.to_owned())));
        self.due.extend(due);
    }

    fn stopped(&mut self, id: &str, at: i64) {
        self.end_program(id);
        self.enter(id, Phase::Stopped, "exit", "flyd", at);
        if let Some(machine) = self.machines.get_mut(id) {
            machine.started_at = None;
        }
        self.destroy_if_asked(id, at);
    }

    fn end_program(&mut self, id: &str) {
        if let Some(machine) = self.machines.get_mut(id) {
            machine.runs = false;
            machine.probed.clear();
            self.host.halt(id);
        }
    }

    fn destroy_if_asked(&mut self, id: &str, at: i64) {
        let asked = self.machines.get(id);
        let asked = asked.and_then(|machine| machine.config.get("auto_destroy")?.as_bool());
        if asked == Some(true) {
            self.enter(id, Phase::Destroying, "destroy", "flyd", at);
            self.becomes(id, Phase::Destroyed, at, self.manners.delays.destroy);
        }
    }

    fn gone(&mut self, id: &str, at: i64) {
        self.end_program(id);
        self.host.destroy(id);
        self.enter(id, Phase::Destroyed, "destroy", "flyd", at);
        let mounts = self.machines.get(id).map(Machine::mounts);
        for (volume, _) in mounts.unwrap_or_default() {
            if let Some(volume) = self.volumes.get_mut(&volume) {
                volume.attached = None;
            }
        }
        let region = self.machines.get(id).map(|machine| machine.region.clone());
        self.free(region.as_deref());
        if let Some(machine) = self.machines.get_mut(id) {
            machine.lease = None;
            machine.started_at = None;
        }
    }

    /// Gives a place of a region back.
    fn free(&mut self, region: Option<&str>) {
        let region = region.and_then(|code| self.regions.get_mut(code));
        if let Some(left) = region.and_then(|region| region.capacity.as_mut()) {
            *left += 1;
        }
    }

    /// Stops what runs, by its configuration's signal or another.
    pub(crate) fn stop_machine(&mut self, id: &str, signal: Option<&str>, to: Phase, after: i64) {
        let boot = self.boot_of(id).ok();
        let own = boot.map(|boot| boot.stop_signal);
        let signal = signal.map(str::to_owned).or(own);
        let runs = self.machines.get(id).is_some_and(|machine| machine.runs);
        if runs {
            self.host.signal(id, signal.as_deref().unwrap_or("SIGINT"));
        }
        self.becomes(id, to, self.now(), after);
    }

    pub(crate) fn program_ended(&mut self, ended: &Ended) {
        let at = self.now();
        let id = ended.machine.as_str();
        let Some(machine) = self.machines.get_mut(id) else {
            return;
        };
        machine.runs = false;
        machine.probed.clear();
        if !matches!(machine.phase, Phase::Starting | Phase::Started) {
            return;
        }
        let again = restarts(machine, ended.exit_code);
        machine.restarts += 1;
        let event = Event {
            id: self.ids.ulid(at),
            kind: "exit",
            status: "stopped",
            source: "flyd",
            at,
            exit_code: Some(ended.exit_code),
        };
        machine.remember(event);
        machine.started_at = None;
        if let Some(next) = machine.next.take() {
            self.due.remove(&(next.at, Due::Machine(id.to_owned())));
        }
        machine.phase = Phase::Stopped;
        if again {
            self.becomes(id, Phase::Starting, at, self.manners.delays.start);
        } else {
            self.destroy_if_asked(id, at);
        }
    }

    fn remove_volume(&mut self, id: &str) {
        let Some(volume) = self.volumes.get(id) else {
            return;
        };
        if volume.state != VolumeState::PendingDestroy {
            return;
        }
        let app = volume.app.clone();
        self.volumes.remove(id);
        self.host.destroy_volume(id);
        if let Some(app) = self.apps.get_mut(&app) {
            app.volumes.retain(|one| one != id);
        }
    }

    fn remove_app(&mut self, name: &str) {
        let Some(app) = self.apps.remove(name) else {
            return;
        };
        for id in app.machines {
            let Some(machine) = self.machines.remove(&id) else {
                continue;
            };
            if let Some(next) = machine.next {
                self.due.remove(&(next.at, Due::Machine(id.clone())));
            }
            if machine.phase != Phase::Destroyed {
                self.free(Some(&machine.region));
            }
            let reachable = self.hardware.get(&machine.hardware);
            if machine.runs && reachable.is_some_and(|host| !host.reachable) {
                self.left_behind.push((machine.hardware, id));
                continue;
            }
            self.host.halt(&id);
            self.host.destroy(&id);
        }
        for id in app.volumes {
            self.volumes.remove(&id);
            self.host.destroy_volume(&id);
        }
    }
}

/// Whether the machine's policy starts its program again.
fn restarts(machine: &Machine, exit_code: i32) -> bool {
    let policy = machine.config.pointer("/restart/policy");
    let most = machine.config.pointer("/restart/max_retries");
    let most = most.and_then(serde_json::Value::as_u64);
    let most = most
        .and_then(|most| u32::try_from(most).ok())
        .unwrap_or(RESTARTS);
    match policy.and_then(serde_json::Value::as_str) {
        Some("always") => true,
        Some("no") => false,
        _ => exit_code != 0 && machine.restarts < most,
    }
}

//! To wait until a machine is in a state.

use serde_json::json;

use super::{Asking, Reply};
use crate::fly::{
    state::{Phase, State},
    wire::{self, Answer},
};

/// Seconds that a request is held at most.
const LONGEST: i64 = 60;
/// What may be waited for.
const STATES: [&str; 6] = [
    "started",
    "stopped",
    "suspended",
    "destroyed",
    "failed",
    "settled",
];

/// Somebody waits for a machine.
#[derive(Clone, Debug)]
pub(crate) struct Wait {
    machine: String,
    states: Vec<String>,
    version: Option<String>,
    /// An event that does not count any more, and what was before it.
    after: Option<String>,
    /// In milliseconds since 1970.
    pub(crate) until: i64,
}

impl Asking<'_> {
    pub(super) fn wait(&mut self) -> Result<Reply, Answer> {
        let machine = self.machine()?.id.clone();
        let said = self.request.parameter("state").unwrap_or("started");
        let states: Vec<String> = said
            .split(',')
            .map(|state| state.trim().to_owned())
            .collect();
        if let Some(unknown) = states
            .iter()
            .find(|state| !STATES.contains(&state.as_str()))
        {
            return Err(wire::invalid(format_args!("unknown state \"{unknown}\"")));
        }
        let version = self.request.parameter("version");
        let version = version.or(self.request.parameter("instance_id"));
        if version.is_none() && states.iter().any(|state| state == "stopped") {
            let words = "instance_id is required when waiting for stopped";
            return Err(wire::invalid(words));
        }
        let seconds = match self.request.parameter("timeout") {
            None => LONGEST,
            Some(said) => {
                let seconds = said.trim_end_matches('s').parse::<i64>();
                seconds
                    .map_err(|_| wire::invalid(format_args!("timeout \"{said}\" is no number")))?
            }
        };
        let wait = Wait {
            machine,
            states,
            version: version.map(str::to_owned),
            after: self.request.parameter("from_event_id").map(str::to_owned),
            until: self.state.now() + seconds.clamp(1, LONGEST) * 1000,
        };
        Ok(match waited(self.state, &wait) {
            Some(answer) => Reply::Now(answer),
            None => Reply::Waits(wait),
        })
    }
}

/// What whoever waits is answered by now; `None` while they still wait.
pub(crate) fn waited(state: &State, wait: &Wait) -> Option<Answer> {
    let Some(machine) = state.machines.get(&wait.machine) else {
        return Some(wire::no_machine());
    };
    let present = machine.phase;
    let newest = machine.events.front().map(|event| event.id.clone());
    let version = wait.version.as_ref();
    let is_it = version.is_none_or(|version| *version == machine.instance);
    let fresh = wait.after.is_none() || wait.after != newest;
    let reached = |wanted: &String| match wanted.as_str() {
        "settled" => present.is_settled(),
        wanted => wanted == present.name(),
    };
    // Whoever waits for the end of a machine does not care which version of it ends.
    let ended = present == Phase::Destroyed && wait.states.iter().any(|one| one == "destroyed");
    if ended || is_it && fresh && wait.states.iter().any(reached) {
        return Some(Answer::ok(json!({
            "ok": true,
            "state": present.name(),
            "version": machine.instance,
            "event_id": newest,
        })));
    }
    if state.clock.now() >= wait.until {
        let words = format!(
            "deadline_exceeded: machine failed to reach desired state, {}, currently {}",
            wait.states.join(","),
            present.name()
        );
        return Some(wire::error(408, words));
    }
    None
}

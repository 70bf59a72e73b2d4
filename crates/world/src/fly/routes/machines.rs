//! Machines as they are looked at.

use serde_json::Value;

use super::Asking;
use crate::fly::{
    show,
    state::{Machine, Phase},
    wire::{Answer, Answered},
};

/// Events that are told if nobody says how many, and at most.
const EVENTS: (usize, usize) = (20, 50);
const METADATA: &str = "metadata.";

impl Asking<'_> {
    pub(super) fn machines(&mut self) -> Answered {
        let app = self.app()?;
        let machines = app.machines.iter();
        let machines = machines.filter_map(|id| self.state.machines.get(id));
        let shown = machines.filter(|machine| self.is_tagged(machine) && self.asks_for(machine));
        let summary = self.flag("summary");
        let list: Vec<Value> = shown
            .map(|machine| {
                if summary {
                    show::summary(machine)
                } else {
                    self.state.show_machine(machine)
                }
            })
            .collect();
        Ok(Answer::ok(Value::Array(list)))
    }

    /// Whether a machine has the metadata that was asked for: lists of a whole organisation do not know this filter.
    fn is_tagged(&self, machine: &Machine) -> bool {
        let mut query = self.request.query.iter();
        query.all(|(name, wanted)| {
            let key = name.strip_prefix(METADATA);
            key.is_none_or(|key| machine.tag(key) == Some(wanted))
        })
    }

    /// Whether a machine is in the list that was asked for.
    pub(super) fn asks_for(&self, machine: &Machine) -> bool {
        let region = self.request.parameter("region");
        let states = self.request.parameter("state");
        let in_state = states.is_none_or(|states| {
            let mut states = states.split(',');
            states.any(|state| state.trim() == machine.phase.name())
        });
        let there = machine.phase != Phase::Destroyed || self.flag("include_deleted");
        let listed = machine.created_at + self.state.manners.delays.list <= self.state.now();
        region.is_none_or(|region| region == machine.region) && in_state && there && listed
    }

    /// A destroyed one is still told, as such, until its app goes.
    pub(super) fn get_machine(&mut self) -> Answered {
        let machine = self.machine()?;
        Ok(Answer::ok(self.state.show_machine(machine)))
    }

    pub(super) fn events(&mut self) -> Answered {
        let said = self.request.parameter("limit");
        let limit = said
            .and_then(|limit| limit.parse().ok())
            .unwrap_or(EVENTS.0);
        let events = self.machine()?.events.iter().take(limit.min(EVENTS.1));
        Ok(Answer::ok(events.map(show::event).collect()))
    }

    pub(super) fn versions(&mut self) -> Answered {
        let machine = self.machine()?;
        let present = (machine.instance.clone(), machine.config.clone());
        let all = std::iter::once(&present).chain(machine.versions.iter().rev());
        Ok(Answer::ok(all.map(show::version).collect()))
    }
}

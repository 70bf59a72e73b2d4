//! Pairs of a machine's configuration by which callers find it. To change them starts nothing anew.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::Asking;
use crate::fly::wire::{self, Answer, Answered};

#[derive(Deserialize)]
struct Pairs {
    metadata: Option<BTreeMap<String, Option<String>>>,
    machine_version: Option<String>,
}

#[derive(Deserialize)]
struct One {
    value: Option<String>,
}

impl Asking<'_> {
    pub(super) fn get_metadata(&mut self) -> Answered {
        Ok(Answer::ok(self.machine()?.metadata().into_iter().collect()))
    }

    /// PUT replaces all, PATCH those that it says; null and nothing remove a pair.
    pub(super) fn update_metadata(&mut self) -> Answered {
        let machine = self.changing()?;
        let (id, present) = (machine.id.clone(), machine.instance.clone());
        let asked: Pairs = wire::body(self.request)?;
        let wanted = asked.machine_version;
        if wanted.is_some_and(|wanted| wanted != present) {
            let words = format!("machine_version mismatch: the machine is at {present}");
            return Err(wire::precondition(words));
        }
        let mut pairs = match self.request.method.as_str() {
            "PUT" => BTreeMap::new(),
            _ => machine.metadata(),
        };
        for (key, value) in asked.metadata.unwrap_or_default() {
            match value.filter(|value| !value.is_empty()) {
                Some(value) => pairs.insert(key, value),
                None => pairs.remove(&key),
            };
        }
        self.set_pairs(&id, pairs);
        Ok(Answer::empty())
    }

    pub(super) fn get_metadata_key(&mut self) -> Answered {
        let value = self.machine()?.tag(&self.part(5)).map(str::to_owned);
        let value = value.ok_or_else(|| wire::error(404, "metadata key not found"))?;
        Ok(Answer::ok(json!({ "value": value })))
    }

    pub(super) fn set_metadata_key(&mut self) -> Answered {
        let machine = self.changing()?;
        let (id, mut pairs) = (machine.id.clone(), machine.metadata());
        let asked: One = wire::body(self.request)?;
        let value = asked
            .value
            .ok_or_else(|| wire::invalid("value is required"))?;
        pairs.insert(self.part(5), value);
        self.set_pairs(&id, pairs);
        Ok(Answer::empty())
    }

    pub(super) fn delete_metadata_key(&mut self) -> Answered {
        let machine = self.changing()?;
        let (id, mut pairs) = (machine.id.clone(), machine.metadata());
        pairs.remove(&self.part(5));
        self.set_pairs(&id, pairs);
        Ok(Answer::empty())
    }

    fn set_pairs(&mut self, id: &str, pairs: BTreeMap<String, String>) {
        let now = self.state.now();
        let before = self
            .state
            .machines
            .get(id)
            .map(crate::fly::Machine::metadata);
        self.wrote(id, before.unwrap_or_default());
        if let Some(machine) = self.state.machines.get_mut(id) {
            machine.config["metadata"] = pairs.into_iter().collect();
            machine.updated_at = now;
        }
    }
}

//! Where there is room for one more machine.

use super::{Machine, State};

impl State {
    /// Megabytes of memory of an organisation's machines in a region.
    pub(crate) fn memory_in(&self, organisation: &str, region: &str) -> u64 {
        let apps = self.apps.values();
        let apps = apps.filter(|app| app.organisation == organisation);
        let machines = apps.flat_map(|app| self.machines_of(&app.name));
        let there = machines.filter(|machine| machine.region == region);
        there.map(Machine::memory_mb).sum()
    }

    /// Whether the API reaches the host of a machine.
    pub(crate) fn reaches(&self, machine: &Machine) -> bool {
        let host = self.hardware.get(&machine.hardware);
        host.is_none_or(|host| host.reachable)
    }

    /// Whether the host of a machine has no room for it to change.
    pub(crate) fn is_full(&self, machine: &Machine) -> bool {
        let host = self.hardware.get(&machine.hardware);
        host.is_some_and(|host| host.full)
    }

    /// A host of the region that answers and has room.
    pub(crate) fn any_host(&mut self, region: &str) -> Option<String> {
        let there = self.hardware.values();
        let there = there.filter(|host| host.region == region && host.reachable && !host.full);
        let names: Vec<String> = there.map(|host| host.name.clone()).collect();
        let drawn = self.ids.below(names.len());
        names.into_iter().nth(drawn)
    }
}

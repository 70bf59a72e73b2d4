//! What Fly knows.

mod app;
mod certificate;
mod lease;
mod machine;
mod manners;
mod place;
mod room;
mod secret;
mod volume;

use std::collections::{BTreeMap, BTreeSet};

use super::{
    boot,
    faults::Faults,
    host::{Host, Quiet},
    ids::Ids,
    ledger::Ledger,
    limits::Limits,
};
use crate::{clock::Clock, fly::description::Description};

pub use app::{Address, AddressKind, App, Organisation, Token};
pub use certificate::{Certificate, Dns};
pub use lease::Lease;
pub use machine::{Event, HostStatus, Machine, Phase};
pub use manners::{Delays, LeaseShape, Manners};
pub use place::{Hardware, Region};
pub use secret::{Hidden, Secret};
pub use volume::{Snapshot, Volume, VolumeState};

pub(crate) use machine::{Next, Probed};
pub(crate) use secret::Snapshots;

/// All of it, behind one lock.
#[derive(Debug)]
pub struct State {
    /// `http://127.0.0.1:PORT`; the API is below `/v1`.
    pub base: String,
    /// Time as the model tells it.
    pub clock: Clock,
    /// Organisations, by slug.
    pub organisations: BTreeMap<String, Organisation>,
    /// Regions, by code.
    pub regions: BTreeMap<String, Region>,
    /// Apps, by name: one namespace for everybody.
    pub apps: BTreeMap<String, App>,
    /// Machines, by id; those that are destroyed stay until their app goes.
    pub machines: BTreeMap<String, Machine>,
    /// Volumes, by id.
    pub volumes: BTreeMap<String, Volume>,
    /// Physical hosts, by name.
    pub hardware: BTreeMap<String, Hardware>,
    /// Images that no registry has; every other is there.
    pub missing_images: BTreeSet<String>,
    /// What the outside DNS says of hostnames.
    pub dns: BTreeMap<String, Dns>,
    /// How it behaves where the documentation leaves a choice, and how long things take.
    pub manners: Manners,
    /// What goes wrong next.
    pub faults: Faults,
    /// What was asked and written.
    pub ledger: Ledger,
    /// How much of it may be asked how often.
    pub limits: Limits,
    /// Fly's own description of its API, if it is at hand.
    pub description: Option<&'static Description>,
    /// By their letters.
    pub(crate) tokens: BTreeMap<Hidden, Token>,
    pub(crate) ids: Ids,
    pub(crate) host: Box<dyn Host>,
    pub(crate) due: BTreeSet<(i64, Due)>,
    /// What still runs on hosts that nobody reaches although it is gone for the API.
    pub(crate) left_behind: Vec<(String, String)>,
}

/// What changes by itself at a moment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    Machine(String),
    Volume(String),
    App(String),
    /// A check of a machine is made first: nothing else happens.
    Check(String),
}

impl State {
    pub(crate) fn new(base: String, seed: u64) -> Self {
        let mut state = State {
            base,
            clock: Clock::default(),
            organisations: BTreeMap::new(),
            regions: place::regions(),
            apps: BTreeMap::new(),
            machines: BTreeMap::new(),
            volumes: BTreeMap::new(),
            hardware: BTreeMap::new(),
            missing_images: BTreeSet::new(),
            dns: BTreeMap::new(),
            manners: Manners::default(),
            faults: Faults::default(),
            ledger: Ledger::default(),
            limits: Limits::default(),
            description: None,
            tokens: BTreeMap::new(),
            ids: Ids::of(seed),
            host: Box::new(Quiet::default()),
            due: BTreeSet::new(),
            left_behind: Vec::new(),
        };
        state.hardware = place::hardware(&state.regions);
        state
    }

    /// Gives it what runs the programs of machines; without, nothing runs and every check passes.
    pub fn run_on(&mut self, host: impl Host + 'static) {
        self.host = Box::new(host);
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.now()
    }

    /// The machine, if it belongs to the app.
    pub fn machine_of(&self, app: &str, id: &str) -> Option<&Machine> {
        let machine = self.machines.get(id)?;
        (machine.app == app).then_some(machine)
    }

    /// Machines of an app that are not destroyed, oldest first.
    pub fn machines_of(&self, app: &str) -> Vec<&Machine> {
        let known = self.apps.get(app);
        let ids = known.into_iter().flat_map(|app| &app.machines);
        let machines = ids.filter_map(|id| self.machines.get(id));
        machines
            .filter(|machine| machine.phase != Phase::Destroyed)
            .collect()
    }

    /// Volumes of an app that are not gone, oldest first.
    pub fn volumes_of(&self, app: &str) -> Vec<&Volume> {
        let known = self.apps.get(app);
        let ids = known.into_iter().flat_map(|app| &app.volumes);
        ids.filter_map(|id| self.volumes.get(id)).collect()
    }

    /// What a machine is to run now.
    pub(crate) fn boot_of(&self, id: &str) -> Result<boot::Boot, String> {
        let machine = self.machines.get(id).ok_or("there is no such machine")?;
        boot::of(machine)
    }
}

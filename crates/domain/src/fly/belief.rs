//! What is known of an environment's app at Fly, from Fly's answers alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use super::{Address, Ask, Outcome, Refusal};
use crate::ids::{EnvironmentId, Generation};

/// A machine, as a listing or an answer shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Fly's id of it.
    pub id: String,
    /// Whose it is, by its metadata; `None` when it has none of ours.
    pub owner: Option<Owner>,
    /// What it is doing.
    pub state: MachineState,
    /// Fly's id of the volume that it mounts, where it does.
    pub volume: Option<String>,
}

/// A volume, as a listing or an answer shows it: a disk in one region, that one machine mounts at a time (schema `Volume`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Fly's id of it.
    pub id: String,
    /// As it was called when it was made; others may be called the same.
    pub name: String,
    /// Where it is.
    pub region: String,
}

/// What our metadata says of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Which Nestling made it.
    pub server: String,
    /// For which environment.
    pub environment: EnvironmentId,
    /// Of which generation.
    pub generation: Generation,
}

/// What a machine is doing, as far as it matters here (field `state` of schema `Machine`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MachineState {
    /// It runs, or will (`created`, `starting`, `started`, `replacing`, …).
    Lives,
    /// It has ended and may be started again (`stopped`, `suspended`, `failed`).
    Ended,
    /// It is on its way out, and may still run: a dead host comes back.
    Destroying,
    /// It is gone for ever.
    Destroyed,
}

impl MachineState {
    /// Reads Fly's word. One that we do not know means that it may run.
    pub fn read(word: &str) -> Self {
        match word {
            "stopped" | "suspended" | "failed" | "launch_failed" => MachineState::Ended,
            "destroying" => MachineState::Destroying,
            "destroyed" => MachineState::Destroyed,
            _ => MachineState::Lives,
        }
    }
}

/// What Fly answered to a question, or said of what it made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Nothing beyond that it is done.
    Nothing,
    /// The app is there.
    App,
    /// These addresses are assigned.
    Addresses(BTreeMap<Address, IpAddr>),
    /// The address that was asked for.
    Address(IpAddr),
    /// The version that the app's secrets have now.
    Version(u64),
    /// The lease is ours, and this shows it.
    Nonce(String),
    /// Of these generations there are secrets.
    Secrets(BTreeSet<Generation>),
    /// One machine.
    Machine(Machine),
    /// All machines of the app that the listing shows. A listing proves what is there, and never what is not.
    Machines(Vec<Machine>),
    /// One volume.
    Volume(Volume),
    /// All volumes of the app that the listing shows, those on their way out not among them.
    Volumes(Vec<Volume>),
}

/// What is known of one app. What is not known is asked before anything depends on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Belief {
    /// Whether the app is there.
    pub(super) app: Option<bool>,
    /// Whether we have made it, and nobody else can have put anything into it.
    pub(super) made: bool,
    pub(super) addresses: Option<BTreeMap<Address, IpAddr>>,
    /// The generations whose secrets are set.
    pub(super) secrets: BTreeSet<Generation>,
    /// Whether there are no others.
    pub(super) all_secrets: bool,
    /// The version that they have at least, where we set some.
    pub(super) secrets_version: Option<u64>,
    /// Leases that are ours, each with what shows it, by machine.
    pub(super) leases: BTreeMap<String, String>,
    /// The machines that Fly's proxy was asked to lead to, by id.
    pub(super) open: BTreeSet<String>,
    /// All machines ever seen, by id, as they were last.
    pub(super) machines: BTreeMap<String, Machine>,
    /// How many complete listings were made since something was last left unknown.
    pub(super) listings: u32,
    /// A creation was sent, and nobody knows what came of it.
    pub(super) doubt: bool,
    /// All volumes ever seen, by id.
    pub(super) volumes: BTreeMap<String, Volume>,
    /// How many listings of volumes were made since one was last left unknown; none is needed where there can be none.
    pub(super) volume_listings: u32,
    /// A volume was asked for, and nobody knows whether it was made.
    pub(super) volume_doubt: bool,
    /// Regions that had no room.
    pub(super) crowded: Vec<(String, String)>,
    /// What stands in the way for good.
    pub(super) refused: Option<Refusal>,
    /// The app was asked to go, and is still there.
    pub(super) leaving: bool,
    /// The newest generation that was ever ordered.
    pub(super) ordered: Generation,
    /// How many answers of this order brought nothing.
    pub(super) fruitless: u32,
    /// Whether the last one did: only then the next request waits, or a lease could run out before it is used.
    pub(super) stalled: bool,
    /// How long Fly wants us to wait.
    pub(super) not_before: Duration,
}

impl Belief {
    /// An order begins that speaks of machines up to this generation: what stood in the way of the one before does so no more, and what nobody knows the end of is looked for.
    pub fn begin(&mut self, upto: Generation) {
        if upto > self.ordered {
            // Taken for the generation before, and long run out.
            self.leases.clear();
        }
        self.ordered = self.ordered.max(upto);
        if self.doubt {
            self.listings = 0;
        }
        self.doubt = false;
        self.volume_listings = 0;
        self.volume_doubt = false;
        self.leaving = false;
        self.crowded.clear();
        self.refused = None;
        self.fruitless = 0;
        self.stalled = false;
        self.not_before = Duration::ZERO;
    }

    /// An order has left nothing here: whether that is so still is seen anew when it is ordered again.
    pub fn look_again(&mut self) {
        *self = Belief {
            ordered: self.ordered,
            ..Belief::default()
        };
    }

    /// Where Fly's proxy takes connections to the app from our network, once that is known.
    pub fn way_in(&self) -> Option<IpAddr> {
        self.addresses.as_ref()?.get(&Address::Private).copied()
    }

    /// Takes in what came of a request.
    pub fn learn(&mut self, ask: &Ask, outcome: &Outcome, seen: Seen) {
        self.not_before = Duration::ZERO;
        let fruitless = self.fruitless;
        match outcome {
            Outcome::Done => self.is_done(ask, seen),
            Outcome::Refused(why) => self.is_refused(ask, why),
            Outcome::Later(wait) => {
                self.fruitless += 1;
                self.not_before = *wait;
            }
            Outcome::Unknown(_) => {
                self.fruitless += 1;
                self.is_unknown(ask);
            }
        }
        self.stalled = self.fruitless > fruitless;
    }

    fn is_done(&mut self, ask: &Ask, seen: Seen) {
        match ask {
            Ask::SeeApp => {
                self.app = Some(true);
                self.fruitless += u32::from(self.leaving);
            }
            Ask::CreateApp => {
                self.app = Some(true);
                self.made = true;
                self.addresses = Some(BTreeMap::new());
                self.all_secrets = true;
            }
            Ask::Uncordon { machine, .. } => {
                self.open.insert(machine.clone());
            }
            Ask::SetSecrets(generation) => {
                self.secrets.insert(*generation);
            }
            Ask::Unset(generations) => self.secrets.retain(|one| !generations.contains(one)),
            Ask::Create { .. } => self.doubt = false,
            Ask::Destroy { machine, .. } => {
                // Accepted is not done: a dead host may bring it back.
                if let Some(known) = self.machines.get_mut(machine) {
                    known.state = MachineState::Destroying;
                }
            }
            Ask::List => self.listings += 1,
            Ask::SeeVolumes => self.volume_listings += 1,
            Ask::AwaitGone { machine } => {
                if let Some(known) = self.machines.get_mut(machine) {
                    known.state = MachineState::Destroyed;
                }
            }
            // Accepted is not done here either: it takes Fly a moment.
            Ask::DestroyApp => {
                self.leaving = true;
                self.fruitless += 1;
            }
            Ask::SeeAddresses
            | Ask::Assign(_)
            | Ask::SeeSecrets
            | Ask::Lease { .. }
            | Ask::CreateVolume { .. } => {}
        }
        match seen {
            Seen::Nothing | Seen::App => {}
            Seen::Addresses(addresses) => self.addresses = Some(addresses),
            Seen::Address(ip) => {
                if let Ask::Assign(address) = ask {
                    self.addresses.get_or_insert_default().insert(*address, ip);
                }
            }
            Seen::Version(version) => {
                self.secrets_version = self.secrets_version.max(Some(version));
            }
            Seen::Nonce(nonce) => {
                if let Ask::Lease { machine } = ask {
                    self.leases.insert(machine.clone(), nonce);
                }
            }
            Seen::Secrets(secrets) => {
                self.secrets = secrets;
                self.all_secrets = true;
            }
            Seen::Machine(machine) => {
                self.machines.insert(machine.id.clone(), machine);
            }
            Seen::Machines(all) => {
                let all = all.into_iter().map(|machine| (machine.id.clone(), machine));
                self.machines.extend(all);
            }
            Seen::Volume(volume) => {
                self.volumes.insert(volume.id.clone(), volume);
            }
            Seen::Volumes(all) => {
                let all = all.into_iter().map(|volume| (volume.id.clone(), volume));
                self.volumes.extend(all);
            }
        }
    }

    fn is_refused(&mut self, ask: &Ask, why: &Refusal) {
        match (ask, why) {
            (Ask::SeeApp | Ask::DestroyApp, Refusal::NotFound) => self.is_without_app(),
            (
                Ask::AwaitGone { machine }
                | Ask::Lease { machine }
                | Ask::Uncordon { machine, .. }
                | Ask::Destroy { machine, .. },
                Refusal::NotFound,
            ) => {
                if let Some(known) = self.machines.get_mut(machine) {
                    known.state = MachineState::Destroyed;
                }
            }
            // An answer of ours may have been lost: look whose it is.
            (Ask::CreateApp, Refusal::Taken) => {
                self.fruitless += 1;
                self.app = None;
            }
            (Ask::Create { .. }, Refusal::Taken) => {
                self.doubts();
                self.fruitless += 1;
            }
            // It may be one that we took for gone: a listing says.
            (_, Refusal::Mounted) => {
                self.fruitless += 1;
                self.made = false;
                self.listings = 0;
            }
            (Ask::Assign(_), Refusal::Taken) => self.addresses = None,
            (
                Ask::Create { region, .. } | Ask::CreateVolume { region, .. },
                Refusal::NoCapacity(said),
            ) => {
                self.crowded.push((region.clone(), said.clone()));
            }
            // Ours has run out, or one whose answer was lost has not.
            (Ask::Uncordon { machine, .. } | Ask::Destroy { machine, .. }, Refusal::Leased) => {
                self.fruitless += 1;
                self.leases.remove(machine);
            }
            (_, Refusal::Leased) => self.fruitless += 1,
            // Just made, and not everywhere yet; or gone meanwhile.
            (_, Refusal::NotFound) => {
                self.fruitless += 1;
                if !self.made {
                    self.app = None;
                }
            }
            (
                _,
                Refusal::Taken
                | Refusal::NoCapacity(_)
                | Refusal::Quota(_)
                | Refusal::NotAllowed(_)
                | Refusal::Invalid(_),
            ) => self.refused = Some(why.clone()),
        }
    }

    fn is_unknown(&mut self, ask: &Ask) {
        match ask {
            Ask::CreateApp | Ask::DestroyApp => self.app = None,
            Ask::Assign(_) => self.addresses = None,
            Ask::SetSecrets(generation) => {
                self.secrets.remove(generation);
                self.all_secrets = false;
            }
            Ask::Unset(_) => self.all_secrets = false,
            Ask::Create { .. } => self.doubts(),
            Ask::CreateVolume { .. } => {
                self.volume_doubt = true;
                self.volume_listings = 0;
            }
            // What was not seen is not known either, as before; to let in twice is to let in.
            Ask::SeeApp
            | Ask::SeeAddresses
            | Ask::SeeVolumes
            | Ask::SeeSecrets
            | Ask::List
            | Ask::AwaitGone { .. }
            | Ask::Lease { .. }
            | Ask::Uncordon { .. }
            | Ask::Destroy { .. } => {}
        }
    }

    /// There may be a machine that we do not know, or will be: only a listing shows it.
    fn doubts(&mut self) {
        self.doubt = true;
        self.made = false;
        self.listings = 0;
    }

    /// Where there is no app there is nothing of it.
    fn is_without_app(&mut self) {
        *self = Belief {
            app: Some(false),
            ordered: self.ordered,
            fruitless: self.fruitless,
            ..Belief::default()
        };
    }
}

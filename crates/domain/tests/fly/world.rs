//! A little Fly that keeps its answers to itself, shows half of its listings and lets requests land late.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use nestling_domain::{
    fly::{
        Address, Ask, Belief, Disk, Ensure, GaveUp, LetIn, Machine, MachineState, Next, Outcome,
        Owner, Refusal, Remove, Seen, VOLUME, Volume, ensure, let_in, machine_name, remove,
    },
    ids::{EnvironmentId, Generation},
};
use proptest::prelude::*;

pub(crate) const SERVER: &str = "this one";

pub(crate) fn environment() -> EnvironmentId {
    EnvironmentId("app-pr-1".to_owned())
}

/// What goes wrong with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// It never arrives, and nobody says so.
    LostBefore,
    /// It is done, and the answer is lost.
    LostAfter,
    /// The answer is lost, and it is done a while later.
    Late,
    Refused(u8),
    /// A listing shows none, or every second one.
    Empty,
    Partial,
    /// What is there is not found, because it is new.
    Lags,
}

pub(crate) fn faults() -> impl Strategy<Value = Vec<Fault>> {
    let fault = prop_oneof![
        6 => Just(Fault::None),
        1 => Just(Fault::LostBefore),
        1 => Just(Fault::LostAfter),
        1 => Just(Fault::Late),
        1 => (0u8..5).prop_map(Fault::Refused),
        1 => Just(Fault::Empty),
        1 => Just(Fault::Partial),
        1 => Just(Fault::Lags),
    ];
    prop::collection::vec(fault, 0..24)
}

#[derive(Debug, Default)]
pub(crate) struct Fly {
    pub(crate) app: Option<App>,
    /// Regions without room.
    pub(crate) full: BTreeSet<String>,
    pub(crate) faults: VecDeque<Fault>,
    pub(crate) late: Vec<(u64, Ask)>,
    pub(crate) now: u64,
    pub(crate) made: u32,
    /// By machine: what shows it, and until when.
    pub(crate) leases: BTreeMap<String, (String, u64)>,
    pub(crate) leased: u32,
    /// Of the secrets.
    pub(crate) version: u64,
    pub(crate) asked: Vec<Ask>,
    /// Whether machines mount a volume, and which it is, once that is known.
    pub(crate) on_disk: bool,
    pub(crate) disk: Option<String>,
}

#[derive(Debug, Default)]
pub(crate) struct App {
    pub(crate) addresses: BTreeMap<Address, IpAddr>,
    pub(crate) secrets: BTreeSet<Generation>,
    /// The machines that traffic is led to.
    pub(crate) open: BTreeSet<String>,
    /// By id: its name, and what it is.
    pub(crate) machines: BTreeMap<String, (String, Machine)>,
    pub(crate) volumes: BTreeMap<String, Volume>,
}

impl Fly {
    pub(crate) fn living(&self) -> Vec<Generation> {
        let machines = self.app.iter().flat_map(|app| app.machines.values());
        let ours = machines.filter_map(|(_, one)| one.owner.as_ref());
        ours.map(|owner| owner.generation).collect()
    }

    pub(crate) fn put(&mut self, id: &str, name: &str, owner: Option<Owner>) {
        let machine = Machine {
            id: id.to_owned(),
            owner,
            state: MachineState::Lives,
            volume: None,
        };
        let app = self.app.get_or_insert_default();
        app.machines
            .insert(id.to_owned(), (name.to_owned(), machine));
    }

    pub(crate) fn passes(&mut self, time: Duration) {
        self.now += time.as_secs().max(1);
        let late = std::mem::take(&mut self.late);
        for (at, ask) in late {
            if at <= self.now {
                // Nobody is told.
                let _ = self.does(&ask);
            } else {
                self.late.push((at, ask));
            }
        }
    }

    fn ask(&mut self, ask: &Ask) -> (Outcome, Seen) {
        self.asked.push(ask.clone());
        let lost = || (Outcome::Unknown("no answer".to_owned()), Seen::Nothing);
        let changes = !matches!(
            ask,
            Ask::SeeApp
                | Ask::SeeAddresses
                | Ask::SeeSecrets
                | Ask::SeeVolumes
                | Ask::List
                | Ask::AwaitGone { .. }
        );
        match self.faults.pop_front().unwrap_or(Fault::None) {
            Fault::None => self.does(ask),
            Fault::LostBefore => lost(),
            Fault::LostAfter => {
                let _ = self.does(ask);
                lost()
            }
            Fault::Late => {
                if changes {
                    self.late.push((self.now + 20, ask.clone()));
                }
                lost()
            }
            Fault::Refused(0) => (Outcome::Later(Duration::from_secs(3)), Seen::Nothing),
            Fault::Refused(1) if changes => (Outcome::Refused(Refusal::Leased), Seen::Nothing),
            Fault::Refused(2) if matches!(ask, Ask::Create { .. } | Ask::CreateVolume { .. }) => {
                let said = Refusal::NoCapacity("no capacity".to_owned());
                (Outcome::Refused(said), Seen::Nothing)
            }
            Fault::Refused(_) => lost(),
            Fault::Empty if *ask == Ask::List => (Outcome::Done, Seen::Machines(Vec::new())),
            Fault::Empty if *ask == Ask::SeeVolumes => (Outcome::Done, Seen::Volumes(Vec::new())),
            Fault::Partial if *ask == Ask::List => {
                let (outcome, seen) = self.does(ask);
                let seen = match seen {
                    Seen::Machines(all) => Seen::Machines(all.into_iter().step_by(2).collect()),
                    other => other,
                };
                (outcome, seen)
            }
            Fault::Lags
                if !matches!(
                    ask,
                    Ask::CreateApp
                        | Ask::SeeApp
                        | Ask::DestroyApp
                        | Ask::AwaitGone { .. }
                        | Ask::Destroy { .. }
                ) =>
            {
                (Outcome::Refused(Refusal::NotFound), Seen::Nothing)
            }
            Fault::Empty | Fault::Partial | Fault::Lags => self.does(ask),
        }
    }

    fn leases_out(&mut self, machine: &str) -> (Outcome, Seen) {
        let is_there = |app: &App| app.machines.contains_key(machine);
        if !self.app.as_ref().is_some_and(is_there) {
            return (Outcome::Refused(Refusal::NotFound), Seen::Nothing);
        }
        let held = self.leases.get(machine);
        if held.is_some_and(|(_, until)| *until > self.now) {
            return (Outcome::Refused(Refusal::Leased), Seen::Nothing);
        }
        self.leased += 1;
        let nonce = format!("n{}", self.leased);
        let lease = (nonce.clone(), self.now + 5);
        self.leases.insert(machine.to_owned(), lease);
        (Outcome::Done, Seen::Nonce(nonce))
    }

    /// A volume or a machine, in an app that is there.
    fn makes(&mut self, ask: &Ask) -> (Outcome, Seen) {
        let refused = |why| (Outcome::Refused(why), Seen::Nothing);
        let (Some(app), Ask::Create { region, .. } | Ask::CreateVolume { region, .. }) =
            (&mut self.app, ask)
        else {
            return refused(Refusal::NotFound);
        };
        if self.full.contains(region) {
            return refused(Refusal::NoCapacity(format!("no room in {region}")));
        }
        let Ask::Create {
            generation,
            secrets,
            volume,
            ..
        } = ask
        else {
            self.made += 1;
            let volume = Volume {
                id: format!("v{}", self.made),
                name: VOLUME.to_owned(),
                region: region.clone(),
            };
            app.volumes.insert(volume.id.clone(), volume.clone());
            return (Outcome::Done, Seen::Volume(volume));
        };
        if let Some(id) = volume {
            let there = app.volumes.get(id);
            if there.is_none_or(|there| there.region != *region) {
                return refused(Refusal::Invalid("no such volume there".to_owned()));
            }
            let mut others = app.machines.values();
            if others.any(|(_, other)| other.volume == *volume) {
                return refused(Refusal::Mounted);
            }
        }
        if secrets.is_some_and(|version| version > self.version) {
            return refused(Refusal::Invalid("no such version".to_owned()));
        }
        let name = machine_name(*generation);
        if app.machines.values().any(|(known, _)| *known == name) {
            return refused(Refusal::Taken);
        }
        self.made += 1;
        let machine = Machine {
            id: format!("m{}", self.made),
            owner: Some(Owner {
                server: SERVER.to_owned(),
                environment: environment(),
                generation: *generation,
            }),
            state: MachineState::Lives,
            volume: volume.clone(),
        };
        app.machines
            .insert(machine.id.clone(), (name, machine.clone()));
        (Outcome::Done, Seen::Machine(machine))
    }

    fn does(&mut self, ask: &Ask) -> (Outcome, Seen) {
        let done = |seen| (Outcome::Done, seen);
        let refused = |why| (Outcome::Refused(why), Seen::Nothing);
        if *ask == Ask::CreateApp {
            if self.app.is_some() {
                return refused(Refusal::Taken);
            }
            self.app = Some(App::default());
            return done(Seen::App);
        }
        let Some(app) = &mut self.app else {
            return refused(Refusal::NotFound);
        };
        match ask {
            Ask::SeeApp | Ask::CreateApp => done(Seen::App),
            Ask::SeeAddresses => done(Seen::Addresses(app.addresses.clone())),
            Ask::Assign(address) => {
                let ip = Ipv6Addr::from(0xfdaa << 112 | *address as u128).into();
                app.addresses.insert(*address, ip);
                done(Seen::Address(ip))
            }
            Ask::SetSecrets(generation) => {
                app.secrets.insert(*generation);
                self.version += 1;
                done(Seen::Version(self.version))
            }
            Ask::SeeSecrets => done(Seen::Secrets(app.secrets.clone())),
            Ask::Unset(generations) => {
                app.secrets.retain(|one| !generations.contains(one));
                done(Seen::Nothing)
            }
            Ask::List => {
                let all = app.machines.values().map(|(_, machine)| machine.clone());
                done(Seen::Machines(all.collect()))
            }
            Ask::SeeVolumes => done(Seen::Volumes(app.volumes.values().cloned().collect())),
            Ask::CreateVolume { .. } | Ask::Create { .. } => self.makes(ask),
            Ask::AwaitGone { machine } => match app.machines.get(machine) {
                Some((_, one)) if one.state == MachineState::Destroyed => done(Seen::Nothing),
                Some(_) => (Outcome::Unknown("408".to_owned()), Seen::Nothing),
                None => refused(Refusal::NotFound),
            },
            Ask::Lease { machine } => self.leases_out(machine),
            Ask::Uncordon { machine, nonce } | Ask::Destroy { machine, nonce } => {
                if !app.machines.contains_key(machine) {
                    return refused(Refusal::NotFound);
                }
                let (held, until) = self.leases.get(machine).cloned().unwrap_or_default();
                if until > self.now && held != *nonce {
                    return refused(Refusal::Leased);
                }
                if matches!(ask, Ask::Uncordon { .. }) {
                    app.open.insert(machine.clone());
                } else {
                    app.machines.remove(machine);
                }
                done(Seen::Nothing)
            }
            Ask::DestroyApp => {
                self.app = None;
                done(Seen::Nothing)
            }
        }
    }
}

/// An order of an environment.
#[derive(Debug, Clone)]
pub(crate) enum Order {
    Ensure(u32),
    LetIn(u32),
    Remove {
        keep: Vec<u32>,
        upto: u32,
        all: bool,
    },
}

pub(crate) fn regions() -> Vec<String> {
    ["ams", "fra"].map(str::to_owned).to_vec()
}

/// Carries an order out: what became of it. The server ends after so many requests, and forgets all that it knew.
pub(crate) fn carry_out(
    fly: &mut Fly,
    belief: &mut Belief,
    order: &Order,
    ends_after: Option<usize>,
) -> Option<Result<Option<String>, GaveUp>> {
    let (environment, regions) = (environment(), regions());
    let (on_disk, disk) = (fly.on_disk, fly.disk.clone());
    let upto = match order {
        Order::Ensure(n) | Order::LetIn(n) | Order::Remove { upto: n, .. } => Generation(*n),
    };
    belief.begin(upto);
    for asked in 0..200 {
        if ends_after == Some(asked) {
            *belief = Belief::default();
            return None;
        }
        let next = match order {
            Order::Ensure(generation) => ensure(
                belief,
                &Ensure {
                    server: SERVER,
                    environment: &environment,
                    generation: Generation(*generation),
                    regions: &regions,
                    addresses: &[Address::SharedV4, Address::V6],
                    disk: on_disk.then_some(Disk {
                        gib: 3,
                        id: disk.as_deref(),
                    }),
                },
            ),
            Order::LetIn(generation) => let_in(
                belief,
                &LetIn {
                    server: SERVER,
                    environment: &environment,
                    generation: Generation(*generation),
                },
            ),
            Order::Remove { keep, upto, all } => {
                let keep: Vec<Generation> = keep.iter().copied().map(Generation).collect();
                remove(
                    belief,
                    &Remove {
                        server: SERVER,
                        environment: &environment,
                        keep: &keep,
                        upto: Generation(*upto),
                        all: *all,
                    },
                )
            }
        };
        match next {
            Next::Done(machine) => {
                let mounts = machine.as_ref().and_then(|machine| machine.volume.clone());
                // As the record remembers it.
                fly.disk = fly.disk.take().or(mounts);
                return Some(Ok(machine.map(|machine| machine.id)));
            }
            Next::GiveUp(why) => return Some(Err(why)),
            Next::Ask(ask, after) => {
                fly.passes(after);
                let (outcome, seen) = fly.ask(&ask);
                belief.learn(&ask, &outcome, seen);
            }
        }
    }
    panic!("it never ends: {:?}", &fly.asked[fly.asked.len() - 12..]);
}

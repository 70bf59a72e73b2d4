//! Machines outside: what exists, what runs in each, and what goes wrong with them.
//!
//! As the machines of the product they keep order within one environment, refuse what is older than the newest that was asked
//! for, and outlive the server. What was asked and what existed stays in the ledger, which the oracles read.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use actix::prelude::*;
use nestling_domain::{
    deployment::CommitInfo,
    ids::{EnvironmentId, Generation},
};
use nestling_protocol::report::Phase;
use tokio::sync::oneshot;

use super::{
    bugs::Bug,
    crashes::{Lean, When},
    world::{Deed, World},
};
use crate::messages::machines::{
    Destroy, End, Ensure, Handle, ListMachines, MachineError, Made, Watch,
};

/// Which machine.
pub(super) type Key = (EnvironmentId, Generation);

/// A report that arrives once more.
pub(super) struct Echo {
    pub(super) key: Key,
    pub(super) boot: String,
    pub(super) seq: u64,
    pub(super) phase: Phase,
}

/// The ledger.
#[derive(Default)]
pub(super) struct Machines {
    /// Every machine that ever existed.
    pub(super) all: BTreeMap<Key, Machine>,
    /// Environments that have a state folder.
    pub(super) folders: BTreeSet<EnvironmentId>,
    newest: BTreeMap<EnvironmentId, Generation>,
    watchers: Vec<(Key, oneshot::Sender<End>)>,
}

/// One machine.
pub(super) struct Machine {
    /// Which start of its runner.
    pub(super) boot: String,
    /// Nothing of it is left.
    pub(super) destroyed: bool,
    /// Why it ended by itself.
    pub(super) ended: Option<String>,
    /// Whether its app has ever listened.
    pub(super) listened: bool,
    /// What its runner was given to run.
    pub(super) given: Option<CommitInfo>,
    /// How far its runner is.
    pub(super) step: usize,
    /// Tells attempts of the same step apart.
    pub(super) attempt: u32,
    /// Whether its app ends once, and is started again.
    pub(super) again: bool,
    /// In which step it goes wrong, and how.
    pub(super) fate: Option<(usize, Fate)>,
}

/// How a machine goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// All of it ends.
    Breaks,
    /// Its runner says that the app failed.
    Fails,
    /// Its runner never says anything.
    Hangs,
}

impl Machine {
    /// Whether it is there, whatever goes on in it.
    pub(super) fn exists(&self) -> bool {
        !self.destroyed
    }

    /// Whether its runner goes on.
    pub(super) fn runs(&self) -> bool {
        !self.destroyed && self.ended.is_none()
    }
}

impl Machines {
    /// The generations whose machine exists.
    pub(super) fn existing(&self, of: &EnvironmentId) -> BTreeSet<Generation> {
        let ours = self.all.iter().filter(|((id, _), _)| id == of);
        let existing = ours.filter(|(_, machine)| machine.exists());
        existing.map(|((_, generation), _)| *generation).collect()
    }

    /// Nobody listens any more.
    pub(super) fn forget_watchers(&mut self) {
        self.watchers.clear();
    }

    fn tell_watchers(&mut self, key: &Key, reason: &str) {
        let watchers = std::mem::take(&mut self.watchers);
        for (watched, watcher) in watchers {
            if watched == *key {
                let _ = watcher.send(end(reason));
            } else {
                self.watchers.push((watched, watcher));
            }
        }
    }
}

impl World {
    /// A machine ends by itself.
    pub(super) fn end_machine(&self, key: &Key, reason: &str) {
        let mut machines = self.machines();
        let Some(machine) = machines.all.get_mut(key).filter(|one| one.runs()) else {
            return;
        };
        machine.ended = Some(reason.to_owned());
        if !self.has(Bug::LostUnreported) {
            machines.tell_watchers(key, reason);
        }
        drop(machines);
        self.tell(format!(
            "the machine of {} {} ends: {reason}",
            self.name(&key.0),
            key.1
        ));
    }

    fn make(&self, key: &Key) -> Result<(), MachineError> {
        let name = format!("{} {}", self.name(&key.0), key.1);
        // What never runs is never replaced.
        let hangs = match self.known().state_of(Some(&key.0)) {
            "restarting" => 700,
            _ => 250,
        };
        let mut machines = self.machines();
        let newest = machines.newest.entry(key.0.clone()).or_default();
        if key.1 < *newest {
            let why = format!("a newer machine than {} was asked for", key.1);
            return Err(MachineError::Rejected(why));
        }
        *newest = key.1;
        if let Some(known) = machines.all.get(key) {
            let again = known.destroyed;
            drop(machines);
            if again {
                self.violate(format!("I10: the machine of {name} is made a second time"));
            }
            return Ok(());
        }
        let mut dice = self.dice();
        let troubled = self.is_troubled();
        let hangs = self.often(Lean::Hangs, (0, hangs));
        let fate = (troubled && dice.happens(140)).then(|| match dice.below(14) {
            step @ 0..6 => (usize::try_from(step).unwrap(), Fate::Breaks),
            step @ 6..12 => (usize::try_from(step - 6).unwrap(), Fate::Fails),
            _ => (0, Fate::Hangs),
        });
        let fate = if troubled && hangs > 0 && dice.happens(hangs) {
            Some((0, Fate::Hangs))
        } else {
            fate
        };
        let machine = Machine {
            boot: format!("boot-{}", dice.below(1_000_000)),
            destroyed: false,
            ended: None,
            listened: false,
            given: None,
            step: 0,
            attempt: 0,
            again: troubled && dice.happens(self.often(Lean::Again, (150, 600))),
            fate,
        };
        let (first, beat) = (dice.span(100, 2_000), dice.span(8_000, 12_000));
        let deaths = self.often(Lean::Ends, (150, 600));
        let death = (troubled && dice.happens(deaths)).then(|| dice.span(3_000, 40_000));
        drop(dice);
        machines.all.insert(key.clone(), machine);
        machines.folders.insert(key.0.clone());
        drop(machines);
        self.tell(format!("the machine of {name} is made"));
        self.plan(first, Deed::Turn(key.clone(), 0));
        self.plan(beat, Deed::Beat(key.clone()));
        if let Some(death) = death {
            self.plan(death, Deed::Death(key.clone()));
        }
        let intended = {
            let known = self.known();
            let record = known.records.get(&key.0);
            record.is_some_and(|one| one.lifecycle.world.machines.contains(&key.1))
        };
        if !intended {
            self.violate(format!(
                "I10: the machine of {name} is made, and no record intends it"
            ));
        }
        Ok(())
    }

    fn unmake(&self, order: &Destroy) {
        let id = &order.environment;
        let goes = |key: &Key| key.0 == *id && key.1 <= order.upto && !order.keep.contains(&key.1);
        let mut machines = self.machines();
        let existing = machines.all.iter().filter(|(_, machine)| machine.exists());
        let gone: Vec<Key> = existing.map(|(key, _)| key.clone()).filter(goes).collect();
        for key in &gone {
            if let Some(machine) = machines.all.get_mut(key) {
                machine.destroyed = true;
            }
            machines.tell_watchers(key, "it was removed");
        }
        if order.erase {
            machines.folders.remove(id);
        }
        drop(machines);
        for (_, generation) in gone {
            let name = format!("{} {generation}", self.name(id));
            self.tell(format!("the machine of {name} is removed"));
            let wanted = {
                let known = self.known();
                let record = known.records.get(id);
                record.is_some_and(|one| one.lifecycle.keep().contains(&generation))
            };
            if wanted {
                self.violate(format!(
                    "I10: the machine of {name} is removed, and its record wants it"
                ));
            }
        }
    }
}

/// The actor of one life of the server.
pub(super) struct SimulatedMachines {
    world: Arc<World>,
    /// Order within one environment.
    turns: BTreeMap<EnvironmentId, Arc<tokio::sync::Mutex<()>>>,
}

impl SimulatedMachines {
    pub(super) fn start(world: &Arc<World>) -> Handle {
        let machines = SimulatedMachines {
            world: world.clone(),
            turns: BTreeMap::new(),
        };
        let machines = Actor::start(machines);
        Handle {
            let_in: None,
            ensure: machines.clone().recipient(),
            destroy: machines.clone().recipient(),
            watch: machines.clone().recipient(),
            list: machines.recipient(),
        }
    }

    fn turn(&mut self, of: &EnvironmentId) -> Arc<tokio::sync::Mutex<()>> {
        self.turns.entry(of.clone()).or_default().clone()
    }
}

impl Actor for SimulatedMachines {
    type Context = Context<Self>;
}

impl Handler<Ensure> for SimulatedMachines {
    type Result = ResponseFuture<Result<Made, MachineError>>;

    fn handle(&mut self, order: Ensure, _: &mut Self::Context) -> Self::Result {
        let (world, turn) = (self.world.clone(), self.turn(&order.environment));
        Box::pin(async move {
            let one = turn.lock().await;
            let key = (order.environment, order.generation);
            world.boundary(Some(&key.0), "launch", When::Before).await;
            let slow = world.goes_wrong(80);
            tokio::time::sleep(if slow {
                world.span(500, 12_000)
            } else {
                world.span(5, 50)
            })
            .await;
            world.alive().await;
            if world.goes_wrong(60) {
                world.tell(format!(
                    "no machine for {} {}: not now",
                    world.name(&key.0),
                    key.1
                ));
                if world.has(Bug::UnknownIsDone) {
                    return Ok(Made::default());
                }
                return Err(MachineError::Failed("there is no room just now".to_owned()));
            }
            world.make(&key)?;
            world.boundary(Some(&key.0), "launch", When::After).await;
            if world.goes_wrong(50) {
                world.tell("nobody hears of it");
                // What comes next has its turn all the same.
                drop(one);
                std::future::pending::<()>().await;
            }
            Ok(Made::default())
        })
    }
}

impl Handler<Destroy> for SimulatedMachines {
    type Result = ResponseFuture<Result<(), MachineError>>;

    fn handle(&mut self, order: Destroy, _: &mut Self::Context) -> Self::Result {
        let (world, turn) = (self.world.clone(), self.turn(&order.environment));
        Box::pin(async move {
            let one = turn.lock().await;
            let id = order.environment.clone();
            world.boundary(Some(&id), "destroy", When::Before).await;
            let slow = world.goes_wrong(60);
            tokio::time::sleep(if slow {
                world.span(500, 12_000)
            } else {
                world.span(5, 50)
            })
            .await;
            world.alive().await;
            if world.has(Bug::DestroyedWithoutDoing) {
                return Ok(());
            }
            if world.goes_wrong(60) {
                world.tell(format!(
                    "machines of {} are not removed: not now",
                    world.name(&id)
                ));
                return Err(MachineError::Failed("it does not end just now".to_owned()));
            }
            world.unmake(&order);
            world.boundary(Some(&id), "destroy", When::After).await;
            if world.goes_wrong(50) {
                world.tell("nobody hears of it");
                drop(one);
                std::future::pending::<()>().await;
            }
            Ok(())
        })
    }
}

impl Handler<Watch> for SimulatedMachines {
    type Result = ResponseFuture<End>;

    fn handle(&mut self, order: Watch, _: &mut Self::Context) -> Self::Result {
        let key = (order.environment, order.generation);
        let (watcher, ended) = oneshot::channel();
        let mut machines = self.world.machines();
        let found = machines.all.get(&key);
        let unheard = self.world.has(Bug::LostUnreported);
        if found.is_some_and(|one| one.runs() || unheard) {
            machines.watchers.push((key, watcher));
        }
        Box::pin(async move { ended.await.unwrap_or_else(|_| end("there is none")) })
    }
}

impl Handler<ListMachines> for SimulatedMachines {
    type Result = Vec<Key>;

    fn handle(&mut self, _: ListMachines, _: &mut Self::Context) -> Self::Result {
        let machines = self.world.machines();
        let existing = machines.all.iter().filter(|(_, one)| one.exists());
        existing.map(|(key, _)| key.clone()).collect()
    }
}

fn end(reason: &str) -> End {
    End {
        reason: reason.to_owned(),
        retry: true,
        exit: None,
        tail: Vec::new(),
    }
}

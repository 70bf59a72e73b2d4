//! Which request to Fly comes next.

use std::time::Duration;

use super::{
    Belief, Machine, MachineState, Refusal,
    disk::{Disk, mounts},
};
use crate::ids::{EnvironmentId, Generation};

/// A kind of address of an app (field `type` of `POST /apps/{app}/ip_assignments`). Fly's proxy takes connections there, for the ports of services
/// of machines that are not cordoned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// IPv4, shared with other apps and free of charge.
    SharedV4,
    /// IPv4 of its own.
    V4,
    /// IPv6.
    V6,
    /// IPv6 of the private network in which the server is ("Flycast"): nobody else reaches it, the app's own network neither
    /// (<https://fly.io/docs/networking/flycast/#access-an-app-from-another-private-network>).
    Private,
}

/// One request to Fly, about one app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Is there the app?
    SeeApp,
    /// Make the app, on a private network of its own ([`AppName::network`](super::AppName::network)).
    CreateApp,
    /// Which addresses does it have?
    SeeAddresses,
    /// Give it an address.
    Assign(Address),
    /// Of which generations does it have secrets?
    SeeSecrets,
    /// Set the secret of a generation.
    SetSecrets(Generation),
    /// Remove the secrets of generations.
    Unset(Vec<Generation>),
    /// Which machines does it have?
    List,
    /// Make the machine of a generation, that no traffic reaches yet.
    Create {
        /// Which.
        generation: Generation,
        /// Where.
        region: String,
        /// The version of the app's secrets that it needs at least (field `min_secrets_version`); `None` where a server set
        /// them that has ended since: they are older than the question whether they are there.
        secrets: Option<u64>,
        /// Fly's id of the volume that it mounts, where it shall have one.
        volume: Option<String>,
    },
    /// Which volumes does it have?
    SeeVolumes,
    /// Make a volume.
    CreateVolume {
        /// Where.
        region: String,
        /// How big, in GiB.
        gib: u32,
    },
    /// Wait until this machine is gone; a while, not for ever.
    AwaitGone {
        /// Fly's id of it.
        machine: String,
    },
    /// Take the lease of a machine, so that nobody else changes it meanwhile.
    Lease {
        /// Fly's id of it.
        machine: String,
    },
    /// Let Fly's proxy lead to the services of a machine.
    Uncordon {
        /// Fly's id of it.
        machine: String,
        /// What shows that the lease is ours.
        nonce: String,
    },
    /// Remove a machine, running or not.
    Destroy {
        /// Fly's id of it.
        machine: String,
        /// What shows that the lease is ours.
        nonce: String,
    },
    /// Remove the app with its machines, volumes, addresses and certificates.
    DestroyApp,
}

/// What comes next for an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Ask this, after having waited so long; then [learn](Belief::learn) what came of it.
    Ask(Ask, Duration),
    /// It is so. The machine that was to be there, when one was.
    Done(Option<Machine>),
    /// It cannot be, or not now.
    GiveUp(GaveUp),
}

/// Why an order was given up, in words for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GaveUp {
    /// A newer generation is there: whoever ordered this has been overtaken.
    #[error("generation {0} has taken its place")]
    Overtaken(Generation),
    /// The machine was there, and has ended.
    #[error("its machine at Fly has ended")]
    Ended,
    /// A machine was asked for, nobody knows whether it was made, and it does not show: another generation has to take
    /// its place, because this one may still come.
    #[error("Fly was asked for a machine, did not say whether it made one, and lists none")]
    Lost,
    /// No region had room: each with Fly's words.
    #[error("Fly has no room for its machine in any of its regions (machines.fly.regions, or those of [policy.machine]): {}", each(.0))]
    NoCapacity(Vec<(String, String)>),
    /// The app holds a machine that is not ours, so it is not removed. Fly's id of it.
    #[error(
        "its app at Fly holds the machine {0}, which this Nestling has not made: remove that by hand, or move it elsewhere"
    )]
    Foreign(String),
    /// What it keeps is on the volume of an older machine, of this generation: no two machines mount it at once, so that one has to go first.
    #[error("its volume is in use by generation {0}, which has to go first")]
    Occupied(Generation),
    /// What it keeps is on a volume where its machines may not be (any more): its id, and its region.
    #[error(
        "its volume {0} at Fly is in {1}, where its machines may not be: name that region in machines.fly.regions (or in machines.fly.limits.regions and [policy.machine]), or close it to let its volume go"
    )]
    VolumeElsewhere(String, String),
    /// What it keeps is on a volume that Fly does not show: its id.
    #[error(
        "its volume {0} at Fly does not show: whether it is gone, `fly volumes list` says; close it to begin with an empty one"
    )]
    VolumeMissing(String),
    /// Fly refuses.
    #[error(transparent)]
    Refused(Refusal),
    /// Fly did not come to an end with it; it may be ordered again.
    #[error("Fly did not come to an end with it within two minutes")]
    Unsettled,
}

impl GaveUp {
    /// Whether another try may end otherwise, with nothing mended.
    pub fn may_change(&self) -> bool {
        match self {
            GaveUp::Ended
            | GaveUp::Lost
            | GaveUp::NoCapacity(_)
            | GaveUp::Occupied(_)
            | GaveUp::VolumeMissing(_)
            | GaveUp::Unsettled => true,
            GaveUp::Overtaken(_)
            | GaveUp::Foreign(_)
            | GaveUp::VolumeElsewhere(..)
            | GaveUp::Refused(_) => false,
        }
    }
}

/// What was said of each region.
fn each(regions: &[(String, String)]) -> String {
    let each: Vec<String> = regions
        .iter()
        .map(|(region, said)| format!("{region} ({said})"))
        .collect();
    each.join(", ")
}

/// The order that the machine of a generation be there.
#[derive(Debug, Clone, Copy)]
pub struct Ensure<'a> {
    /// The identity of this Nestling.
    pub server: &'a str,
    /// Whose machine.
    pub environment: &'a EnvironmentId,
    /// Which.
    pub generation: Generation,
    /// Where it may be, best first.
    pub regions: &'a [String],
    /// Which addresses the app has, beside the private one.
    pub addresses: &'a [Address],
    /// What it keeps its state on beyond its machine, where it does.
    pub disk: Option<Disk<'a>>,
}

/// The order that Fly's proxy lead to the machine of a generation, which is there.
#[derive(Debug, Clone, Copy)]
pub struct LetIn<'a> {
    /// The identity of this Nestling.
    pub server: &'a str,
    /// Whose machine.
    pub environment: &'a EnvironmentId,
    /// Which.
    pub generation: Generation,
}

/// The order that machines, or all of an app, be gone.
#[derive(Debug, Clone, Copy)]
pub struct Remove<'a> {
    /// The identity of this Nestling.
    pub server: &'a str,
    /// Whose machines.
    pub environment: &'a EnvironmentId,
    /// Those that stay.
    pub keep: &'a [Generation],
    /// The newest that this is about.
    pub upto: Generation,
    /// Whether the app goes, too.
    pub all: bool,
}

/// How long after a fruitless answer the next request is made, by how many there were: two minutes in all.
const PATIENCE: [u64; 9] = [0, 1, 2, 5, 10, 15, 20, 30, 40];
/// How long after a listing that lacks a machine which may have been made the next one is made (`reliability` of listings
/// that lag: tens of seconds).
pub(super) const LISTED_AGAIN: [u64; 4] = [2, 5, 15, 30];

/// What comes next so that the machine of a generation is there. It is done when Fly has it, long before it answers.
pub fn ensure(belief: &Belief, order: &Ensure<'_>) -> Next {
    let asks = |ask| asks(belief, ask);
    if let Some(end) = hopeless(belief, order.generation) {
        return end;
    }
    match belief.app {
        None => return asks(Ask::SeeApp),
        Some(false) => return asks(Ask::CreateApp),
        Some(true) => {}
    }
    let mut newest = None;
    for (machine, generation) in ours(belief, order.server, order.environment) {
        if generation == order.generation {
            return match machine.state {
                // One that a server made which ended since may have no way in yet.
                MachineState::Lives => lacks_address(belief, &[])
                    .map_or_else(|| Next::Done(Some(machine.clone())), asks),
                MachineState::Ended | MachineState::Destroying | MachineState::Destroyed => {
                    Next::GiveUp(GaveUp::Ended)
                }
            };
        }
        if machine.state != MachineState::Destroyed {
            newest = newest.max(Some(generation));
        }
    }
    if let Some(newer) = newest.filter(|newest| *newest > order.generation) {
        return Next::GiveUp(GaveUp::Overtaken(newer));
    }
    if let Some(next) = looks_for_it(belief) {
        return next;
    }
    if let Some(ask) = lacks_address(belief, order.addresses) {
        return asks(ask);
    }
    if !belief.secrets.contains(&order.generation) {
        return asks(Ask::SetSecrets(order.generation));
    }
    let (region, volume) = match order.disk.map(|disk| mounts(belief, order, disk)) {
        Some(Err(next)) => return next,
        Some(Ok(volume)) => (vec![volume.region.clone()], Some(volume.id.clone())),
        None => (order.regions.to_vec(), None),
    };
    match roomy(belief, &region) {
        Some(region) => asks(Ask::Create {
            generation: order.generation,
            region,
            secrets: belief.secrets_version,
            volume,
        }),
        None => Next::GiveUp(GaveUp::NoCapacity(belief.crowded.clone())),
    }
}

/// The first of these regions that had room, or was not asked.
pub(super) fn roomy(belief: &Belief, regions: &[String]) -> Option<String> {
    let crowded = |region: &&String| belief.crowded.iter().any(|(known, _)| known == *region);
    regions.iter().find(|region| !crowded(region)).cloned()
}

/// What makes known that the app has its private address, and these.
fn lacks_address(belief: &Belief, others: &[Address]) -> Option<Ask> {
    let Some(known) = &belief.addresses else {
        return Some(Ask::SeeAddresses);
    };
    let mut wanted = [Address::Private].iter().chain(others);
    let missing = wanted.find(|one| !known.contains_key(one))?;
    Some(Ask::Assign(*missing))
}

/// What comes next so that Fly's proxy leads to the machine of a generation. Never to one that was overtaken: newer orders are known by
/// what was ordered, and by what is there.
pub fn let_in(belief: &Belief, order: &LetIn<'_>) -> Next {
    let asks = |ask| asks(belief, ask);
    if let Some(end) = hopeless(belief, order.generation) {
        return end;
    }
    match belief.app {
        None => return asks(Ask::SeeApp),
        Some(false) => return Next::GiveUp(GaveUp::Ended),
        Some(true) => {}
    }
    let mut wanted = None;
    for (machine, generation) in ours(belief, order.server, order.environment) {
        if generation == order.generation {
            wanted = Some(machine);
        } else if generation > order.generation && machine.state != MachineState::Destroyed {
            return Next::GiveUp(GaveUp::Overtaken(generation));
        }
    }
    let Some(machine) = wanted else {
        return lists_again(belief);
    };
    match machine.state {
        MachineState::Lives => {}
        MachineState::Ended | MachineState::Destroying => return Next::GiveUp(GaveUp::Ended),
        // What Fly has just made it may not know everywhere yet, and then answers as of one that is gone.
        MachineState::Destroyed => return lists_again(belief),
    }
    if belief.open.contains(&machine.id) {
        return Next::Done(Some(machine.clone()));
    }
    let id = machine.id.clone();
    asks(match belief.leases.get(&id) {
        None => Ask::Lease { machine: id },
        Some(nonce) => Ask::Uncordon {
            machine: id,
            nonce: nonce.clone(),
        },
    })
}

/// Whether the machine has to be looked for before it may be made. Made twice it is never: Fly has one machine of each name.
fn looks_for_it(belief: &Belief) -> Option<Next> {
    match (belief.doubt, belief.listings) {
        (false, 0) if !belief.made => Some(asks(belief, Ask::List)),
        (false, _) => None,
        (true, _) => Some(lists_again(belief)),
    }
}

/// A machine that does not show: a listing may lag.
fn lists_again(belief: &Belief) -> Next {
    let Some(before) = (belief.listings as usize).checked_sub(1) else {
        return asks(belief, Ask::List);
    };
    match LISTED_AGAIN.get(before) {
        Some(wait) => Next::Ask(Ask::List, Duration::from_secs(*wait)),
        None => Next::GiveUp(GaveUp::Lost),
    }
}

/// What comes next so that machines and their secrets are gone. It is done when Fly has said of each machine that it is.
pub fn remove(belief: &Belief, order: &Remove<'_>) -> Next {
    let asks = |ask| asks(belief, ask);
    if let Some(end) = hopeless(belief, order.upto) {
        return end;
    }
    match belief.app {
        None => return asks(Ask::SeeApp),
        Some(false) => return Next::Done(None),
        Some(true) if is_unseen(belief, order) => return asks(Ask::List),
        Some(true) => {}
    }
    if order.all {
        return remove_app(belief, order);
    }
    for (machine, generation) in ours(belief, order.server, order.environment) {
        if generation > order.upto || order.keep.contains(&generation) {
            continue;
        }
        let id = machine.id.clone();
        match (machine.state, belief.leases.get(&id)) {
            (MachineState::Lives | MachineState::Ended, None) => {
                return asks(Ask::Lease { machine: id });
            }
            (MachineState::Lives | MachineState::Ended, Some(nonce)) => {
                return asks(Ask::Destroy {
                    machine: id,
                    nonce: nonce.clone(),
                });
            }
            (MachineState::Destroying, _) => return asks(Ask::AwaitGone { machine: id }),
            (MachineState::Destroyed, _) => {}
        }
    }
    if !belief.all_secrets {
        return asks(Ask::SeeSecrets);
    }
    let stale = |one: &&Generation| **one <= order.upto && !order.keep.contains(one);
    let stale: Vec<Generation> = belief.secrets.iter().filter(stale).copied().collect();
    if stale.is_empty() {
        return Next::Done(None);
    }
    asks(Ask::Unset(stale))
}

/// Whether machines may be there that we do not know. Of an app that we made we know our own; others' show only in a listing, and matter where
/// all of it goes.
fn is_unseen(belief: &Belief, order: &Remove<'_>) -> bool {
    belief.listings == 0 && !belief.leaving && (order.all || !belief.made)
}

/// An app goes as a whole, unless something in it is wanted, or is not ours.
fn remove_app(belief: &Belief, order: &Remove<'_>) -> Next {
    if belief.leaving {
        return asks(belief, Ask::SeeApp);
    }
    let there = belief
        .machines
        .values()
        .filter(|machine| machine.state != MachineState::Destroyed);
    for machine in there {
        match own(machine, order.server, order.environment) {
            None => return Next::GiveUp(GaveUp::Foreign(machine.id.clone())),
            Some(newer) if newer > order.upto => {
                return Next::GiveUp(GaveUp::Overtaken(newer));
            }
            Some(kept) if order.keep.contains(&kept) => {
                return Next::GiveUp(GaveUp::Overtaken(kept));
            }
            Some(_) => {}
        }
    }
    asks(belief, Ask::DestroyApp)
}

fn hopeless(belief: &Belief, upto: Generation) -> Option<Next> {
    if belief.ordered > upto {
        return Some(Next::GiveUp(GaveUp::Overtaken(belief.ordered)));
    }
    if let Some(why) = &belief.refused {
        return Some(Next::GiveUp(GaveUp::Refused(why.clone())));
    }
    let out_of_patience = belief.fruitless as usize >= PATIENCE.len();
    out_of_patience.then_some(Next::GiveUp(GaveUp::Unsettled))
}

pub(super) fn asks(belief: &Belief, ask: Ask) -> Next {
    let wait = PATIENCE.get(belief.fruitless as usize);
    let wait = wait.filter(|_| belief.stalled).copied().unwrap_or_default();
    Next::Ask(ask, Duration::from_secs(wait).max(belief.not_before))
}

/// Our machines of an environment, with their generations.
pub(super) fn ours<'a>(
    belief: &'a Belief,
    server: &'a str,
    environment: &'a EnvironmentId,
) -> impl Iterator<Item = (&'a Machine, Generation)> {
    let own = move |machine: &'a Machine| Some((machine, own(machine, server, environment)?));
    belief.machines.values().filter_map(own)
}

fn own(machine: &Machine, server: &str, environment: &EnvironmentId) -> Option<Generation> {
    let owner = machine.owner.as_ref()?;
    let is_ours = owner.server == server && owner.environment == *environment;
    is_ours.then_some(owner.generation)
}

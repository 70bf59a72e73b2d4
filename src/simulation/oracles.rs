//! What must be so at every save (I1, I2, I4, I9, I10, I13).
//!
//! Read from the ledgers of the outside: what machines exist, what GitHub shows, what the disk has.

use nestling_domain::{
    deployment::{Deployment, Phase},
    environment::Environment,
    ids::{EnvironmentId, Generation, Kind},
    places::Stand,
    record::DeliveryState,
};

use super::{
    known::{Closed, Known},
    world::{PREVIEWS, World},
};
use crate::drivers::{clock, store::Save};

/// How long after a pull request was opened again an answer from before may still be recorded: an effect takes at most 10 s,
/// and one that waits for its save a little more.
const STALE: u64 = 15_000;
/// Decisions of a delivery that caused nothing begin so.
const NOTHING: [&str; 5] = ["nothing", "ignored", "refused", "recorded", "commit "];

/// Looks at one save.
pub(super) fn saved(world: &World, before: Option<&Environment>, save: &Save, class: &str) {
    let record = &save.environment;
    let life = &record.lifecycle;
    world.tell(format!(
        "{} v{} {} {}: {class}{}",
        record.kind.name(),
        record.version.0,
        life.state_name(),
        life.generation,
        life.next()
            .map_or_else(String::new, |next| format!(" ({:?})", next.phase)),
    ));
    let wrong = [
        grows(before, record),
        keeps_its_deployments(world, record),
        knows_its_machines(world, record),
        is_what_it_says(world, record),
        is_closed_for_a_reason(world, before, record),
        is_applied_once(world, save),
        keeps_to_the_limit(world, before, record),
    ];
    for wrong in wrong.into_iter().flatten() {
        world.violate(format!("{}: {wrong}", record.kind.name()));
    }
}

/// I9: nothing that counts goes back, and each save follows on the one before.
fn grows(before: Option<&Environment>, record: &Environment) -> Option<String> {
    let before = before?;
    let (was, is) = (&before.lifecycle, &record.lifecycle);
    let counts = |life: &nestling_domain::lifecycle::Lifecycle| {
        let world = &life.world;
        [
            life.generation.0,
            life.looks,
            world.edition,
            world.announced,
            world.asked.0,
        ]
    };
    let back = counts(was)
        .into_iter()
        .zip(counts(is))
        .any(|(was, is)| is < was);
    let follows = record.version.0 == before.version.0 + 1;
    (back || !follows).then(|| {
        let (was, is) = (counts(was), counts(is));
        format!("I9: its numbers go from {was:?} to {is:?}")
    })
}

fn named(record: &Environment) -> impl Iterator<Item = &Deployment> {
    let life = &record.lifecycle;
    life.serving().into_iter().chain(life.next())
}

/// I9: a number is one deployment, for ever, and a new one is higher than all before it.
fn keeps_its_deployments(world: &World, record: &Environment) -> Option<String> {
    let mut known = world.known();
    for one in named(record) {
        let key = (record.id.clone(), one.generation);
        let is = (one.created_at, one.commit.id.clone());
        if let Some(was) = known.deployments.get(&key) {
            if *was != is {
                return Some(format!(
                    "I9: deployment {} is another than before",
                    one.generation
                ));
            }
            continue;
        }
        let last = (record.id.clone(), Generation(u32::MAX));
        let newer = known.deployments.range(key.clone()..last).next().is_some();
        if newer {
            return Some(format!(
                "I9: deployment {} comes after a later one",
                one.generation
            ));
        }
        if let Some(wrong) = known.distrusts(&one.commit) {
            return Some(format!("I13: deployment {}: {wrong}", one.generation));
        }
        known.deployments.insert(key, is);
    }
    None
}

/// I2, I4: whatever machine exists is known to its record.
fn knows_its_machines(world: &World, record: &Environment) -> Option<String> {
    let existing = world.machines().existing(&record.id);
    let known = &record.lifecycle.world.machines;
    let forgotten: Vec<_> = existing.difference(known).collect();
    (!forgotten.is_empty())
        .then(|| format!("I4: it forgets the machines of {forgotten:?}, which exist"))
}

/// I2, I9: what a record says of a deployment was so outside: its machine was made, its own runner reported, its app listened.
fn is_what_it_says(world: &World, record: &Environment) -> Option<String> {
    let machines = world.machines();
    for one in named(record).filter(|one| one.phase > Phase::Launching) {
        let generation = one.generation;
        let Some(machine) = machines.all.get(&(record.id.clone(), generation)) else {
            return Some(format!(
                "I10: deployment {generation} has a machine that was never made"
            ));
        };
        if one
            .boot
            .as_ref()
            .is_some_and(|boot| boot.id != machine.boot)
        {
            return Some(format!(
                "I9: deployment {generation} heard the runner of another"
            ));
        }
        if one.phase == Phase::Serving && !machine.listened {
            return Some(format!(
                "I2: deployment {generation} serves and never listened"
            ));
        }
        let ran = machine.given.as_ref().map(|given| &given.id);
        if ran.is_some_and(|ran| *ran != one.commit.id) {
            return Some(format!("I3: deployment {generation} runs another commit"));
        }
    }
    None
}

/// I4, turned round: only what is closed is closed, or what the App was taken from. No error, no listing and no suspension closes
/// anything.
fn is_closed_for_a_reason(
    world: &World,
    before: Option<&Environment>,
    record: &Environment,
) -> Option<String> {
    let closes = record.lifecycle.is_closed() && !before?.lifecycle.is_closed();
    if !closes {
        return None;
    }
    let (known, now) = (world.known(), clock::now());
    if let Some(Closed::Now { since }) = known.suspended
        && now.0 - since.0 > STALE
    {
        return Some("I4: it is closed, and the App is suspended".to_owned());
    }
    let lately = |closed: &Closed| closed.lately(now, STALE);
    if known.taken.as_ref().is_some_and(lately) {
        return None;
    }
    let Kind::Preview(number) = record.kind else {
        return Some("I4: production is closed".to_owned());
    };
    let reason = known.closed.get(&number).is_some_and(lately);
    (!reason).then(|| "I4: it is closed, and its pull request is open".to_owned())
}

/// I10: an input is applied once.
fn is_applied_once(world: &World, save: &Save) -> Option<String> {
    let (input, _) = save.input.as_ref()?;
    let key = (save.environment.id.clone(), input.0.clone());
    let new = world.known().inputs.insert(key);
    (!new).then(|| format!("I10: input {} is applied a second time", input.0))
}

/// The limit: a preview runs only where there is a place for it, or where a person asked for this very one.
fn keeps_to_the_limit(
    world: &World,
    before: Option<&Environment>,
    record: &Environment,
) -> Option<String> {
    let number = record.kind.pull_request()?;
    let holds = |record: &Environment| Stand::of(&record.lifecycle) == Stand::Holds;
    let known = world.known();
    if !holds(record) || before.is_some_and(holds) || known.asked_for.contains(&number) {
        return None;
    }
    let others = held(&known, Some(&record.id));
    (others >= PREVIEWS as usize)
        .then(|| format!("limit: it runs beside {others} others, and {PREVIEWS} may at once"))
}

/// How many previews hold a place, but this one.
pub(super) fn held(known: &Known, but: Option<&EnvironmentId>) -> usize {
    let previews = known.records.values();
    let previews = previews.filter(|one| one.kind != Kind::Production && Some(&one.id) != but);
    previews
        .filter(|one| Stand::of(&one.lifecycle) == Stand::Holds)
        .count()
}

/// I1: a delivery is done only when every environment that it concerns has heard it.
pub(super) fn settles(world: &World, id: &str, state: &DeliveryState) {
    let DeliveryState::Done { decisions } = state else {
        return;
    };
    let causes = |said: &String| !NOTHING.iter().any(|word| said.starts_with(word));
    let heard = {
        let known = world.known();
        let mut from = known.put.range(id.to_owned()..);
        from.next().is_some_and(|put| put.starts_with(id))
    };
    let causes = decisions
        .iter()
        .find(|(about, said)| !about.contains('#') && causes(said));
    if let Some((about, said)) = causes.filter(|_| !heard) {
        world.violate(format!(
            "I1: delivery {id} is done ({about}: {said}), and no environment heard it"
        ));
    }
}

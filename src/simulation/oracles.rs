//! What must be so at every save (I1, I2, I4, I9, I10, I13), and what must be so once nothing goes wrong (I1 to I4, I7, I11).
//!
//! Read from the ledgers of the outside: what machines exist, what GitHub shows, what the disk has.

use std::collections::BTreeSet;

use futures::executor::block_on;
use nestling_domain::{
    deployment::{Deployment, Phase},
    environment::Environment,
    ids::{EnvironmentId, Generation, Kind},
    lifecycle::{State as Life, Why},
    places::Stand,
    record::DeliveryState,
};
use nestling_world::github::{Author, PullRequest, State};

use super::{
    known::{Closed, Known},
    network, script,
    world::{PREVIEWS, World},
};
use crate::drivers::{
    clock,
    store::{Save, Store as _},
};

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

/// I4, turned round: only what is closed is closed. No error and no listing closes anything.
fn is_closed_for_a_reason(
    world: &World,
    before: Option<&Environment>,
    record: &Environment,
) -> Option<String> {
    let closes = record.lifecycle.is_closed() && !before?.lifecycle.is_closed();
    if !closes {
        return None;
    }
    let Kind::Preview(number) = record.kind else {
        return Some("I4: production is closed".to_owned());
    };
    let reason = match world.known().closed.get(&number) {
        Some(Closed::Now) => true,
        Some(Closed::Until(at)) => clock::now().0 - at.0 <= STALE,
        None => false,
    };
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
        .then(|| format!("it runs beside {others} others, and {PREVIEWS} may at once"))
}

/// How many previews hold a place, but this one.
fn held(known: &Known, but: Option<&EnvironmentId>) -> usize {
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

/// What is not yet as it should be.
pub(super) fn unsettled(world: &World) -> Vec<String> {
    let mut wrong = Vec::new();
    if world.awaits_letters() || !block_on(world.store.pending(1)).unwrap().is_empty() {
        wrong.push("I1: deliveries are on their way".to_owned());
    }
    let deliveries = block_on(world.store.deliveries(None, 10_000)).unwrap();
    let stored: BTreeSet<String> = deliveries.into_iter().map(|(one, _)| one.id).collect();
    let github = world.github();
    let known = world.known();
    for lost in known.acknowledged.difference(&stored) {
        wrong.push(format!(
            "I1: webhook {lost} was acknowledged and is not stored"
        ));
    }
    for pull in script::pulls(world, &github) {
        let kind = Kind::Preview(u32::try_from(pull.number).unwrap());
        let record = known.records.get(&world.environment(kind));
        wrong.extend(of_pull_request(&known, &pull, record));
        wrong.extend(comments(world, &github, &pull, record));
    }
    wrong.extend(production(world, &known, &github));
    for record in known.records.values() {
        wrong.extend(at_rest(world, record));
    }
    wrong.extend(left_on_github(&known, &github));
    wrong
}

/// I7: what GitHub shows of ours is over, unless it still serves; and nothing of others was changed.
fn left_on_github(known: &Known, github: &State) -> Vec<String> {
    let mut left = github.open_check_runs();
    let serves = |line: &String| {
        let mut records = known.records.values();
        records.any(|record| {
            let serving = record.lifecycle.serving();
            serving.is_some_and(|one| line.contains(one.commit.id.as_str()))
        })
    };
    let forgotten = github.forgotten_deployments();
    left.extend(forgotten.into_iter().filter(|line| !serves(line)));
    left.extend(github.ledger.foreign_writes());
    left.into_iter().map(|line| format!("I7: {line}")).collect()
}

/// I2, I3, I4 of one pull request.
fn of_pull_request(
    known: &Known,
    pull: &PullRequest,
    record: Option<&Environment>,
) -> Option<String> {
    let number = pull.number;
    let Some(record) = record else {
        return pull
            .open
            .then(|| format!("I3: #{number} is open and has no environment"));
    };
    let life = &record.lifecycle;
    let ordered = known.ordered.contains(&u32::try_from(number).ok()?);
    let unwanted = pull.labels.iter().any(|label| label.name == "no-preview");
    let of_outsider = pull.head_owner == "eve";
    let trusted = !of_outsider || known.approved.contains(&pull.head);
    let is_head = |commit: &nestling_domain::ids::Commit| commit.as_str() == pull.head;
    let right = match &life.state {
        _ if !pull.open => life.is_closed(),
        Life::Creating { .. } | Life::Restarting { .. } => false,
        Life::Running { serving, failed } => {
            let failed = failed
                .as_ref()
                .is_some_and(|failed| is_head(&failed.commit.id));
            // A person may order what policy would not run, never what nobody trusts.
            (!unwanted || ordered) && trusted && (is_head(&serving.commit.id) || failed || ordered)
        }
        Life::Stopped { why, .. } => match why {
            Why::Closed | Why::Idle | Why::Policy(_) => false,
            Why::Waits(waits) if waits.place => held(known, None) >= PREVIEWS as usize,
            Why::Waits(_) => unwanted || of_outsider,
            Why::Failed(failed) => is_head(&failed.commit.id) || ordered || unwanted || !trusted,
            Why::Person => ordered,
        },
    };
    (!right).then(|| {
        let (state, shown) = (life.state_name(), life.shown().name());
        let what = if pull.open { "open" } else { "closed" };
        let head = &pull.head[..7];
        format!("I3: #{number} is {what} at {head}, and its environment is {state} ({shown})")
    })
}

/// I3 of production.
fn production(world: &World, known: &Known, github: &State) -> Option<String> {
    let head = network::main_head(github, world.town.repository.0);
    let record = known.records.get(&world.environment(Kind::Production));
    let commit = record.and_then(|record| match &record.lifecycle.state {
        Life::Running {
            failed: Some(failed),
            ..
        } => Some(failed.commit.id.clone()),
        Life::Running { serving, .. } => Some(serving.commit.id.clone()),
        Life::Stopped {
            why: Why::Failed(failed),
            ..
        } => Some(failed.commit.id.clone()),
        Life::Creating { .. } | Life::Restarting { .. } | Life::Stopped { .. } => None,
    });
    let right = commit.is_some_and(|commit| commit.as_str() == head);
    (!right).then(|| format!("I3: production is not at {}", &head[..7]))
}

/// I2, I4, I11: exactly what serves has a machine, and nothing is owed.
fn at_rest(world: &World, record: &Environment) -> Vec<String> {
    let mut wrong = Vec::new();
    let (life, name) = (&record.lifecycle, record.kind.name());
    let machines = world.machines();
    let existing = machines.existing(&record.id);
    let serving: BTreeSet<Generation> = life
        .serving()
        .map(|one| one.generation)
        .into_iter()
        .collect();
    if existing != serving {
        wrong.push(format!(
            "I2: {name} has the machines {existing:?}, and {serving:?} serves"
        ));
    }
    let runs = |generation: &Generation| {
        let key = (record.id.clone(), *generation);
        machines
            .all
            .get(&key)
            .is_some_and(super::machines::Machine::runs)
    };
    if !serving.iter().all(runs) {
        wrong.push(format!("I2: {name} serves from a machine that has ended"));
    }
    if life.is_closed() && machines.folders.contains(&record.id) {
        wrong.push(format!("I4: {name} is closed, and its folder is there"));
    }
    if life.world.machines != serving || life.look.is_some() || life.next().is_some() {
        wrong.push(format!("I11: {name} is not at rest"));
    }
    let owed = life.owed(clock::now());
    if !owed.is_empty() {
        wrong.push(format!("I11: {name} owes {owed:?}"));
    }
    wrong
}

/// I7: one comment of ours below whatever was deployed, and none of it twice.
fn comments(
    world: &World,
    github: &State,
    pull: &PullRequest,
    record: Option<&Environment>,
) -> Option<String> {
    let home = &github.repositories[&world.town.repository.0];
    let below = home
        .comments
        .values()
        .filter(|one| one.number == pull.number);
    let ours = below
        .filter(|one| one.author == Author::App(world.town.app))
        .count();
    let deployed = record.is_some_and(|record| record.lifecycle.generation > Generation(0));
    // One that was closed before anything was said of it needs no words.
    let right = ours == 1 || (ours == 0 && !(deployed && pull.open));
    (!right).then(|| format!("I7: #{} has {ours} comments of ours", pull.number))
}

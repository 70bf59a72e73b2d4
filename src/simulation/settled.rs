//! What must be so once nothing goes wrong (I1 to I4, I7, I11), read from the ledgers of the outside.

use std::collections::BTreeSet;

use futures::executor::block_on;
use nestling_domain::{
    environment::Environment,
    ids::{Generation, Kind},
    lifecycle::{State as Life, Why},
};
use nestling_world::github::{Author, PullRequest, State};

use super::{
    known::Known,
    network,
    oracles::held,
    script,
    world::{PREVIEWS, World},
};
use crate::drivers::{clock, store::Store as _};

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
        wrong.extend(comments((world, &known), &github, &pull, record));
    }
    wrong.extend(production(world, &known, &github));
    for record in known.records.values() {
        wrong.extend(at_rest(world, record));
    }
    if !known.is_taken() {
        wrong.extend(left_on_github(&known, &github));
    }
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
    let taken = known.is_taken();
    let Some(record) = record else {
        return (pull.open && !taken)
            .then(|| format!("I3: #{number} is open and has no environment"));
    };
    let life = &record.lifecycle;
    let ordered = known.ordered.contains(&u32::try_from(number).ok()?);
    let unwanted = pull.labels.iter().any(|label| label.name == "no-preview");
    let of_outsider = pull.head_owner == "eve";
    let trusted = !of_outsider || known.approved.contains(&pull.head);
    let is_head = |commit: &nestling_domain::ids::Commit| commit.as_str() == pull.head;
    let right = match &life.state {
        _ if !pull.open || taken => life.is_closed(),
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
        let what = match (taken, pull.open) {
            (true, _) => "out of the App's reach",
            (false, true) => "open",
            (false, false) => "closed",
        };
        let head = &pull.head[..7];
        format!("I3: #{number} is {what} at {head}, and its environment is {state} ({shown})")
    })
}

/// I3 of production.
fn production(world: &World, known: &Known, github: &State) -> Option<String> {
    let head = network::main_head(github, world.town.repository.0);
    let record = known.records.get(&world.environment(Kind::Production));
    if known.is_taken() {
        let closed = record.is_none_or(|record| record.lifecycle.is_closed());
        return (!closed)
            .then(|| "I4: the App is taken away, and production is not closed".to_owned());
    }
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
    (world, known): (&World, &Known),
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
    let shown = deployed && pull.open && !known.is_taken();
    let right = ours == 1 || (ours == 0 && !shown);
    (!right).then(|| format!("I7: #{} has {ours} comments of ours", pull.number))
}

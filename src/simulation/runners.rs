//! Runners inside the machines: they report, are told what to do, and repeat what nobody answers.

use nestling_domain::lifecycle::{Event, Observation};
use nestling_protocol::report::{Exit, Failure, Next, Phase, Step};

use super::{
    bugs::Bug,
    life::House,
    machines::{Echo, Fate, Key},
    world::{Deed, World},
};
use crate::{
    drivers::store::Store as _,
    messages::environment::{Applied, Apply, NotApplied},
    world::runner::phases,
};

/// How long a runner waits for an answer before it says the same again.
const PATIENCE: u64 = 4_000;
/// How often it says that it lives. The product's runners do so twice as often.
const BEAT: u64 = 20_000;

/// What a runner with this commit says, in its order; when its app ends once and is started `again`, that too.
fn said(commit: &str, again: bool) -> Vec<Phase> {
    let mut all = phases().to_vec();
    let commit = commit.to_owned();
    all.insert(1, Phase::Cloned { commit });
    if let Some(running) = all.last().cloned().filter(|_| again) {
        let exit = Exit::Code(1);
        all.extend([Phase::Restarted { exit, times: 1 }, running]);
    }
    all
}

impl World {
    /// A runner is given what it is to run, as the record says by now; `false` when nobody wants it any more.
    fn give(&self, key: &Key) -> bool {
        if self.machines().all[key].given.is_some() {
            return true;
        }
        let record = futures::executor::block_on(self.store.environment(&key.0));
        let record = record.unwrap();
        let named = record.as_ref().and_then(|one| one.lifecycle.named(key.1));
        let Some(commit) = named.map(|named| named.commit.clone()) else {
            return false;
        };
        let name = self.name(&key.0);
        self.tell(format!(
            "the runner of {name} {} is given {}",
            key.1,
            commit.id.short()
        ));
        let wrong = self.known().distrusts(&commit);
        if let Some(machine) = self.machines().all.get_mut(key) {
            machine.given = Some(commit);
        }
        if let Some(wrong) = wrong {
            self.violate(format!("I13: {name} {}: {wrong}", key.1));
        }
        true
    }

    /// What a runner says next; `None` when it has ended.
    fn next_report(&self, key: &Key) -> Option<Echo> {
        let mut machines = self.machines();
        let machine = machines.all.get_mut(key).filter(|one| one.runs())?;
        let commit = machine.given.as_ref()?.id.clone();
        let mut phase = said(commit.as_str(), machine.again)
            .get(machine.step)?
            .clone();
        let fate = machine.fate.filter(|(step, _)| *step == machine.step);
        if let Some((step, fate)) = fate {
            if fate == Fate::Hangs {
                return None;
            }
            if fate == Fate::Breaks {
                drop(machines);
                self.end_machine(key, "it broke");
                return None;
            }
            let at = if step == 0 { Step::Clone } else { Step::Setup };
            phase = Phase::Failed(Failure {
                step: at,
                reason: "a story's failure".to_owned(),
                exit: None,
                tail: Vec::new(),
            });
        }
        if matches!(phase, Phase::Running { .. }) {
            machine.listened = true;
        }
        Some(Echo {
            key: key.clone(),
            boot: machine.boot.clone(),
            seq: machine.step as u64 + 1,
            phase,
        })
    }

    /// What a runner is told; whoever is told nothing says the same again.
    fn told(&self, report: &Echo, attempt: u32, answer: Result<Applied, NotApplied>) {
        let key = &report.key;
        let next = match answer {
            Ok(applied) => applied.answer.unwrap_or(Next::Stop),
            Err(NotApplied::Unknown(_)) => Next::Stop,
            Err(_) => return,
        };
        if self.goes_wrong(40) {
            return;
        }
        let ends = next == Next::Stop || matches!(report.phase, Phase::Failed(_));
        if ends {
            return self.end_machine(key, "its runner has ended");
        }
        let mut machines = self.machines();
        let Some(machine) = machines
            .all
            .get_mut(key)
            .filter(|one| one.attempt == attempt)
        else {
            return;
        };
        machine.attempt += 1;
        let attempt = machine.attempt;
        let mut after = 500;
        if next == Next::Go {
            machine.step += 1;
            after = self.dice().span(100, 2_500);
        }
        drop(machines);
        self.plan(after, Deed::Turn(key.clone(), attempt));
    }

    /// A runner goes on while nobody listens: it tries again.
    pub(super) fn turn_alone(&self, key: Key, attempt: u32) {
        self.plan(2_000, Deed::Turn(key, attempt));
    }

    /// The same of its signs of life.
    pub(super) fn beat_alone(&self, key: Key) {
        self.plan(5_000, Deed::Beat(key));
    }
}

/// A runner goes on, unless it has gone on since.
pub(super) fn turn(house: &House, key: Key, attempt: u32) {
    let world = house.world.clone();
    let current = {
        let machines = world.machines();
        let machine = machines.all.get(&key);
        machine.is_some_and(|one| one.runs() && one.attempt == attempt)
    };
    if !current {
        return;
    }
    if !world.give(&key) {
        return world.end_machine(&key, "nobody wants it");
    }
    let Some(report) = world.next_report(&key) else {
        return;
    };
    world.plan(PATIENCE, Deed::Turn(key.clone(), attempt));
    if world.goes_wrong(80) {
        let after = world.dice().span(100, 40_000);
        let echo = Echo {
            key: key.clone(),
            boot: report.boot.clone(),
            seq: report.seq,
            phase: report.phase.clone(),
        };
        world.plan(after, Deed::Echo(echo));
    }
    let environments = house.environments.clone();
    actix::spawn(async move {
        let answer = environments.apply(key.0.clone(), apply(&report)).await;
        world.alive().await;
        world.told(&report, attempt, answer);
    });
}

/// A report arrives once more, however late.
pub(super) fn echo(house: &House, mut echo: Echo) {
    let world = house.world.clone();
    world.tell(format!(
        "a report of {} {} arrives once more",
        world.name(&echo.key.0),
        echo.key.1
    ));
    if world.has(Bug::StaleReport) {
        let known = world.known();
        let record = known.records.get(&echo.key.0);
        let current = record.and_then(|one| one.lifecycle.next());
        if let Some(current) = current {
            echo.key.1 = current.generation;
        }
    }
    let environments = house.environments.clone();
    actix::spawn(async move {
        let apply = apply(&echo);
        let _ = environments.apply(echo.key.0, apply).await;
    });
}

/// A runner says that it lives.
pub(super) fn beat(house: &House, key: Key) {
    let world = house.world.clone();
    let unheard = world.has(Bug::LostUnreported);
    let goes_on = {
        let machines = world.machines();
        let machine = machines.all.get(&key);
        machine.is_some_and(|one| one.runs() || unheard && one.exists())
    };
    if !goes_on {
        return;
    }
    world.plan(BEAT, Deed::Beat(key.clone()));
    let environments = house.environments.clone();
    actix::spawn(async move {
        let answer = environments.beat(key.0.clone(), key.1).await;
        world.alive().await;
        if answer == Ok(Next::Stop) {
            world.end_machine(&key, "its runner was told to stop");
        }
    });
}

fn apply(report: &Echo) -> Apply {
    Apply {
        event: Event::Observed(Observation::Reported {
            generation: report.key.1,
            boot: report.boot.clone(),
            seq: report.seq,
            phase: report.phase.clone(),
        }),
        by: "runner".to_owned(),
        input: None,
        birth: None,
    }
}

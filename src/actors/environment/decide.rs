//! Decide and remember: the pure step, and the one conditional write.

use std::{sync::Arc, time::Duration};

use actix::prelude::*;
use nestling_domain::{
    announcement,
    deployment::{Cause, Tests},
    environment::Environment as Record,
    ids::{EnvironmentId, Timestamp, Version},
    lifecycle::{Command, Event, Happened, Lane, Lifecycle, Observation, Refused, Step, Trigger},
    record::EventRecord,
};
use tracing::{info, warn};

use super::{
    Environment, Neighbours,
    admitted::{NoPlace, with_place, with_slot},
    memory::{Memory, read, read_history},
};
use crate::{
    drivers::{
        clock,
        store::{Save, Store, StoreError},
    },
    messages::{
        environment::{Applied, Apply, Birth, NOTHING, NotApplied},
        live::Publish,
    },
};

/// How often a decision is made anew on a record that somebody else has changed meanwhile.
const CONFLICTS: u32 = 3;
/// Before an effect is performed again whose observation could not be saved.
const NOT_KEPT: Duration = Duration::from_secs(1);

impl Environment {
    pub(super) fn decide(
        &mut self,
        apply: Apply,
        free: Option<Lane>,
    ) -> AtomicResponse<Self, Result<Applied, NotApplied>> {
        AtomicResponse::new(Box::pin(self.decide_future(apply, free)))
    }

    /// Decides, saves, and settles; `free` is the lane whose effect this event ends.
    pub(super) fn decide_future(
        &mut self,
        apply: Apply,
        free: Option<Lane>,
    ) -> impl ActorFuture<Self, Output = Result<Applied, NotApplied>> + use<> {
        let neighbours = self.neighbours.clone();
        let id = self.id.clone();
        let memory = Memory {
            record: self.memory.record.clone(),
            history: self.memory.history.clone(),
        };
        let decided = async move { decide(&neighbours, id, memory, apply).await };
        decided.into_actor(self).map(move |decided, actor, ctx| {
            if let Some(lane) = free {
                actor.in_flight.remove(&lane);
            }
            match decided {
                Decided::Saved {
                    memory,
                    events,
                    applied,
                } => {
                    actor.memory = memory;
                    let environment = applied.environment.clone();
                    for event in &events {
                        log(&environment, &event.what);
                    }
                    actor.neighbours.live.publish.do_send(Publish {
                        environment,
                        events,
                    });
                    actor.settle(ctx);
                    Ok(applied)
                }
                Decided::Unchanged { memory, applied } => {
                    actor.memory = memory;
                    actor.settle(ctx);
                    Ok(applied)
                }
                Decided::Not(reason) => {
                    // A place may have been taken for what was not saved.
                    actor.stood = None;
                    if free.is_some() {
                        // What was observed could not be kept (a full disk, say): not at once again.
                        ctx.run_later(NOT_KEPT, Self::settle);
                    } else {
                        actor.settle(ctx);
                    }
                    Err(reason)
                }
                Decided::Unknown(reason) => {
                    warn!(environment.id = %actor.id, "forgets {} and reloads: {reason}", actor.id);
                    actor.last_error = Some(reason);
                    actor.forget(ctx);
                    actor.load(ctx);
                    Err(NotApplied::Uncertain(actor.id.to_string()))
                }
            }
        })
    }
}

enum Decided {
    Saved {
        memory: Memory,
        events: Vec<EventRecord>,
        applied: Applied,
    },
    Unchanged {
        memory: Memory,
        applied: Applied,
    },
    Not(NotApplied),
    Unknown(String),
}

async fn decide(
    neighbours: &Neighbours,
    id: EnvironmentId,
    mut memory: Memory,
    apply: Apply,
) -> Decided {
    let store = &*neighbours.store;
    if let Some(input) = &apply.input {
        match store.answered(&id, input).await {
            Ok(Some(decision)) => return repeated(memory, decision, &apply.event, &id),
            Ok(None) => {}
            Err(error) => return failed(&id, error),
        }
    }
    if let Some(refused) = not_now(store, &memory, &apply, &id).await {
        return refused;
    }
    for _ in 0..CONFLICTS {
        let now = clock::now();
        let (before, known) = match (&memory.record, &apply.birth) {
            (Some(record), birth) => (renamed(record, birth.as_deref(), &apply.event), true),
            (None, Some(birth)) if birth.makes => (
                born(&id, birth, &apply.event, (&neighbours.reached, now)),
                false,
            ),
            (None, Some(_) | None) => return Decided::Not(NotApplied::Unknown(id.to_string())),
        };
        let step = match stepped(neighbours, &before, &apply.event, now).await {
            Ok(step) => step,
            Err(refused) => return refused,
        };
        let decision = decision(&step);
        let unchanged = memory.record.as_deref()
            == Some(&Record {
                lifecycle: step.next.clone(),
                ..before.clone()
            });
        if unchanged && step.happened.is_empty() {
            let environment = Arc::new(before);
            let applied = Applied {
                environment,
                answer: step.answer,
                decision,
            };
            return Decided::Unchanged { memory, applied };
        }
        let step = with_slot(neighbours, &before, step, now).await;
        let expected = known.then_some(before.version);
        let mut deployments = Vec::new();
        if !step.happened.is_empty() {
            let mut history = match memory.history.take() {
                Some(history) => history,
                None => match read_history(store, &id).await {
                    Ok(history) => history,
                    Err(error) => return failed(&id, error),
                },
            };
            deployments = Arc::make_mut(&mut history).keep_up(&id, &step.next, &step.happened, now);
            memory.history = Some(history);
        }
        let environment = Record {
            lifecycle: step.next,
            version: Version(before.version.0 + 1),
            updated_at: now,
            ..before
        };
        let save = Save {
            due_at: environment.lifecycle.due_at(),
            environment: environment.clone(),
            expected,
            input: apply.input.clone().map(|input| (input, decision.clone())),
            happened: step.happened,
            by: apply.by.clone(),
            deployments,
        };
        match store.save(save).await {
            Ok(events) => {
                let environment = Arc::new(environment);
                let on_its_way = environment.lifecycle.next().is_some();
                let memory = Memory {
                    record: Some(environment.clone()),
                    history: memory.history.filter(|_| on_its_way),
                };
                return Decided::Saved {
                    memory,
                    events,
                    applied: Applied {
                        environment,
                        answer: step.answer,
                        decision,
                    },
                };
            }
            Err(StoreError::Conflict(_)) => match read(store, &id).await {
                Ok(current) => memory = current,
                Err(error) => return failed(&environment.name(), error),
            },
            Err(error) => return failed(&environment.name(), error),
        }
    }
    Decided::Unknown(format!(
        "{id} was changed by somebody else {CONFLICTS} times in a row"
    ))
}

/// What an event changes, where there is a place for what it starts; otherwise, that it waits for one.
async fn stepped(
    neighbours: &Neighbours,
    before: &Record,
    event: &Event,
    now: Timestamp,
) -> Result<Step, Decided> {
    let refused = |why: Refused| Decided::Not(NotApplied::Refused(why.0));
    let step = before.step(event, now, &neighbours.times);
    let step = step.map_err(refused)?;
    let placed = with_place(neighbours, (before, event), step, now).await;
    placed.map_err(|no_place| match no_place {
        NoPlace::Refused(why) => refused(why),
        NoPlace::Store(error) => failed(&before.name(), error),
    })
}

/// Why an event is not even looked at: its app is removed, or the GitHub App is away.
async fn not_now(
    store: &dyn Store,
    memory: &Memory,
    apply: &Apply,
    id: &EnvironmentId,
) -> Option<Decided> {
    match of_removed_app(store, memory, apply, id).await {
        Some(refused) => Some(refused),
        None => of_absent_app(store, memory, apply, id).await,
    }
}

/// Refuses whatever might start an environment of a removed app, however late it arrives: such an app comes back by a person's word.
/// One that is not closed yet may hear it: its order to close wins over whatever it begins.
async fn of_removed_app(
    store: &dyn Store,
    memory: &Memory,
    apply: &Apply,
    id: &EnvironmentId,
) -> Option<Decided> {
    let closed = |record: &Arc<Record>| record.lifecycle.is_closed();
    let starts = matches!(
        apply.event,
        Event::Hint { .. } | Event::Command(Command::Start | Command::Redeploy)
    );
    if !starts || !memory.record.as_ref().is_none_or(closed) {
        return None;
    }
    let known = memory.record.as_ref().map(|record| &record.app);
    let app = known.or(apply.birth.as_ref().map(|birth| &birth.app.id))?;
    match store.removed_app(app).await {
        Ok(None) => None,
        Ok(Some(_)) => {
            let reason = "its app is removed".to_owned();
            Some(Decided::Not(NotApplied::Refused(reason)))
        }
        Err(error) => Some(failed(id, error)),
    }
}

/// Refuses what a person starts while the GitHub App is away: the forge could say nothing of it, and its source could not be had.
async fn of_absent_app(
    store: &dyn Store,
    memory: &Memory,
    apply: &Apply,
    id: &EnvironmentId,
) -> Option<Decided> {
    let starts = matches!(
        apply.event,
        Event::Command(Command::Start | Command::Redeploy | Command::Deploy(_))
    );
    let record = memory.record.as_ref().filter(|_| starts)?;
    match store.repository(record.repository).await {
        Ok(known) => {
            let reason = known?.away()?;
            Some(Decided::Not(NotApplied::Refused(reason)))
        }
        Err(error) => Some(failed(id, error)),
    }
}

/// An input that was handled before gets its first answer, and changes nothing.
fn repeated(memory: Memory, decision: String, event: &Event, id: &EnvironmentId) -> Decided {
    let Some(environment) = memory.record.clone() else {
        return Decided::Not(NotApplied::Unknown(id.to_string()));
    };
    let answer = match event {
        Event::Observed(Observation::Reported { generation, .. }) => {
            Some(environment.lifecycle.answer(*generation))
        }
        Event::Observed(_) | Event::Command(_) | Event::Hint { .. } | Event::Tick => None,
    };
    Decided::Unchanged {
        memory,
        applied: Applied {
            environment,
            answer,
            decision,
        },
    }
}

fn failed(what: &impl std::fmt::Display, error: StoreError) -> Decided {
    match error {
        StoreError::Rejected(reason) => Decided::Not(NotApplied::Refused(format!(
            "{what} could not be saved: {reason}"
        ))),
        StoreError::Conflict(reason) | StoreError::Unknown(reason) => Decided::Unknown(reason),
    }
}

/// A pull request may get another title, its branch may be renamed, and an app that comes back late may get another slug. Who starts it says
/// what it was called when the forge was asked last, which may be older than what the forge told since.
fn renamed(record: &Record, birth: Option<&Birth>, event: &Event) -> Record {
    let mut record = record.clone();
    let Some(birth) = birth else {
        return record;
    };
    record.slug.clone_from(&birth.app.slug);
    let started = matches!(
        event,
        Event::Hint {
            trigger: Trigger::Start,
            ..
        }
    );
    if !started {
        record.title.clone_from(&birth.title);
        record.branch.clone_from(&birth.branch);
    }
    record
}

fn born(
    id: &EnvironmentId,
    birth: &Birth,
    event: &Event,
    (reached, now): (&str, Timestamp),
) -> Record {
    let announced = match event {
        Event::Hint { commit, .. } => commit.clone(),
        Event::Command(_) | Event::Observed(_) | Event::Tick => None,
    };
    let mut lifecycle = Lifecycle::new(now, announced);
    lifecycle.world.reached = Some(reached.to_owned());
    Record {
        id: id.clone(),
        app: birth.app.id.clone(),
        owner: birth.app.owner.clone(),
        slug: birth.app.slug.clone(),
        repository: birth.app.repository,
        kind: birth.kind,
        branch: birth.branch.clone(),
        title: birth.title.clone(),
        lifecycle,
        version: Version(0),
        created_at: now,
        updated_at: now,
    }
}

/// What came of an event, in words.
fn decision(step: &Step) -> String {
    if let Some(reason) = &step.skipped {
        return format!("{NOTHING}{reason}");
    }
    match step.happened.as_slice() {
        [] if step.next.look.is_some() => "it asks what is true now".to_owned(),
        [] => "noted".to_owned(),
        happened => happened.iter().map(describe).collect::<Vec<_>>().join("; "),
    }
}

/// One event to the server's log. A failure is there whatever else a terminal shows.
fn log(environment: &Record, what: &Happened) {
    let (id, version, name) = (&environment.id, environment.version.0, environment.name());
    let told = told(environment, what);
    if matches!(what, Happened::Failed(_)) {
        warn!(environment.id = %id, version, "{name}: {told}");
    } else {
        info!(environment.id = %id, version, "{name}: {told}");
    }
}

/// One event in words: with why the tests broke, which stands in the record.
fn told(environment: &Record, what: &Happened) -> String {
    if let Happened::Tested { generation } = what
        && let Some(deployment) = environment.lifecycle.named(*generation)
        && let Tests::Broken(reason) = &deployment.tests
    {
        return format!("deployment {generation} could not be tested: {reason}");
    }
    describe(what)
}

/// One event in words, readable alone.
pub(super) fn describe(what: &Happened) -> String {
    match what {
        Happened::Queued {
            generation,
            commit,
            cause: Cause::Moved { from, to },
        } => format!(
            "deployment {generation} of {} queued: {}",
            commit.id.short(),
            announcement::moved(from, to)
        ),
        Happened::Queued {
            generation, commit, ..
        } => format!("deployment {generation} of {} queued", commit.id.short()),
        Happened::Phase { generation, phase } => {
            format!("deployment {generation} is {}", phase.name())
        }
        Happened::Tested { generation } => format!("deployment {generation} was tested"),
        Happened::Again { generation, again } => {
            format!("deployment {generation}: {}", announcement::again(*again))
        }
        Happened::Noted { generation, text } => format!("deployment {generation}: {text}"),
        Happened::Serving { generation } => format!("deployment {generation} serves"),
        Happened::Failed(failed) => format!(
            "deployment {} failed while {}: {}",
            failed.generation,
            failed.phase.name(),
            failed.reason
        ),
        Happened::Superseded { generation, by } => {
            format!("deployment {generation} was superseded by {by}")
        }
        Happened::Cancelled { generation } => format!("deployment {generation} was cancelled"),
        Happened::Retired { generation } => format!("deployment {generation} was retired"),
        Happened::Stopped { why } => format!("stopped ({why})"),
        Happened::Removed => "nothing of it is left".to_owned(),
        Happened::Skipped { reason } => format!("nothing done: {reason}"),
    }
}

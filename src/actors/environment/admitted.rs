//! What admission says to a step before it is saved: whether there is a place for a preview that is to run, and whether there
//! is a slot for what it queues.

use nestling_domain::{
    deployment::{Deployment, Phase},
    environment::Environment as Record,
    ids::{Kind, Timestamp},
    lifecycle::{Command, Event, Found, Observation, Refused, Step, Waits},
    places::Stand,
};

use super::Neighbours;
use crate::{
    drivers::store::StoreError,
    messages::admission::{Build, Claim, Place, Take},
};

/// Why a step that needs a place can be no other one.
pub(super) enum NoPlace {
    /// What is ordered cannot wait.
    Refused(Refused),
    /// Who holds a place could not be read.
    Store(StoreError),
}

/// A preview that comes to hold a place takes it before that is recorded; where none is free for it, it waits in its place. One
/// whose save fails is given back when the actor settles.
pub(super) async fn with_place(
    neighbours: &Neighbours,
    (before, event): (&Record, &Event),
    step: Step,
    now: Timestamp,
) -> Result<Step, NoPlace> {
    let Kind::Preview(number) = before.kind else {
        return Ok(step);
    };
    let [held, holds] = [&before.lifecycle, &step.next].map(|life| Stand::of(life) == Stand::Holds);
    if held || !holds {
        return Ok(step);
    }
    let take = Take {
        environment: before.id.clone(),
        app: before.app.clone(),
        repository: before.repository,
        number,
        at: now,
    };
    let reason = match neighbours.admission.take.send(take).await {
        Ok(Ok(Place::Given)) => return Ok(step),
        Ok(Ok(Place::Full(reason))) => reason,
        Ok(Err(error)) => return Err(NoPlace::Store(error)),
        Err(gone) => return Err(NoPlace::Store(StoreError::Unknown(gone.to_string()))),
    };
    let head = step.next.next().map(|next| next.commit.id.clone());
    let waits = Waits {
        place: true,
        head,
        ..Waits::from(reason.clone())
    };
    let told = match event {
        Event::Observed(Observation::Found { look, .. }) => Event::Observed(Observation::Found {
            look: *look,
            found: Found::Waiting(waits),
        }),
        // What a person orders of one that holds no place is asked of the forge like a start, and waits with its answer.
        Event::Command(_) | Event::Hint { .. } | Event::Observed(_) | Event::Tick => {
            Event::Command(Command::Start)
        }
    };
    let waiting = before.step(&told, now, &neighbours.times);
    let waiting = waiting.map_err(NoPlace::Refused)?;
    Ok(Step {
        skipped: matches!(event, Event::Command(_)).then(|| format!("it waits: {reason}")),
        ..waiting
    })
}

/// A deployment that this step queues, and for which a slot is free, is admitted by the same save: one wait for the
/// disk less between a commit and its runner. A slot whose save fails is given back when the actor settles.
pub(super) async fn with_slot(
    neighbours: &Neighbours,
    before: &Record,
    step: Step,
    now: Timestamp,
) -> Step {
    let queued = |next: &&Deployment| {
        next.phase == Phase::Queued
            && next.not_before.is_none_or(|at| at <= now)
            && before.lifecycle.named(next.generation).is_none()
    };
    let Some(generation) = step.next.next().filter(queued).map(|next| next.generation) else {
        return step;
    };
    let build = Build {
        environment: before.id.clone(),
        generation,
        repository: before.repository,
    };
    if !matches!(
        neighbours.admission.claim.send(Claim(build)).await,
        Ok(true)
    ) {
        return step;
    }
    let admitted = Event::Observed(Observation::Admitted(generation));
    match step.next.step(&admitted, now, &neighbours.times) {
        Ok(admitted) => Step {
            next: admitted.next,
            happened: step.happened.into_iter().chain(admitted.happened).collect(),
            ..step
        },
        Err(_) => step,
    }
}

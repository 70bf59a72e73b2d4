//! Act: every effect is an *ensure* whose end comes back as an observation. Over in time ([`Times::effect`]), or asked again.

use std::{pin::pin, rc::Rc, sync::Arc, time::Duration};

use nestling_domain::{
    environment::Environment as Record,
    ids::{Generation, Kind},
    lifecycle::{Effect, Found, Observation, Times},
    policy::Production,
};

use super::{Neighbours, route};
use crate::{
    drivers::store::StoreError,
    messages::{
        admission::{Ask, Build},
        forge::{Announce, ForgeError, Head, Question},
        machines::{Destroy, Ensure, LetIn, MachineError, Made, Spec},
        routes::{Target, To},
    },
};

/// How long one round of probes goes on while the app does not answer well yet.
const PROBE_ROUND: Duration = Duration::from_secs(8);
/// The first round is shorter, so that what is wrong is known where little time is given; most apps answer well before.
const FIRST_ROUND: Duration = Duration::from_secs(1);
/// How long an announcement waits for more to be told: what happens comes in bursts (queued, admitted, launched), and
/// a newer edition takes the place of one that waits.
const BURST: Duration = Duration::from_millis(100);
/// Before it is asked again where a machine is: whoever knows that is not asked in a loop.
const LOCATE_AGAIN: Duration = Duration::from_secs(1);
/// Between two probes of a round.
const PROBE_AGAIN: Duration = Duration::from_millis(200);

/// Performs one effect and says what was observed; `None` when it is to be asked again at once.
pub(super) async fn perform(
    neighbours: Rc<Neighbours>,
    record: Arc<Record>,
    effect: Effect,
) -> Option<Observation> {
    let times = &neighbours.times;
    let work = attempt(&neighbours, &record, &effect);
    let observed = tokio::time::timeout(times.effect, work).await;
    observed.unwrap_or_else(|_| timed_out(&effect, times))
}

async fn attempt(neighbours: &Neighbours, record: &Record, effect: &Effect) -> Option<Observation> {
    match effect {
        Effect::Admit(generation) => {
            let build = Build {
                environment: record.id.clone(),
                generation: *generation,
                repository: record.repository,
            };
            neighbours.admission.ask.send(Ask(build)).await.ok()?;
            Some(Observation::Admitted(*generation))
        }
        Effect::Launch(generation) => launch(neighbours, record, *generation).await,
        // Where its runner was quicker than whoever made its machine, that is asked once more where it is.
        Effect::Probe(generation) if is_nowhere(neighbours, record, *generation) => {
            locate(neighbours, record, *generation).await
        }
        Effect::Probe(generation) => Some(prove(neighbours, record, *generation).await),
        Effect::Drain(generation) => {
            neighbours.traffic.drain(&record.id, *generation).await;
            Some(Observation::Drained(*generation))
        }
        Effect::Destroy { keep, upto, erase } => {
            let order = Destroy {
                environment: record.id.clone(),
                keep: keep.clone(),
                upto: *upto,
                erase: *erase,
            };
            Some(match neighbours.machines.destroy.send(order).await {
                Ok(Ok(())) => Observation::Absent {
                    keep: keep.clone(),
                    upto: *upto,
                    erased: *erase,
                },
                Ok(Err(error)) => Observation::NotAbsent {
                    reason: error.to_string(),
                },
                Err(gone) => Observation::NotAbsent {
                    reason: gone.to_string(),
                },
            })
        }
        Effect::Look(look) => {
            let question = Head {
                repository: record.repository,
                app: record.app.clone(),
                kind: record.kind,
                branch: record.branch.clone(),
                question: Some(Question {
                    number: *look,
                    within: neighbours.times.effect,
                }),
            };
            Some(match neighbours.forge.head.send(question).await {
                Ok(Ok(found)) => match offered(neighbours, record, found).await {
                    Ok(found) => Observation::Found { look: *look, found },
                    Err(error) => Observation::NotFound {
                        look: *look,
                        reason: error.to_string(),
                    },
                },
                Ok(Err(ForgeError::Rejected(reason) | ForgeError::Failed(reason))) => {
                    Observation::NotFound {
                        look: *look,
                        reason,
                    }
                }
                Err(gone) => Observation::NotFound {
                    look: *look,
                    reason: gone.to_string(),
                },
            })
        }
        Effect::Announce(edition) => {
            tokio::time::sleep(BURST).await;
            let order = Announce {
                repository: record.repository,
                kind: record.kind,
                version: record.version.0,
            };
            Some(match neighbours.forge.announce.send(order).await {
                Ok(Ok(())) => Observation::Announced(*edition),
                Ok(Err(error)) => Observation::NotAnnounced {
                    reason: error.to_string(),
                },
                Err(gone) => Observation::NotAnnounced {
                    reason: gone.to_string(),
                },
            })
        }
    }
}

/// The head of production that no push deploys is for a person to deploy, whichever forge it comes from.
async fn offered(
    neighbours: &Neighbours,
    record: &Record,
    found: Found,
) -> Result<Found, StoreError> {
    let Found::Open(head) = found else {
        return Ok(found);
    };
    if record.kind != Kind::Production {
        return Ok(Found::Open(head));
    }
    let app = neighbours.store.app(&record.app).await?;
    let deploys = app.map(|app| app.policy.production_deploys);
    Ok(match deploys {
        Some(Production::Manual) => Found::Offered(head),
        Some(Production::OnPush) | None => Found::Open(head),
    })
}

async fn launch(
    neighbours: &Neighbours,
    record: &Record,
    generation: Generation,
) -> Option<Observation> {
    let spec = Spec {
        token: (neighbours.token)(&record.id, generation),
        cache: cache(record, generation),
        size: neighbours.size,
    };
    let order = Ensure {
        environment: record.id.clone(),
        generation,
        spec,
    };
    Some(match neighbours.machines.ensure.send(order).await {
        Ok(Ok(Made {
            address,
            note,
            volume,
        })) => Observation::Launched {
            generation,
            address,
            note,
            volume,
        },
        Ok(Err(MachineError::Occupied(_))) => Observation::Occupied(generation),
        Ok(Err(MachineError::Rejected(reason))) => Observation::NotLaunched {
            generation,
            reason,
            retry: false,
        },
        Ok(Err(MachineError::Failed(reason))) => Observation::NotLaunched {
            generation,
            reason,
            retry: true,
        },
        Err(gone) => Observation::NotLaunched {
            generation,
            reason: gone.to_string(),
            retry: true,
        },
    })
}

/// Which cache a machine shares. What a preview installs never reaches production, and what an outsider's commit puts into
/// a cache never reaches another pull request.
fn cache(record: &Record, generation: Generation) -> String {
    let named = record.lifecycle.named(generation);
    let shares = named.is_none_or(|deployment| deployment.commit.trust.shares_caches());
    if shares {
        format!("{}-{}", record.app, record.kind.class().name())
    } else {
        format!("{}-alone", record.id)
    }
}

/// Lets traffic in, which the record still wants, and probes by the way that it takes. What counts is the probe: a machine that a server let in which
/// ended since answers, whatever becomes of letting it in again.
async fn prove(neighbours: &Neighbours, record: &Record, generation: Generation) -> Observation {
    let mut probed = pin!(probe(neighbours, record, generation));
    let shut = tokio::select! {
        biased;
        observation = &mut probed => return observation,
        shut = let_in(neighbours, record, generation) => shut,
    };
    match (probed.await, shut) {
        (Observation::Unhealthy { generation, .. }, Err(error)) => Observation::Unhealthy {
            generation,
            reason: error.to_string(),
        },
        (observation, _) => observation,
    }
}

async fn let_in(
    neighbours: &Neighbours,
    record: &Record,
    generation: Generation,
) -> Result<(), MachineError> {
    let Some(let_in) = &neighbours.machines.let_in else {
        return Ok(());
    };
    let order = LetIn {
        environment: record.id.clone(),
        generation,
    };
    let came = let_in.send(order).await;
    came.unwrap_or_else(|gone| Err(MachineError::Failed(gone.to_string())))
}

async fn probe(neighbours: &Neighbours, record: &Record, generation: Generation) -> Observation {
    let unhealthy = |reason: String| Observation::Unhealthy { generation, reason };
    let Some(target) = primary(neighbours, record, generation) else {
        return unhealthy("it reported no endpoint to answer at its address".to_owned());
    };
    let health = match neighbours.store.app(&record.app).await {
        Ok(app) => app.and_then(|app| app.health),
        Err(error) => return unhealthy(error.to_string()),
    };
    let named = record.lifecycle.named(generation);
    let known = named.is_some_and(|deployment| deployment.trouble.is_some());
    let end = tokio::time::Instant::now() + if known { PROBE_ROUND } else { FIRST_ROUND };
    loop {
        match neighbours
            .traffic
            .probe(&record.id, generation, &target, health.as_deref())
            .await
        {
            Ok(()) => return Observation::Healthy(generation),
            Err(reason) if tokio::time::Instant::now() >= end => return unhealthy(reason),
            Err(_) => tokio::time::sleep(PROBE_AGAIN).await,
        }
    }
}

/// Asks where the machine of this generation is, which is the answer to whoever wants it to be there.
async fn locate(
    neighbours: &Neighbours,
    record: &Record,
    generation: Generation,
) -> Option<Observation> {
    let launched = launch(neighbours, record, generation).await;
    if let Some(Observation::NotLaunched { reason, .. }) = launched {
        tokio::time::sleep(LOCATE_AGAIN).await;
        return Some(Observation::Unhealthy { generation, reason });
    }
    launched
}

/// Whether nobody has said yet where the machine of this generation is reached.
fn is_nowhere(neighbours: &Neighbours, record: &Record, generation: Generation) -> bool {
    let named = record.lifecycle.named(generation);
    named.is_some_and(|one| !(neighbours.places)(&record.id, one).is_known())
}

/// The primary endpoint of a deployment that does not serve yet.
fn primary(neighbours: &Neighbours, record: &Record, generation: Generation) -> Option<Target> {
    let deployment = record.lifecycle.named(generation)?;
    let serving = route::serving(record, deployment, &neighbours.places);
    let To::Serving(serving) = To::Serving(serving) else {
        return None;
    };
    serving.endpoints.into_iter().find(|target| target.primary)
}

fn timed_out(effect: &Effect, times: &Times) -> Option<Observation> {
    let reason = || format!("no answer within {} s", times.effect.as_secs());
    match effect {
        Effect::Admit(_) => None,
        // It may exist or not: ensuring it again finds out.
        Effect::Launch(_) => None,
        Effect::Probe(generation) => Some(Observation::Unhealthy {
            generation: *generation,
            reason: reason(),
        }),
        Effect::Drain(generation) => Some(Observation::Drained(*generation)),
        Effect::Destroy { .. } => Some(Observation::NotAbsent { reason: reason() }),
        Effect::Look(look) => Some(Observation::NotFound {
            look: *look,
            reason: reason(),
        }),
        Effect::Announce(_) => Some(Observation::NotAnnounced { reason: reason() }),
    }
}

/// What went wrong, of an observation that says so.
pub(super) fn trouble(observation: &Observation) -> Option<&str> {
    match observation {
        Observation::NotFound { reason, .. }
        | Observation::NotLaunched { reason, .. }
        | Observation::NotAbsent { reason }
        | Observation::NotAnnounced { reason } => Some(reason),
        Observation::Found { .. }
        | Observation::Occupied(_)
        | Observation::Admitted(_)
        | Observation::Launched { .. }
        | Observation::Reported { .. }
        | Observation::Healthy(_)
        | Observation::Unhealthy { .. }
        | Observation::Drained(_)
        | Observation::Lost { .. }
        | Observation::Absent { .. }
        | Observation::Announced(_)
        | Observation::Reached { .. }
        | Observation::RefusedOrder { .. } => None,
    }
}

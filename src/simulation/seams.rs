//! Between environments and the forge, and between environments and their visitors: here answers are late, the server ends, and
//! bugs are planted.

use std::{path::PathBuf, sync::Arc, time::Duration};

use actix::prelude::*;
use async_trait::async_trait;
use nestling_domain::{
    announcement::Seal,
    deployment::{Deployment, Trust},
    ids::{EnvironmentId, Generation, Kind},
    lifecycle::Found,
};

use super::{
    bugs::Bug,
    crashes::{Lean, When},
    world::World,
};
use crate::{
    drivers::{
        clock,
        store::{Store as _, StoreError},
    },
    messages::{
        admission::{self, Take},
        forge::{Announce, ForgeError, Head},
        routes::{Place, Target, Traffic},
    },
};

/// How long a wrong listing is believed, where that bug is planted.
const BELIEVED: Duration = Duration::from_mins(1);

/// Who stands before the real forge.
pub(super) struct Seam {
    pub(super) world: Arc<World>,
    pub(super) head: Recipient<Head>,
    pub(super) announce: Recipient<Announce>,
}

impl Actor for Seam {
    type Context = Context<Self>;
}

impl Handler<Head> for Seam {
    type Result = ResponseFuture<Result<Found, ForgeError>>;

    fn handle(&mut self, asked: Head, _: &mut Self::Context) -> Self::Result {
        let (world, forge) = (self.world.clone(), self.head.clone());
        Box::pin(async move {
            let id = world.environment(asked.kind);
            world.boundary(Some(&id), "look", When::Before).await;
            let kind = asked.kind;
            let answer = forge.send(asked).await;
            let answer = answer.unwrap_or_else(|gone| Err(ForgeError::Failed(gone.to_string())));
            if world.goes_wrong(60) {
                tokio::time::sleep(world.span(500, 9_500)).await;
            }
            world.boundary(Some(&id), "look", When::After).await;
            let answer = twisted(&world, kind, answer).await;
            world.tell(format!("a look at {}: {}", kind.name(), in_words(&answer)));
            answer
        })
    }
}

impl Handler<Announce> for Seam {
    type Result = ResponseFuture<Result<(), ForgeError>>;

    fn handle(&mut self, order: Announce, _: &mut Self::Context) -> Self::Result {
        let (world, showing) = (self.world.clone(), self.announce.clone());
        Box::pin(async move {
            let id = world.environment(order.kind);
            world.boundary(Some(&id), "announce", When::Before).await;
            world.known().announcing = Some(id.clone());
            let answer = showing.send(order).await;
            world.boundary(Some(&id), "announce", When::After).await;
            answer.unwrap_or_else(|gone| Err(ForgeError::Failed(gone.to_string())))
        })
    }
}

/// What a planted bug makes of the forge's answer.
async fn twisted(
    world: &World,
    kind: Kind,
    answer: Result<Found, ForgeError>,
) -> Result<Found, ForgeError> {
    let id = world.environment(kind);
    let preview = kind.pull_request();
    let current = {
        let known = world.known();
        known.records.get(&id).map(|one| one.lifecycle.clone())
    };
    match answer {
        Ok(Found::Closed) if world.has(Bug::CloseLoses) => {
            let next = current.and_then(|one| one.next().map(|next| next.commit.clone()));
            Ok(next.map_or(Found::Closed, Found::Open))
        }
        Err(error)
            if world.has(Bug::SuspensionCloses) && error.to_string().contains("suspended") =>
        {
            Ok(Found::Closed)
        }
        Ok(Found::Closed) if world.has(Bug::TakenRunsOn) && world.known().is_taken() => {
            Err(ForgeError::Failed("it is not found".to_owned()))
        }
        Err(_) if world.has(Bug::ErrorCloses) && preview.is_some() => Ok(Found::Closed),
        Ok(_) if world.has(Bug::EmptyListingCloses) && preview.is_some() && believes(world) => {
            Ok(Found::Closed)
        }
        Ok(Found::Open(head)) if world.has(Bug::HeadNotAsked) => {
            let known = current.and_then(|one| one.newest_commit().cloned());
            Ok(Found::Open(known.unwrap_or(head)))
        }
        Ok(Found::Open(mut head)) if world.has(Bug::ForkIsTrusted) => {
            head.trust = Trust::Member;
            Ok(Found::Open(head))
        }
        Ok(Found::Waiting(waits)) if world.has(Bug::AnyApprovalCounts) => {
            let number = preview.unwrap_or_default();
            let row = world
                .store
                .pull_request(world.town.repository, number)
                .await;
            let row = row.ok().flatten();
            // The record forgets an approval once another head is seen; the people of the world do not.
            let approves = !world.known().approved.is_empty() && waits.approval.is_some();
            let approved = row.filter(|_| approves);
            Ok(match approved.and_then(|row| row.head) {
                Some(mut head) => {
                    head.trust = Trust::Outsider;
                    Found::Open(head)
                }
                None => Found::Waiting(waits),
            })
        }
        answer => answer,
    }
}

fn believes(world: &World) -> bool {
    let listed = world.known().listed_nothing;
    listed.is_some_and(|at| clock::now().since(at) < BELIEVED)
}

fn in_words(answer: &Result<Found, ForgeError>) -> String {
    match answer {
        Ok(Found::Open(head) | Found::Offered(head)) => format!("open at {}", head.id.short()),
        Ok(Found::Closed) => "closed".to_owned(),
        Ok(Found::Waiting(waits)) => format!("waits: {}", waits.reason),
        Err(error) => format!("no answer: {error}"),
    }
}

/// What the gateway would say of deployments: healthy is what listens.
pub(super) struct Visitors(pub(super) Arc<World>);

#[async_trait]
impl Traffic for Visitors {
    async fn probe(
        &self,
        environment: &EnvironmentId,
        generation: Generation,
        _: &Target,
        _: Option<&str>,
    ) -> Result<(), String> {
        let world = &self.0;
        world
            .boundary(Some(environment), "probe", When::Before)
            .await;
        tokio::time::sleep(world.span(2, 200)).await;
        let key = (environment.clone(), generation);
        let listens = {
            let machines = world.machines();
            let machine = machines.all.get(&key);
            machine.is_some_and(|one| one.runs() && one.listened)
        };
        let answers = listens && !world.goes_wrong(100);
        world
            .boundary(Some(environment), "probe", When::After)
            .await;
        answers
            .then_some(())
            .ok_or_else(|| "nobody answers".to_owned())
    }

    async fn drain(&self, environment: &EnvironmentId, _: Generation) {
        let world = &self.0;
        world
            .boundary(Some(environment), "drain", When::Before)
            .await;
        let least = world.often(Lean::Pushes, (5, 5_000));
        tokio::time::sleep(world.span(least, 9_000)).await;
        world
            .boundary(Some(environment), "drain", When::After)
            .await;
    }
}

/// Has a place for everybody: a planted bug.
pub(super) struct Generous;

impl Actor for Generous {
    type Context = Context<Self>;
}

impl Handler<Take> for Generous {
    type Result = Result<admission::Place, StoreError>;

    fn handle(&mut self, _: Take, _: &mut Self::Context) -> Self::Result {
        Ok(admission::Place::Given)
    }
}

/// Where machines are reached by nobody.
pub(super) fn nowhere(_: &EnvironmentId, _: &Deployment) -> Place {
    Place::Folder(PathBuf::from("/nowhere"))
}

/// Links in simulated comments are followed by nobody.
#[derive(Debug)]
pub(super) struct Unsealed;

impl Seal for Unsealed {
    fn seal(&self, _: &EnvironmentId) -> String {
        "sealed".to_owned()
    }
}

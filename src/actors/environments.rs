//! The parent and router of all environment actors: finds them, starts them, and starts them again when a
//! bug has ended them — with back-off, and within a limit beyond which an environment is quarantined.

#[cfg(test)]
mod order;
#[cfg(test)]
mod quarantine;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    rc::Rc,
    time::Duration,
};

use actix::prelude::*;
use nestling_domain::{
    ids::{EnvironmentId, Timestamp},
    lifecycle::{Event, Trigger},
};
use tracing::{error, info, warn};

use super::environment::{Environment, Neighbours};
use crate::{
    drivers::clock,
    messages::{
        environment::{Applied, Apply, Beat, Inspect, Inspected, Leave, NotApplied},
        environments::{
            CountActors, Died, Handle, Heartbeat, InspectOne, Quarantined, Quiet, Route, StopAll,
            Wake,
        },
    },
};

/// Deaths within [`INTENSITY_SPAN`] after which an environment is quarantined: a bug that strikes three
/// times a minute will strike again.
const INTENSITY: usize = 3;
/// The span in which deaths are counted.
const INTENSITY_SPAN: Duration = Duration::from_mins(1);
/// Before an actor that died is started again, doubled with each death in the span.
const BACK_OFF: Duration = Duration::from_millis(100);
/// Events that may wait for one environment; beyond it the door is shut. An event takes a few milliseconds.
const WAITING_EACH: usize = 256;
/// Events that may wait for all environments together.
const WAITING_ALL: usize = 10_000;
/// How often the due environments are looked for, so that nothing owed is forgotten whatever happened.
const SWEEP: Duration = Duration::from_secs(30);
/// How many due environments one sweep wakes.
const SWEEP_BATCH: usize = 500;

/// The parent and router.
pub struct Environments {
    neighbours: Rc<Neighbours>,
    children: HashMap<EnvironmentId, Child>,
    deaths: HashMap<EnvironmentId, VecDeque<Timestamp>>,
    quarantine: BTreeMap<EnvironmentId, String>,
    incarnations: u64,
    waiting: usize,
    ended: bool,
}

struct Child {
    address: Addr<Environment>,
    incarnation: u64,
    waiting: usize,
}

impl Environments {
    /// A router without children; they are started by the first message, or by a sweep.
    pub fn new(neighbours: Neighbours) -> Self {
        Environments {
            neighbours: Rc::new(neighbours),
            children: HashMap::new(),
            deaths: HashMap::new(),
            quarantine: BTreeMap::new(),
            incarnations: 0,
            waiting: 0,
            ended: false,
        }
    }

    /// The way for everybody else to reach environments.
    pub fn handle(address: &Addr<Self>) -> Handle {
        Handle {
            route: address.clone().recipient(),
            heartbeat: address.clone().recipient(),
            wake: address.clone().recipient(),
            quarantined: address.clone().recipient(),
        }
    }

    fn child(&mut self, id: &EnvironmentId, ctx: &Context<Self>) -> Result<&mut Child, NotApplied> {
        if let Some(reason) = self.quarantine.get(id) {
            return Err(NotApplied::Quarantined {
                environment: id.to_string(),
                reason: reason.clone(),
            });
        }
        if self.ended {
            return Err(NotApplied::Uncertain(id.to_string()));
        }
        if !self.children.contains_key(id) {
            self.incarnations += 1;
            let incarnation = self.incarnations;
            let parent = ctx.address();
            let address = Environment::start(
                id.clone(),
                incarnation,
                self.neighbours.clone(),
                parent.clone().recipient(),
                parent.recipient(),
            );
            self.children.insert(
                id.clone(),
                Child {
                    address,
                    incarnation,
                    waiting: 0,
                },
            );
        }
        self.children
            .get_mut(id)
            .ok_or_else(|| NotApplied::Uncertain(id.to_string()))
    }

    /// A person gives an order: whatever its actor died of, it may try again. Whether it was in quarantine.
    fn release(&mut self, id: &EnvironmentId) -> bool {
        let was = self.quarantine.remove(id).is_some();
        if was {
            info!(environment.id = %id, "{id} is released from quarantine");
            self.deaths.remove(id);
        }
        was
    }

    fn sweep(&mut self, ctx: &mut Context<Self>) {
        let store = self.neighbours.store.clone();
        let due = async move { store.due(clock::now(), SWEEP_BATCH).await };
        ctx.spawn(due.into_actor(self).map(|due, actor, ctx| match due {
            Ok(ids) => {
                for id in ids {
                    // Quarantined ones wait for their release.
                    let _ = actor.child(&id, ctx);
                }
            }
            Err(error) => warn!("could not look for due environments: {error}"),
        }));
    }
}

impl Actor for Environments {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(0);
        self.sweep(ctx);
        ctx.run_interval(SWEEP, Self::sweep);
    }
}

impl Handler<Route> for Environments {
    type Result = ResponseActFuture<Self, Result<Applied, NotApplied>>;

    fn handle(&mut self, Route { id, apply }: Route, ctx: &mut Self::Context) -> Self::Result {
        if self.waiting >= WAITING_ALL {
            return Box::pin(fut::err(NotApplied::Busy("the server".to_owned())));
        }
        let released = matches!(apply.event, Event::Command(_)) && self.release(&id);
        let child = match self.child(&id, ctx) {
            Ok(child) => child,
            Err(refused) => return Box::pin(fut::err(refused)),
        };
        if child.waiting >= WAITING_EACH {
            return Box::pin(fut::err(NotApplied::Busy(id.to_string())));
        }
        child.waiting += 1;
        let incarnation = child.incarnation;
        // Sent inside the handler, so that the order of arrival is the order of handling.
        let reply = child.address.send(apply);
        if released {
            // What the forge told meanwhile was parked: it is asked what is true now.
            child.address.do_send(Apply {
                event: Event::Hint {
                    commit: None,
                    trigger: Trigger::Refresh,
                },
                by: "release".to_owned(),
                input: None,
                birth: None,
            });
        }
        self.waiting += 1;
        Box::pin(reply.into_actor(self).map(move |reply, actor, _| {
            actor.waiting -= 1;
            if let Some(child) = actor
                .children
                .get_mut(&id)
                .filter(|child| child.incarnation == incarnation)
            {
                child.waiting -= 1;
            }
            reply.unwrap_or_else(|_| Err(NotApplied::Uncertain(id.to_string())))
        }))
    }
}

impl Handler<Heartbeat> for Environments {
    type Result = ResponseFuture<Result<nestling_protocol::report::Next, NotApplied>>;

    fn handle(
        &mut self,
        Heartbeat { id, generation }: Heartbeat,
        ctx: &mut Self::Context,
    ) -> Self::Result {
        let reply = self
            .child(&id, ctx)
            .map(|child| child.address.send(Beat { generation }));
        Box::pin(async move {
            reply?
                .await
                .map_err(|_| NotApplied::Uncertain(id.to_string()))
        })
    }
}

impl Handler<Wake> for Environments {
    type Result = ();

    fn handle(&mut self, Wake { id }: Wake, ctx: &mut Self::Context) {
        // Quarantined ones wait for their release.
        let _ = self.child(&id, ctx);
    }
}

impl Handler<Died> for Environments {
    type Result = ();

    fn handle(
        &mut self,
        Died {
            id,
            incarnation,
            panicked,
        }: Died,
        ctx: &mut Self::Context,
    ) {
        if self
            .children
            .get(&id)
            .is_none_or(|child| child.incarnation != incarnation)
        {
            return;
        }
        self.children.remove(&id);
        if !panicked {
            return;
        }
        let now = clock::now();
        let deaths = self.deaths.entry(id.clone()).or_default();
        deaths.push_back(now);
        deaths.retain(|at| now.since(*at) < INTENSITY_SPAN);
        if deaths.len() >= INTENSITY {
            let reason = format!(
                "{} deaths within {} s; the server's log has each panic",
                deaths.len(),
                INTENSITY_SPAN.as_secs()
            );
            error!(environment.id = %id, "{id} is quarantined: {reason}");
            self.quarantine.insert(id, reason);
            return;
        }
        let exponent = u32::try_from(deaths.len() - 1).unwrap_or(u32::MAX);
        let pause = BACK_OFF * 2u32.saturating_pow(exponent);
        ctx.run_later(pause, move |actor, ctx| {
            let _ = actor.child(&id, ctx);
        });
    }
}

impl Handler<Quiet> for Environments {
    type Result = ();

    fn handle(&mut self, Quiet { id, incarnation }: Quiet, _: &mut Self::Context) {
        let idle = self
            .children
            .get(&id)
            .is_some_and(|child| child.incarnation == incarnation && child.waiting == 0);
        if idle && let Some(child) = self.children.remove(&id) {
            // Nobody else holds its address, so nothing can come after this.
            child.address.do_send(Leave);
        }
    }
}

impl Handler<InspectOne> for Environments {
    type Result = ResponseFuture<Option<Inspected>>;

    fn handle(&mut self, InspectOne { id }: InspectOne, _: &mut Self::Context) -> Self::Result {
        let reply = self
            .children
            .get(&id)
            .map(|child| child.address.send(Inspect));
        Box::pin(async move { reply?.await.ok() })
    }
}

impl Handler<Quarantined> for Environments {
    type Result = MessageResult<Quarantined>;

    fn handle(&mut self, _: Quarantined, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.quarantine.clone())
    }
}

impl Handler<StopAll> for Environments {
    type Result = ();

    fn handle(&mut self, _: StopAll, _: &mut Self::Context) {
        self.ended = true;
        for (_, child) in self.children.drain() {
            child.address.do_send(Leave);
        }
    }
}

impl Handler<CountActors> for Environments {
    type Result = usize;

    fn handle(&mut self, _: CountActors, _: &mut Self::Context) -> usize {
        self.children.len()
    }
}

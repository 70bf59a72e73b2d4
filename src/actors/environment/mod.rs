//! The actor of one environment: decide → remember → act → answer.
//!
//! It loads before it handles anything, forgets and reloads when an outcome is unknown, performs what the
//! saved state owes beside an open mailbox (one effect at a time per lane), and leaves memory when it owes
//! nothing and is quiet.

mod admitted;
mod decide;
mod memory;
mod neighbours;
mod perform;
mod route;
mod task;
mod watch;

use std::{collections::BTreeMap, rc::Rc, sync::Arc, time::Duration};

use actix::prelude::*;
use nestling_domain::{
    environment::Environment as Record,
    ids::{EnvironmentId, Generation, Kind, Timestamp, Version},
    lifecycle::{Effect, Event, Lane, Observation},
    places::Stand,
};
use nestling_protocol::report::Next;
use tracing::{debug, error, warn};

use memory::{Memory, read};
use task::Task;

use crate::{
    drivers::clock,
    messages::{
        admission,
        environment::{Applied, Apply, Beat, Inspect, Inspected, Leave, NotApplied},
        environments::{Died, Quiet},
    },
};

pub use neighbours::{Neighbours, Places, Tokens};
pub use route::route;

/// Before a load that failed is tried again, at first; doubled up to [`LOAD_AGAIN_MOST`].
const LOAD_AGAIN: Duration = Duration::from_millis(200);
/// The longest wait between two loads.
const LOAD_AGAIN_MOST: Duration = Duration::from_secs(5);
/// How often quiet and silence are looked at.
const LOOK_ROUND: Duration = Duration::from_secs(10);

/// The actor of one environment.
pub struct Environment {
    id: EnvironmentId,
    incarnation: u64,
    neighbours: Rc<Neighbours>,
    died: Recipient<Died>,
    quiet: Recipient<Quiet>,
    memory: Memory,
    in_flight: BTreeMap<Lane, InFlight>,
    watching: BTreeMap<Generation, SpawnHandle>,
    wake: Option<SpawnHandle>,
    tickets: u64,
    /// The last sign of life of each runner, by our own clock since the load.
    heard: BTreeMap<Generation, Timestamp>,
    last_message: Timestamp,
    last_error: Option<String>,
    /// The version of the record whose route the gateway has.
    routed: Option<Version>,
    /// Whether the record was told where previews answer, as far as it could be kept.
    placed: bool,
    /// What admission was told last of its place among the previews of its app.
    stood: Option<Stand>,
    leaving: bool,
}

struct InFlight {
    ticket: u64,
    effect: Effect,
    handle: SpawnHandle,
}

/// An effect has ended; sent to the own address, so that its observation is decided in order with the rest.
#[derive(Message)]
#[rtype(result = "()")]
struct Finished {
    lane: Lane,
    ticket: u64,
    observation: Option<Observation>,
}

impl Environment {
    /// Starts the actor; `incarnation` tells this start from others of the same environment.
    pub fn start(
        id: EnvironmentId,
        incarnation: u64,
        neighbours: Rc<Neighbours>,
        died: Recipient<Died>,
        quiet: Recipient<Quiet>,
    ) -> Addr<Self> {
        Environment::create(move |ctx| {
            // The default mailbox of 16 loses order between senders; the bound is at the router's door.
            ctx.set_mailbox_capacity(0);
            Environment {
                id,
                incarnation,
                neighbours,
                died,
                quiet,
                memory: Memory::default(),
                in_flight: BTreeMap::new(),
                watching: BTreeMap::new(),
                wake: None,
                tickets: 0,
                heard: BTreeMap::new(),
                last_message: clock::now(),
                last_error: None,
                routed: None,
                placed: false,
                stood: None,
                leaving: false,
            }
        })
    }

    /// Reads the truth before anything (more) is handled.
    fn load(&mut self, ctx: &mut Context<Self>) {
        let (store, id) = (self.neighbours.store.clone(), self.id.clone());
        let read = async move {
            let mut wait = LOAD_AGAIN;
            loop {
                match read(&*store, &id).await {
                    Ok(memory) => return memory,
                    Err(reason) => {
                        warn!(environment.id = %id, "could not load {id}, trying again: {reason}");
                    }
                }
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(LOAD_AGAIN_MOST);
            }
        };
        ctx.wait(read.into_actor(self).then(|mut memory, actor, ctx| {
            let now = clock::now();
            if let Some(record) = &mut memory.record {
                let lifecycle = record
                    .lifecycle
                    .clone()
                    .resumed(now, &actor.neighbours.times);
                Arc::make_mut(record).lifecycle = lifecycle;
            }
            actor.memory = memory;
            actor.routed = None;
            actor.heard.clear();
            let Some(reached) = actor.place() else {
                actor.settle(ctx);
                return Box::pin(fut::ready(())) as ResponseActFuture<Self, ()>;
            };
            let decided = actor.decide_future(reached, None);
            Box::pin(decided.map(|_, _, _| ()))
        }));
    }

    /// What the record must be told before anything else is decided, if it was last kept by a server that answered
    /// elsewhere. Once for each start of the actor: a store that keeps nothing is not asked again and again.
    fn place(&mut self) -> Option<Apply> {
        let record = self.memory.record.as_ref()?;
        let at = &self.neighbours.reached;
        if self.placed || record.lifecycle.world.reached.as_ref() == Some(at) {
            return None;
        }
        self.placed = true;
        Some(Apply {
            event: Event::Observed(Observation::Reached { at: at.clone() }),
            by: "nestling".to_owned(),
            input: None,
            birth: None,
        })
    }

    /// Brings what is under way in line with what the saved state owes.
    fn settle(&mut self, ctx: &mut Context<Self>) {
        let Some(record) = self.memory.record.clone() else {
            return;
        };
        let now = clock::now();
        if self.routed != Some(record.version) {
            self.routed = Some(record.version);
            let routes = &self.neighbours.routes;
            match route(&record, &self.neighbours.places) {
                Some(route) => routes.set(route),
                None => routes.remove(&record.id),
            }
        }
        let owed = record.lifecycle.owed(now);
        self.in_flight.retain(|_, flight| {
            let still = owed.contains(&flight.effect);
            if !still {
                // No longer owed: dropped, its outcome unknown. What it did is observed by what is owed now.
                ctx.cancel_future(flight.handle);
            }
            still
        });
        for effect in owed {
            if !self.in_flight.contains_key(&effect.lane()) {
                self.perform(&record, effect, ctx);
            }
        }
        self.free_slot(&record);
        self.tell_place(&record);
        self.watch_machines(&record, now, ctx);
        if let Some(handle) = self.wake.take() {
            ctx.cancel_future(handle);
        }
        if let Some(at) = record.lifecycle.wakes_at(now) {
            self.wake = Some(ctx.run_later(at.since(now), |actor, ctx| {
                actor.wake = None;
                Self::tell_self(Event::Tick, ctx);
            }));
        }
    }

    fn perform(&mut self, record: &Arc<Record>, effect: Effect, ctx: &mut Context<Self>) {
        let (lane, ticket) = (effect.lane(), self.tickets);
        self.tickets += 1;
        debug!(environment.id = %self.id, "begins {effect:?}");
        let work = perform::perform(self.neighbours.clone(), record.clone(), effect.clone());
        let work = Task::spawn(work);
        let handle = ctx.spawn(work.into_actor(self).map(move |ended, _, ctx| match ended {
            Ok(observation) => ctx.address().do_send(Finished {
                lane,
                ticket,
                observation,
            }),
            // A bug of ours: it ends this actor, as it would have without a task.
            Err(ended) if ended.is_panic() => std::panic::resume_unwind(ended.into_panic()),
            Err(_) => {}
        }));
        self.in_flight.insert(
            lane,
            InFlight {
                ticket,
                effect,
                handle,
            },
        );
    }

    /// A slot covers a build from its launch until it is proven healthy.
    fn free_slot(&self, record: &Record) {
        let waits_or_builds = record.lifecycle.next().map(|next| next.generation);
        self.neighbours.admission.free.do_send(admission::Free {
            environment: self.id.clone(),
            but: waits_or_builds,
        });
    }

    /// A place among the previews of the app is held for as long as the record says so.
    fn tell_place(&mut self, record: &Record) {
        let stand = Stand::of(&record.lifecycle);
        if record.kind == Kind::Production || self.stood == Some(stand) {
            return;
        }
        self.stood = Some(stand);
        self.neighbours.admission.stands.do_send(admission::Stands {
            environment: self.id.clone(),
            app: record.app.clone(),
            stand,
        });
    }

    fn tell_self(event: Event, ctx: &mut Context<Self>) {
        let by = if event == Event::Tick {
            "clock"
        } else {
            "machine"
        };
        ctx.address().do_send(Apply {
            event,
            by: by.to_owned(),
            input: None,
            birth: None,
        });
    }

    fn forget(&mut self, ctx: &mut Context<Self>) {
        self.memory = Memory::default();
        self.stood = None;
        for (_, flight) in std::mem::take(&mut self.in_flight) {
            ctx.cancel_future(flight.handle);
        }
        for (_, handle) in std::mem::take(&mut self.watching) {
            ctx.cancel_future(handle);
        }
        if let Some(handle) = self.wake.take() {
            ctx.cancel_future(handle);
        }
    }
}

impl Actor for Environment {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.load(ctx);
        ctx.run_interval(LOOK_ROUND, Self::look_round);
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        let panicked = std::thread::panicking();
        if panicked {
            error!(environment.id = %self.id, "the actor of {} panicked", self.id);
        }
        self.died.do_send(Died {
            id: self.id.clone(),
            incarnation: self.incarnation,
            panicked,
        });
    }
}

impl Handler<Apply> for Environment {
    type Result = AtomicResponse<Self, Result<Applied, NotApplied>>;

    fn handle(&mut self, apply: Apply, _: &mut Self::Context) -> Self::Result {
        self.last_message = clock::now();
        self.decide(apply, None)
    }
}

impl Handler<Finished> for Environment {
    type Result = AtomicResponse<Self, ()>;

    fn handle(
        &mut self,
        Finished {
            lane,
            ticket,
            observation,
        }: Finished,
        _: &mut Self::Context,
    ) -> Self::Result {
        let ours = self
            .in_flight
            .get(&lane)
            .is_some_and(|flight| flight.ticket == ticket);
        let free = ours.then_some(lane);
        if let Some(reason) = observation.as_ref().and_then(perform::trouble) {
            warn!(environment.id = %self.id, "{}: {reason}", self.id);
            self.last_error = Some(reason.to_owned());
        }
        let Some(observation) = observation else {
            let nothing = async {}
                .into_actor(self)
                .map(move |(), actor: &mut Self, ctx| {
                    if let Some(lane) = free {
                        actor.in_flight.remove(&lane);
                    }
                    actor.settle(ctx);
                });
            return AtomicResponse::new(Box::pin(nothing));
        };
        let event = Event::Observed(observation);
        let by = "nestling".to_owned();
        let decided = self.decide_future(
            Apply {
                event,
                by,
                input: None,
                birth: None,
            },
            free,
        );
        AtomicResponse::new(Box::pin(decided.map(|_, _, _| ())))
    }
}

impl Handler<Beat> for Environment {
    type Result = MessageResult<Beat>;

    fn handle(&mut self, Beat { generation }: Beat, _: &mut Self::Context) -> Self::Result {
        let now = clock::now();
        if let Some(heard) = self.heard.get_mut(&generation) {
            *heard = now;
        }
        MessageResult(
            self.memory
                .record
                .as_ref()
                .map_or(Next::Stop, |record| record.lifecycle.answer(generation)),
        )
    }
}

impl Handler<Inspect> for Environment {
    type Result = MessageResult<Inspect>;

    fn handle(&mut self, _: Inspect, _: &mut Self::Context) -> Self::Result {
        MessageResult(Inspected {
            environment: self.memory.record.clone(),
            in_flight: self
                .in_flight
                .values()
                .map(|flight| format!("{:?}", flight.effect))
                .collect(),
            last_error: self.last_error.clone(),
        })
    }
}

impl Handler<Leave> for Environment {
    type Result = ();

    fn handle(&mut self, _: Leave, ctx: &mut Self::Context) {
        self.leaving = true;
        ctx.stop();
    }
}

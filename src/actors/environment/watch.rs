//! What tells an environment that a machine is gone: its end, or its silence. And that nobody needs the actor itself.

use std::time::Duration;

use actix::prelude::*;
use nestling_domain::{
    deployment::Phase,
    environment::Environment as Record,
    ids::{Generation, Timestamp},
    lifecycle::{Event, Observation},
};
use tracing::warn;

use super::Environment;
use crate::{
    drivers::clock,
    messages::{environments::Quiet, machines},
};

/// An environment that owes nothing leaves memory after this long without a message.
const QUIET: Duration = Duration::from_mins(1);
/// A machine whose runner was silent this long is lost: six heartbeats.
const SILENT: Duration = Duration::from_mins(1);

impl Environment {
    /// Watches every machine that the record names, and nothing else.
    pub(super) fn watch_machines(
        &mut self,
        record: &Record,
        now: Timestamp,
        ctx: &mut Context<Self>,
    ) {
        let lifecycle = &record.lifecycle;
        let launched = |generation: &Generation| {
            lifecycle
                .named(*generation)
                .is_some_and(|deployment| deployment.phase > Phase::Launching)
        };
        let wanted: Vec<Generation> = lifecycle
            .world
            .machines
            .iter()
            .copied()
            .filter(launched)
            .collect();
        self.watching.retain(|generation, handle| {
            let keep = wanted.contains(generation);
            if !keep {
                ctx.cancel_future(*handle);
            }
            keep
        });
        self.heard
            .retain(|generation, _| wanted.contains(generation));
        for generation in wanted {
            self.heard.entry(generation).or_insert(now);
            if self.watching.contains_key(&generation) {
                continue;
            }
            let ended = self.neighbours.machines.watch.send(machines::Watch {
                environment: self.id.clone(),
                generation,
            });
            let handle = ctx.spawn(ended.into_actor(self).map(move |ended, actor, ctx| {
                actor.watching.remove(&generation);
                match ended {
                    Ok(end) => {
                        let lost = Observation::Lost {
                            generation,
                            reason: end.reason,
                            retry: end.retry,
                            exit: end.exit,
                            tail: end.tail,
                        };
                        Self::tell_self(Event::Observed(lost), ctx);
                    }
                    // The machines actor itself is gone: watch again once it is back.
                    Err(gone) => warn!(environment.id = %actor.id, "cannot watch machines: {gone}"),
                }
            }));
            self.watching.insert(generation, handle);
        }
    }

    /// Looks whether a runner has been silent for too long, and whether there is nothing left to stay for.
    pub(super) fn look_round(&mut self, ctx: &mut Context<Self>) {
        let now = clock::now();
        let silent: Vec<Generation> = self
            .heard
            .iter()
            .filter(|(_, heard)| now.since(**heard) >= SILENT)
            .map(|(generation, _)| *generation)
            .collect();
        for generation in silent {
            self.heard.insert(generation, now);
            let reason = format!("its runner has been silent for {} s", SILENT.as_secs());
            Self::tell_self(
                Event::Observed(Observation::Lost {
                    generation,
                    reason,
                    retry: true,
                    exit: None,
                    tail: Vec::new(),
                }),
                ctx,
            );
        }
        let owes = self.memory.record.as_ref().is_some_and(|record| {
            record.lifecycle.due_at().is_some() || !record.lifecycle.world.machines.is_empty()
        });
        if !owes && !self.leaving && now.since(self.last_message) >= QUIET {
            self.quiet.do_send(Quiet {
                id: self.id.clone(),
                incarnation: self.incarnation,
            });
        }
    }
}

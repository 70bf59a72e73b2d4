//! Machines on this box, by message. What a machine leaves of its log when it ends is taken up into the stored log,
//! before anybody hears of its end and before its folder goes.

use std::{sync::Arc, time::Duration};

use actix::prelude::*;
use bytes::Bytes;
use nestling_domain::{
    ids::{EnvironmentId, Generation},
    text,
};
use nestling_protocol::log::{Line, Lines};
use tracing::warn;

use crate::{
    actors::logging::left_key,
    drivers::{
        blobs::{BlobError, Blobs},
        clock,
        sandbox::Sandbox,
    },
    messages::{
        logging::Append,
        machines::{Destroy, End, Ensure, Handle, ListMachines, MachineError, Made, Watch},
    },
    telemetry::told,
};

/// How often dependency caches are looked at: each look walks all of their files.
const CACHE_ROUND: Duration = Duration::from_hours(1);

/// Speaks the machines' protocol for a [`Sandbox`], which keeps order within each environment by itself: an
/// environment whose machine takes its time to stop delays no other.
pub struct LocalMachines {
    sandbox: Sandbox,
    keeper: Keeper,
}

/// Keeps what ended machines leave of their logs.
#[derive(Clone)]
struct Keeper {
    sandbox: Sandbox,
    blobs: Arc<dyn Blobs>,
    append: Recipient<Append>,
}

impl LocalMachines {
    /// Over machines that were opened, and adopted, before; with the store of segments, and who has the newest lines
    /// at hand.
    pub fn new(sandbox: Sandbox, blobs: Arc<dyn Blobs>, append: Recipient<Append>) -> Self {
        let keeper = Keeper {
            sandbox: sandbox.clone(),
            blobs,
            append,
        };
        LocalMachines { sandbox, keeper }
    }
}

impl Keeper {
    /// Takes up what a machine that has ended left of its log, and answers its last words. Safe to do twice: what it
    /// left does not change any more, and each segment of it has one place.
    async fn take_up(
        &self,
        environment: &EnvironmentId,
        generation: Generation,
    ) -> Result<Vec<String>, BlobError> {
        let left = self.sandbox.left(environment, generation).await;
        for (log, segment) in left.segments {
            let key = left_key(environment, generation, log, segment);
            if self.blobs.get(&key).await?.is_some() {
                continue;
            }
            let read = self
                .sandbox
                .left_lines(environment, generation, log, segment)
                .await;
            // A machine that put something else in the place of a file has no lines in it.
            let lines = read.unwrap_or_else(|error| {
                warn!(environment.id = %environment, %generation, "what the machine of {environment} at generation {generation} left as segment {segment} of its {} log cannot be read: {error}", log.name());
                Vec::new()
            });
            if lines.is_empty() {
                continue;
            }
            self.blobs.put(&key, written(&lines)).await?;
            self.append.do_send(Append {
                environment: environment.clone(),
                lines: Lines {
                    generation: generation.0,
                    log,
                    lines,
                },
            });
        }
        Ok(text::tail(&left.tail))
    }

    /// Ensures that machines end, then that their last lines are kept, then that their folders are gone.
    async fn destroy(
        &self,
        Destroy {
            environment,
            keep,
            upto,
            erase,
        }: Destroy,
    ) -> Result<(), MachineError> {
        for generation in self.sandbox.end(&environment, &keep, upto).await? {
            let kept = self.take_up(&environment, generation).await;
            kept.map_err(|error| {
                let why = told(&error.into());
                MachineError::Failed(format!(
                    "could not keep the last lines of generation {generation} of {environment}: {why}"
                ))
            })?;
        }
        let gone = self.sandbox.destroy(&environment, &keep, upto, erase);
        gone.await
    }

    /// Answers once a machine has ended, with its last words.
    async fn watch(&self, environment: &EnvironmentId, generation: Generation) -> End {
        let end = self.sandbox.watch(environment, generation).await;
        let tail = self.take_up(environment, generation).await;
        let tail = tail.unwrap_or_else(|error| {
            // Tried again before its folder goes.
            warn!(environment.id = %environment, %generation, "could not keep the last lines of generation {generation} of {environment} yet: {}", told(&error.into()));
            Vec::new()
        });
        End { tail, ..end }
    }
}

/// Lines as a segment holds them.
fn written(lines: &[Line]) -> Bytes {
    let mut bytes = Vec::new();
    for line in lines {
        // A line is numbers and texts: it can always be written.
        bytes.extend(serde_json::to_vec(line).unwrap_or_default());
        bytes.push(b'\n');
    }
    bytes.into()
}

impl LocalMachines {
    fn prune_caches(&mut self, ctx: &mut Context<Self>) {
        let sandbox = self.sandbox.clone();
        let work = async move {
            if let Err(error) = sandbox.prune_caches(clock::now()).await {
                warn!("could not prune the dependency caches: {error}");
            }
        };
        ctx.spawn(work.into_actor(self));
    }

    /// The way for everybody else to reach it.
    pub fn handle(address: &Addr<Self>) -> Handle {
        Handle {
            let_in: None,
            ensure: address.clone().recipient(),
            destroy: address.clone().recipient(),
            watch: address.clone().recipient(),
            list: address.clone().recipient(),
        }
    }
}

impl Actor for LocalMachines {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.prune_caches(ctx);
        ctx.run_interval(CACHE_ROUND, Self::prune_caches);
    }
}

impl Handler<Ensure> for LocalMachines {
    type Result = ResponseFuture<Result<Made, MachineError>>;

    fn handle(
        &mut self,
        Ensure {
            environment,
            generation,
            spec,
        }: Ensure,
        _: &mut Self::Context,
    ) -> Self::Result {
        let sandbox = self.sandbox.clone();
        Box::pin(async move {
            sandbox.ensure(&environment, generation, &spec).await?;
            Ok(Made::default())
        })
    }
}

impl Handler<Destroy> for LocalMachines {
    type Result = ResponseFuture<Result<(), MachineError>>;

    fn handle(&mut self, order: Destroy, _: &mut Self::Context) -> Self::Result {
        let keeper = self.keeper.clone();
        Box::pin(async move { keeper.destroy(order).await })
    }
}

impl Handler<Watch> for LocalMachines {
    type Result = ResponseFuture<End>;

    fn handle(
        &mut self,
        Watch {
            environment,
            generation,
        }: Watch,
        _: &mut Self::Context,
    ) -> Self::Result {
        let keeper = self.keeper.clone();
        Box::pin(async move { keeper.watch(&environment, generation).await })
    }
}

impl Handler<ListMachines> for LocalMachines {
    type Result = MessageResult<ListMachines>;

    fn handle(&mut self, _: ListMachines, _: &mut Self::Context) -> Self::Result {
        let found: Vec<(EnvironmentId, Generation)> = self.sandbox.list();
        MessageResult(found)
    }
}

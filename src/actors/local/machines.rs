//! Machines on this box, by message.

use std::time::Duration;

use actix::prelude::*;
use nestling_domain::ids::{EnvironmentId, Generation};
use tracing::warn;

use crate::{
    drivers::{clock, sandbox::Sandbox},
    messages::machines::{Destroy, End, Ensure, Handle, ListMachines, MachineError, Watch},
};

/// How often dependency caches are looked at: each look walks all of their files.
const CACHE_ROUND: Duration = Duration::from_hours(1);

/// Speaks the machines' protocol for a [`Sandbox`], which keeps order within each environment by itself: an
/// environment whose machine takes its time to stop delays no other.
#[derive(Debug)]
pub struct LocalMachines {
    sandbox: Sandbox,
}

impl LocalMachines {
    /// Over machines that were opened, and adopted, before.
    pub fn new(sandbox: Sandbox) -> Self {
        LocalMachines { sandbox }
    }
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
    type Result = ResponseFuture<Result<(), MachineError>>;

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
        Box::pin(async move { sandbox.ensure(&environment, generation, &spec).await })
    }
}

impl Handler<Destroy> for LocalMachines {
    type Result = ResponseFuture<Result<(), MachineError>>;

    fn handle(
        &mut self,
        Destroy {
            environment,
            keep,
            upto,
            erase,
        }: Destroy,
        _: &mut Self::Context,
    ) -> Self::Result {
        let sandbox = self.sandbox.clone();
        Box::pin(async move { sandbox.destroy(&environment, &keep, upto, erase).await })
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
        let sandbox = self.sandbox.clone();
        Box::pin(async move { sandbox.watch(&environment, generation).await })
    }
}

impl Handler<ListMachines> for LocalMachines {
    type Result = MessageResult<ListMachines>;

    fn handle(&mut self, _: ListMachines, _: &mut Self::Context) -> Self::Result {
        let found: Vec<(EnvironmentId, Generation)> = self.sandbox.list();
        MessageResult(found)
    }
}

//! Machines on this box, by message.

use actix::prelude::*;
use nestling_domain::ids::{EnvironmentId, Generation};

use crate::{
    drivers::sandbox::Sandbox,
    messages::machines::{Destroy, End, Ensure, Handle, ListMachines, MachineError, Watch},
};

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

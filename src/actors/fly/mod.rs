//! Machines at Fly, by message: the same orders as those on this box.
//!
//! Whoever orders gives up after a few seconds, and Fly may take minutes: so the work on one environment is this actor's own
//! ([`Orders`]). It goes on when its caller has left, and whoever orders the same again joins it.

mod orders;
mod sweeper;
mod sweeping;
#[cfg(test)]
mod tests;
mod watch;

use std::{
    cell::RefCell,
    collections::{BTreeSet, HashMap},
    rc::Rc,
    sync::Arc,
};

use actix::prelude::*;
use nestling_domain::{
    environment::Environment,
    fly::{Address, AppName, Given, Limits, Offer},
    ids::{EnvironmentId, Generation},
    policy::Policy,
};
use zeroize::Zeroizing;

use self::{
    orders::{Order, Orders},
    watch::Watches,
};
pub use self::{sweeper::Sweeper, sweeping::Sweeping};
use crate::{
    drivers::{
        fly::{Fly, Make},
        keys::signing::RunnerKeys,
        store::Store,
    },
    messages::machines::{
        Destroy, End, Ensure, Handle, LetIn, ListMachines, MachineError, Made, Watch,
    },
    telemetry::told,
};

/// How apps and machines at Fly are made.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What the names of apps begin with.
    pub prefix: String,
    /// What machines are made of, unless their app asks for another size.
    pub make: Make,
    /// How big a volume each environment has, in GiB, unless its app asks for another; 0 is none.
    pub volume_gib: u32,
    /// Where they may be, best first, unless their app asks for other regions.
    pub regions: Vec<String>,
    /// What an app may ask for.
    pub limits: Limits,
    /// Which public addresses an app has, beside its private one.
    pub addresses: Vec<Address>,
}

impl Plan {
    /// What an app may choose from.
    fn offer(&self) -> Offer {
        Offer {
            size: self.make.size,
            volume_gib: self.volume_gib,
            regions: self.regions.clone(),
            limits: self.limits.clone(),
        }
    }
}

/// Speaks the machines' protocol for [`Fly`].
pub struct FlyMachines {
    shared: Rc<Shared>,
    orders: Rc<RefCell<HashMap<EnvironmentId, Rc<Orders>>>>,
    watches: Watches,
}

/// What the work on every environment needs.
struct Shared {
    fly: Arc<Fly>,
    plan: Plan,
    store: Arc<dyn Store>,
    keys: Arc<RunnerKeys>,
}

impl FlyMachines {
    /// Over an organisation at Fly; names of apps are made from records, credentials by the keys.
    pub fn new(fly: Arc<Fly>, plan: Plan, store: Arc<dyn Store>, keys: Arc<RunnerKeys>) -> Self {
        let shared = Rc::new(Shared {
            fly,
            plan,
            store,
            keys,
        });
        FlyMachines {
            watches: Watches::default(),
            orders: Rc::default(),
            shared,
        }
    }

    /// The way for everybody else to reach it.
    pub fn handle(address: &Addr<Self>) -> Handle {
        Handle {
            ensure: address.clone().recipient(),
            let_in: Some(address.clone().recipient()),
            destroy: address.clone().recipient(),
            watch: address.clone().recipient(),
            list: address.clone().recipient(),
        }
    }

    fn orders_of(&self, environment: &EnvironmentId) -> Rc<Orders> {
        let mut all = self.orders.borrow_mut();
        let new = || Orders::new(self.shared.clone(), environment.clone());
        all.entry(environment.clone()).or_insert_with(new).clone()
    }

    /// Looks over what is left of an environment, for as long as this actor lives.
    fn looks_over(&self, environment: EnvironmentId) -> impl AsyncFn() + 'static {
        let (shared, all) = (self.shared.clone(), self.orders.clone());
        async move || {
            let new = || Orders::new(shared.clone(), environment.clone());
            let orders = all
                .borrow_mut()
                .entry(environment.clone())
                .or_insert_with(new)
                .clone();
            orders.look_over().await;
        }
    }
}

impl Shared {
    async fn record(&self, environment: &EnvironmentId) -> Result<Environment, MachineError> {
        let failed = |why: String| {
            MachineError::Failed(format!("the record of {environment} cannot be had: {why}"))
        };
        let found = self.store.environment(environment).await;
        let record = found.map_err(|error| failed(told(&error.into())))?;
        record.ok_or_else(|| failed("there is none".to_owned()))
    }

    /// How the next machine of an environment is made, by what its app asks for now, and the volume that it has already. One whose app is not recorded
    /// any more is as by default.
    async fn given(
        &self,
        environment: &EnvironmentId,
    ) -> Result<(Given, Option<String>), MachineError> {
        let record = self.record(environment).await?;
        let app = self.store.app(&record.app).await;
        let app = app.map_err(|error| {
            let why = told(&error.into());
            MachineError::Failed(format!(
                "the app of {environment} cannot be had from the records: {why}"
            ))
        })?;
        let policy = app.map_or_else(Policy::default, |app| app.policy);
        let given = self.plan.offer().to(&policy.machine);
        Ok((given, record.lifecycle.world.volume))
    }

    /// The app of an environment: a function of what its record never changes.
    async fn app(&self, environment: &EnvironmentId) -> Result<AppName, MachineError> {
        let record = self.record(environment).await?;
        let about = (&record.id, &record.slug, record.kind);
        AppName::of(&self.plan.prefix, self.fly.server(), about)
            .map_err(|error| MachineError::Rejected(error.to_string()))
    }
}

impl Actor for FlyMachines {
    type Context = Context<Self>;
}

impl Handler<Ensure> for FlyMachines {
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
        let orders = self.orders_of(&environment);
        Box::pin(orders.give(Order::Ensure(generation), Zeroizing::new(spec.token)))
    }
}

impl Handler<LetIn> for FlyMachines {
    type Result = ResponseFuture<Result<(), MachineError>>;

    fn handle(
        &mut self,
        LetIn {
            environment,
            generation,
        }: LetIn,
        _: &mut Self::Context,
    ) -> Self::Result {
        let orders = self.orders_of(&environment);
        let ended = orders.give(Order::LetIn(generation), Zeroizing::default());
        Box::pin(async move { ended.await.map(drop) })
    }
}

impl Handler<Destroy> for FlyMachines {
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
        let orders = self.orders_of(&environment);
        let order = Order::Remove {
            keep: keep.clone(),
            upto,
            all: erase,
        };
        let ended = orders.give(order, Zeroizing::default());
        let (all, watches) = (self.orders.clone(), self.watches.clone());
        Box::pin(async move {
            ended.await?;
            watches.end(&environment, |one| one <= upto && !keep.contains(&one));
            if keep.is_empty() {
                // Nothing is left to know. Who orders meanwhile keeps it.
                let mut all = all.borrow_mut();
                if all.get(&environment).is_some_and(|one| one.is_idle()) {
                    all.remove(&environment);
                }
            }
            Ok(())
        })
    }
}

impl Handler<Watch> for FlyMachines {
    type Result = ResponseFuture<End>;

    fn handle(
        &mut self,
        Watch {
            environment,
            generation,
        }: Watch,
        _: &mut Self::Context,
    ) -> Self::Result {
        let looks_over = self.looks_over(environment.clone());
        let key = (environment.clone(), generation);
        let looks = watch::until_it_ends(self.shared.clone(), key, looks_over);
        Box::pin(self.watches.begin((environment, generation), looks))
    }
}

impl Handler<ListMachines> for FlyMachines {
    type Result = MessageResult<ListMachines>;

    fn handle(&mut self, _: ListMachines, _: &mut Self::Context) -> Self::Result {
        let mut found: BTreeSet<(EnvironmentId, Generation)> = self.watches.all();
        for (environment, orders) in self.orders.borrow().iter() {
            let there = orders.there().into_iter();
            found.extend(there.map(|generation| (environment.clone(), generation)));
        }
        MessageResult(found.into_iter().collect())
    }
}

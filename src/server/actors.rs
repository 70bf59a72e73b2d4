//! Who works in the house, each told where the others are.

mod forges;
pub(super) mod machines;
mod names;

use std::sync::{Arc, OnceLock};

use actix::prelude::*;
use nestling_domain::{
    ids::EnvironmentId,
    lifecycle::{Event, Times, Trigger},
};

use self::forges::Forge;
use super::{adopt, drivers::Drivers};
use crate::{
    actors::{
        admission::Admission,
        apps::Apps,
        environment::Neighbours,
        environments::Environments,
        intake::Intake,
        live::Live,
        logging::Logging,
        rest::Rest,
        secrets::Secrets,
        upkeep::{Bounds, Upkeep},
    },
    config::{Config, ForgeDriver},
    drivers::clock,
    http::{
        Services,
        gateway::{Doors, Gateway, GatewayConfig, Grants},
        runner::RunnerTokens,
        webhook::Webhooks,
    },
    messages::{
        admission, environment::Apply, environments, forge, live, machines::Handle, routes::Routes,
    },
};

/// Those whom the house itself speaks to, and how the routes reach all of them.
pub(super) struct Actors {
    /// Who watches local repositories, when the forge is local.
    pub(super) watch: Option<Recipient<forge::WatchRepository>>,
    pub(super) environments: Addr<Environments>,
    pub(super) machines: Handle,
    pub(super) gateway: Gateway,
    pub(super) grants: Arc<Grants>,
    pub(super) services: Services,
    /// The door for GitHub's webhooks, when GitHub is the forge.
    pub(super) webhooks: Option<Arc<Webhooks>>,
}

impl Actors {
    /// Starts everybody, and takes up what an earlier process left.
    pub(super) async fn start(config: &Config, drivers: &Drivers) -> anyhow::Result<Self> {
        let routes = Routes::default();
        let live = Live::new(random()?).start();
        let live = Live::handle(&live);
        let queue = Admission::new(slots(config), drivers.store.clone(), live.touch.clone());
        let queue = queue.start();
        let admission = Admission::handle(&queue);
        let arrived = Relay::default().start();
        let Forge {
            handle: forge,
            people,
            watch,
            github,
            app,
            webhooks,
            held_back,
            not_heard,
            not_shown,
        } = forges::start(config, drivers, &admission, &arrived).await?;
        let grants = Arc::new(Grants::default());
        let waker = Arc::default();
        let gateway = start_gateway(config, drivers, &routes, &grants, &waker);
        let parts = Parts {
            forge: forge.clone(),
            admission: admission.clone(),
            live: live.clone(),
            routes: routes.clone(),
            gateway: gateway.clone(),
        };
        let logging = start_logging(drivers);
        let machines = machines::start(config, drivers, &logging);
        let environments = start_environments(config, drivers, parts, machines.clone());
        let handle = Environments::handle(&environments);
        // Set once, here.
        let _ = waker.set(handle.clone());
        take_up(drivers, &routes, &queue, &handle).await?;
        let services = Services {
            apps: start_apps(drivers, &handle, &forge, &arrived, &live),
            environments: handle,
            secrets: start_secrets(drivers),
            logging,
            admission,
            live,
            forge,
            routes: routes.clone(),
            store: drivers.store.clone(),
            blobs: drivers.blobs.clone(),
            addresses: drivers.addresses.clone(),
            keys: drivers.keys.clone(),
            github,
            app,
            forge_trouble: polls(config).map(Arc::from),
            held_back,
            not_heard,
            not_shown,
            left_behind: machines::sweep(config, drivers),
            unnamed: names::start(config, drivers, &routes)?,
            price: machines::price(config),
            waits: None,
        };
        start_intake(&services, people, &arrived);
        start_upkeep(config, drivers, &services);
        Rest::new(
            drivers.store.clone(),
            services.environments.clone(),
            services.admission.clone(),
            services.routes.clone(),
        )
        .start();
        Ok(Actors {
            watch,
            environments,
            machines,
            gateway,
            grants,
            services,
            webhooks,
        })
    }
}

/// Who an environment speaks to besides its drivers.
struct Parts {
    forge: forge::Handle,
    admission: admission::Handle,
    live: live::Handle,
    routes: Routes,
    gateway: Gateway,
}

fn start_environments(
    config: &Config,
    drivers: &Drivers,
    parts: Parts,
    machines: Handle,
) -> Addr<Environments> {
    let signing = drivers.signing.clone();
    let neighbours = Neighbours {
        store: drivers.store.clone(),
        machines,
        forge: parts.forge,
        admission: parts.admission,
        live: parts.live,
        routes: parts.routes,
        traffic: Arc::new(parts.gateway),
        times: times(config),
        reached: drivers.addresses.of("*"),
        size: machines::size(config),
        token: Box::new(move |id, generation| {
            RunnerTokens::sign(&*signing, id, generation, clock::now())
        }),
        places: Box::new(machines::places(drivers)),
    };
    Environments::new(neighbours).start()
}

async fn take_up(
    drivers: &Drivers,
    routes: &Routes,
    queue: &Addr<Admission>,
    environments: &environments::Handle,
) -> anyhow::Result<()> {
    let store = &drivers.store;
    let places = machines::places(drivers);
    adopt::adopt(store, routes, &places, queue, environments).await?;
    actix::spawn(adopt::load_routes(
        store.clone(),
        routes.clone(),
        Box::new(places),
    ));
    Ok(())
}

/// What people should know when GitHub cannot reach the server.
pub(super) fn polls(config: &Config) -> Option<&'static str> {
    let is_deaf = config.forge.driver == ForgeDriver::GitHub && config.server.public().is_none();
    is_deaf.then_some(
        "server.public_url is not set, so GitHub cannot tell the server what happens: pull requests, branches and the comments on them are looked at every 30 s, and buttons of checks are not heard",
    )
}

fn start_gateway(
    config: &Config,
    drivers: &Drivers,
    routes: &Routes,
    grants: &Arc<Grants>,
    waker: &Arc<OnceLock<environments::Handle>>,
) -> Gateway {
    let waker = waker.clone();
    let hooks = Doors {
        grants: grants.clone(),
        wake: move |id: &EnvironmentId| visit(&waker, id),
    };
    let server = &config.server;
    let config = GatewayConfig {
        trusted_proxies: server.trusted_proxies.clone(),
        ..GatewayConfig::new(drivers.addresses.clone())
    };
    Gateway::new(routes.clone(), config, Arc::new(hooks))
}

fn start_secrets(drivers: &Drivers) -> crate::messages::secrets::Handle {
    let secrets = Secrets::new(drivers.store.clone(), drivers.keys.clone()).start();
    Secrets::handle(&secrets)
}

/// On a thread of its own: it takes in what all machines write.
fn start_logging(drivers: &Drivers) -> crate::messages::logging::Handle {
    let blobs = drivers.blobs.clone();
    let thread = Arbiter::new();
    let logging = Logging::start_in_arbiter(&thread.handle(), move |_| Logging::new(blobs));
    Logging::handle(&logging)
}

fn start_apps(
    drivers: &Drivers,
    environments: &environments::Handle,
    forge: &forge::Handle,
    arrived: &Addr<Relay>,
    live: &live::Handle,
) -> crate::messages::apps::Handle {
    let apps = Apps::new(
        drivers.store.clone(),
        environments.clone(),
        forge.find_apps.clone(),
        arrived.clone().recipient(),
        live.touch.clone(),
    );
    Apps::handle(&apps.start())
}

fn start_intake(services: &Services, people: Option<forge::People>, arrived: &Addr<Relay>) {
    let intake = Intake::new(
        services.store.clone(),
        services.environments.clone(),
        (services.forge.apps_at.clone(), people),
        services.live.touch.clone(),
    );
    arrived.do_send(To(intake.start().recipient()));
}

fn start_upkeep(config: &Config, drivers: &Drivers, services: &Services) {
    let bounds = Bounds {
        blob_age: config.blobs.max_age,
        blob_bytes: config.blobs.max_mib << 20,
        free_bytes: config.builds.min_free_mib << 20,
    };
    let upkeep = Upkeep::new(
        drivers.store.clone(),
        drivers.blobs.clone(),
        services.admission.pause.clone(),
        drivers.data.path().to_owned(),
        bounds,
    );
    upkeep.start();
}

pub(super) fn times(config: &Config) -> Times {
    let limits = &config.limits;
    Times {
        setup: limits.setup,
        test: limits.test,
        start: limits.start,
        probe: limits.healthy,
        ..Times::default()
    }
}

/// One build per core, at most four: an install is bound by the disk, and tests by the processor.
pub(super) fn slots(config: &Config) -> usize {
    match config.builds.at_once {
        0 => std::thread::available_parallelism()
            .map_or(1, usize::from)
            .min(4),
        chosen => chosen,
    }
}

/// A visit wakes an environment that sleeps; what becomes of it is shown on the page that the visitor sees.
fn visit(known: &OnceLock<environments::Handle>, id: &EnvironmentId) {
    let Some(found) = known.get() else {
        return;
    };
    let event = Event::Hint {
        commit: None,
        trigger: Trigger::Visit,
    };
    let apply = Apply {
        event,
        by: "visit".to_owned(),
        input: None,
        birth: None,
    };
    found.route.do_send(environments::Route {
        id: id.clone(),
        apply,
    });
}

pub(super) fn random() -> anyhow::Result<u64> {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| anyhow::anyhow!("the system has no random numbers"))?;
    // JSON readers that know only floating point lose the upper bits.
    Ok(u64::from_le_bytes(bytes) >> 11)
}

/// Passes on that something arrived, once it is known to whom.
#[derive(Default)]
struct Relay {
    to: Option<Recipient<forge::Arrived>>,
}

/// Pass it on to this actor from now on.
#[derive(Message)]
#[rtype(result = "()")]
struct To(Recipient<forge::Arrived>);

impl Actor for Relay {
    type Context = Context<Self>;
}

impl Handler<To> for Relay {
    type Result = ();

    fn handle(&mut self, To(recipient): To, _: &mut Self::Context) {
        // Whatever arrived before is in the inbox, which is looked at at the start.
        self.to = Some(recipient);
    }
}

impl Handler<forge::Arrived> for Relay {
    type Result = ();

    fn handle(&mut self, arrived: forge::Arrived, _: &mut Self::Context) {
        if let Some(to) = &self.to {
            to.do_send(arrived);
        }
    }
}

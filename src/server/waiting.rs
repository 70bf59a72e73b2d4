//! What a server shows while another one acts on its tables: the same routes as ever, on the records, with nobody at work (ADR 47).

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use actix::prelude::*;
use actix_web::{dev::ServerHandle, web};
use nestling_domain::ids::EnvironmentId;

use super::{
    actors,
    drivers::Drivers,
    listeners::{self, Doors},
};
use crate::{
    actors::{
        admission::Admission, apps::Apps, environments::Environments, live::Live,
        local::forge::LocalForge, logging::Logging, secrets::Secrets,
    },
    config::{Config, ForgeDriver},
    drivers::github::GitHub,
    http::{
        Services,
        auth::Auth,
        gateway::{self, Gateway, GatewayConfig, Grants},
        health::Metrics,
        waiting::Waits,
    },
    messages::{
        environments::{self, Quarantined},
        forge::{self, HeldBack, NotHeard, NotShown},
        machines::LeftBehind,
        routes::Routes,
    },
};

/// How long what is being read may take to end once it is this server's turn: nobody acts meanwhile.
pub(super) const LAST_READS: Duration = Duration::from_secs(1);

/// Opens the doors to those who read.
pub(super) fn open(
    config: &Config,
    drivers: &Drivers,
    doors: Doors,
    (auth, metrics): (web::Data<Auth>, Metrics),
    waits: Waits,
) -> anyhow::Result<ServerHandle> {
    let services = services(config, drivers, waits)?;
    let grants = Arc::new(Grants::default());
    let hooks = gateway::Doors {
        grants: grants.clone(),
        wake: |_: &EnvironmentId| {},
    };
    let leads_nowhere = GatewayConfig {
        trusted_proxies: config.server.trusted_proxies.clone(),
        waits: true,
        ..GatewayConfig::new(drivers.addresses.clone())
    };
    let gateway = Gateway::new(services.routes.clone(), leads_nowhere, Arc::new(hooks));
    listeners::for_people(services, &gateway, auth, grants, metrics, None, doors)
}

/// What routes read by: the stores, and those actors that change nothing unless they are asked to, which nobody is let to. Of all
/// others there is none.
fn services(config: &Config, drivers: &Drivers, waits: Waits) -> anyhow::Result<Services> {
    let (store, blobs, keys) = (&drivers.store, &drivers.blobs, &drivers.keys);
    let live = Live::new(actors::random()?).start();
    let live = Live::handle(&live);
    let queue = Admission::new(actors::slots(config), store.clone(), live.touch.clone());
    let environments = environments::Handle {
        quarantined: Nobody.start().recipient(),
        ..Environments::handle(&absent())
    };
    let secrets = Secrets::new(store.clone(), keys.clone()).start();
    let logging = Logging::new(blobs.clone()).start();
    let github = match config.forge.driver {
        ForgeDriver::Local => None,
        ForgeDriver::GitHub => Some(GitHub::without_app(&config.forge.github.api_url)),
    };
    Ok(Services {
        environments,
        apps: Apps::handle(&absent()),
        admission: Admission::handle(&queue.start()),
        secrets: Secrets::handle(&secrets),
        logging: Logging::handle(&logging),
        live,
        forge: no_forge(),
        routes: Routes::default(),
        store: store.clone(),
        blobs: blobs.clone(),
        addresses: drivers.addresses.clone(),
        keys: keys.clone(),
        github: github.map(Arc::new),
        app: None,
        forge_trouble: actors::polls(config).map(Arc::from),
        held_back: HeldBack::default(),
        not_heard: NotHeard::default(),
        not_shown: NotShown::default(),
        left_behind: LeftBehind::default(),
        unnamed: crate::messages::dns::Unnamed::default(),
        price: actors::machines::price(config),
        waits: Some(waits),
    })
}

fn no_forge() -> forge::Handle {
    let forge = absent::<LocalForge>();
    forge::Handle {
        head: forge.clone().recipient(),
        pack: forge.clone().recipient(),
        announce: forge.clone().recipient(),
        apps_at: forge.clone().recipient(),
        find_apps: forge.clone().recipient(),
        start_waiting: forge.recipient(),
    }
}

/// The way to an actor that was never started: whoever sends is told at once that it is closed.
fn absent<A: Actor<Context = Context<A>>>() -> Addr<A> {
    Context::<A>::new().address()
}

/// Stands for the actors of environments: there are none, so none is in quarantine.
struct Nobody;

impl Actor for Nobody {
    type Context = Context<Self>;
}

impl Handler<Quarantined> for Nobody {
    type Result = MessageResult<Quarantined>;

    fn handle(&mut self, _: Quarantined, _: &mut Self::Context) -> Self::Result {
        MessageResult(BTreeMap::new())
    }
}

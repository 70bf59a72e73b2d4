//! The actor of names, where there is no wildcard record.

use actix::Actor as _;

use crate::{
    actors::dns::{Dns, Place},
    config::Config,
    messages::{dns::Unnamed, routes::Routes},
    server::{chosen, drivers::Drivers},
};

/// Keeps the names of environments from now on, where the configuration says so; answers where it says what it cannot keep.
pub(super) fn start(
    config: &Config,
    drivers: &Drivers,
    routes: &Routes,
) -> anyhow::Result<Unnamed> {
    let said = Unnamed::default();
    if let Some(dnsimple) = chosen::dnsimple(config)? {
        let place = Place {
            server: drivers.signing.identity(),
            below: config.dns.below(&config.server).to_owned(),
            target: config.dns.target(&config.server).to_owned(),
        };
        let store = drivers.store.clone();
        let dns = Dns::new(dnsimple, place, store, routes.clone());
        dns.saying(said.clone()).start();
    }
    Ok(said)
}

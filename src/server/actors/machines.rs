//! The actor of the machines, and where its machines are reached.

use std::{net::SocketAddr, sync::Arc};

use actix::Actor as _;
use nestling_domain::{
    deployment::Deployment,
    fly::{Price, service_port},
    ids::EnvironmentId,
};

use crate::{
    actors::{
        fly::{FlyMachines, Plan, Sweeper, Sweeping},
        local::machines::LocalMachines,
    },
    config::{Config, MachinesDriver, Sweep},
    messages::{
        logging,
        machines::{Handle, LeftBehind, Size},
        routes::{Credential, Place, Proxy},
    },
    server::{
        chosen,
        drivers::{Drivers, Machines},
    },
};

/// Starts it.
pub(super) fn start(config: &Config, drivers: &Drivers, logging: &logging::Handle) -> Handle {
    match &drivers.machines {
        Machines::Local(sandbox) => {
            let (blobs, append) = (drivers.blobs.clone(), logging.append.clone());
            let machines = LocalMachines::new(sandbox.clone(), blobs, append);
            LocalMachines::handle(&machines.start())
        }
        Machines::Fly(fly) => {
            let (store, keys) = (drivers.store.clone(), drivers.signing.clone());
            let machines = FlyMachines::new(fly.clone(), plan(config), store, keys);
            FlyMachines::handle(&machines.start())
        }
    }
}

/// Looks for what no record wants, from now on, where machines are at Fly; answers where it says what it has found.
pub(super) fn sweep(config: &Config, drivers: &Drivers) -> LeftBehind {
    let left = LeftBehind::default();
    let removes = match config.machines.fly.sweep {
        Sweep::Remove => true,
        Sweep::Report => false,
        Sweep::Off => return left,
    };
    if let Machines::Fly(fly) = &drivers.machines {
        let sweeper = Sweeper::new(fly.clone(), plan(config), drivers.store.clone(), removes);
        Sweeping::new(sweeper.saying(left.clone())).start();
    }
    left
}

/// What a machine costs: those on this box nothing more than the box.
pub(in crate::server) fn price(config: &Config) -> Option<Price> {
    let fly = &config.machines.fly;
    match config.machines.driver {
        MachinesDriver::Local => None,
        MachinesDriver::Fly => Price::of(fly.cpu_kind.name(), fly.cpus, fly.memory_mib),
    }
}

/// How apps and machines at Fly are made.
fn plan(config: &Config) -> Plan {
    let fly = &config.machines.fly;
    Plan {
        volume_gib: fly.volume_gib,
        prefix: fly.app_prefix.clone(),
        make: chosen::make(config),
        regions: fly.regions.clone(),
        limits: fly.limits.clone(),
        addresses: fly.addresses.iter().copied().map(Into::into).collect(),
    }
}

/// Where the machine of a deployment is reached.
pub(super) fn places(
    drivers: &Drivers,
) -> impl Fn(&EnvironmentId, &Deployment) -> Place + Clone + Send + Sync + 'static {
    let sandbox = match &drivers.machines {
        Machines::Local(sandbox) => Some(sandbox.clone()),
        Machines::Fly(_) => None,
    };
    let keys = Arc::clone(&drivers.signing);
    move |id, deployment| match &sandbox {
        Some(sandbox) => Place::Folder(sandbox.run_dir(id, deployment.generation)),
        None => Place::Proxy(Proxy {
            address: deployment
                .address
                .map(|ip| SocketAddr::new(ip.to_canonical(), service_port(deployment.generation))),
            credential: Credential(keys.credential(id, deployment.generation)),
        }),
    }
}

/// How big machines on this box are; those at Fly are made as [`plan`] says.
pub(super) fn size(config: &Config) -> Size {
    let local = &config.machines.local;
    Size {
        memory_mib: local.memory_mib,
        processes: local.processes,
        files: local.files,
        disk_mib: local.disk_mib,
    }
}

//! The whole house, put together.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use actix_web::{dev::ServerHandle, web};
use anyhow::{Context as _, bail};
use tracing::{info, warn};

use super::{
    LAST_REQUESTS,
    actors::{self, Actors},
    drivers::Drivers,
    listeners::{self, Doors},
    standing::{self, Acting},
    tls::{self, Pair},
    waiting,
};
use crate::{
    config::{Config, MachinesDriver},
    http::{Services, auth::Auth, health, pages, runner::Runners},
    messages::{
        environments::StopAll,
        forge::WatchRepository,
        machines::{Destroy, Handle, ListMachines},
    },
};

/// The longest that stopping everything which runs may take.
const LAST_MACHINES: Duration = Duration::from_secs(15);

/// A server that listens.
pub struct House {
    /// What the routes are built on.
    pub services: Services,
    /// The link that signs a browser in.
    pub link: String,
    actors: Actors,
    for_machines: ServerHandle,
    for_people: ServerHandle,
    /// Kept until all else has ended.
    _drivers: Drivers,
    /// Where another server may act in its place.
    acting: Option<Acting>,
}

impl House {
    /// Opens what is stored, starts everything, adopts what runs, and listens.
    pub async fn open(config: Config) -> anyhow::Result<Self> {
        let (mut drivers, listener) = Drivers::open(&config).await?;
        let listen = listener.local_addr()?;
        let doors = doors(&config, listener)?;
        let here = doors.here.as_ref().map(TcpListener::local_addr);
        let listen = here.unwrap_or(Ok(listen))?;
        let auth = web::Data::new(auth(&drivers));
        let metrics = health::Metrics::new();
        let acting = match drivers.owner.take() {
            None => None,
            Some(owner) => {
                let open = |waits| -> anyhow::Result<ServerHandle> {
                    let doors = doors.for_reading(waiting::LAST_READS)?;
                    let shared = (auth.clone(), metrics.clone());
                    let reading = waiting::open(&config, &drivers, doors, shared, waits)?;
                    say_address(&drivers, listen)?;
                    Ok(reading)
                };
                Some(standing::until_it_acts(owner, open).await?)
            }
        };
        let actors = Actors::start(&config, &drivers).await?;
        let services = actors.services.clone();
        let times = actors::times(&config);
        let runners = Runners::new(services.clone(), drivers.signing.clone(), times);
        let runners = web::Data::new(runners.counting(metrics.clone()));
        // Machines on other hosts come in where people do.
        let from_afar = (config.machines.driver == MachinesDriver::Fly).then(|| runners.clone());
        let for_machines = listeners::for_machines(runners, &drivers.machine_socket)?;
        let for_people = listeners::for_people(
            services.clone(),
            &actors.gateway,
            auth,
            actors.grants.clone(),
            metrics,
            actors.webhooks.clone(),
            Doors {
                runners: from_afar,
                ..doors
            },
        )?;
        say_address(&drivers, listen)?;
        Ok(House {
            services,
            link: Auth::link(&drivers.addresses, drivers.token.as_str()),
            actors,
            for_machines,
            for_people,
            _drivers: drivers,
            acting,
        })
    }

    /// Watches a local repository from now on.
    pub async fn watch(&self, path: PathBuf) -> anyhow::Result<()> {
        let Some(watch) = &self.actors.watch else {
            bail!("forge.driver is \"github\": folders are watched with \"local\" only");
        };
        let order = WatchRepository { path: path.clone() };
        match watch.send(order).await? {
            Ok(_) => Ok(()),
            Err(error) => bail!("{}: {error}", path.display()),
        }
    }

    /// Whether this local repository was watched before.
    pub async fn knows(&self, path: &Path) -> anyhow::Result<bool> {
        let mut names = vec![std::path::absolute(path)?];
        // As it was recorded: without links on the way to it.
        if let (Some(folder), Some(name)) = (path.parent(), path.file_name()) {
            let folder = if folder.as_os_str().is_empty() {
                Path::new(".")
            } else {
                folder
            };
            names.extend(folder.canonicalize().ok().map(|folder| folder.join(name)));
        }
        let recorded = self.services.store.repositories().await?;
        let mut paths = recorded.iter().filter_map(|one| one.path.as_deref());
        Ok(paths.any(|known| names.iter().any(|name| name == Path::new(known))))
    }

    /// Takes no new requests, lets those in flight end, and leaves what runs running, or stops it.
    pub async fn close(self, stops_machines: bool) {
        self.actors.gateway.end_streams();
        self.for_people.stop(true).await;
        if stops_machines {
            self.stop_machines().await;
        }
        // Last: a runner that is told to stop hands over the end of its logs here, and ends at once.
        self.for_machines.stop(true).await;
        if let Some(acting) = self.acting {
            acting.leave().await;
        }
    }

    /// Waits until another server acts in place of this one, and answers which: for ever, where there can be only one.
    pub async fn replaced(&self) -> String {
        match &self.acting {
            Some(acting) => acting.replaced().await,
            None => std::future::pending().await,
        }
    }

    async fn stop_machines(&self) {
        // Environments first, or they would start again what is stopped here.
        if let Err(error) = self.actors.environments.send(StopAll).await {
            warn!("could not stop the environments' actors: {error}");
        }
        info!("stops what runs; its state and its records stay");
        let stopping = stop_all(&self.actors.machines);
        if tokio::time::timeout(LAST_MACHINES, stopping).await.is_err() {
            warn!("some machines did not end in time: the next start adopts or removes them");
        }
    }
}

/// Who may come in. One for as long as the process lives: whoever signed in while the server waited stays so.
fn auth(drivers: &Drivers) -> Auth {
    let addresses = drivers.addresses.clone();
    let auth = Auth::new(drivers.token.as_str(), addresses, drivers.signing.clone());
    auth.with_sign_in(Arc::new(pages::sign_in))
}

/// Tells the client commands where the server listens.
fn say_address(drivers: &Drivers, listen: SocketAddr) -> anyhow::Result<()> {
    let address = drivers.data.path().join("address");
    std::fs::write(&address, format!("http://{listen}\n"))
        .with_context(|| format!("could not write {}", address.display()))
}

/// Where people come in. Where that is by TLS, the client commands come in by a port of their own, on loopback.
fn doors(config: &Config, people: TcpListener) -> anyhow::Result<Doors> {
    let server = &config.server;
    if !server.has_tls() {
        return Ok(Doors {
            people,
            tls: None,
            here: None,
            runners: None,
            last_requests: LAST_REQUESTS,
        });
    }
    let pair = Pair {
        certificate: server.tls_certificate.clone(),
        key: server.tls_key.clone(),
    };
    Ok(Doors {
        people,
        tls: Some(tls::config(pair)?),
        here: Some(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?),
        runners: None,
        last_requests: LAST_REQUESTS,
    })
}

/// Stops everything that runs; state folders stay.
async fn stop_all(machines: &Handle) {
    let mut newest = std::collections::BTreeMap::new();
    for (id, generation) in machines.list.send(ListMachines).await.unwrap_or_default() {
        let known = newest.entry(id).or_insert(generation);
        *known = generation.max(*known);
    }
    let stopping = newest.into_iter().map(|(id, upto)| {
        let order = Destroy {
            environment: id.clone(),
            keep: Vec::new(),
            upto,
            erase: false,
        };
        let stopped = machines.destroy.send(order);
        async move {
            match stopped.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => warn!("could not stop {id}: {error}"),
                Err(gone) => warn!("could not stop {id}: {gone}"),
            }
        }
    });
    futures::future::join_all(stopping).await;
}

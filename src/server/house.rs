//! The whole house, put together.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use actix::prelude::*;
use actix_web::{App, HttpServer, dev::ServerHandle, middleware::from_fn, web};
use anyhow::{Context as _, bail, ensure};
use nestling_domain::{
    ids::{EnvironmentId, Generation},
    lifecycle::{Event, Times, Trigger},
};
use tracing::{info, warn};

use super::{LAST_REQUESTS, adopt};
use crate::{
    actors::{
        admission::Admission,
        environment::Neighbours,
        environments::Environments,
        intake::Intake,
        live::Live,
        local::{forge::LocalForge, machines::LocalMachines},
        logging::Logging,
        secrets::Secrets,
        upkeep::{Bounds, Upkeep},
    },
    config::{Config, Isolation},
    drivers::{
        blobs::{Blobs, directory::Directory},
        clock,
        data_dir::DataDir,
        keys::{Keys, local::LocalKeys, signing::RunnerKeys, token::OperatorToken},
        sandbox::{self, Sandbox},
        store::{Store, sqlite::Sqlite},
    },
    http::{
        Addresses, Services, api,
        auth::{self, Auth},
        gateway::{Doors, Gateway, GatewayConfig, Grants},
        health, live as watching, pages,
        runner::{self, RunnerTokens, Runners},
    },
    messages::{
        environment::Apply,
        forge, machines,
        routes::{Routes, Traffic},
    },
};

/// Threads that answer requests; all decisions are made on one more.
const WORKERS: usize = 2;
/// The longest that stopping everything which runs may take.
const LAST_MACHINES: Duration = Duration::from_secs(15);

/// A server that listens.
pub struct House {
    /// What the routes are built on.
    pub services: Services,
    /// The link that signs a browser in.
    pub link: String,
    forge: Addr<LocalForge>,
    environments: Addr<Environments>,
    sandbox: Sandbox,
    for_machines: ServerHandle,
    for_people: ServerHandle,
    gateway: Gateway,
    _data: DataDir,
}

impl House {
    /// Opens what is stored, starts everything, adopts what runs, and listens.
    #[allow(
        clippy::too_many_lines,
        reason = "the whole house in one place, in the order in which it stands up"
    )]
    pub async fn open(config: Config) -> anyhow::Result<Self> {
        let listen = config.server.listen;
        ensure!(
            listen.ip().is_loopback(),
            "server.listen is {listen}, and without accounts the server listens on loopback only: use 127.0.0.1:{}",
            listen.port()
        );
        let data = DataDir::open(&config.server.data_dir)?;
        let folder = data.path().to_owned();
        let store: Arc<dyn Store> = Arc::new(Sqlite::open(&data.database())?);
        let blobs: Arc<dyn Blobs> = Arc::new(Directory::open(&data.blobs())?);
        let keys: Arc<dyn Keys> = Arc::new(LocalKeys::open(&folder)?);
        let keys_trouble = keys.trouble().map(Arc::from);
        let signing: Arc<dyn RunnerTokens> = Arc::new(RunnerKeys::open(&folder)?);
        let token = OperatorToken::open(&folder)?;
        let machine_socket = folder.join("machines.sock");
        let sandbox = open_sandbox(&config, &folder, &machine_socket).await?;

        // Bound before anything starts, so that a port taken is said at once and nothing is left half begun.
        let listener =
            std::net::TcpListener::bind(listen).map_err(|error| not_bound(listen, &error))?;
        let listen = listener.local_addr()?;
        let addresses = addresses(&config, listen.port());

        let routes = Routes::default();
        let live = Live::new(random()?).start();
        let admission = Admission::new(slots(&config), live.clone().recipient()).start();
        let secrets = Secrets::new(store.clone(), keys).start();
        let logging_thread = Arbiter::new();
        let logging = {
            let blobs = blobs.clone();
            Logging::start_in_arbiter(&logging_thread.handle(), move |_| Logging::new(blobs))
        };
        let machines = LocalMachines::new(sandbox.clone()).start();
        let machines = LocalMachines::handle(&machines);
        let grants = Arc::new(Grants::default());
        let times = times(&config);

        // Intake needs environments, and the forge needs intake: a relay is told the address once there is one.
        let arrived = Relay::default().start();
        let forge_actor =
            LocalForge::new(store.clone(), folder.clone(), arrived.clone().recipient())
                .with_context(|| format!("could not prepare {} for mirrors", folder.display()))?
                .start();
        let forge = forge_handle(&forge_actor);

        let waker: Arc<std::sync::OnceLock<crate::messages::environments::Handle>> = Arc::default();
        let hooks = Doors {
            grants: grants.clone(),
            wake: {
                let waker = waker.clone();
                move |id: &EnvironmentId| visit(&waker, id)
            },
        };
        let gateway = Gateway::new(
            routes.clone(),
            GatewayConfig::new(addresses.clone()),
            Arc::new(hooks),
        );
        let traffic: Arc<dyn Traffic> = Arc::new(gateway.clone());

        let sockets = {
            let sandbox = sandbox.clone();
            move |id: &EnvironmentId, generation: Generation| sandbox.run_dir(id, generation)
        };
        let neighbours = Neighbours {
            store: store.clone(),
            machines,
            forge: forge.clone(),
            admission: Admission::handle(&admission),
            live: Live::handle(&live),
            routes: routes.clone(),
            traffic,
            times: times.clone(),
            size: size(&config),
            token: {
                let signing = signing.clone();
                Box::new(move |id, generation| signing.sign(id, generation, clock::now()))
            },
            sockets: Box::new(sockets.clone()),
        };
        let environments = Environments::new(neighbours).start();
        let handle = Environments::handle(&environments);
        // Set once, here.
        let _ = waker.set(handle.clone());
        adopt::adopt(&store, &routes, &sockets, &admission, &handle).await?;
        actix::spawn(adopt::load_routes(
            store.clone(),
            routes.clone(),
            Box::new(sockets),
        ));
        let intake = Intake::new(
            store.clone(),
            handle.clone(),
            forge.apps_at.clone(),
            live.clone().recipient(),
        )
        .start();
        arrived.do_send(To(intake.recipient()));
        let bounds = Bounds {
            blob_age: config.blobs.max_age,
            blob_bytes: config.blobs.max_mib << 20,
            free_bytes: config.builds.min_free_mib << 20,
        };
        let admission = Admission::handle(&admission);
        Upkeep::new(
            store.clone(),
            blobs.clone(),
            admission.pause.clone(),
            folder.clone(),
            bounds,
        )
        .start();

        let services = Services {
            environments: handle,
            admission,
            secrets: Secrets::handle(&secrets),
            logging: Logging::handle(&logging),
            live: Live::handle(&live),
            forge,
            routes,
            store,
            blobs,
            addresses: addresses.clone(),
            keys_trouble,
        };
        let link = Auth::link(&addresses, token.as_str());
        let metrics = health::Metrics::new();
        let runners = web::Data::new(
            Runners::new(services.clone(), signing, times).counting(metrics.clone()),
        );
        let for_machines = listen_for_machines(runners, &machine_socket)?;
        let for_people = listen_for_people(
            services.clone(),
            &gateway,
            Auth::new(token.as_str(), addresses),
            grants,
            metrics,
            listener,
        )?;
        let address = folder.join("address");
        std::fs::write(&address, format!("http://{listen}\n"))
            .with_context(|| format!("could not write {}", address.display()))?;
        Ok(House {
            services,
            link,
            forge: forge_actor,
            environments,
            sandbox,
            for_machines,
            for_people,
            gateway,
            _data: data,
        })
    }

    /// Watches a local repository from now on.
    pub async fn watch(&self, path: PathBuf) -> anyhow::Result<()> {
        match self
            .forge
            .send(forge::WatchRepository { path: path.clone() })
            .await?
        {
            Ok(_) => Ok(()),
            Err(error) => bail!("{}: {error}", path.display()),
        }
    }

    /// Takes no new requests, lets those in flight end, and leaves what runs running, or stops it.
    pub async fn close(self, stops_machines: bool) {
        self.gateway.end_streams();
        self.for_people.stop(true).await;
        if stops_machines {
            self.stop_machines().await;
        }
        // Last: a runner that is told to stop hands over the end of its logs here, and ends at once.
        self.for_machines.stop(true).await;
    }

    async fn stop_machines(&self) {
        // Environments first, or they would start again what is stopped here.
        let stopped = self
            .environments
            .send(crate::messages::environments::StopAll)
            .await;
        if let Err(error) = stopped {
            warn!("could not stop the environments' actors: {error}");
        }
        info!("stops what runs; its state and its records stay");
        if tokio::time::timeout(LAST_MACHINES, stop_all(&self.sandbox))
            .await
            .is_err()
        {
            warn!("some machines did not end in time: the next start adopts or removes them");
        }
    }
}

/// Why it cannot listen, and what to do about it.
fn not_bound(listen: std::net::SocketAddr, error: &std::io::Error) -> anyhow::Error {
    let remedy =
        "choose another with --listen 127.0.0.1:PORT, or server.listen in the configuration";
    if error.kind() == std::io::ErrorKind::AddrInUse {
        anyhow::anyhow!(
            "port {} of {} is taken by another program, perhaps another nestling: end that one, or {remedy}",
            listen.port(),
            listen.ip()
        )
    } else {
        anyhow::anyhow!("could not listen on {listen}: {error}; {remedy}")
    }
}

fn listen_for_machines(runners: web::Data<Runners>, socket: &Path) -> anyhow::Result<ServerHandle> {
    let server = HttpServer::new(move || App::new().configure(runner::routes(runners.clone())))
        .workers(1)
        .shutdown_timeout(LAST_REQUESTS.as_secs())
        .disable_signals()
        .bind_uds(socket)
        .with_context(|| format!("could not listen on {}", socket.display()))?
        .run();
    // Machines run as users of their own; what speaks here is known by its token.
    set_mode(socket, 0o666)?;
    let handle = server.handle();
    actix::spawn(async move {
        if let Err(error) = server.await {
            warn!("the machines' listener ended: {error}");
        }
    });
    Ok(handle)
}

fn listen_for_people(
    services: Services,
    gateway: &Gateway,
    auth: Auth,
    grants: Arc<Grants>,
    metrics: health::Metrics,
    listener: std::net::TcpListener,
) -> anyhow::Result<ServerHandle> {
    let auth = web::Data::new(auth.with_sign_in(Arc::new(pages::sign_in)));
    let (gateway, services, grants) = (
        gateway.clone(),
        web::Data::new(services),
        web::Data::from(grants),
    );
    let metrics = web::Data::new(metrics);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(auth.clone())
            .app_data(services.clone())
            .app_data(grants.clone())
            .app_data(metrics.clone())
            .configure(health::routes)
            .configure(api::routes)
            .configure(watching::routes)
            .configure(pages::routes)
            .wrap(from_fn(auth::guard))
            .wrap(gateway.clone())
    })
    .workers(WORKERS)
    .shutdown_timeout(LAST_REQUESTS.as_secs())
    // A client that leaves a silent stream is noticed at once.
    .h1_allow_half_closed(false)
    .disable_signals()
    .listen(listener)?
    .run();
    let handle = server.handle();
    actix::spawn(async move {
        if let Err(error) = server.await {
            warn!("the listener ended: {error}");
        }
    });
    Ok(handle)
}

fn addresses(config: &Config, port: u16) -> Addresses {
    Addresses {
        scheme: "http".to_owned(),
        dashboard: format!("{}:{port}", config.server.dashboard_host),
        preview_domain: format!("{}:{port}", config.server.preview_domain),
    }
}

fn times(config: &Config) -> Times {
    let limits = &config.limits;
    Times {
        setup: limits.setup,
        test: limits.test,
        start: limits.start,
        probe: limits.healthy,
        ..Times::default()
    }
}

fn size(config: &Config) -> machines::Size {
    let local = &config.machines.local;
    machines::Size {
        memory_mib: local.memory_mib,
        processes: local.processes,
        files: local.files,
        disk_mib: local.disk_mib,
    }
}

/// One build per core, at most four: an install is bound by the disk, and tests by the processor.
fn slots(config: &Config) -> usize {
    match config.builds.at_once {
        0 => std::thread::available_parallelism()
            .map_or(1, usize::from)
            .min(4),
        chosen => chosen,
    }
}

/// A visit wakes an environment that sleeps; what becomes of it is shown on the page that the visitor sees.
fn visit(
    environments: &std::sync::OnceLock<crate::messages::environments::Handle>,
    id: &EnvironmentId,
) {
    let Some(environments) = environments.get() else {
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
    environments
        .route
        .do_send(crate::messages::environments::Route {
            id: id.clone(),
            apply,
        });
}

fn random() -> anyhow::Result<u64> {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| anyhow::anyhow!("the system has no random numbers"))?;
    // JSON readers that know only floating point lose the upper bits.
    Ok(u64::from_le_bytes(bytes) >> 11)
}

/// The machines of this data folder; those that live are adopted.
async fn open_sandbox(config: &Config, folder: &Path, socket: &Path) -> anyhow::Result<Sandbox> {
    let program = std::env::current_exe().context("could not find this very program")?;
    let local = &config.machines.local;
    let order = sandbox::Config {
        isolation: match local.isolation {
            Isolation::Auto => sandbox::Isolation::Sandbox,
            Isolation::None => sandbox::Isolation::None,
        },
        egress_allow: local.egress_allow.clone(),
        ..sandbox::Config::new(folder.to_owned(), program, socket.to_owned())
    };
    let holds = Sandbox::probe(&order).await.map_err(|reason| {
        anyhow::anyhow!("previews cannot be isolated here: {reason}. For your own code only, go on with --isolation none")
    })?;
    match local.isolation {
        Isolation::Auto => info!("{holds}"),
        Isolation::None => {
            warn!("isolation none: what runs here can read and change whatever you can. {holds}");
        }
    }
    Ok(Sandbox::open(order)?)
}

/// Stops everything that runs; state folders stay.
async fn stop_all(sandbox: &Sandbox) {
    let mut newest = std::collections::BTreeMap::new();
    for (id, generation) in sandbox.list() {
        let known = newest.entry(id).or_insert(generation);
        *known = generation.max(*known);
    }
    let stopping = newest.into_iter().map(|(id, upto)| {
        let sandbox = sandbox.clone();
        async move {
            if let Err(error) = sandbox.destroy(&id, &[], upto, false).await {
                warn!("could not stop {id}: {error}");
            }
        }
    });
    futures::future::join_all(stopping).await;
}

fn set_mode(path: &Path, mode: u32) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .with_context(|| format!("could not open {} to machines", path.display()))
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

fn forge_handle(forge: &Addr<LocalForge>) -> forge::Handle {
    forge::Handle {
        head: forge.clone().recipient(),
        pack: forge.clone().recipient(),
        announce: forge.clone().recipient(),
        apps_at: forge.clone().recipient(),
        start_waiting: forge.clone().recipient(),
    }
}

//! What the house stands on: everything that outlives the process, opened, and the port.

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use tracing::{info, warn};

use super::{chosen, store};
use crate::{
    config::{Config, ForgeDriver, Isolation, MachinesDriver},
    drivers::{
        blobs::Blobs,
        data_dir::DataDir,
        fly::Fly,
        keys::{Keys, signing::RunnerKeys, token::OperatorToken},
        sandbox::{self, Sandbox},
        store::{Store, dynamodb::Owner},
    },
    http::Addresses,
};

/// All of it. Dropped last, because it holds the data folder's lock.
pub(super) struct Drivers {
    pub(super) data: DataDir,
    pub(super) store: Arc<dyn Store>,
    /// What makes of several servers on one store one that acts, where several may be.
    pub(super) owner: Option<Owner>,
    pub(super) blobs: Arc<dyn Blobs>,
    pub(super) keys: Arc<dyn Keys>,
    pub(super) signing: Arc<RunnerKeys>,
    pub(super) token: OperatorToken,
    pub(super) machines: Machines,
    /// Where machines reach the server.
    pub(super) machine_socket: PathBuf,
    pub(super) addresses: Addresses,
}

/// What machines run on.
pub(super) enum Machines {
    /// This box.
    Local(Sandbox),
    /// An organisation at Fly.
    Fly(Arc<Fly>),
}

impl Drivers {
    /// Opens what is stored, adopts the machines that live, and binds the port: before anything starts, so that
    /// what is missing is said at once and nothing is left half begun.
    pub(super) async fn open(config: &Config) -> anyhow::Result<(Self, TcpListener)> {
        let listen = config.server.listen;
        let data = DataDir::open(&config.server.data_dir)?;
        let folder = data.path().to_owned();
        // Boxed: the futures of an SDK are large, and this one lives as long as the server.
        let (store, owner) = Box::pin(store::open(config, &data)).await?;
        let account = Box::pin(chosen::account(config)).await?;
        let blobs = Box::pin(chosen::blobs(config, &data, account.as_ref())).await?;
        let keys = Box::pin(chosen::keys(config, &folder, account.as_ref())).await?;
        let signing = Arc::new(RunnerKeys::open(&folder)?);
        let token = OperatorToken::open(&folder)?;
        let machine_socket = folder.join("machines.sock");
        let machines = match config.machines.driver {
            MachinesDriver::Local => {
                Machines::Local(open_sandbox(config, &folder, &machine_socket).await?)
            }
            MachinesDriver::Fly => Machines::Fly(Arc::new(chosen::fly(config, &signing)?)),
        };
        let listener = TcpListener::bind(listen).map_err(|error| not_bound(listen, &error))?;
        let addresses = addresses(config, listener.local_addr()?.port());
        let drivers = Drivers {
            data,
            store,
            owner,
            blobs,
            keys,
            signing,
            token,
            machines,
            machine_socket,
            addresses,
        };
        Ok((drivers, listener))
    }
}

/// Why it cannot listen, and what to do about it.
pub(super) fn not_bound(listen: SocketAddr, error: &std::io::Error) -> anyhow::Error {
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

fn addresses(config: &Config, port: u16) -> Addresses {
    let server = &config.server;
    let Some(public) = server.public() else {
        return Addresses {
            scheme: "http".to_owned(),
            dashboard: format!("{}:{port}", server.dashboard_host),
            preview_domain: format!("{}:{port}", server.preview_domain),
        };
    };
    let with_port = |host: &str| match public.port {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    Addresses {
        scheme: public.scheme.to_owned(),
        dashboard: with_port(public.host),
        preview_domain: with_port(&server.preview_domain),
    }
}

/// The machines of this data folder; those that live are adopted.
async fn open_sandbox(config: &Config, folder: &Path, socket: &Path) -> anyhow::Result<Sandbox> {
    let order = sandbox_config(config, folder, socket)?;
    let holds = Sandbox::probe(&order).await.map_err(|reason| {
        let way_on = match config.forge.driver {
            ForgeDriver::Local => ". For your own code only, go on with --isolation none",
            ForgeDriver::GitHub => "",
        };
        anyhow::anyhow!("previews cannot be isolated here: {reason}{way_on}")
    })?;
    match config.machines.local.isolation {
        Isolation::Auto => info!("{holds}"),
        Isolation::None => {
            warn!("isolation none: what runs here can read and change whatever you can. {holds}");
        }
    }
    Ok(Sandbox::open(order)?)
}

/// How machines are made with the data in this folder, and reach the server at this socket.
pub(super) fn sandbox_config(
    config: &Config,
    folder: &Path,
    socket: &Path,
) -> anyhow::Result<sandbox::Config> {
    let program = std::env::current_exe().context("could not find this very program")?;
    let local = &config.machines.local;
    Ok(sandbox::Config {
        isolation: match local.isolation {
            Isolation::Auto => sandbox::Isolation::Sandbox,
            Isolation::None => sandbox::Isolation::None,
        },
        egress_allow: local.egress_allow.clone(),
        ..sandbox::Config::new(folder.to_owned(), program, socket.to_owned())
    })
}

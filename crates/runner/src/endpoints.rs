//! Endpoint forwarders: one socket in the run folder per endpoint, leading to the app's port.
//!
//! They stay while the app restarts, and follow it to a new port.

use std::fs::{self, Permissions};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};

/// Connections through one endpoint at once; the gateway holds fewer.
const CONNECTIONS: usize = 4096;

/// Where an app listens in its machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Listener {
    /// The address that it bound; may be "any".
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
}

impl Listener {
    /// A port of the loopback.
    pub(crate) fn loopback(port: u16) -> Self {
        Listener {
            address: Ipv4Addr::LOCALHOST.into(),
            port,
        }
    }

    /// What to dial, in order. An app on "any" usually answers on both loopbacks, but not always.
    fn dialled(self) -> Vec<SocketAddr> {
        let both: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        let addresses = if self.address.is_unspecified()
            || self.address.is_loopback() && self.address != both[1]
        {
            both.to_vec()
        } else {
            vec![self.address]
        };
        addresses
            .into_iter()
            .map(|address| SocketAddr::new(address, self.port))
            .collect()
    }

    /// Connects to it.
    pub(crate) async fn connect(self) -> io::Result<TcpStream> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for address in self.dialled() {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// Where a forwarder leads just now. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Target(watch::Sender<Listener>);

impl Target {
    pub(crate) fn new(listener: Listener) -> Self {
        Target(watch::Sender::new(listener))
    }

    /// Leads elsewhere from now on. Connections to where it led end: the gateway keeps them for later requests.
    pub(crate) fn set(&self, listener: Listener) {
        self.0.send_if_modified(|now| {
            let elsewhere = *now != listener;
            *now = listener;
            elsewhere
        });
    }
}

/// Binds an endpoint's socket, in a folder that only the server and we can enter.
pub(crate) fn bind(run_dir: &Path, file: &str) -> io::Result<UnixListener> {
    let path = run_dir.join(file);
    if path.exists() {
        fs::remove_file(&path)?;
    }
    let listener = UnixListener::bind(&path)?;
    // The gateway may be another user; the folder is what is guarded.
    fs::set_permissions(&path, Permissions::from_mode(0o666))?;
    Ok(listener)
}

/// Forwards every connection on `listener` to `target`, for as long as the runner lives.
pub(crate) fn forward(listener: UnixListener, target: Target) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    tokio::spawn(async move {
        while let Ok(place) = Arc::clone(&room).acquire_owned().await {
            let Ok((stream, _)) = listener.accept().await else {
                continue;
            };
            let target = target.0.subscribe();
            tokio::spawn(async move {
                let _place = place;
                pass(stream, target).await;
            });
        }
    });
}

/// While the app is away the connection is closed at once: the gateway knows what to do then.
async fn pass(mut outside: UnixStream, mut target: watch::Receiver<Listener>) {
    let listener = *target.borrow_and_update();
    let Ok(mut inside) = listener.connect().await else {
        return;
    };
    let _ = inside.set_nodelay(true);
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut outside, &mut inside) => {}
        Ok(()) = target.changed() => {}
    }
}

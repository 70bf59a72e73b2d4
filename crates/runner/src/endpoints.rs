//! Endpoint forwarders: one socket in the run folder per endpoint, leading to the app's port.
//!
//! They stay while the app restarts, and follow it to a new port.

use std::fs::{self, Permissions};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::sleep;

/// Open files that no visitor takes: with those left the runner reports, writes its log and starts the app again, whoever
/// holds connections.
const OWN_FILES: u64 = 256;
/// Open files of one connection: from outside, and to the app or to the file that is sent.
const FILES_EACH: u64 = 2;
/// Connections that are let in at least, however few files a machine may open.
const LEAST: u64 = 8;
/// The pause after a connection that could not be taken, for want of files: others end meanwhile.
const PAUSE: Duration = Duration::from_millis(100);

/// Places for visitors of this machine, through all endpoints together. Who finds none waits at the socket.
static ROOM: LazyLock<Arc<Semaphore>> = LazyLock::new(|| {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    Arc::new(Semaphore::new(places(limit)))
});

fn places(files: u64) -> usize {
    let places = (files.saturating_sub(OWN_FILES) / FILES_EACH).max(LEAST);
    usize::try_from(places).map_or(Semaphore::MAX_PERMITS, |places| {
        places.min(Semaphore::MAX_PERMITS)
    })
}

/// The next visitor at this socket, once there is a place. The place is given back when it is dropped.
pub(crate) async fn next_visitor(listener: &UnixListener) -> (UnixStream, OwnedSemaphorePermit) {
    loop {
        // Nobody closes it.
        let Ok(place) = ROOM.clone().acquire_owned().await else {
            std::future::pending::<()>().await;
            continue;
        };
        match listener.accept().await {
            Ok((stream, _)) => return (stream, place),
            Err(_) => sleep(PAUSE).await,
        }
    }
}

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
    tokio::spawn(async move {
        loop {
            let (stream, place) = next_visitor(&listener).await;
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

#[cfg(test)]
mod tests {
    use rustix::process::{Rlimit, setrlimit};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::*;

    #[test]
    fn visitors_leave_the_runner_its_own_files() {
        assert_eq!(places(4096), 1920);
        assert_eq!(places(64), 8);
        assert!(places(u64::MAX) <= Semaphore::MAX_PERMITS);
    }

    /// As many hold a connection as there are places; one more is answered once one of them has gone.
    #[tokio::test]
    async fn whoever_finds_no_place_waits_for_one() {
        let files = |current| Rlimit {
            current: Some(current),
            maximum: getrlimit(Resource::Nofile).maximum,
        };
        setrlimit(Resource::Nofile, files(OWN_FILES + 4 * FILES_EACH * LEAST)).unwrap();
        let held = places(getrlimit(Resource::Nofile).current.unwrap());
        assert_eq!(held, 32);
        let app = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = app.local_addr().unwrap().port();
        tokio::spawn(async move {
            loop {
                let (mut visitor, _) = app.accept().await.unwrap();
                tokio::spawn(async move {
                    let (mut read, mut write) = visitor.split();
                    tokio::io::copy(&mut read, &mut write).await
                });
            }
        });
        let folder = tempfile::tempdir().unwrap();
        let socket = bind(folder.path(), "web").unwrap();
        forward(socket, Target::new(Listener::loopback(port)));
        let visit = || UnixStream::connect(folder.path().join("web"));
        let mut visitors = Vec::new();
        for _ in 0..held {
            let mut visitor = visit().await.unwrap();
            echo(&mut visitor).await;
            visitors.push(visitor);
        }
        let mut late = visit().await.unwrap();
        late.write_all(b"late").await.unwrap();
        let mut answer = [0; 4];
        let early = timeout(Duration::from_millis(50), late.read_exact(&mut answer)).await;
        assert!(early.is_err(), "there is no place for it");
        visitors.pop();
        late.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"late");
    }

    async fn echo(visitor: &mut UnixStream) {
        visitor.write_all(b"here").await.unwrap();
        let mut answer = [0; 4];
        visitor.read_exact(&mut answer).await.unwrap();
    }
}

//! The way out of a machine: a proxy on a unix socket that each machine has for itself.
//!
//! A machine's network namespace has no route at all, so what passes here is all that passes. The runner inside
//! offers it as an HTTP proxy on loopback. The cost: programs that know no `HTTP_PROXY` have no outside (plain
//! TCP to a database elsewhere, UDP, ICMP); `CONNECT` covers what can be told to use a proxy.
//!
//! The proxy resolves names itself and connects to the very address it checked, so a name cannot answer twice
//! (rebinding). Refused are loopback, private, link-local, shared, reserved and multicast addresses, this box's
//! own, those on its links and its gateways, and IPv6 forms that carry such an IPv4 address. All ports are
//! open but 25, so that a preview cannot send mail in this box's name. `egress_allow` names exceptions.

mod address;
mod neighbours;
mod request;

use std::{
    collections::HashSet,
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UnixListener, UnixStream},
    sync::Semaphore,
    time::{Instant, timeout},
};

use neighbours::Neighbours;
use request::{Request, Target};

/// Tunnels that a machine may hold at once: `npm` opens 50, a test run with a few workers some more.
const TUNNELS: usize = 256;
/// A request head beyond this is no request.
const HEAD_BYTES: usize = 16 * 1024;
/// A client must say what it wants within this.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// Resolving and connecting, together.
const CONNECT_TIME: Duration = Duration::from_secs(15);
/// A tunnel in which nothing moves ends; longer than the usual keep-alive of registries.
const IDLE_TIME: Duration = Duration::from_mins(10);
/// A tunnel of which one end is done, and in which nothing moves, ends sooner.
const HALF_TIME: Duration = Duration::from_secs(30);
/// How old the list of neighbours may be: interfaces come and go.
const NEIGHBOURS_AGE: Duration = Duration::from_secs(5);
/// Mail is not sent from previews.
const CLOSED_PORTS: [u16; 1] = [25];
const BUFFER: usize = 32 * 1024;

/// Turns a name into addresses.
pub type Resolver =
    Arc<dyn Fn(String, u16) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// The resolver of this box.
pub fn system_resolver() -> Resolver {
    Arc::new(|host, port| {
        Box::pin(async move {
            Ok(tokio::net::lookup_host((host, port))
                .await?
                .map(|found| found.ip())
                .collect())
        })
    })
}

/// What all machines' ways out have in common.
pub struct Egress {
    resolver: Resolver,
    allow: HashSet<(String, Option<u16>)>,
    neighbours: Mutex<Option<(Instant, Arc<Neighbours>)>>,
}

impl std::fmt::Debug for Egress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Egress")
            .field("allow", &self.allow)
            .finish_non_exhaustive()
    }
}

impl Egress {
    /// With exceptions of the form `host`, `host:port`, `address`, `[v6]:port`: what is named there is
    /// reachable wherever it lies.
    pub fn new(allow: &[String], resolver: Resolver) -> Result<Self, String> {
        let mut known = HashSet::new();
        for entry in allow {
            let bare: Option<IpAddr> = entry.parse().ok();
            let with_port = bare.is_none()
                && (entry.contains("]:") || (entry.contains(':') && !entry.ends_with(']')));
            let text = match bare {
                Some(IpAddr::V6(address)) => format!("[{address}]"),
                _ => entry.clone(),
            };
            let target = request::target(&text, (!with_port).then_some(1))
                .map_err(|error| format!("egress_allow: {error}"))?;
            known.insert((target.host, with_port.then_some(target.port)));
        }
        Ok(Egress {
            resolver,
            allow: known,
            neighbours: Mutex::new(None),
        })
    }

    /// Serves one machine until it is dropped. `who` is for the log.
    pub async fn serve(self: Arc<Self>, listener: UnixListener, who: String) {
        let tunnels = Arc::new(Semaphore::new(TUNNELS));
        loop {
            let Ok(permit) = Arc::clone(&tunnels).acquire_owned().await else {
                return;
            };
            let Ok((client, _)) = listener.accept().await else {
                // Out of descriptors: those of ended tunnels come back.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let (egress, who) = (Arc::clone(&self), who.clone());
            tokio::spawn(async move {
                egress.answer(client, &who).await;
                drop(permit);
            });
        }
    }

    async fn answer(&self, mut client: UnixStream, who: &str) {
        let read = timeout(HEAD_TIME, read_head(&mut client)).await;
        let Ok(Ok((head, rest))) = read else {
            return refuse(&mut client, "400 Bad Request", "no whole request arrived").await;
        };
        let request = match request::parse(&head) {
            Ok(request) => request,
            Err(error) => return refuse(&mut client, "400 Bad Request", &error).await,
        };
        let (Request::Tunnel(target) | Request::Forward(target, _)) = &request;
        let mut server = match timeout(CONNECT_TIME, self.connect(target)).await {
            Ok(Ok(server)) => server,
            Ok(Err(refusal)) => {
                tracing::info!(machine = who, host = %target.host, port = target.port, "refused {who} the way to {}:{}: {}", target.host, target.port, refusal.text);
                return refuse(&mut client, refusal.status, &refusal.text).await;
            }
            Err(_) => {
                return refuse(
                    &mut client,
                    "504 Gateway Timeout",
                    &format!("{} did not answer in time", target.host),
                )
                .await;
            }
        };
        let opened = match request {
            Request::Tunnel(_) => {
                client
                    .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    .await
            }
            Request::Forward(_, head) => server.write_all(&head).await,
        };
        if opened.is_ok() && server.write_all(&rest).await.is_ok() {
            pump(client, server).await;
        }
    }

    async fn connect(&self, target: &Target) -> Result<TcpStream, Refusal> {
        let addresses = self.permitted(target).await?;
        let mut last = None;
        for address in addresses {
            match TcpStream::connect(SocketAddr::new(address, target.port)).await {
                Ok(stream) => {
                    // What is passed on in pieces must not wait for the piece before to be acknowledged.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Err(error) => last = Some(error),
            }
        }
        let why = last.map_or_else(|| "it has no address".to_owned(), |error| error.to_string());
        Err(Refusal {
            status: "502 Bad Gateway",
            text: format!("could not reach {}:{}: {why}", target.host, target.port),
        })
    }

    /// The addresses to try: all that were found, when each of them is permitted.
    async fn permitted(&self, target: &Target) -> Result<Vec<IpAddr>, Refusal> {
        let allowed = self.allow.contains(&(target.host.clone(), None))
            || self
                .allow
                .contains(&(target.host.clone(), Some(target.port)));
        let forbidden = |text: String| Refusal {
            status: "403 Forbidden",
            text,
        };
        if CLOSED_PORTS.contains(&target.port) && !allowed {
            return Err(forbidden(format!(
                "port {} is closed to previews",
                target.port
            )));
        }
        let addresses = match target.address {
            Some(address) => vec![address],
            None => (self.resolver)(target.host.clone(), target.port)
                .await
                .map_err(|error| Refusal {
                    status: "502 Bad Gateway",
                    text: format!("could not resolve {}: {error}", target.host),
                })?,
        };
        let neighbours = self.neighbours();
        for address in &addresses {
            if let (false, Some(reason)) = (allowed, address::refusal(*address, &neighbours)) {
                return Err(forbidden(format!(
                    "{} ({address}) is out of a machine's reach, being {reason}: name it in machines.local.egress_allow if previews shall reach it",
                    target.host
                )));
            }
        }
        Ok(addresses)
    }

    fn neighbours(&self) -> Arc<Neighbours> {
        let mut known = self
            .neighbours
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some((read, neighbours)) if read.elapsed() < NEIGHBOURS_AGE => Arc::clone(neighbours),
            _ => {
                let neighbours = Arc::new(Neighbours::read());
                *known = Some((Instant::now(), Arc::clone(&neighbours)));
                neighbours
            }
        }
    }
}

struct Refusal {
    status: &'static str,
    text: String,
}

async fn refuse(client: &mut UnixStream, status: &str, text: &str) {
    let text = format!("nestling: {text}\n");
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    );
    // A client that is gone misses nothing.
    let _ = client.write_all(answer.as_bytes()).await;
    let _ = client.shutdown().await;
}

/// The head with its empty line, and what came after it.
async fn read_head(client: &mut UnixStream) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let mut bytes = Vec::with_capacity(1024);
    loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = bytes.split_off(at + 4);
            return Ok((bytes, rest));
        }
        if bytes.len() > HEAD_BYTES || client.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
}

/// Moves bytes both ways until both ends are done or nothing moved for [`IDLE_TIME`]; once one end is done, for
/// [`HALF_TIME`].
async fn pump(client: UnixStream, server: TcpStream) {
    let flow = Flow {
        moved: Mutex::new(Instant::now()),
        half: AtomicBool::new(false),
    };
    let (client_reads, client_writes) = client.into_split();
    let (server_reads, server_writes) = server.into_split();
    let both = async {
        tokio::join!(
            copy(client_reads, server_writes, &flow),
            copy(server_reads, client_writes, &flow)
        )
    };
    tokio::pin!(both);
    while !flow.is_over() {
        tokio::select! {
            _ = &mut both => return,
            // The shorter limit may come to hold at any time.
            () = tokio::time::sleep(HALF_TIME) => {}
        }
    }
}

/// What is known of a tunnel.
struct Flow {
    moved: Mutex<Instant>,
    half: AtomicBool,
}

impl Flow {
    fn moved(&self) -> MutexGuard<'_, Instant> {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        let most = if self.half.load(Ordering::Relaxed) {
            HALF_TIME
        } else {
            IDLE_TIME
        };
        self.moved().elapsed() >= most
    }
}

async fn copy<R, W>(mut from: R, mut to: W, flow: &Flow)
where
    R: tokio::io::AsyncRead + Unpin,
    W: tokio::io::AsyncWrite + Unpin,
{
    let mut buffer = vec![0; BUFFER];
    while let Ok(n @ 1..) = from.read(&mut buffer).await {
        if to.write_all(&buffer[..n]).await.is_err() {
            break;
        }
        *flow.moved() = Instant::now();
    }
    let _ = to.shutdown().await;
    flow.half.store(true, Ordering::Relaxed);
}

#[cfg(test)]
mod tests;

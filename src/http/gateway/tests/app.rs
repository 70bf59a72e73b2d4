//! A controllable app behind a unix socket: it answers by path, badly on purpose where asked to.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    sync::{Notify, watch},
    task::JoinHandle,
};

use super::wire::{self, Head};

/// Bytes of `/big`.
pub(super) const BIG: usize = 1_000_000;

/// The head of an event stream.
const EVENTS: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

/// An app of one generation; gone with its sockets when dropped.
pub(super) struct App {
    pub(super) socket: PathBuf,
    pub(super) seen: Arc<Seen>,
    running: JoinHandle<()>,
}

/// What the app saw, and what it waits for.
#[derive(Default)]
pub(super) struct Seen {
    /// Requests whose head arrived.
    pub(super) requests: AtomicUsize,
    /// Bodies that came to their end.
    pub(super) whole: AtomicUsize,
    pub(super) connections: AtomicUsize,
    /// Connections that are open now.
    pub(super) open: AtomicUsize,
    /// `/gate` and `/hang` wait for this.
    pub(super) gate: Notify,
    generation: u32,
}

impl App {
    pub(super) fn start(directory: &Path, generation: u32) -> Self {
        let socket = directory.join(format!("{generation}.sock"));
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).unwrap();
        let seen = Arc::new(Seen {
            generation,
            ..Seen::default()
        });
        let (open, closed) = watch::channel(());
        let told = seen.clone();
        let running = tokio::spawn(async move {
            let _open = open;
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                told.connections.fetch_add(1, Ordering::SeqCst);
                let (told, mut closed) = (told.clone(), closed.clone());
                tokio::spawn(async move {
                    told.open.fetch_add(1, Ordering::SeqCst);
                    tokio::select! {
                        () = serve(stream, &told) => {}
                        // The app is gone: its connections break.
                        _ = closed.changed() => {}
                    }
                    told.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        App {
            socket,
            seen,
            running,
        }
    }

    pub(super) fn requests(&self) -> usize {
        self.seen.requests.load(Ordering::SeqCst)
    }

    /// Waits until `count` requests have arrived.
    pub(super) async fn has_seen(&self, count: usize) {
        super::until("the app has seen the requests", || self.requests() >= count).await;
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.running.abort();
        let _ = std::fs::remove_file(&self.socket);
    }
}

async fn serve(stream: UnixStream, seen: &Seen) {
    let mut stream = BufReader::new(stream);
    while let Some(head) = wire::read_head(&mut stream).await {
        seen.requests.fetch_add(1, Ordering::SeqCst);
        if answer(&mut stream, &head, seen).await.is_none() {
            return;
        }
    }
}

type Stream = BufReader<UnixStream>;

/// Answers one request; `None` ends the connection.
async fn answer(stream: &mut Stream, head: &Head, seen: &Seen) -> Option<()> {
    let path = head.path();
    let hello = format!("generation {}", seen.generation);
    match path {
        "/" | "/healthy" => say(stream, "200 OK", "", hello.as_bytes()).await,
        "/teapot" => say(stream, "418 Teapot", "", b"").await,
        "/broken" => say(stream, "500 Oops", "", b"").await,
        "/big" if head.start.starts_with("HEAD") => {
            send(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n").await
        }
        "/big" => say(stream, "200 OK", "", &vec![b'x'; BIG]).await,
        "/seen" => say(stream, "200 OK", "", head.raw.as_bytes()).await,
        "/echo" => {
            let body = wire::read_body(stream, head, None).await?;
            seen.whole.fetch_add(1, Ordering::SeqCst);
            say(stream, "200 OK", "", &body).await
        }
        "/duplex" => duplex(stream, head).await,
        "/early" => {
            say(stream, "413 Too Large", "Connection: close\r\n", b"enough").await?;
            None
        }
        "/gate" => {
            seen.gate.notified().await;
            say(stream, "200 OK", "", hello.as_bytes()).await
        }
        "/hang" => {
            // Until it is let go, or notices that nobody waits any more.
            tokio::select! { () = seen.gate.notified() => {}, _ = stream.fill_buf() => {} }
            None
        }
        "/drop" => None,
        "/junk" => send(stream, b"SSH-2.0-OpenSSH_9\r\n\r\n").await.and(None),
        "/die" => send(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf").await.and(None),
        "/die-chunked" => {
            send(stream, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n").await.and(None)
        }
        "/once" => {
            // Answers, and closes the connection without saying so, as servers do after their idle time.
            say(stream, "200 OK", "", hello.as_bytes()).await.and(None)
        }
        "/204" => send(stream, b"HTTP/1.1 204 No Content\r\nX-App: 1\r\n\r\n").await,
        "/304" => send(stream, b"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n").await,
        "/hints" => {
            send(stream, b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n").await?;
            say(stream, "200 OK", "", hello.as_bytes()).await
        }
        "/hints-many" => {
            for hint in ["100 Continue", "102 Processing", "103 Early Hints", "103 Early Hints"] {
                send(stream, format!("HTTP/1.1 {hint}\r\nLink: </a.css>\r\n\r\n").as_bytes()).await?;
            }
            say(stream, "404 Not Found", "X-App: kept\r\n", hello.as_bytes()).await
        }
        "/orders" => {
            let orders = "Fly-Replay: app=evil\r\nX-Nestling-Commit: forged\r\nX-Accel-Redirect: /etc\r\nAlt-Svc: h2=\":1\"\r\n\
                Connection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nX-App: kept\r\nX-Robots-Tag: all\r\n\
                Set-Cookie: a=1; Domain=localhost; Path=/\r\nSet-Cookie: nestling_session=stolen\r\nSet-Cookie: b=2\r\n";
            say(stream, "200 OK", orders, b"").await
        }
        "/trailers" => {
            send(stream, b"HTTP/1.1 200 OK\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: 1\r\n\r\n").await
        }
        "/fat" => say(stream, "200 OK", &format!("X-Fat: {}\r\n", "x".repeat(200_000)), b"").await.and(None),
        "/events" => events(stream, seen).await,
        "/half-event" => {
            send(stream, EVENTS).await?;
            wire::write_chunk(stream.get_mut(), b"data: 1\n\ndata: ").await?;
            tokio::time::sleep(Duration::from_millis(300)).await;
            wire::write_chunk(stream.get_mut(), b"2\n\n").await?;
            seen.gate.notified().await;
            None
        }
        "/answer" => {
            wire::read_body(stream, head, None).await?;
            send(stream, EVENTS).await?;
            wire::write_chunk(stream.get_mut(), b"data: well\n\n").await?;
            seen.gate.notified().await;
            wire::write_chunk(stream.get_mut(), b"data: done\n\n").await?;
            wire::write_chunk(stream.get_mut(), b"").await
        }
        "/refuses-ws" => {
            send(stream, b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n").await.and(None)
        }
        "/ws" => websocket(stream, head).await,
        _ => say(stream, "404 Not Found", "", path.as_bytes()).await,
    }
}

async fn say(stream: &mut Stream, status: &str, fields: &str, body: &[u8]) -> Option<()> {
    let head = format!(
        "HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\n\r\n",
        body.len()
    );
    send(stream, head.as_bytes()).await?;
    send(stream, body).await
}

async fn send(stream: &mut Stream, bytes: &[u8]) -> Option<()> {
    stream.get_mut().write_all(bytes).await.ok()
}

/// Sends each piece back as it comes.
async fn duplex(stream: &mut Stream, head: &Head) -> Option<()> {
    send(
        stream,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    )
    .await?;
    let (pieces, mut came) = tokio::sync::mpsc::unbounded_channel();
    let mut ended = false;
    let (read, write) = tokio::io::split(stream.get_mut());
    let (mut read, mut write) = (BufReader::new(read), write);
    let mut body = std::pin::pin!(wire::read_body(&mut read, head, Some(pieces)));
    loop {
        tokio::select! {
            Some(piece) = came.recv() => wire::write_chunk(&mut write, &piece).await?,
            _ = &mut body, if !ended => ended = true,
            else => return wire::write_chunk(&mut write, b"").await,
        }
    }
}

/// An event every 20 ms, for ever.
async fn events(stream: &mut Stream, seen: &Seen) -> Option<()> {
    send(stream, EVENTS).await?;
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    loop {
        ticks.tick().await;
        let event = format!("data: {}\n\n", seen.generation);
        wire::write_chunk(stream.get_mut(), event.as_bytes()).await?;
    }
}

/// Accepts, then echoes frames; `big` is answered with one frame of a megabyte, in two halves.
async fn websocket(stream: &mut Stream, head: &Head) -> Option<()> {
    assert_eq!(head.field("upgrade"), Some("websocket"));
    assert!(head.field("sec-websocket-key").is_some());
    let accept = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: yes\r\n\r\n";
    send(stream, accept).await?;
    loop {
        let (kind, payload) = wire::read_frame(stream).await?;
        match (kind, payload.as_slice()) {
            (8, _) => {
                send(stream, &wire::frame(8, &payload, None)).await?;
                return None;
            }
            (_, b"big") => {
                let frame = wire::frame(2, &vec![b'x'; BIG], None);
                send(stream, &frame[..BIG / 2]).await?;
                tokio::time::sleep(Duration::from_millis(100)).await;
                send(stream, &frame[BIG / 2..]).await?;
            }
            (_, b"stall") => {
                send(stream, &wire::frame(2, &vec![b'x'; BIG], None)[..BIG / 2]).await?;
                let mut rest = Vec::new();
                stream.read_to_end(&mut rest).await.ok()?;
                return None;
            }
            (kind, payload) => send(stream, &wire::frame(kind, payload, None)).await?,
        }
    }
}

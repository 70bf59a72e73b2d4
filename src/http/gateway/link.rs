//! A connection to an app: a unix socket on this box, or one of another host, through its runner's proxy.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Empty;
use hyper::{
    Request,
    client::conn::http1,
    header::{HOST, PROXY_AUTHORIZATION},
    upgrade::Upgraded,
};
use hyper_util::rt::TokioIo;
use nestling_protocol::network::PROXY_PORT;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};

use crate::{
    drivers::sandbox,
    messages::routes::{Proxy, Upstream},
};

/// How long to wait for room in a full backlog before asking again: connecting to a unix socket does not
/// queue, it fails at once.
const BACKLOG_FULL: Duration = Duration::from_millis(5);

/// An open connection to an app.
#[derive(Debug)]
pub(super) enum Link {
    Unix(UnixStream),
    Proxied(Box<TokioIo<Upgraded>>),
}

/// Connects within `most`.
pub(super) async fn connect(upstream: &Upstream, most: Duration) -> io::Result<TokioIo<Link>> {
    let link = tokio::time::timeout(most, async {
        match upstream {
            Upstream::Unix(path) => loop {
                // The folder is the machine's: a link in it, to a neighbour's socket, say, is refused.
                match sandbox::connect(path).await {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        tokio::time::sleep(BACKLOG_FULL).await;
                    }
                    connected => return connected.map(Link::Unix),
                }
            },
            Upstream::Proxied { proxy, file } => {
                let through = through(proxy, file).await?;
                Ok(Link::Proxied(Box::new(TokioIo::new(through))))
            }
        }
    });
    match link.await {
        Ok(connected) => connected.map(TokioIo::new),
        Err(_) => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("it took no connection within {} s", most.as_secs_f32()),
        )),
    }
}

/// A connection to a socket of a machine, through its proxy: the credential is said once, before anything of a visitor.
async fn through(proxy: &Proxy, file: &str) -> io::Result<Upgraded> {
    let nowhere = "nobody has said yet where its machine is";
    let address = proxy
        .address
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotConnected, nowhere))?;
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let opened = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = opened.map_err(io::Error::other)?;
    // How it ends is told to whoever reads from it.
    tokio::spawn(async move { connection.with_upgrades().await.ok() });
    let socket = format!("{file}:{PROXY_PORT}");
    let request = Request::connect(&socket)
        .header(HOST, &socket)
        .header(
            PROXY_AUTHORIZATION,
            format!("Bearer {}", proxy.credential.0),
        )
        .body(Empty::<Bytes>::new())
        .map_err(io::Error::other)?;
    let answer = sender.send_request(request).await;
    let answer = answer.map_err(io::Error::other)?;
    if !answer.status().is_success() {
        let why = format!("its machine's proxy answered {}", answer.status());
        return Err(io::Error::new(io::ErrorKind::ConnectionRefused, why));
    }
    hyper::upgrade::on(answer).await.map_err(io::Error::other)
}

macro_rules! delegate {
    ($self:ident, $link:ident => $call:expr) => {
        match $self.get_mut() {
            Link::Unix($link) => $call,
            Link::Proxied($link) => $call,
        }
    };
}

impl AsyncRead for Link {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        delegate!(self, link => Pin::new(link).poll_read(cx, buf))
    }
}

impl AsyncWrite for Link {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        delegate!(self, link => Pin::new(link).poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, link => Pin::new(link).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, link => Pin::new(link).poll_shutdown(cx))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        delegate!(self, link => Pin::new(link).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Link::Unix(link) => link.is_write_vectored(),
            Link::Proxied(link) => link.is_write_vectored(),
        }
    }
}

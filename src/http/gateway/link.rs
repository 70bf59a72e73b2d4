//! A connection to an app: a unix socket on this box, or an address on a private network.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};

use crate::{drivers::sandbox, messages::routes::Upstream};

/// How long to wait for room in a full backlog before asking again: connecting to a unix socket does not
/// queue, it fails at once.
const BACKLOG_FULL: Duration = Duration::from_millis(5);

/// An open connection to an app.
#[derive(Debug)]
pub(super) enum Link {
    Unix(UnixStream),
    Tcp(TcpStream),
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
            Upstream::Http(base) => {
                let stream = TcpStream::connect(authority(base)?).await?;
                stream.set_nodelay(true)?;
                Ok(Link::Tcp(stream))
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

/// `host:port` of a base address such as `http://[fdaa::3]:8080`.
fn authority(base: &str) -> io::Result<String> {
    let wrong = || {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{base:?} is no address of the form http://host:port"),
        )
    };
    let rest = base.strip_prefix("http://").ok_or_else(wrong)?;
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let port_at = authority
        .rfind(':')
        .filter(|at| authority[*at..].len() > 1 && !authority.ends_with(']'));
    if authority.is_empty() || authority.contains(['/', '@', '?', '#']) {
        return Err(wrong());
    }
    Ok(if port_at.is_some() {
        authority.to_owned()
    } else {
        format!("{authority}:80")
    })
}

macro_rules! delegate {
    ($self:ident, $link:ident => $call:expr) => {
        match $self.get_mut() {
            Link::Unix($link) => $call,
            Link::Tcp($link) => $call,
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
            Link::Tcp(link) => link.is_write_vectored(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::authority;

    #[test]
    fn base_addresses_are_read_strictly() {
        for (base, expected) in [
            ("http://10.0.0.1:8080", Some("10.0.0.1:8080")),
            ("http://[fdaa::3]:8080/", Some("[fdaa::3]:8080")),
            ("http://[fdaa::3]", Some("[fdaa::3]:80")),
            ("http://app.internal", Some("app.internal:80")),
            ("https://app.internal", None),
            ("http://a/b", None),
            ("http://u@a", None),
            ("http://", None),
        ] {
            assert_eq!(authority(base).ok().as_deref(), expected, "for {base}");
        }
    }
}

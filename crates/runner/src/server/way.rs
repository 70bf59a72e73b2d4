//! The way to the server: a socket of this box, or its address on the network.

use std::io;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http_body_util::Full;
use hyper::Uri;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::{Attempt, away};

/// How the server is reached.
#[derive(Clone)]
pub(crate) enum Way {
    /// At its socket, in a folder of its own.
    Socket(PathBuf),
    /// Over the network.
    Network(Origin),
}

/// The server's address on the network.
#[derive(Clone)]
pub(crate) struct Origin {
    host: String,
    port: u16,
    /// As the header `Host` says it.
    authority: String,
    /// Without it, it is this very box.
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// Why an address cannot be the server's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotAnOrigin {
    /// It is none, or has a path.
    #[error("{0:?} is not the address of a server: https://HOST or https://HOST:PORT is")]
    Malformed(String),
    /// The token would be read on the way.
    #[error("{0:?} is reached by plain HTTP, which is for the same host only: use https")]
    Readable(String),
    /// No certificate could be checked.
    #[error("certificates cannot be checked here")]
    Tls(#[from] rustls::Error),
}

impl Way {
    /// What the header `Host` says.
    pub(super) fn host(&self) -> &str {
        match self {
            Way::Socket(_) => "nestling",
            Way::Network(origin) => &origin.authority,
        }
    }

    /// A connection of its own.
    pub(super) async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Attempt> {
        match self {
            Way::Socket(socket) => {
                let stream = UnixStream::connect(socket).await;
                speak(stream.map_err(|error| absent(socket, &error))?).await
            }
            Way::Network(origin) => {
                let stream = TcpStream::connect((origin.host.as_str(), origin.port)).await;
                let stream = stream.map_err(away)?;
                stream.set_nodelay(true).map_err(away)?;
                let Some((tls, name)) = &origin.tls else {
                    return speak(stream).await;
                };
                speak(tls.connect(name.clone(), stream).await.map_err(away)?).await
            }
        }
    }
}

async fn speak<S>(stream: S) -> Result<SendRequest<Full<Bytes>>, Attempt>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let opened = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (sender, connection) = opened.map_err(away)?;
    tokio::spawn(connection);
    Ok(sender)
}

/// What it means that there is no socket. A server that is away comes back, unless its data folder was deleted: then
/// nobody will ever ask for this machine again.
fn absent(socket: &std::path::Path, error: &io::Error) -> Attempt {
    let folder = socket.parent().unwrap_or(socket);
    let deleted = match std::fs::metadata(folder) {
        // Bound into the machine, a deleted folder is still there, without a name.
        Ok(folder) => folder.nlink() == 0,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    if deleted { Attempt::Stale } else { away(error) }
}

impl Origin {
    /// Reads `https://HOST` or `https://HOST:PORT`; `http` where the host is loopback.
    pub(crate) fn read(url: &str) -> Result<Self, NotAnOrigin> {
        let malformed = || NotAnOrigin::Malformed(url.to_owned());
        let read: Uri = url.parse().map_err(|_| malformed())?;
        if !matches!(read.path(), "" | "/") || read.query().is_some() {
            return Err(malformed());
        }
        Origin::of(&read)
    }

    /// Where this address leads, whatever its path. Of the address an error names the host alone: the rest may be a secret.
    pub(super) fn of(read: &Uri) -> Result<Self, NotAnOrigin> {
        let named = || {
            let host = read.authority().map_or("", |one| one.as_str());
            format!("{}://{host}", read.scheme_str().unwrap_or_default())
        };
        let malformed = || NotAnOrigin::Malformed(named());
        let authority = read.authority().ok_or_else(malformed)?;
        if authority.as_str().contains('@') {
            return Err(malformed());
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let usual = match read.scheme_str() {
            Some("https") => 443,
            Some("http") => 80,
            _ => return Err(malformed()),
        };
        let tls = if usual == 443 {
            let name = ServerName::try_from(host.clone()).map_err(|_| malformed())?;
            Some((connector()?, name))
        } else if is_loopback(&host) {
            None
        } else {
            return Err(NotAnOrigin::Readable(named()));
        };
        Ok(Origin {
            host,
            port: authority.port_u16().unwrap_or(usual),
            authority: authority.to_string(),
            tls,
        })
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Trusts whom the system trusts, as it was when this was asked first.
fn connector() -> Result<TlsConnector, rustls::Error> {
    static CONNECTOR: OnceLock<TlsConnector> = OnceLock::new();
    if let Some(connector) = CONNECTOR.get() {
        return Ok(connector.clone());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_platform_verifier()?
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    Ok(CONNECTOR.get_or_init(|| connector).clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_host_is_reached_by_plain_http() {
        let read = |url: &str| Origin::read(url).map(|one| (one.host, one.port, one.authority));
        let is = |host: &str, port, authority: &str| (host.to_owned(), port, authority.to_owned());
        assert_eq!(
            read("https://nestling.example.com").unwrap(),
            is("nestling.example.com", 443, "nestling.example.com")
        );
        assert_eq!(
            read("http://127.0.0.1:4100").unwrap(),
            is("127.0.0.1", 4100, "127.0.0.1:4100")
        );
        assert_eq!(
            read("http://[::1]:4100").unwrap(),
            is("::1", 4100, "[::1]:4100")
        );
        for (url, says) in [
            ("http://nestling.example.com", "use https"),
            ("http://10.0.0.1:4100", "use https"),
            ("nestling.example.com", "not the address"),
            ("ftp://nestling.example.com", "not the address"),
            ("https://nestling.example.com/x", "not the address"),
            ("https://me@nestling.example.com", "not the address"),
            ("", "not the address"),
        ] {
            let refused = Origin::read(url).map(|_| ()).unwrap_err().to_string();
            assert!(refused.contains(says), "{url}: {refused}");
        }
    }
}

//! The way in from another host: the proxy that the server's gateway asks, see [`nestling_protocol::network`].

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::header::PROXY_AUTHORIZATION;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use sha2::{Digest, Sha256};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

/// Connections at once, strangers' included: as many as the gateway lets into one environment.
const CONNECTIONS: usize = 1024;
/// How long whoever connects may take to say what it wants.
const HEAD: Duration = Duration::from_secs(5);
/// The pause after a connection that could not be taken, for want of files: others end meanwhile.
const PAUSE: Duration = Duration::from_millis(100);

/// The machine's proxy.
struct Proxy {
    /// Holds the sockets of endpoints.
    folder: PathBuf,
    /// Of what callers show: compared as digests, the time that takes tells nothing.
    credential: [u8; 32],
}

/// Listens at `address`, and leads whoever shows the credential to the sockets in `folder`, for as long as the runner lives.
pub(crate) async fn open(
    address: SocketAddr,
    folder: PathBuf,
    credential: &str,
) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await.map_err(|error| {
        let why = format!("could not listen on {address}: {error}");
        io::Error::new(error.kind(), why)
    })?;
    let bound = listener.local_addr()?;
    let proxy = Arc::new(Proxy {
        folder,
        credential: digest(format!("Bearer {credential}")),
    });
    tokio::spawn(async move {
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        while let Ok(place) = Arc::clone(&room).acquire_owned().await {
            match listener.accept().await {
                Ok((stream, _)) => {
                    tokio::spawn(serve(proxy.clone(), stream, place));
                }
                Err(_) => sleep(PAUSE).await,
            }
        }
    });
    Ok(bound)
}

async fn serve(proxy: Arc<Proxy>, stream: TcpStream, place: OwnedSemaphorePermit) {
    let _ = stream.set_nodelay(true);
    let place = Arc::new(place);
    let answer = service_fn(move |request| {
        let (proxy, place) = (proxy.clone(), place.clone());
        async move { Ok::<_, Infallible>(proxy.answer(request, place).await) }
    });
    let served = Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), answer)
        .with_upgrades();
    // Whoever connected knows how it ended.
    let _ = served.await;
}

impl Proxy {
    /// Leads a connection to an endpoint's socket; its place is taken until it ends.
    async fn answer(
        &self,
        request: Request<Incoming>,
        place: Arc<OwnedSemaphorePermit>,
    ) -> Response<Empty<Bytes>> {
        let file = match self.wanted(&request) {
            Ok(file) => file,
            Err(status) => return only(status),
        };
        let Ok(mut inside) = UnixStream::connect(self.folder.join(file)).await else {
            return only(StatusCode::BAD_GATEWAY);
        };
        tokio::spawn(async move {
            let _place = place;
            if let Ok(outside) = hyper::upgrade::on(request).await {
                let mut outside = TokioIo::new(outside);
                let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
            }
        });
        only(StatusCode::OK)
    }

    /// The socket that a request is to be led to. Who shows no credential hears of nothing else.
    fn wanted(&self, request: &Request<Incoming>) -> Result<String, StatusCode> {
        let shown = request.headers().get(PROXY_AUTHORIZATION);
        let shown = shown.map_or(&b""[..], |value| value.as_bytes());
        if digest(shown) != self.credential {
            return Err(StatusCode::PROXY_AUTHENTICATION_REQUIRED);
        }
        if request.method() != Method::CONNECT {
            return Err(StatusCode::METHOD_NOT_ALLOWED);
        }
        let host = request.uri().host().unwrap_or_default();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let is_file = !host.is_empty() && !host.starts_with('.') && host.bytes().all(plain);
        if is_file {
            Ok(host.to_owned())
        } else {
            Err(StatusCode::NOT_FOUND)
        }
    }
}

fn digest(text: impl AsRef<[u8]>) -> [u8; 32] {
    Sha256::digest(text.as_ref()).into()
}

fn only(status: StatusCode) -> Response<Empty<Bytes>> {
    let mut response = Response::new(Empty::new());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixListener;

    use super::*;

    /// How a connection that says this is answered: the first line, and the stream behind it.
    async fn said(at: SocketAddr, head: &str) -> (String, TcpStream) {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
        let answer = String::from_utf8(answer).unwrap();
        (answer.lines().next().unwrap().to_owned(), stream)
    }

    #[tokio::test]
    async fn only_who_shows_the_credential_is_led_to_a_socket() {
        let folder = tempfile::tempdir().unwrap();
        let app = UnixListener::bind(folder.path().join("web.sock")).unwrap();
        tokio::spawn(async move {
            loop {
                let (mut visitor, _) = app.accept().await.unwrap();
                let mut heard = [0; 5];
                visitor.read_exact(&mut heard).await.unwrap();
                visitor.write_all(&heard).await.unwrap();
            }
        });
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let at = open(any, folder.path().to_owned(), "s3cret").await.unwrap();
        let connect = |file: &str, shown: &str| {
            format!("CONNECT {file}:4180 HTTP/1.1\r\nHost: {file}:4180\r\n{shown}\r\n")
        };
        let right = "Proxy-Authorization: Bearer s3cret\r\n";
        let (answer, mut stream) = said(at, &connect("web.sock", right)).await;
        assert_eq!(answer, "HTTP/1.1 200 OK");
        // All of it is the app's, and nothing of the credential.
        stream.write_all(b"hello").await.unwrap();
        let mut heard = [0; 5];
        stream.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"hello");
        for (head, status) in [
            (connect("web.sock", ""), "407"),
            (
                connect("web.sock", "Proxy-Authorization: Bearer other\r\n"),
                "407",
            ),
            (
                connect("web.sock", "Authorization: Bearer s3cret\r\n"),
                "407",
            ),
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "407"),
            (format!("GET / HTTP/1.1\r\nHost: x\r\n{right}\r\n"), "405"),
            (connect("other.sock", right), "502"),
            (connect(".token", right), "404"),
        ] {
            let (answer, _) = said(at, &head).await;
            assert!(answer.contains(status), "{head}: {answer}");
        }
    }
}

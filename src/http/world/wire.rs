//! The wire: requests over real sockets, and the client's side of a WebSocket.

use std::{path::PathBuf, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Request, StatusCode,
    body::Incoming,
    client::conn::http1,
    header::{HOST, HeaderMap},
};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
    time::timeout,
};

/// No answer takes longer in a story.
const PATIENCE: Duration = Duration::from_secs(20);

/// A way to a server, with headers that every request has.
#[derive(Clone)]
pub(crate) struct Wire {
    to: To,
    headers: Vec<(String, String)>,
}

#[derive(Clone)]
enum To {
    Tcp(u16),
    Unix(PathBuf),
}

/// What a server answered.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.status, self.text())
    }
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The detail of the problem that this is.
    pub(crate) fn detail(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{self:?}"
        );
        self.json::<crate::http::problem::Problem>().detail
    }
}

impl Wire {
    pub(super) fn tcp(port: u16, host: &str) -> Self {
        Wire {
            to: To::Tcp(port),
            headers: vec![("host".into(), host.into())],
        }
    }

    pub(super) fn unix(path: PathBuf) -> Self {
        Wire {
            to: To::Unix(path),
            headers: vec![("host".into(), "localhost".into())],
        }
    }

    /// With this header instead of the one of that name.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut wire = self.without(name);
        wire.headers.push((name.to_owned(), value.to_owned()));
        wire
    }

    pub(crate) fn without(&self, name: &str) -> Self {
        let mut wire = self.clone();
        wire.headers.retain(|(known, _)| known != name);
        wire
    }

    pub(crate) fn bearing(&self, token: &str) -> Self {
        self.with("authorization", &format!("Bearer {token}"))
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, Bytes::new()).await
    }

    pub(crate) async fn post(&self, path: &str, value: &impl Serialize) -> Reply {
        let body = serde_json::to_vec(value).unwrap().into();
        let wire = self.with("content-type", "application/json");
        wire.send(Method::POST, path, body).await
    }

    /// A POST without a body.
    pub(crate) async fn order(&self, path: &str) -> Reply {
        self.send(Method::POST, path, Bytes::new()).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Bytes) -> Reply {
        let (status, headers, incoming) = self.begin(method, path, body).await;
        let collected = timeout(PATIENCE, incoming.collect()).await.unwrap();
        Reply {
            status,
            headers,
            body: collected.unwrap().to_bytes(),
        }
    }

    /// Sends, and reads the body as it comes.
    pub(crate) async fn stream(&self, path: &str) -> Incoming {
        let (status, _, body) = self.begin(Method::GET, path, Bytes::new()).await;
        assert_eq!(status, StatusCode::OK);
        body
    }

    async fn begin(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> (StatusCode, HeaderMap, Incoming) {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body)).unwrap();
        assert!(request.headers().contains_key(HOST));
        let response = match &self.to {
            To::Tcp(port) => {
                let stream = TcpStream::connect(("127.0.0.1", *port)).await.unwrap();
                exchange(TokioIo::new(stream), request).await
            }
            To::Unix(path) => {
                let stream = UnixStream::connect(path).await.unwrap();
                exchange(TokioIo::new(stream), request).await
            }
        };
        let (parts, body) = response.into_parts();
        (parts.status, parts.headers, body)
    }

    /// Opens a WebSocket; `Err` with the head of another answer.
    pub(crate) async fn upgrade(&self, path: &str) -> Result<Socket, String> {
        let To::Tcp(port) = self.to else {
            panic!("WebSockets are for people")
        };
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let mut head = format!(
            "GET {path} HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        );
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        stream
            .write_all(format!("{head}\r\n").as_bytes())
            .await
            .unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
        }
        let answer = String::from_utf8(answer).unwrap();
        if answer.starts_with("HTTP/1.1 101") {
            Ok(Socket(stream))
        } else {
            Err(answer)
        }
    }
}

async fn exchange<S>(stream: TokioIo<S>, request: Request<Full<Bytes>>) -> hyper::Response<Incoming>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    timeout(PATIENCE, sender.send_request(request))
        .await
        .unwrap()
        .unwrap()
}

/// The client's side of a WebSocket.
pub(crate) struct Socket(TcpStream);

/// What the server says over a WebSocket.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Text(String),
    Close(u16),
    Other(u8),
}

impl Socket {
    pub(crate) async fn say(&mut self, text: &str) {
        self.write(0x1, text.as_bytes()).await;
    }

    async fn write(&mut self, opcode: u8, payload: &[u8]) {
        let mut frame = vec![0x80 | opcode];
        match u8::try_from(payload.len()) {
            Ok(short) if short < 126 => frame.push(0x80 | short),
            _ => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
            }
        }
        // Masked with zeros, which changes nothing.
        frame.extend([0; 4]);
        frame.extend(payload);
        self.0.write_all(&frame).await.unwrap();
    }

    /// The next frame that says something.
    pub(crate) async fn hear(&mut self) -> Frame {
        timeout(PATIENCE, async {
            loop {
                match self.read().await {
                    Frame::Other(0x9) => self.write(0xa, b"").await,
                    frame => return frame,
                }
            }
        })
        .await
        .expect("nothing was heard")
    }

    /// The next text, as JSON.
    pub(crate) async fn json(&mut self) -> serde_json::Value {
        match self.hear().await {
            Frame::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?} instead of a text"),
        }
    }

    async fn read(&mut self) -> Frame {
        let head = [self.byte().await, self.byte().await];
        let length = match head[1] & 0x7f {
            126 => usize::from(self.0.read_u16().await.unwrap()),
            127 => usize::try_from(self.0.read_u64().await.unwrap()).unwrap(),
            short => usize::from(short),
        };
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).await.unwrap();
        match head[0] & 0xf {
            0x1 => Frame::Text(String::from_utf8(payload).unwrap()),
            0x8 if length >= 2 => Frame::Close(u16::from_be_bytes([payload[0], payload[1]])),
            0x8 => Frame::Close(1005),
            other => Frame::Other(other),
        }
    }

    async fn byte(&mut self) -> u8 {
        self.0.read_u8().await.unwrap()
    }
}

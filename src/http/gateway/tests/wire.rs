//! HTTP and WebSockets by hand, so that tests can say what no library would.

use std::{fmt::Write as _, net::SocketAddr, time::Duration};

use tokio::{
    io::{
        AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _,
        BufReader,
    },
    net::TcpStream,
    sync::mpsc::UnboundedSender,
    time::timeout,
};

/// How long a test waits for anything before it fails.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// The head of a message.
#[derive(Debug, Clone, Default)]
pub(super) struct Head {
    pub(super) start: String,
    pub(super) fields: Vec<(String, String)>,
    pub(super) raw: String,
}

impl Head {
    pub(super) fn path(&self) -> &str {
        let target = self.start.split(' ').nth(1).unwrap_or_default();
        target.split('?').next().unwrap_or_default()
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        let all = self.fields.iter().filter(|(found, _)| found == name);
        all.map(|(_, value)| value.as_str()).collect()
    }
}

/// An answer, read to its end.
#[derive(Debug, Clone, Default)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) head: Head,
    pub(super) body: Vec<u8>,
    /// Whether the body came to its proper end.
    pub(super) whole: bool,
}

impl Reply {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.head.field(name)
    }
}

/// One connection of a client.
pub(super) struct Client {
    pub(super) stream: BufReader<TcpStream>,
}

impl Client {
    pub(super) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Client {
            stream: BufReader::new(stream),
        }
    }

    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream
            .get_mut()
            .write_all(bytes.as_ref())
            .await
            .unwrap();
    }

    /// The head of the next answer.
    pub(super) async fn head(&mut self) -> Head {
        let head = timeout(PATIENCE, read_head(&mut self.stream))
            .await
            .expect("an answer in time");
        head.expect("an answer before the connection closed")
    }

    /// The next answer to a request with `method`.
    pub(super) async fn reply_to(&mut self, method: &str) -> Reply {
        let head = self.head().await;
        let status: u16 = head.start.split(' ').nth(1).unwrap().parse().unwrap();
        let bodyless = method == "HEAD" || status == 204 || status == 304;
        let body = if bodyless {
            Some(Vec::new())
        } else {
            timeout(PATIENCE, read_body(&mut self.stream, &head, None))
                .await
                .expect("a body in time")
        };
        Reply {
            status,
            whole: body.is_some(),
            body: body.unwrap_or_default(),
            head,
        }
    }

    pub(super) async fn ask(&mut self, request: impl AsRef<[u8]>) -> Reply {
        let method = String::from_utf8_lossy(request.as_ref())
            .split(' ')
            .next()
            .unwrap()
            .to_owned();
        self.send(request).await;
        self.reply_to(&method).await
    }

    /// The next chunk of a body; empty at its end.
    pub(super) async fn chunk(&mut self) -> Vec<u8> {
        let chunk = timeout(PATIENCE, read_chunk(&mut self.stream))
            .await
            .expect("a chunk in time");
        chunk.expect("a chunk before the connection closed")
    }

    /// The next frame of a WebSocket: its kind and payload; `None` when the connection ended.
    pub(super) async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        timeout(PATIENCE, read_frame(&mut self.stream))
            .await
            .expect("a frame in time")
    }

    /// Waits until the other side closes, whatever it says before.
    pub(super) async fn ends(&mut self) -> String {
        let mut rest = Vec::new();
        let read = timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await;
        let _ = read.expect("an end in time");
        String::from_utf8_lossy(&rest).into_owned()
    }

    /// Whether the other side closes without another byte.
    pub(super) async fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        let read = timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await;
        read.is_ok() && rest.is_empty()
    }
}

pub(super) async fn read_head(stream: &mut (impl AsyncBufRead + Unpin)) -> Option<Head> {
    let mut head = Head::default();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        head.raw.push_str(&line);
        let line = line.trim_end();
        if line.is_empty() {
            return Some(head);
        }
        match line.split_once(':').filter(|_| !head.start.is_empty()) {
            Some((name, value)) => head
                .fields
                .push((name.to_ascii_lowercase(), value.trim().to_owned())),
            None => line.clone_into(&mut head.start),
        }
    }
}

/// The body that follows a head, each piece also to `pieces`; `None` when it broke off.
pub(super) async fn read_body(
    stream: &mut (impl AsyncBufRead + Unpin),
    head: &Head,
    pieces: Option<UnboundedSender<Vec<u8>>>,
) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    if head.field("transfer-encoding") == Some("chunked") {
        loop {
            let chunk = read_chunk(stream).await?;
            if chunk.is_empty() {
                return Some(body);
            }
            body.extend(&chunk);
            if let Some(pieces) = &pieces {
                pieces.send(chunk).ok()?;
            }
        }
    }
    match head.field("content-length") {
        Some(length) => {
            body.resize(length.parse().unwrap(), 0);
            stream.read_exact(&mut body).await.ok()?;
        }
        None if head.start.starts_with("HTTP") => {
            stream.read_to_end(&mut body).await.ok()?;
        }
        None => {}
    }
    Some(body)
}

async fn read_chunk(stream: &mut (impl AsyncBufRead + Unpin)) -> Option<Vec<u8>> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let length = usize::from_str_radix(line.trim(), 16).ok()?;
    let mut chunk = vec![0; length + 2];
    stream.read_exact(&mut chunk).await.ok()?;
    chunk.truncate(length);
    Some(chunk)
}

pub(super) async fn write_chunk(
    stream: &mut (impl AsyncWrite + Unpin),
    bytes: &[u8],
) -> Option<()> {
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend(bytes);
    chunk.extend(b"\r\n");
    stream.write_all(&chunk).await.ok()
}

pub(super) fn frame(kind: u8, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let mut bytes = vec![0x80 | kind];
    let masked = if mask.is_some() { 0x80 } else { 0 };
    match payload.len() {
        short @ 0..=125 => bytes.push(masked | u8::try_from(short).unwrap()),
        middle @ 126..=65_535 => {
            bytes.push(masked | 0x7e);
            bytes.extend(u16::try_from(middle).unwrap().to_be_bytes());
        }
        long => {
            bytes.push(masked | 0x7f);
            bytes.extend((long as u64).to_be_bytes());
        }
    }
    bytes.extend(mask.iter().flatten());
    let mask = mask.unwrap_or_default();
    bytes.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    bytes
}

/// The next frame, unmasked.
pub(super) async fn read_frame(stream: &mut (impl AsyncBufRead + Unpin)) -> Option<(u8, Vec<u8>)> {
    let kind = stream.read_u8().await.ok()? & 0x0f;
    let second = stream.read_u8().await.ok()?;
    let length = match second & 0x7f {
        126 => u64::from(stream.read_u16().await.ok()?),
        127 => stream.read_u64().await.ok()?,
        short => u64::from(short),
    };
    let mut mask = [0; 4];
    if second & 0x80 != 0 {
        stream.read_exact(&mut mask).await.ok()?;
    }
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut payload).await.ok()?;
    payload
        .iter_mut()
        .zip(mask.iter().cycle())
        .for_each(|(byte, mask)| *byte ^= mask);
    Some((kind, payload))
}

/// A request by its method, target, host, further fields and body.
pub(super) fn request(
    method: &str,
    target: &str,
    host: &str,
    fields: &[(&str, &str)],
    body: &str,
) -> String {
    let mut text = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n");
    for (name, value) in fields {
        let _ = write!(text, "{name}: {value}\r\n");
    }
    if !body.is_empty() {
        let _ = write!(text, "Content-Length: {}\r\n", body.len());
    }
    text + "\r\n" + body
}

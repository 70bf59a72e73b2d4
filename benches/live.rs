//! From a change of state until a WebSocket client has read it: 100 clients, then 1,000, all of them subscribed. The
//! change is a redeploy of the static site, its machine included.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench fails by panicking, and prints"
)]

mod common;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use common::{
    copy, head, note, quantile, repository, rounds, row, sample, server::Server, table, until,
};
use nestling::{domain::ids::Timestamp, drivers::clock};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::mpsc,
};

/// Clients, and the bound of the 99th percentile in milliseconds.
const CASES: [(usize, f64); 2] = [(100, 20.0), (1_000, 50.0)];
const SITE: &str = "local/site";
/// The longest that a redeploy of the static site may take.
const SOON: Duration = Duration::from_secs(30);

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let site = folder.path().join("site");
    copy(&sample("static-site"), &site);
    repository(&site);
    let redeploys = rounds("NESTLING_LIVE", 10);
    table(
        "State change → WebSocket client",
        &format!(
            "From the moment that the event carries (before it is saved) to the client's read, over all events of {redeploys} redeploys and all clients; `/v1/live`, everybody subscribed to the app. The clients run on the same machine."
        ),
    );
    for (clients, bound) in CASES {
        let data = folder.path().join(format!("data-{clients}"));
        let server = Server::start(&["up", "--repo", site.to_str().unwrap()], &data, &[]);
        server.answers();
        server.runs(&format!("{SITE}/production"), &head(&site));
        let latencies = measure(&server, clients, redeploys);
        let p99 = quantile(&latencies, 0.99);
        row(
            &format!("{clients} clients, p99"),
            &format!("{p99:.1} ms"),
            &format!("≤ {bound} ms"),
            p99 <= bound,
        );
        note(
            &format!("{clients} clients, p50 and number of frames"),
            &format!("{:.1} ms, {}", quantile(&latencies, 0.5), latencies.len()),
        );
    }
}

fn measure(server: &Server, clients: usize, redeploys: usize) -> Vec<f64> {
    let latencies = Arc::new(Mutex::new(Vec::new()));
    let (ready, mut all_ready) = mpsc::channel::<()>(clients);
    let token = std::fs::read_to_string(server.data.join("api-token")).unwrap();
    let (port, token) = (server.port, token.trim().to_owned());
    let into = latencies.clone();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let watching = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            for _ in 0..clients {
                let (into, ready, token) = (into.clone(), ready.clone(), token.clone());
                tokio::spawn(async move { watch(port, &token, ready, &into).await });
            }
            stopped.await.unwrap();
        });
    });
    for _ in 0..clients {
        all_ready.blocking_recv().unwrap();
    }
    for _ in 0..redeploys {
        let before = server.log().len();
        server.post("/v1/apps/local/site/environments/production/redeploy");
        until("it serves again", SOON, || {
            let log = server.log().split_off(before);
            log.iter()
                .any(|line| line.message.ends_with(" serves"))
                .then_some(())
        });
    }
    // The last frames are on their way: nothing more comes for as long as the bound allows.
    let mut seen = 0;
    until("all frames are read", SOON, || {
        common::between_two_looks();
        let now = latencies.lock().unwrap().len();
        let still = now > 0 && now == std::mem::replace(&mut seen, now) && now % clients == 0;
        still.then_some(())
    });
    stop.send(()).unwrap();
    watching.join().unwrap();
    std::mem::take(&mut *latencies.lock().unwrap())
}

/// One client: subscribes, and notes how old each event is when it is read.
async fn watch(port: u16, token: &str, ready: mpsc::Sender<()>, into: &Mutex<Vec<f64>>) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!(
        "GET /v1/live HTTP/1.1\r\nHost: nestling.localhost:{port}\r\nAuthorization: Bearer {token}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut have = Vec::new();
    while !have.windows(4).any(|part| part == b"\r\n\r\n") {
        read(&mut stream, &mut have).await;
    }
    assert!(
        have.starts_with(b"HTTP/1.1 101"),
        "{}",
        String::from_utf8_lossy(&have)
    );
    let end = have
        .windows(4)
        .position(|part| part == b"\r\n\r\n")
        .unwrap();
    have.drain(..end + 4);
    let says = format!("{{\"subscribe\": [\"{SITE}\"]}}");
    // A client masks what it sends; a mask of zeros leaves it as it is.
    let mut frame = vec![0x81, 0x80 | u8::try_from(says.len()).unwrap(), 0, 0, 0, 0];
    frame.extend(says.as_bytes());
    stream.write_all(&frame).await.unwrap();
    let mut ready = Some(ready);
    loop {
        while let Some((opcode, text)) = take_frame(&mut have) {
            match opcode {
                1 if text.contains("\"snapshot\"") => {
                    if let Some(ready) = ready.take() {
                        ready.send(()).await.unwrap();
                    }
                }
                1 => {
                    into.lock().unwrap().extend(age(&text));
                }
                // Pings come every 20 s; a client that answers none in a minute is gone, and this one is by then.
                9 => {}
                _ => return,
            }
        }
        read(&mut stream, &mut have).await;
    }
}

async fn read(stream: &mut TcpStream, have: &mut Vec<u8>) {
    let read = stream.read_buf(have).await.unwrap();
    assert!(read > 0, "the server closed a client");
}

/// The first whole frame: its opcode and content.
fn take_frame(have: &mut Vec<u8>) -> Option<(u8, String)> {
    let opcode = have.first()? & 0x0f;
    let (length, begin) = match *have.get(1)? {
        126 => (
            usize::from(u16::from_be_bytes([*have.get(2)?, *have.get(3)?])),
            4,
        ),
        127 => panic!("no frame is that long"),
        short => (usize::from(short), 2),
    };
    if have.len() < begin + length {
        return None;
    }
    let text = String::from_utf8_lossy(&have[begin..begin + length]).into_owned();
    have.drain(..begin + length);
    Some((opcode, text))
}

/// Milliseconds since the event of this frame; nothing of a frame that says something else.
fn age(text: &str) -> Option<f64> {
    let (_, rest) = text.split_once("\"at\":")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let at = Timestamp(digits.parse().ok()?);
    Some(clock::now().since(at).as_secs_f64() * 1000.0)
}

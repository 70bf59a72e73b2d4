//! The gateway beside nginx, in one paired run: the same app behind a unix socket, two workers each, 64
//! connections from wrk. Run by `cargo bench --bench gateway`; needs `nginx` and `wrk` on the path. The bounds
//! are ratios, so that the machine does not matter: requests/s at least 0.75 × nginx's, p99 at most 1.25 ×.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench fails by panicking, and prints"
)]

mod common;

use std::{
    fmt::Write as _,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use actix_web::{App, HttpResponse, HttpServer, web};
use common::{median, note, row, table};
use nestling::{
    domain::{
        ids::{Commit, EnvironmentId, Generation, Kind},
        label::{Label, Slug},
    },
    http::{
        Addresses,
        gateway::{Doors, Gateway, GatewayConfig, Grants},
    },
    messages::routes::{Route, Routes, Serving, Target, To, Upstream},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixListener,
};

/// The allocator of the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CONNECTIONS: &str = "64";
const WORKERS: usize = 2;
/// Pairs of runs; the median of their ratios counts.
const ROUNDS: usize = 5;
const SECONDS: u32 = 5;
/// Beside nginx.
const REQUESTS: f64 = 0.75;
const P99: f64 = 1.25;
const HOST: &str = "shop.localhost";

/// What wrk measured.
#[derive(Debug, Clone, Copy)]
struct Figures {
    per_second: f64,
    p99_ms: f64,
}

fn main() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("app.sock");
    let body: usize = std::env::args()
        .find_map(|arg| arg.parse().ok())
        .unwrap_or(1024);
    start_app(&socket, body);
    let ours = start_gateway(&socket);
    let nginx = Nginx::start(directory.path(), &socket);
    for address in [nginx.address, ours] {
        wrk(address, 2);
    }
    table(
        "Gateway beside nginx",
        &format!(
            "The same app behind a unix socket, {CONNECTIONS} connections of wrk, {WORKERS} workers each, bodies of {body} bytes; median of {ROUNDS} pairs of {SECONDS} s."
        ),
    );
    let (mut requests, mut p99s) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        let (theirs, mine) = (wrk(nginx.address, SECONDS), wrk(ours, SECONDS));
        requests.push(mine.per_second / theirs.per_second);
        p99s.push(mine.p99_ms / theirs.p99_ms);
        note(
            &format!("pair {round}: ours, nginx"),
            &format!(
                "{:.0}/s p99 {:.2} ms, {:.0}/s p99 {:.2} ms",
                mine.per_second, mine.p99_ms, theirs.per_second, theirs.p99_ms
            ),
        );
    }
    let (requests, p99) = (median(&requests), median(&p99s));
    row(
        "requests/s",
        &format!("{requests:.2} × nginx"),
        &format!("≥ {REQUESTS} ×"),
        requests >= REQUESTS,
    );
    row(
        "p99",
        &format!("{p99:.2} × nginx"),
        &format!("≤ {P99} ×"),
        p99 <= P99,
    );
}

/// An app that answers every request with the same body, on one thread of its own.
fn start_app(socket: &Path, body: usize) {
    let listener = std::os::unix::net::UnixListener::bind(socket).unwrap();
    listener.set_nonblocking(true).unwrap();
    let mut answer =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {body}\r\n\r\n")
            .into_bytes();
    answer.extend(vec![b'x'; body]);
    let answer: Arc<[u8]> = answer.into();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            let listener = UnixListener::from_std(listener).unwrap();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let answer = answer.clone();
                tokio::spawn(async move {
                    let mut space = vec![0; 8192];
                    let mut have = 0;
                    while let Ok(read @ 1..) = stream.read(&mut space[have..]).await {
                        have += read;
                        if space[..have].ends_with(b"\r\n\r\n") {
                            have = 0;
                            if stream.write_all(&answer).await.is_err() {
                                return;
                            }
                        }
                    }
                });
            }
        });
    });
}

fn start_gateway(socket: &Path) -> SocketAddr {
    let routes = Routes::default();
    let label = Label::environment(&Slug::of("shop"), Kind::Production);
    routes.set(Route {
        environment: EnvironmentId("shop".to_owned()),
        name: "local/shop/production".to_owned(),
        kind: Kind::Production,
        label: label.clone(),
        to: To::Serving(Serving {
            generation: Generation(1),
            commit: Commit::parse(&"a".repeat(40)).unwrap(),
            endpoints: vec![Target {
                name: "web".to_owned(),
                label,
                primary: true,
                console: false,
                upstream: Upstream::Unix(socket.to_owned()),
            }],
        }),
    });
    let config = GatewayConfig::new(Addresses {
        scheme: "http".to_owned(),
        dashboard: "nestling.localhost".to_owned(),
        preview_domain: "localhost".to_owned(),
    });
    let doors = Doors {
        grants: Arc::new(Grants::default()),
        wake: |_: &EnvironmentId| {},
    };
    let gateway = Gateway::new(routes, config, Arc::new(doors));
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let server = HttpServer::new(move || {
                let dashboard = web::to(|| async { HttpResponse::Ok().finish() });
                App::new().default_service(dashboard).wrap(gateway.clone())
            })
            .workers(WORKERS)
            .disable_signals()
            .bind(("127.0.0.1", 0))
            .unwrap();
            tell.send(server.addrs()[0]).unwrap();
            server.run().await.unwrap();
        });
    });
    told.recv().unwrap()
}

/// An nginx of our own, stopped when dropped.
struct Nginx {
    address: SocketAddr,
    process: Child,
}

impl Nginx {
    fn start(directory: &Path, socket: &Path) -> Self {
        let port = TcpListener::bind(("127.0.0.1", 0))
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let configuration = directory.join("nginx.conf");
        std::fs::write(&configuration, nginx_configuration(directory, socket, port)).unwrap();
        let process = Command::new("nginx")
            .arg("-c")
            .arg(&configuration)
            .arg("-p")
            .arg(directory)
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx is installed (Debian: nginx-light)");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let deadline = std::time::Instant::now() + Duration::from_secs(5);
        while std::net::TcpStream::connect(address).is_err() {
            assert!(
                std::time::Instant::now() < deadline,
                "nginx listens within 5 s"
            );
            std::thread::yield_now();
        }
        Nginx { address, process }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SIGTERM, so that the master ends its workers.
        let stopped = Command::new("kill")
            .arg(self.process.id().to_string())
            .status();
        stopped.ok().and_then(|_| self.process.wait().ok());
    }
}

fn nginx_configuration(directory: &Path, socket: &Path, port: u16) -> String {
    let mut text = String::new();
    let folder = directory.display();
    if rustix::process::geteuid().is_root() {
        // Else its workers become a user who may not enter the folder of the socket.
        text.push_str("user root;\n");
    }
    writeln!(
        text,
        "daemon off; pid {folder}/nginx.pid; error_log /dev/null crit; worker_processes {WORKERS};"
    )
    .unwrap();
    writeln!(text, "events {{ worker_connections 1024; }}\nhttp {{ access_log off; keepalive_requests 100000000;").unwrap();
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        let path: PathBuf = directory.join(kind);
        writeln!(text, "{kind}_temp_path {};", path.display()).unwrap();
    }
    writeln!(
        text,
        "upstream app {{ server unix:{}; keepalive 64; keepalive_requests 100000000; }}",
        socket.display()
    )
    .unwrap();
    writeln!(text, "server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://app; proxy_http_version 1.1;").unwrap();
    writeln!(text, "proxy_set_header Connection \"\"; proxy_set_header Host $host; proxy_set_header X-Forwarded-Host $host;").unwrap();
    writeln!(text, "proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-For $remote_addr; }} }} }}").unwrap();
    text
}

fn wrk(address: SocketAddr, seconds: u32) -> Figures {
    let output = Command::new("wrk")
        .args(["-t", "2", "-c", CONNECTIONS, "--latency", "-d"])
        .arg(format!("{seconds}s"))
        .args(["-H", &format!("Host: {HOST}")])
        .arg(format!("http://{address}/"))
        .output()
        .expect("wrk is installed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        !text.contains("Non-2xx") && !text.contains("Socket errors"),
        "{text}"
    );
    let value = |name: &str| {
        let line = text
            .lines()
            .find(|line| line.trim_start().starts_with(name));
        line.and_then(|line| line.split_whitespace().nth(1))
            .unwrap_or_else(|| panic!("no {name} in {text}"))
            .to_owned()
    };
    Figures {
        per_second: value("Requests/sec").parse().unwrap(),
        p99_ms: milliseconds(&value("99%")),
    }
}

fn milliseconds(text: &str) -> f64 {
    let (number, factor) = if let Some(number) = text.strip_suffix("us") {
        (number, 0.001)
    } else if let Some(number) = text.strip_suffix("ms") {
        (number, 1.0)
    } else {
        (text.trim_end_matches('s'), 1000.0)
    };
    number.parse::<f64>().unwrap() * factor
}

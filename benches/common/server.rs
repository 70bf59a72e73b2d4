//! The real binary as a server, spoken to as any client would.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

/// The longest that a server may take to stop what runs.
const ANSWERS_WITHIN: Duration = Duration::from_mins(1);

/// A server on a data folder of its own. Stopped, with all that runs, when dropped.
pub struct Server {
    child: Child,
    pub data: PathBuf,
    pub port: u16,
    log: PathBuf,
    pub started: Instant,
}

/// One line of the server's log.
#[derive(Debug, Clone)]
pub struct Line {
    /// Seconds since midnight.
    pub at: f64,
    pub message: String,
    pub fields: Value,
}

impl Server {
    /// `nestling COMMAND …` with these settings over the default ones.
    pub fn start(command: &[&str], data: &Path, settings: &[(&str, &str)]) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .unwrap()
            .port();
        std::fs::create_dir_all(data).unwrap();
        let log = data.with_extension("log");
        let started = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_nestling"))
            .args(command)
            .envs(settings.iter().copied())
            .env("NESTLING__SERVER__DATA_DIR", data)
            .env("NESTLING__SERVER__LISTEN", format!("127.0.0.1:{port}"))
            .env("NESTLING__LOG__FORMAT", "json")
            .env("NESTLING__LOG__LEVEL", "nestling=info")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Server {
            child,
            data: data.to_owned(),
            port,
            log,
            started,
        }
    }

    /// Waits until it answers, and says after how long.
    pub fn answers(&self) -> Duration {
        super::until("the server answers", ANSWERS_WITHIN, || {
            self.try_ask("GET", "/readyz")
                .filter(|(status, _)| *status == 200)
        });
        self.started.elapsed()
    }

    pub fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask("GET", path);
        assert_eq!(status, 200, "GET {path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    pub fn post(&self, path: &str) {
        let (status, body) = self.ask("POST", path);
        assert_eq!(status, 200, "POST {path}: {body}");
    }

    pub fn ask(&self, method: &str, path: &str) -> (u16, String) {
        self.try_ask(method, path)
            .unwrap_or_else(|| panic!("no answer to {method} {path}; see {}", self.log.display()))
    }

    fn try_ask(&self, method: &str, path: &str) -> Option<(u16, String)> {
        let token = std::fs::read_to_string(self.data.join("api-token")).ok()?;
        let host = format!("nestling.localhost:{}", self.port);
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            token.trim()
        );
        exchange(self.port, &request)
    }

    /// Sends JSON.
    pub fn send(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let token = std::fs::read_to_string(self.data.join("api-token")).unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: nestling.localhost:{}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.port,
            token.trim(),
            body.len()
        );
        exchange(self.port, &request).unwrap()
    }

    /// Ends at once, as by `kill -9`.
    pub fn dies(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// What a visitor of this environment gets.
    pub fn visit(&self, label: &str) -> Option<u16> {
        let request = format!(
            "GET / HTTP/1.1\r\nHost: {label}.localhost:{}\r\nConnection: close\r\n\r\n",
            self.port
        );
        exchange(self.port, &request).map(|(status, _)| status)
    }

    /// Waits until this commit runs there.
    pub fn runs(&self, environment: &str, commit: &str) {
        let path = |what: &str| {
            let (app, name) = environment.rsplit_once('/').unwrap();
            format!("/v1/apps/{app}/environments/{name}{what}")
        };
        let wait = path(&format!("/wait?commit={commit}&timeout=600"));
        // Until the forge has noticed, there is no such app.
        let answer = super::until("the environment appears", ANSWERS_WITHIN, || {
            let (status, body) = self.ask("GET", &wait);
            (status == 200).then_some(body)
        });
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(
            answer["outcome"],
            "running",
            "{environment}: {answer:#}; see {}",
            self.log.display()
        );
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A figure of `/proc/PID/status` in KiB: `VmRSS`, `VmHWM`.
    pub fn kib(&self, name: &str) -> f64 {
        kib(self.child.id(), name)
    }

    /// Everything that it logged so far.
    pub fn log(&self) -> Vec<Line> {
        let text = std::fs::read_to_string(&self.log).unwrap();
        text.lines().filter_map(line).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        // Ctrl-C stops what runs, too.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        let _ = self.child.wait();
    }
}

/// A figure of `/proc/PID/status` in KiB.
pub fn kib(pid: u32, name: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn exchange(port: u16, request: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    Some((status, body.to_owned()))
}

fn line(text: &str) -> Option<Line> {
    let fields: Value = serde_json::from_str(text).ok()?;
    // 2026-01-31T12:34:56.789012Z
    let clock = fields["timestamp"].as_str()?.split_once('T')?.1;
    let mut parts = clock.trim_end_matches('Z').split(':');
    let mut next = || parts.next()?.parse::<f64>().ok();
    let at = next()? * 3600.0 + next()? * 60.0 + next()?;
    let fields = fields["fields"].clone();
    let message = fields["message"].as_str()?.to_owned();
    Some(Line {
        at,
        message,
        fields,
    })
}

//! The real binary as a server, and git as its user would use it.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A server of the real binary, on a data folder of its own. It is stopped, with all that runs, at the end.
pub(crate) struct Server {
    child: Child,
    pub(crate) data: PathBuf,
    port: u16,
}

/// The longest the first install of both apps may take on a busy machine.
pub(crate) const FIRST: Duration = Duration::from_mins(4);
/// What takes longer than this without an install is stuck.
pub(crate) const SOON: Duration = Duration::from_mins(1);

impl Server {
    /// `nestling demo` or `nestling up …`.
    pub(crate) fn start(command: &[&str], data: &Path, port: u16) -> Self {
        Self::start_with(command, data, port, &[], Stdio::inherit())
    }

    /// The same with these variables, and its log there.
    pub(crate) fn start_with(
        command: &[&str],
        data: &Path,
        port: u16,
        variables: &[(String, String)],
        log: Stdio,
    ) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_nestling"))
            .args(command)
            .arg("--data")
            .arg(data)
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Server {
            child,
            data: data.to_owned(),
            port,
        }
    }

    /// What `nestling ps --json` answers; empty while there is no server yet.
    pub(crate) fn environments(&self) -> Vec<serde_json::Value> {
        let output = nestling(&[
            "ps",
            "--json",
            "--closed",
            "--data",
            self.data.to_str().unwrap(),
        ]);
        let Ok(answer) = serde_json::from_slice::<serde_json::Value>(&output.stdout) else {
            return Vec::new();
        };
        let list = answer
            .as_array()
            .or_else(|| answer["environments"].as_array());
        list.cloned().unwrap_or_default()
    }

    pub(crate) fn status(&self, name: &str) -> (String, String) {
        let environments = self.environments();
        let found = environments.iter().find(|one| one["name"] == name);
        let text = |key: &str| {
            found
                .and_then(|one| one[key].as_str())
                .unwrap_or_default()
                .to_owned()
        };
        let commit = found
            .and_then(|one| one["commit"]["id"].as_str())
            .unwrap_or_default()
            .to_owned();
        (text("status"), commit)
    }

    /// The commit that serves, and whether a newer deployment has failed.
    pub(crate) fn serving(&self, name: &str) -> (String, bool) {
        let environments = self.environments();
        let found = environments.iter().find(|one| one["name"] == name);
        let commit = found
            .and_then(|one| one["serving"]["commit"]["id"].as_str())
            .unwrap_or_default();
        (
            commit.to_owned(),
            found.is_some_and(|one| !one["failure"].is_null()),
        )
    }

    pub(crate) fn until(&self, what: &str, within: Duration, so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + within;
        while !so(self) {
            assert!(
                Instant::now() < deadline,
                "not within {within:?}: {what}\n{:#?}",
                self.environments()
            );
            wait();
        }
    }

    /// Dies at once, as by a power cut; what runs goes on.
    pub(crate) fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        std::mem::forget(self);
    }

    /// Ends in order, as by a supervisor; what runs goes on.
    pub(crate) fn terminate(mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
        std::mem::forget(self);
    }

    pub(crate) fn link(&self) -> String {
        let token = std::fs::read_to_string(self.data.join("api-token")).unwrap();
        format!(
            "http://nestling.localhost:{}/?token={}",
            self.port,
            token.trim()
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ctrl-C stops what runs, too.
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        let _ = self.child.wait();
    }
}

fn wait() {
    pause(Duration::from_millis(100));
}

/// Between two looks at another process, which cannot be awaited.
#[allow(
    clippy::disallowed_methods,
    reason = "this looks at another process from outside"
)]
pub(crate) fn pause(span: Duration) {
    std::thread::sleep(span);
}

pub(crate) fn nestling(arguments: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_nestling"))
        .args(arguments)
        .output()
        .unwrap()
}

pub(crate) fn git(repository: &Path, arguments: &[&str]) {
    let identity = [
        ("GIT_AUTHOR_NAME", "Ann"),
        ("GIT_AUTHOR_EMAIL", "a@b"),
        ("GIT_COMMITTER_NAME", "Ann"),
        ("GIT_COMMITTER_EMAIL", "a@b"),
    ];
    let status = Command::new("git")
        .arg("-C")
        .arg(repository)
        .args(arguments)
        .envs(identity)
        .status()
        .unwrap();
    assert!(status.success(), "git {arguments:?}");
}

/// Asks for a path as a browser would; status and body.
pub(crate) fn get(host: &str, port: u16, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Every process whose command line names this folder.
pub(crate) fn processes_of(folder: &Path) -> Vec<String> {
    let wanted = folder.to_str().unwrap();
    let all = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let lines = all.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let texts = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    texts.filter(|line| line.contains(wanted)).collect()
}

pub(crate) fn head(repository: &Path) -> String {
    let output = Command::new("git")
        .arg("-C")
        .arg(repository)
        .args(["rev-parse", "HEAD"])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

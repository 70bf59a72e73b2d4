//! The real binary as a server, and git as its user would use it.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::sight;

/// A server of the real binary, on a data folder of its own. It is stopped, with all that runs, at the end.
pub(crate) struct Server {
    child: Child,
    command: Vec<String>,
    settings: Vec<(String, String)>,
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
        let settings: Vec<(String, String)> = Vec::new();
        Self::start_with(command, data, port, &settings, Stdio::inherit())
    }

    /// The same, configured by its environment, and its log there.
    pub(crate) fn start_with(
        command: &[&str],
        data: &Path,
        port: u16,
        settings: &[(String, String)],
        log: Stdio,
    ) -> Self {
        let mut command: Vec<String> = command.iter().map(|&part| part.to_owned()).collect();
        command.extend(["--data".to_owned(), data.to_str().unwrap().to_owned()]);
        command.extend(["--listen".to_owned(), format!("127.0.0.1:{port}")]);
        Server {
            child: spawn(&command, settings, log),
            command,
            settings: settings.to_vec(),
            data: data.to_owned(),
            port,
        }
    }

    /// `nestling serve`, configured by its environment.
    pub(crate) fn serve(data: &Path, port: u16, settings: &[(&str, String)]) -> Self {
        let own = [
            ("SERVER__DATA_DIR", data.to_str().unwrap().to_owned()),
            ("SERVER__LISTEN", format!("127.0.0.1:{port}")),
        ];
        let settings = own.iter().chain(settings);
        let settings: Vec<(String, String)> = settings
            .map(|(name, value)| (format!("NESTLING__{name}"), value.clone()))
            .collect();
        let command = vec!["serve".to_owned()];
        Server {
            child: spawn(&command, &settings, Stdio::inherit()),
            command,
            settings,
            data: data.to_owned(),
            port,
        }
    }

    /// `nestling serve --config FILE`; what is no matter of a file is in its environment. The file says the data folder and the port.
    pub(crate) fn serve_file(
        file: &Path,
        data: &Path,
        port: u16,
        settings: &[(String, String)],
    ) -> Self {
        let command = ["serve", "--config", file.to_str().unwrap()];
        let command: Vec<String> = command.map(str::to_owned).into();
        Server {
            child: spawn(&command, settings, Stdio::inherit()),
            command,
            settings: settings.to_vec(),
            data: data.to_owned(),
            port,
        }
    }

    /// Dies at once, as by a power cut; what runs goes on.
    pub(crate) fn die(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ctrl-C, until it has ended, with all that runs.
    pub(crate) fn interrupt(&mut self) {
        self.signal(rustix::process::Signal::INT);
    }

    fn signal(&mut self, signal: rustix::process::Signal) {
        // Its number may be somebody else's by now.
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, signal);
        let _ = self.child.wait();
    }

    /// Starts again after it died.
    pub(crate) fn rise(&mut self) {
        self.child = spawn(&self.command, &self.settings, Stdio::inherit());
    }

    /// Starts again at another port.
    pub(crate) fn rise_at(&mut self, port: u16) {
        let (old, new) = (self.port.to_string(), port.to_string());
        for part in &mut self.command {
            *part = part.replace(&format!("127.0.0.1:{old}"), &format!("127.0.0.1:{new}"));
        }
        self.port = port;
        self.rise();
    }

    /// Starts again after it died, and says all that it does, in a file.
    pub(crate) fn says_all(&mut self) {
        let log = std::fs::File::create(self.said()).unwrap();
        let level = ("NESTLING__LOG__LEVEL".to_owned(), "trace".to_owned());
        self.settings.push(level);
        self.child = spawn(&self.command, &self.settings, log.into());
    }

    /// Where it says all that it does.
    pub(crate) fn said(&self) -> PathBuf {
        self.data.with_extension("log")
    }

    /// What the API answers to a `GET`; null while there is no server, or when it refuses.
    pub(crate) fn get(&self, path: &str) -> serde_json::Value {
        self.ask(path).unwrap_or_default()
    }

    fn ask(&self, path: &str) -> Option<serde_json::Value> {
        serde_json::from_str(&self.text(path)?).ok()
    }

    /// What the server answers to who has its token.
    pub(crate) fn text(&self, path: &str) -> Option<String> {
        let (status, body) = self.answer("GET", path, "")?;
        (status == 200).then_some(body)
    }

    /// What comes of an order: the status, and the answer.
    pub(crate) fn order(&self, method: &str, path: &str, body: &str) -> (u16, serde_json::Value) {
        let (status, body) = self.answer(method, path, body).unwrap();
        (status, serde_json::from_str(&body).unwrap())
    }

    /// What the server answers to who has its token: the status, and the text.
    pub(crate) fn answer(&self, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
        let token = std::fs::read_to_string(self.data.join("api-token")).ok()?;
        let request = format!(
            "{method} {path} HTTP/1.0\r\nHost: 127.0.0.1:{}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.port,
            token.trim(),
            body.len()
        );
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(SOON)).ok()?;
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, body.to_owned()))
    }

    /// An environment as the API shows it; null while there is no server, or no such environment.
    pub(crate) fn view(&self, name: &str) -> serde_json::Value {
        self.get(&path(name))
    }

    /// The deployments of an environment, newest first.
    pub(crate) fn deployments(&self, name: &str) -> Vec<serde_json::Value> {
        let page = self.get(&format!("{}/deployments?limit=100", path(name)));
        page["deployments"].as_array().cloned().unwrap_or_default()
    }

    /// A client command that is not waited for.
    pub(crate) fn begin(&self, command: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_nestling"))
            .args(command)
            .arg("--data")
            .arg(&self.data)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// A request to an app, through the gateway, whose body never comes to its end: in flight until it is cut.
    pub(crate) fn begin_post(&self, label: &str, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {label}.localhost:{}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{",
            self.port
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream
    }

    /// A log of a deployment as `nestling logs` shows it: per line its number and its text.
    pub(crate) fn log(&self, name: &str, number: u64, log: &str) -> Vec<(u64, String)> {
        let data = self.data.to_str().unwrap();
        let number = number.to_string();
        let arguments = ["logs", name, "--json", "--data", data, "--log", log];
        let output = nestling(&[&arguments[..], &["--deployment", &number]].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        let lines = text.lines().map(serde_json::from_str::<serde_json::Value>);
        lines
            .map(|line| {
                let line = line.unwrap();
                let text = line["text"].as_str().unwrap().to_owned();
                (line["n"].as_u64().unwrap(), text)
            })
            .collect()
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

    /// Ends in order, as by a supervisor; what runs goes on.
    pub(crate) fn terminate(mut self) {
        self.signal(rustix::process::Signal::TERM);
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
        self.interrupt();
        if std::thread::panicking() {
            // A story that failed while its server was dead: what it left would run for ever.
            let left = sight::alive(&self.data).into_values().flatten();
            left.for_each(|process| process.kill());
        }
    }
}

fn spawn(command: &[String], settings: &[(String, String)], log: Stdio) -> Child {
    Command::new(env!("CARGO_BIN_EXE_nestling"))
        .args(command)
        .envs(settings.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// Where the API shows an environment.
fn path(name: &str) -> String {
    let (app, environment) = name.rsplit_once('/').unwrap();
    format!("/v1/apps/{app}/environments/{environment}")
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

/// A repository of one page, called `site`, in this folder.
pub(crate) fn quiet_site(folder: &Path) -> PathBuf {
    let repository = folder.join("site");
    std::fs::create_dir(&repository).unwrap();
    std::fs::write(repository.join("index.html"), "a quiet site").unwrap();
    git(&repository, &["init", "--quiet", "--initial-branch=main"]);
    commit(&repository, "Begin");
    repository
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

/// Commits everything in the repository's folder; answers the commit.
pub(crate) fn commit(repository: &Path, message: &str) -> String {
    git(repository, &["add", "--all"]);
    let order = ["commit", "--quiet", "--allow-empty", "--no-gpg-sign"];
    git(repository, &[&order[..], &["--message", message]].concat());
    head(repository)
}

/// A sample of ours in a repository of its own, not yet committed.
pub(crate) fn sample(name: &str, folder: &Path) -> PathBuf {
    let path = folder.join(name);
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    copy(&sample.join(name), &path);
    git(&path, &["init", "--quiet", "--initial-branch=main"]);
    path
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
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

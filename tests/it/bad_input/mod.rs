//! Bad input, one story per item: what is wrong is said on the page, in `ps` and in the log, with the thing, the
//! place and the remedy. The neighbour does not notice, and nothing is lost.

mod app;
mod disk;
mod house;
mod page;
mod repository;
mod time;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::server::{SOON, Server, free_port, git, nestling, pause};

/// What the neighbour answers.
const NEIGHBOUR: &str = "all is quiet here";

/// A server with a neighbour to whom nothing must happen, and with whatever a story adds.
pub(super) struct World {
    folder: tempfile::TempDir,
    port: u16,
    variables: Vec<(String, String)>,
    repositories: Vec<PathBuf>,
    server: Option<Server>,
    /// The neighbour's process: its id, its start, and the boot of this box.
    neighbour: String,
}

impl World {
    /// Nothing runs yet.
    pub(super) fn new() -> Self {
        let variables = [("NESTLING__LOG__LEVEL", "nestling=info")];
        let mut world = World {
            folder: tempfile::tempdir().unwrap(),
            port: free_port(),
            variables: Vec::new(),
            repositories: Vec::new(),
            server: None,
            neighbour: String::new(),
        };
        for (name, value) in variables {
            world.set(name, value);
        }
        world.repository("neighbour", &[("index.html", NEIGHBOUR)]);
        world
    }

    /// Configures the server from its next start on, as a user would: by a variable.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.unset(name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    pub(super) fn unset(&mut self, name: &str) {
        self.variables.retain(|(known, _)| known != name);
    }

    /// A watched repository with these files on its default branch; without any, it has no commit.
    pub(super) fn repository(&mut self, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::create_dir_all(&path).unwrap();
        git(&path, &["init", "--quiet", "--initial-branch=main"]);
        if !files.is_empty() {
            commit(&path, files);
        }
        self.repositories.push(path.clone());
        path
    }

    /// Starts the server, and waits until the neighbour serves: by the same process as ever.
    pub(super) fn start(&mut self) {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.log_file())
            .unwrap();
        let command = self.command();
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let (data, variables) = (self.data(), &self.variables);
        let server = Server::start_with(&command, &data, self.port, variables, log.into());
        self.server = Some(server);
        self.until("the neighbour serves", |world| {
            world.status("neighbour/production") == "running"
        });
        if self.neighbour.is_empty() {
            self.neighbour = self.process_of_neighbour();
        }
        self.neighbour_serves();
    }

    /// Ends the server in order; what runs goes on.
    pub(super) fn end(&mut self) {
        self.server.take().unwrap().terminate();
    }

    /// Tries to start one more server on the same data folder, which must fail: what it says.
    pub(super) fn refusal(&self, port: u16) -> String {
        let data = self.data();
        let mut arguments = self.command();
        arguments.extend(["--data".into(), data.to_str().unwrap().into()]);
        arguments.extend(["--listen".into(), format!("127.0.0.1:{port}")]);
        let mut refused = Command::new(env!("CARGO_BIN_EXE_nestling"))
            .args(&arguments)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + SOON;
        let status = loop {
            if let Some(status) = refused.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > deadline {
                refused.kill().unwrap();
            }
            pause(Duration::from_millis(50));
        };
        let mut said = String::new();
        let mut errors = refused.stderr.take().unwrap();
        errors.read_to_string(&mut said).unwrap();
        assert_eq!(status.code(), Some(1), "{said}");
        let complaint = said.lines().filter(|line| line.starts_with("nestling: "));
        self.tidy(&complaint.collect::<Vec<_>>().join("\n"))
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// Waits for it. `name` in a look is without `local/`.
    pub(super) fn until(&self, what: &str, so: impl Fn(&Self) -> bool) {
        let server = self.server.as_ref().unwrap();
        server.until(what, SOON, |_| so(self));
    }

    pub(super) fn status(&self, name: &str) -> String {
        let server = self.server.as_ref().unwrap();
        server.status(&format!("local/{name}")).0
    }

    /// The commit that serves there, and whether a newer one has failed.
    pub(super) fn serving(&self, name: &str) -> (String, bool) {
        let server = self.server.as_ref().unwrap();
        server.serving(&format!("local/{name}"))
    }

    /// What people see: on this page, in `ps`, and the lines of the server's log that hold `words`.
    pub(super) fn seen(&self, page: &str, words: &str) -> String {
        let page = page::notices(&self.get("nestling", page));
        let log = self.log();
        let lines = log.lines().filter(|line| line.contains(words));
        let said: Vec<&str> = lines.map(page::said).collect();
        let text = format!(
            "page:\n{page}\n\nps:\n{}\n\nlog:\n{}",
            page::unbroken(&self.ps()),
            said.join("\n")
        );
        self.tidy(&text)
    }

    /// The lines of a deployment's log that hold `words`, as `nestling logs` shows them once they are there.
    pub(super) fn logged(&self, name: &str, log: &str, words: &str) -> String {
        let (name, data) = (format!("local/{name}"), self.data());
        let lines = || {
            let data = data.to_str().unwrap();
            let answer = nestling(&["logs", &name, "--log", log, "--data", data]);
            let text = String::from_utf8(answer.stdout).unwrap();
            let lines = text.lines().filter(|line| line.contains(words));
            lines.collect::<Vec<_>>().join("\n")
        };
        self.until("it is logged", |_| !lines().is_empty());
        self.tidy(&lines())
    }

    pub(super) fn ps(&self) -> String {
        let answer = nestling(&["ps", "--data", self.data().to_str().unwrap()]);
        let complaint = String::from_utf8(answer.stderr).unwrap();
        String::from_utf8(answer.stdout).unwrap() + &complaint
    }

    /// What answers at a host of this server: the whole answer.
    pub(super) fn get(&self, host: &str, path: &str) -> String {
        let token = fs::read_to_string(self.data().join("api-token")).unwrap();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let token = token.trim();
        let authorised = if host == "nestling" {
            format!("Authorization: Bearer {token}\r\n")
        } else {
            String::new()
        };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}.localhost:{}\r\nConnection: close\r\n{authorised}\r\n",
            self.port
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// The neighbour answers through the gateway, and is the process that it was at the beginning.
    pub(super) fn neighbour_serves(&self) {
        let answer = self.get("neighbour", "/");
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.contains(NEIGHBOUR),
            "{answer}"
        );
        self.neighbour_lives();
    }

    /// The same without a server that could answer.
    pub(super) fn neighbour_lives(&self) {
        let record = self.process_of_neighbour();
        assert_eq!(record, self.neighbour, "the neighbour was started anew");
        let record: serde_json::Value = serde_json::from_str(&record).unwrap();
        let pid = record["pid"].as_i64().unwrap();
        assert!(Path::new(&format!("/proc/{pid}")).exists(), "{record}");
    }

    fn process_of_neighbour(&self) -> String {
        let environments = fs::read_dir(self.data().join("machines/environments")).unwrap();
        let mut machines = environments.map(|entry| entry.unwrap().path().join("1"));
        let is_neighbour = |machine: &PathBuf| {
            let page = fs::read_to_string(machine.join("work/app/index.html"));
            page.is_ok_and(|page| page == NEIGHBOUR)
        };
        let machine = machines.find(is_neighbour).unwrap();
        fs::read_to_string(machine.join("record.json")).unwrap()
    }

    fn command(&self) -> Vec<String> {
        let named = self.repositories.iter().flat_map(|path| {
            let path = path.to_str().unwrap().to_owned();
            ["--repo".to_owned(), path]
        });
        ["up".to_owned()].into_iter().chain(named).collect()
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap()
    }

    fn log_file(&self) -> PathBuf {
        self.path("log")
    }

    /// Without what differs from run to run: places, ports, commits and other long numbers.
    pub(super) fn tidy(&self, text: &str) -> String {
        let here = self.folder.path().to_str().unwrap();
        let mut text = text.replace(here, "HERE");
        // On a box that was just started, its number is too small to look like one.
        if let Some(server) = &self.server {
            let process = format!("process {}", server.pid());
            text = text.replace(&process, "process #");
        }
        page::without_numbers(&text)
    }
}

/// Writes these files and commits all there is.
pub(super) fn commit(repository: &Path, files: &[(&str, &str)]) -> String {
    for (name, text) in files {
        let path = repository.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    git(repository, &["add", "--all"]);
    let message = [
        "commit",
        "--quiet",
        "--allow-empty",
        "--no-gpg-sign",
        "--message",
        "Change",
    ];
    git(repository, &message);
    crate::server::head(repository)
}

/// Commits these files on a new branch; what is checked out stays.
pub(super) fn commit_on(repository: &Path, branch: &str, files: &[(&str, &str)]) -> String {
    git(repository, &["switch", "--quiet", "--create", branch]);
    let commit = commit(repository, files);
    git(repository, &["switch", "--quiet", "main"]);
    commit
}

/// A `package.json` with these scripts.
pub(super) fn package(name: &str, scripts: &[(&str, &str)]) -> String {
    let scripts: serde_json::Map<String, serde_json::Value> = scripts
        .iter()
        .map(|(name, line)| ((*name).to_owned(), (*line).into()))
        .collect();
    serde_json::json!({ "name": name, "private": true, "scripts": scripts }).to_string()
}

/// A server that answers at the port it is given.
pub(super) const SERVES: &str =
    r#"require("http").createServer((_, r) => r.end("ok")).listen(process.env.PORT, "127.0.0.1");"#;

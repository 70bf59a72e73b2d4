//! A world for a runner: folders of a machine, a repository, and a model of the server.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "each test file uses its own part"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "tests fail by panicking"
)]

pub mod lockfiles;
pub mod model;
mod process;
mod repository;

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use nestling_protocol::bundle::{App, Bundle, Environment, Kind, Limits, Source};
use nestling_protocol::report::{Failure, Phase};
use nestling_runner::{Isolation, Options};
use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio::time::timeout;

pub use model::Model;
use process::{DISK, innermost, own};
pub use process::{USER, options, sandbox_is_usable};
use repository::bundle;
pub use repository::{commit, git};

/// Nothing in a test takes longer, on the busiest machine.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// The generation of every test's deployment.
pub const GENERATION: u32 = 7;

pub struct World {
    pub folder: TempDir,
    pub model: Model,
    pub options: Options,
    repository: PathBuf,
    runner: Option<Child>,
    uid: Option<u32>,
    wrapper: Vec<String>,
}

impl World {
    /// A repository with these files, and a server that wants it deployed.
    pub async fn new(kind: Kind, files: &[(&str, &str)]) -> Self {
        World::below(&process::folders(), kind, files).await
    }

    /// The same, whose runner is a user of its own and keeps its steps in sandboxes.
    pub async fn nested(kind: Kind, files: &[(&str, &str)]) -> Self {
        let mut world = World::below(Path::new(DISK), kind, files).await;
        world.options.isolation = Isolation::Nested;
        world.uid = Some(USER);
        world
    }

    #[allow(
        clippy::unused_async,
        reason = "the server needs the runtime that it is started in"
    )]
    async fn below(parent: &Path, kind: Kind, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("nestling-runner-")
            .tempdir_in(parent)
            .unwrap();
        let place = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(&path).unwrap();
            path
        };
        for name in ["run", "server", "state", "work", "cache"] {
            place(name);
        }
        let options = options(folder.path());
        let repository = place("repository");
        git(&repository, &["init", "--quiet", "-b", "main"]);
        let (commit, source) = commit(&repository, files);
        let model = Model::new(
            options.server_dir.join("server.sock"),
            bundle(kind, commit),
            source,
        );
        model.start();
        World {
            folder,
            model,
            options,
            repository,
            runner: None,
            uid: None,
            wrapper: vec![],
        }
    }

    /// Commits these files on top; the next run deploys that commit.
    pub fn commit(&self, files: &[(&str, &str)]) {
        self.serve(commit(&self.repository, files));
    }

    /// Deploys this commit, which is in the repository.
    pub fn offer(&self, commit: &str) {
        git(&self.repository, &["update-ref", "HEAD", commit]);
        self.serve(repository::pack(&self.repository));
    }

    fn serve(&self, (commit, source): (String, Vec<u8>)) {
        self.model.change(|state| {
            state.bundle.source = Source::Bundle { commit };
            state.source = source;
        });
    }

    /// Where the app's repository lies.
    pub fn repository(&self) -> &Path {
        &self.repository
    }

    /// Changes what the server hands out.
    pub fn with(self, change: impl FnOnce(&mut Bundle)) -> Self {
        self.model.change(|state| change(&mut state.bundle));
        self
    }

    /// Lets the runner be started by this command.
    pub fn inside(mut self, wrapper: Vec<String>) -> Self {
        self.wrapper = wrapper;
        self
    }

    /// Starts the runner, as a process of its own as in a machine of its own.
    pub fn run(&mut self) -> &mut Self {
        std::fs::write(self.options.run_dir.join("token"), model::TOKEN).unwrap();
        let program = std::env::current_exe().unwrap().display().to_string();
        let arguments = [
            &program,
            "--exact",
            "support::process::runner_process",
            "--ignored",
            "--nocapture",
        ]
        .map(str::to_owned);
        let all: Vec<String> = self.wrapper.iter().cloned().chain(arguments).collect();
        let mut command = Command::new(&all[0]);
        command
            .args(&all[1..])
            .env("NESTLING_TEST_MACHINE", self.folder.path())
            .stdout(Stdio::null());
        if self.options.isolation == Isolation::Nested {
            command.env("NESTLING_TEST_NESTED", "1");
        }
        if let Some(uid) = self.uid {
            own(self.folder.path(), uid);
            command.uid(uid).gid(uid).env("HOME", self.folder.path());
        }
        self.runner = Some(command.spawn().unwrap());
        self
    }

    /// Makes the machine fresh for a second deployment; cache and state stay.
    pub fn next_machine(&self) {
        for folder in [&self.options.work_dir, &self.options.run_dir] {
            std::fs::remove_dir_all(folder).unwrap();
            std::fs::create_dir_all(folder).unwrap();
        }
        self.model.forget();
    }

    pub async fn until_running(&self) {
        self.model
            .until("running", |state| {
                state.said(|phase| matches!(phase, Phase::Running { .. }))
                    || state.failure().is_some()
            })
            .await;
        if let Some(failure) = self.model.state(model::State::failure) {
            panic!(
                "failed instead of running: {failure:#?}\n{}",
                self.model.state(model::State::all_text)
            );
        }
    }

    pub async fn until_failed(&self) -> Failure {
        self.model
            .until("failed", |state| state.failure().is_some())
            .await;
        self.model.state(model::State::failure).unwrap()
    }

    /// Stops the runner as its machine does, and waits for its end.
    pub async fn stop(&mut self) -> i32 {
        let pid = self.runner.as_ref().expect("the runner runs").id();
        // Through a wrapper the signal goes to the runner itself.
        let runner = if self.wrapper.is_empty() {
            pid
        } else {
            innermost(pid)
        };
        assert!(
            Command::new("kill")
                .arg(runner.to_string())
                .status()
                .unwrap()
                .success()
        );
        self.end().await
    }

    /// Waits for the runner's end and gives its exit code.
    pub async fn end(&mut self) -> i32 {
        let mut runner = self.runner.take().expect("the runner runs");
        let ended =
            tokio::task::spawn_blocking(move || runner.wait().unwrap().code().unwrap_or(-1));
        timeout(PATIENCE, ended)
            .await
            .expect("the runner ends")
            .unwrap()
    }

    /// Asks an endpoint as the gateway does.
    pub async fn get(&self, endpoint: &str, path: &str) -> (u16, String) {
        self.get_as(endpoint, path, "*/*").await
    }

    pub async fn get_as(&self, endpoint: &str, path: &str, accept: &str) -> (u16, String) {
        self.ask(hyper::Method::GET, endpoint, path, accept).await
    }

    pub async fn post(&self, endpoint: &str, path: &str) -> (u16, String) {
        self.ask(hyper::Method::POST, endpoint, path, "*/*").await
    }

    /// Asks the app with these headers, and gives the whole answer.
    pub async fn exchange(
        &self,
        method: hyper::Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> hyper::Response<Bytes> {
        let socket = self.options.run_dir.join("app.sock");
        timeout(PATIENCE, exchange(method, socket, path.to_owned(), headers))
            .await
            .expect("an answer")
            .expect("an answer")
    }

    async fn ask(
        &self,
        method: hyper::Method,
        endpoint: &str,
        path: &str,
        accept: &str,
    ) -> (u16, String) {
        let socket = self.options.run_dir.join(format!("{endpoint}.sock"));
        timeout(
            PATIENCE,
            ask(method, socket, path.to_owned(), accept.to_owned()),
        )
        .await
        .expect("an answer")
        .expect("an answer")
    }
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

async fn ask(
    method: hyper::Method,
    socket: PathBuf,
    path: String,
    accept: String,
) -> Result<(u16, String), Failed> {
    let response = exchange(method, socket, path, &[("accept", &accept)]).await?;
    let body = String::from_utf8_lossy(response.body()).into_owned();
    Ok((response.status().as_u16(), body))
}

async fn exchange(
    method: hyper::Method,
    socket: PathBuf,
    path: String,
    headers: &[(&str, &str)],
) -> Result<hyper::Response<Bytes>, Failed> {
    let stream = UnixStream::connect(socket).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut request = hyper::Request::builder()
        .method(method)
        .uri(path)
        .header("host", "shop.localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = sender
        .send_request(request.body(Empty::<Bytes>::new())?)
        .await?;
    let (head, body) = response.into_parts();
    let body: Bytes = body.collect().await?.to_bytes();
    Ok(hyper::Response::from_parts(head, body))
}

/// A Node server in one line, without dependencies.
pub const NODE_SERVER: &str = r#"
const http = require("node:http");
http.createServer((request, response) => {
  if (request.url === "/env") return response.end(JSON.stringify(process.env));
  if (request.url === "/crash") { response.end("bye"); setTimeout(() => process.exit(9), 10); return; }
  response.end("hello from the shop");
}).listen(process.env.PORT, () => console.log("the shop is open"));
process.on("SIGTERM", () => { console.log("the shop closes"); process.exit(0); });
"#;

/// Waits until something outside of the model is true.
pub async fn until(what: &str, is: impl Fn() -> bool) {
    let whole = async {
        while !is() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, whole)
        .await
        .unwrap_or_else(|_| panic!("not in time: {what}"));
}

impl World {
    /// The status of the app, if it answers.
    pub async fn get_or_nothing(&self, path: &str) -> Option<u16> {
        ask(
            hyper::Method::GET,
            self.options.run_dir.join("app.sock"),
            path.to_owned(),
            "*/*".into(),
        )
        .await
        .ok()
        .map(|(status, _)| status)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(runner) = &mut self.runner {
            let _ = runner.kill();
            let _ = runner.wait();
        }
    }
}

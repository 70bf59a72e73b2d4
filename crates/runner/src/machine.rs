//! The machine as its steps need it: folders, environment, logs, and how to run a command.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use nestling_protocol::bundle::Bundle;
use nestling_protocol::report::{Exit, Failure, Step as StepName};
use tokio::time::Instant;

use crate::log::Logger;
use crate::process::{Capture, Running, words};
use crate::sandbox::{Sandbox, Step, USUAL_PATH, bubblewrap, outside_of_system};
use crate::server::Server;
use crate::{Isolation, Options};

/// What of the runner's own environment a step may know: hosts with a certificate authority of their own
/// need the last two.
const PASSED: [&str; 2] = ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"];

/// Variables of a program that we bring.
pub(crate) type Told = Vec<(&'static str, String)>;

/// Everything that a step needs.
pub(crate) struct Machine {
    pub(crate) options: Options,
    pub(crate) bundle: Bundle,
    pub(crate) server: Server,
    /// The log of clone, setup and tests.
    pub(crate) deployment: Logger,
    /// The log of the running app.
    pub(crate) runtime: Logger,
    /// The Node that the app gets, as it says its version, once it was chosen.
    pub(crate) node: OnceLock<String>,
    sandbox: Sandbox,
    base: BTreeMap<String, String>,
    /// Folders of programs that the app needs beside those of this computer, and what they are told.
    tools: Mutex<Vec<(PathBuf, Told)>>,
    /// What people should know, until it is reported.
    notes: Mutex<Vec<String>>,
}

impl Machine {
    /// Makes the folders and the environment. `proxy` is the port of the way out, where one is needed.
    pub(crate) fn new(
        options: Options,
        bundle: Bundle,
        server: Server,
        (deployment, runtime): (Logger, Logger),
        proxy: Option<u16>,
    ) -> io::Result<Self> {
        let work = &options.work_dir;
        let writable = vec![
            work.join("app"),
            work.join("home"),
            work.join("control"),
            options.cache_dir.clone(),
        ];
        let temporary = work.join("tmp");
        let tools = work.join("tools");
        for folder in writable.iter().chain([&temporary, &tools]) {
            std::fs::create_dir_all(folder)?;
        }
        let path = std::env::var("PATH").unwrap_or_else(|_| USUAL_PATH.to_owned());
        let passed: BTreeMap<String, String> = PASSED
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)))
            .collect();
        let files: Vec<_> = passed.values().map(Into::into).collect();
        let mut readable = outside_of_system(&["node", "npm", "git"], &path, &files);
        readable.push(tools);
        let isolation = options.isolation;
        let bubblewrap = match isolation {
            Isolation::Nested => bubblewrap()?,
            Isolation::None => PathBuf::new(),
        };
        let sandbox = Sandbox {
            isolation,
            bubblewrap,
            writable,
            temporary,
            state: options.state_dir.clone(),
            readable,
        };
        let base = base(&options, path, passed, proxy);
        Ok(Machine {
            options,
            bundle,
            server,
            deployment,
            runtime,
            node: OnceLock::new(),
            sandbox,
            base,
            tools: Mutex::default(),
            notes: Mutex::default(),
        })
    }

    /// Where the commit is checked out.
    pub(crate) fn checkout(&self) -> PathBuf {
        self.options.work_dir.join("app")
    }

    /// The app's folder in the checkout.
    pub(crate) fn app(&self) -> PathBuf {
        let root = &self.bundle.app.root;
        if root.is_empty() {
            self.checkout()
        } else {
            self.checkout().join(root)
        }
    }

    /// Whether anything lies in the folder that stays. One that cannot be read counts as one that holds something.
    pub(crate) fn keeps_state(&self) -> bool {
        std::fs::read_dir(&self.options.state_dir).map_or(true, |mut held| held.next().is_some())
    }

    /// Where the runner leaves what steps read; no step can write there.
    pub(crate) fn tools(&self) -> PathBuf {
        self.options.work_dir.join("tools")
    }

    /// Where a tool of this name and version (`wing-0.85.49`) is: in the machine's image if that brings it, else in the cache.
    pub(crate) fn tool_home(&self, name: &str) -> PathBuf {
        let brought = self.options.image_tools_dir.join(name);
        if brought.is_dir() {
            brought
        } else {
            self.options.cache_dir.join(name)
        }
    }

    /// Where steps leave what the runner reads: test reports, discovered endpoints.
    pub(crate) fn control(&self) -> PathBuf {
        self.options.work_dir.join("control")
    }

    /// The environment of commands that are not the app's: git, copies.
    pub(crate) fn plain_environment(&self) -> BTreeMap<String, String> {
        self.base.clone()
    }

    /// From now on, setup, tests and app find the programs in this folder before any other, and tell them this.
    pub(crate) fn add_tools(&self, folder: PathBuf, told: Told) {
        let mut tools = self.tools.lock().unwrap_or_else(PoisonError::into_inner);
        if tools.iter().all(|(known, _)| *known != folder) {
            tools.push((folder, told));
        }
    }

    fn with_tools(&self) -> BTreeMap<String, String> {
        let mut all = self.base.clone();
        let tools = self.tools.lock().unwrap_or_else(PoisonError::into_inner);
        let usual = self.base.get("PATH").map_or("", String::as_str);
        let folders = tools.iter().map(|(folder, _)| folder.clone());
        let path = std::env::join_paths(folders.chain(std::env::split_paths(usual)));
        if let Ok(path) = path {
            all.insert("PATH".into(), path.to_string_lossy().into_owned());
        }
        let told = tools.iter().flat_map(|(_, told)| told);
        all.extend(told.map(|(name, value)| ((*name).to_owned(), value.clone())));
        all
    }

    /// The environment of setup, tests and app.
    pub(crate) fn app_environment(&self) -> BTreeMap<String, String> {
        let mut all = self.with_tools();
        let usual = all.get("PATH").cloned().unwrap_or_default();
        all.extend(self.bundle.variables.clone());
        all.extend(self.bundle.secrets.clone());
        // A variable of the app may name places that come first; the shell and Node are found beside them.
        all.entry("PATH".into())
            .and_modify(|path| *path = joined(path, &usual));
        let environment = &self.bundle.environment;
        let pull_request = environment
            .pull_request
            .map(|number| number.to_string())
            .unwrap_or_default();
        let own = [
            ("NESTLING", "1"),
            ("NESTLING_ENVIRONMENT", &environment.kind),
            ("NESTLING_APP", &self.bundle.app.name),
            ("NESTLING_COMMIT", self.bundle.source.commit()),
            ("NESTLING_BRANCH", &environment.branch),
            ("NESTLING_PULL_REQUEST", &pull_request),
            ("NESTLING_URL", &environment.url),
        ];
        all.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
        all
    }

    /// A command of the app, in its folder.
    pub(crate) fn app_step(&self, argv: Vec<String>) -> Step {
        Step {
            argv,
            folder: self.app(),
            environment: self.app_environment(),
            state: false,
        }
    }

    /// A command of ours on the app's files, without the app's secrets.
    pub(crate) fn plain_step(&self, argv: &[&str], folder: &Path) -> Step {
        let argv = argv.iter().map(|part| (*part).to_owned()).collect();
        Step {
            argv,
            folder: folder.to_owned(),
            environment: self.plain_environment(),
            state: false,
        }
    }

    /// Starts a command.
    pub(crate) fn start(
        &self,
        step: &Step,
        log: &Logger,
        capture: Option<Capture>,
    ) -> io::Result<Running> {
        let place = (&self.sandbox, &*self.options.server_dir);
        Running::start(place, step, log, capture).map_err(|error| {
            let program = match self.options.isolation {
                Isolation::Nested => "bwrap",
                Isolation::None => step.argv.first().map_or("", String::as_str),
            };
            io::Error::new(error.kind(), format!("could not start {program}: {error}"))
        })
    }

    /// Runs a command to its end or the deadline; its output goes to the deployment log.
    pub(crate) async fn run(&self, step: &Step, deadline: Instant) -> io::Result<Exit> {
        Ok(self
            .start(step, &self.deployment, None)?
            .ended_by(deadline)
            .await)
    }

    /// Runs a command and gives its standard output too.
    pub(crate) async fn ask(&self, step: &Step, deadline: Instant) -> io::Result<(Exit, String)> {
        let capture = Capture::of_output();
        let exit = self
            .start(step, &self.deployment, Some(capture.clone()))?
            .ended_by(deadline)
            .await;
        Ok((exit, capture.text()))
    }

    /// Runs a command and gives its standard output, which is not for the log.
    pub(crate) async fn ask_quietly(
        &self,
        step: &Step,
        deadline: Instant,
    ) -> io::Result<(Exit, String)> {
        let capture = Capture::of_output_alone();
        let mut running = self.start(step, &self.deployment, Some(capture.clone()))?;
        let exit = running.ended_by(deadline).await;
        Ok((exit, capture.text()))
    }

    /// Says in this log what people should know although it stops nothing, and keeps it for a report.
    pub(crate) fn note(&self, log: &Logger, text: &str) {
        log.say(text);
        let text = log.mask().whole(text);
        self.notes().push(text);
    }

    /// What was noted since this was last asked.
    pub(crate) fn take_notes(&self) -> Vec<String> {
        std::mem::take(&mut *self.notes())
    }

    fn notes(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file of the app's own folder as its repository knows it, for people.
    pub(crate) fn place(&self, file: &str) -> String {
        let root = &self.bundle.app.root;
        if root.is_empty() {
            file.to_owned()
        } else {
            format!("{root}/{file}")
        }
    }

    /// A failure of a step before the app runs, with the end of the deployment log.
    pub(crate) fn failure(
        &self,
        step: StepName,
        reason: impl AsRef<str>,
        exit: Option<Exit>,
    ) -> Failure {
        let reason = self.deployment.mask().whole(reason.as_ref());
        Failure {
            step,
            reason,
            exit,
            tail: self.deployment.tail(),
        }
    }

    /// What a failed command of the setup means.
    pub(crate) fn setup_failure(&self, command: &str, exit: Exit) -> Failure {
        let app = &self.bundle.app.name;
        let reason = match exit {
            Exit::Timeout => format!(
                "setup of app {app} took longer than {} s (limits.setup; NESTLING__LIMITS__SETUP of the server) in `{command}`: make it quicker or raise the limit",
                self.bundle.limits.setup
            ),
            Exit::Code(_) | Exit::Signal(_) | Exit::Memory => format!(
                "setup of app {app}: `{command}` {}; its output is in the deployment log",
                words(exit)
            ),
        };
        self.failure(StepName::Setup, reason, Some(exit))
    }
}

/// The app's own `PATH`, then the usual one. An empty part would mean the folder of the step.
fn joined(own: &str, usual: &str) -> String {
    if own.is_empty() || own == usual {
        usual.to_owned()
    } else {
        format!("{own}:{usual}")
    }
}

/// The environment that every step has.
fn base(
    options: &Options,
    path: String,
    passed: BTreeMap<String, String>,
    proxy: Option<u16>,
) -> BTreeMap<String, String> {
    let temporary = match options.isolation {
        Isolation::Nested => PathBuf::from("/tmp"),
        Isolation::None => options.work_dir.join("tmp"),
    };
    let cache = |name: &str| options.cache_dir.join(name).display().to_string();
    let mut base = passed;
    let own = [
        ("PATH", path),
        ("LANG", "C.UTF-8".into()),
        ("HOME", options.work_dir.join("home").display().to_string()),
        ("TMPDIR", temporary.display().to_string()),
        ("npm_config_cache", cache("npm")),
        ("YARN_CACHE_FOLDER", cache("yarn")),
        ("YARN_GLOBAL_FOLDER", cache("yarn-global")),
        // The way out ends with its server, and is back within seconds: npm itself would wait for ten.
        ("npm_config_fetch_retry_mintimeout", "1000".into()),
        ("npm_config_fetch_retries", "4".into()),
        ("npm_config_fund", "false".into()),
        ("npm_config_audit", "false".into()),
        ("npm_config_update_notifier", "false".into()),
        ("WING_DISABLE_ANALYTICS", "1".into()),
    ];
    base.extend(own.map(|(name, value)| (name.to_owned(), value)));
    if let Some(port) = proxy {
        let address = format!("http://127.0.0.1:{port}");
        for name in [
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "http_proxy",
            "https_proxy",
            "npm_config_proxy",
            "npm_config_https_proxy",
            // Yarn 2 and newer look at nothing else.
            "YARN_HTTP_PROXY",
            "YARN_HTTPS_PROXY",
        ] {
            base.insert(name.to_owned(), address.clone());
        }
        for name in ["NO_PROXY", "no_proxy"] {
            base.insert(name.to_owned(), "localhost,127.0.0.1,::1".into());
        }
        base.insert("NODE_USE_ENV_PROXY".into(), "1".into());
    }
    base
}

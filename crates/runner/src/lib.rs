//! The program inside a machine: clone, set up, test, start, report, log.
//!
//! A machine runs one deployment of one app. The runner is its first program: it fetches the bundle from
//! the server, walks through the steps of a deployment in order, reports each of them, and stays as the
//! app's supervisor and proxy until the server says *stop*.
//!
//! What comes from the repository is hostile: every step's process runs in a sandbox of its own
//! ([`Isolation::Nested`]) that sees neither the token, nor the server's socket, nor the runner.
//!
//! Reading order: `life` (the story), `machine` (what every step needs), then one module per step.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "ways to exit and values of TOML are matched for the one that matters; the rest is told in words"
)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use nestling_protocol::machine as places;

mod app;
mod clock;
mod config;
mod egress;
mod endpoints;
mod kinds;
mod life;
mod lock;
mod log;
mod machine;
mod mask;
mod memory;
mod ports;
mod process;
mod proxy;
mod read;
mod reporter;
pub mod sandbox;
mod server;
mod setup;
mod source;
mod static_site;
mod stop;
mod tests;
mod tree;

/// Where the runner finds its machine, and how it keeps the app's code apart from itself.
#[derive(Debug, Clone)]
pub struct Options {
    /// Shared with the server: the first token, the log buffers, the endpoint sockets.
    pub run_dir: PathBuf,
    /// Holds the server's socket and, where the network needs it, the egress proxy's.
    pub server_dir: PathBuf,
    /// The app's persistent folder. Only the started app sees it.
    pub state_dir: PathBuf,
    /// Where the runner clones and builds; its content is this deployment's alone.
    pub work_dir: PathBuf,
    /// Downloads and installed dependencies, shared by deployments of the same app and trust.
    pub cache_dir: PathBuf,
    /// Tools that need not be installed because the machine's image brings them, each in a folder `name-version`.
    pub image_tools_dir: PathBuf,
    /// Locked for the runner's whole life, before anything else: lock held means machine alive.
    pub lock: Option<PathBuf>,
    /// How the app's code is kept apart from the runner.
    pub isolation: Isolation,
    /// How server and machine find each other, where they are on different hosts.
    pub network: Option<Network>,
}

/// How server and machine find each other over a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Where the server is: `https://HOST` or `https://HOST:PORT`; `http` on the same host only.
    pub server_url: String,
    /// Where the runner's proxy listens, for the server's gateway.
    pub listen: SocketAddr,
}

/// How a step's processes are kept apart from the runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Each step in a bubblewrap sandbox of its own, inside the machine's.
    Nested,
    /// Plain process groups: only for one's own code.
    None,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            run_dir: places::RUN_DIR.into(),
            server_dir: places::SERVER_DIR.into(),
            state_dir: places::STATE_DIR.into(),
            work_dir: places::WORK_DIR.into(),
            cache_dir: places::CACHE_DIR.into(),
            image_tools_dir: places::IMAGE_TOOLS_DIR.into(),
            lock: None,
            isolation: Isolation::Nested,
            network: None,
        }
    }
}

/// Runs one deployment from its bundle to its end.
///
/// Must be awaited on the thread that outlives it (a current-thread runtime is right): the sandboxes die
/// with the thread that started them.
///
/// Ends with 0 when told to stop, 1 when the deployment failed (and the server knows), 2 when it could not
/// begin.
pub async fn run(options: Options) -> ExitCode {
    match Box::pin(life::live(options)).await {
        Ok(life::End::Stopped) => ExitCode::SUCCESS,
        Ok(life::End::Failed) => ExitCode::FAILURE,
        Err(error) => {
            // There is no log yet: what the machine's own output shows is all that a person will see.
            eprintln!("nestling runner: {error}");
            ExitCode::from(2)
        }
    }
}

//! What the server and the runner say to each other.
//!
//! The runner speaks first and always: it fetches its [`bundle`], [`report`]s each step, sends [`log`]
//! lines, and obeys the [`Next`](report::Next) that every answer carries. All of it is JSON over HTTP
//! under `/runner/v1/`, with a bearer token that names environment, generation and boot.
//!
//! | method and path | body | answer |
//! |---|---|---|
//! | `GET /runner/v1/bundle` | | [`bundle::Bundle`] |
//! | `GET /runner/v1/source` | | a git bundle that holds the commit (local forge), while not yet cloned |
//! | `POST /runner/v1/report` | [`report::Report`] | [`report::Answer`], or 409 when stale |
//! | `POST /runner/v1/heartbeat` | [`report::Heartbeat`] | [`report::Answer`], or 409 when stale |
//! | `POST /runner/v1/logs` | [`log::Lines`] | 204, or 409 when stale |
//! | `POST /runner/v1/upload` | [`log::Upload`] | [`log::UploadAddress`] |
//! | `PUT` (the address given) | exactly the announced bytes | 204 |
//!
//! Whatever is refused is answered with a [`Problem`]; 409 means stale only when the problem is [`STALE`].

pub mod bundle;
pub mod log;
pub mod network;
pub mod report;
pub mod test;

/// The version of this protocol. A runner whose version the server does not speak is told to stop.
pub const VERSION: u32 = 2;

/// The kind of problem that tells a runner that nobody wants its deployment any more: it stops itself.
pub const STALE: &str = "urn:nestling:stale";

/// Why a request was refused, as far as a runner reads it (`application/problem+json`, RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Problem {
    /// What kind of problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// What is wrong, and what would be right.
    #[serde(default)]
    pub detail: String,
}

/// The paths of the protocol, in one place for both sides.
pub mod path {
    /// Where the runner fetches what it needs.
    pub const BUNDLE: &str = "/runner/v1/bundle";
    /// Where the runner fetches the source as a git bundle.
    pub const SOURCE: &str = "/runner/v1/source";
    /// Where the runner reports each step.
    pub const REPORT: &str = "/runner/v1/report";
    /// Where the runner says that it lives.
    pub const HEARTBEAT: &str = "/runner/v1/heartbeat";
    /// Where the runner sends live log lines.
    pub const LOGS: &str = "/runner/v1/logs";
    /// Where the runner asks for an upload address.
    pub const UPLOAD: &str = "/runner/v1/upload";
}

/// The files and sockets of a machine, as seen from inside it. The server makes and binds them.
pub mod machine {
    /// Directory that server and runner share; endpoint sockets and the log buffers live here.
    pub const RUN_DIR: &str = "/run/nestling";
    /// Directory with the server's socket. Bound as a directory, so that a restarted server is found again.
    pub const SERVER_DIR: &str = "/run/nestling-server";
    /// The server's socket inside [`SERVER_DIR`].
    pub const SERVER_SOCKET: &str = "server.sock";
    /// The egress proxy's socket inside [`SERVER_DIR`]; absent when the network needs no proxy.
    pub const EGRESS_SOCKET: &str = "egress.sock";
    /// Directory inside [`RUN_DIR`] with the log buffers: one for each log, its segments as files `000001`, `000002`, …
    /// of one line of JSON each line, secrets masked; `.sealed` follows the name of one that was put whole.
    pub const LOGS: &str = "logs";
    /// A file inside [`SERVER_DIR`] with a line `oom_kill N`: how often something of the machine was killed for its
    /// memory. Of the machine's control group, or kept by the server where there is none.
    pub const MEMORY_EVENTS: &str = "memory.events";
    /// The first token (0600) inside [`RUN_DIR`]; the runner removes it once read.
    pub const TOKEN_FILE: &str = "token";
    /// On another host, in its place: [`Confidential`](super::network::Confidential) as JSON, removed in the same way.
    pub const CONFIDENTIAL_FILE: &str = "confidential";
    /// The environment's persistent folder: the app's own data. Kept by stop, idle and failure.
    pub const STATE_DIR: &str = "/state";
    /// Where the runner clones and builds.
    pub const WORK_DIR: &str = "/work";
    /// Dependency caches, shared by deployments of the same app and trust.
    pub const CACHE_DIR: &str = "/cache";
    /// Tools that the machine's image brings along, each in a folder `name-version`. Nothing of a deployment writes there.
    pub const IMAGE_TOOLS_DIR: &str = "/usr/local/lib/nestling";
}

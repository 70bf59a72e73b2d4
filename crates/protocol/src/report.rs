//! Reports: what the runner has done and seen, each answered with what to do next.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::test::Counts;

/// How often an app that ends is started again before its deployment has failed …
pub const RESTARTS: u32 = 3;
/// … within this time.
pub const RESTARTS_WITHIN: Duration = Duration::from_mins(5);

/// One report of one boot of one generation, in order.
///
/// Reports are retried until answered; a `seq` not above the last one of that `boot` is answered as before
/// and changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The generation that this runner was started for.
    pub generation: u32,
    /// Random per start of the runner, so that a machine that came back is told from one that never left.
    pub boot: String,
    /// Counts the reports of this boot from 1.
    pub seq: u64,
    /// What happened.
    #[serde(flatten)]
    pub phase: Phase,
}

/// What a runner can say. The order of the variants is the order in a run without faults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", content = "data", rename_all = "kebab-case")]
pub enum Phase {
    /// The runner is up and has its bundle; it begins to clone.
    Deploying {
        /// The protocol version that the runner speaks, see [`crate::VERSION`].
        protocol: u32,
    },
    /// The commit is checked out. After this no clone credential is given.
    Cloned {
        /// Exactly the commit that is checked out.
        commit: String,
    },
    /// Dependencies are installed and the app is built.
    SetUp {
        /// Whether installed dependencies of an earlier deployment were reused.
        reused: bool,
    },
    /// The tests begin.
    RunningTests,
    /// The tests are over, pass or fail.
    Tested {
        /// How they went.
        counts: Counts,
    },
    /// The test run itself broke (it did not compile, it hung); the start goes on.
    TestsBroken {
        /// Why, for a person.
        reason: String,
    },
    /// Cloned, installed and tested, without having touched the state folder. The runner repeats this
    /// report (same `seq`) every 500 ms until it is answered `go`.
    Prepared {
        /// Whether the app cannot share its state folder with an older instance, which must go first.
        exclusive: bool,
    },
    /// The app's process begins.
    Starting,
    /// The app listens. It counts as running only once the server's own probe says so.
    Running {
        /// What it serves.
        endpoints: Vec<Endpoint>,
    },
    /// Something that people should know and that stops nothing: said beside the deployment for as long as it
    /// is the newest.
    Noted {
        /// What, where, and what would be right.
        text: String,
    },
    /// The app ended, and the runner starts it again after a pause; [`Phase::Running`] follows once it listens.
    Restarted {
        /// How it ended.
        exit: Exit,
        /// How often in the last [`RESTARTS_WITHIN`], this one included; at most [`RESTARTS`].
        times: u32,
    },
    /// The deployment failed and the runner ends.
    Failed(Failure),
}

/// Why a deployment failed, as far as the runner knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Where it failed.
    pub step: Step,
    /// One sentence that names the thing, the place and the remedy.
    pub reason: String,
    /// How the process ended, where a process ended.
    pub exit: Option<Exit>,
    /// The last lines of the log of that step, at most 40, secrets masked.
    pub tail: Vec<String>,
}

/// The steps of a run, as a failure names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Fetching the commit.
    Clone,
    /// Installing and building.
    Setup,
    /// Running the tests.
    Test,
    /// Starting the app, until it listens.
    Start,
    /// The app ran and ended.
    Run,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// It returned this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// It used more memory than its machine has.
    Memory,
    /// It took longer than its step may.
    Timeout,
}

/// A public address of something that a running deployment serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Lower-case letters, digits and single hyphens; unique in the app. Becomes the first part of the address.
    pub name: String,
    /// What people read, e.g. the resource path in a Wing app.
    pub label: String,
    /// What it is.
    pub kind: EndpointKind,
    /// Whether this one answers at the environment's own address. Exactly one does.
    pub primary: bool,
    /// Whether a browser shows something useful there.
    pub browser: bool,
    /// Where the gateway reaches it.
    pub address: Address,
}

/// What an endpoint is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndpointKind {
    /// The app itself, or something that it serves.
    App,
    /// A developer console with power over the app: always behind our login.
    Console,
}

/// Where the gateway reaches an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Address {
    /// A socket in [`crate::machine::RUN_DIR`], by file name.
    Unix(String),
}

/// Said every 10 s; a machine that is silent for 60 s counts as lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The generation that this runner was started for.
    pub generation: u32,
    /// See [`Report::boot`].
    pub boot: String,
}

/// The server's answer to a report or a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What the runner does next.
    pub next: Next,
    /// A fresh token that replaces the one used, when that one nears its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// What the runner does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Next {
    /// Go on.
    Go,
    /// Ask again in 500 ms.
    Wait,
    /// Stop the app and end. Also the meaning of 409.
    Stop,
}

//! What the server decides about its machines.

use std::{path::PathBuf, time::Duration};

use super::{
    egress::{self, Resolver},
    order::{INIT_INSIDE, Isolation},
};

/// The first user of an environment; below lie the system's and people's.
const FIRST_USER: u32 = 200_000;
/// How long a runner may take to say its last words after it is told to stop.
const STOP_GRACE: Duration = Duration::from_secs(8);
/// What one machine may leave in its dependency cache.
const CACHE_MIB: u64 = 8192;

/// What the server decides about its machines.
#[derive(Clone)]
pub struct Config {
    /// The server's data folder; `machines/` in it is ours.
    pub data: PathBuf,
    /// How machines are kept apart.
    pub isolation: Isolation,
    /// This very program, and the arguments that bring it to [`machine_init`](super::machine_init).
    pub init: (PathBuf, Vec<String>),
    /// What runs in a machine. [`INIT_INSIDE`] is this very program there, sandboxed or not.
    pub program: Vec<String>,
    /// The unix socket on which the server answers runners.
    pub server_socket: PathBuf,
    /// Hosts that machines may reach although they lie next to this box: `host`, `host:port`, `[v6]:port`.
    pub egress_allow: Vec<String>,
    /// How names become addresses on the way out.
    pub resolver: Resolver,
    /// Environments run as users from here on, when the server is root.
    pub first_user: u32,
    /// How long a runner may take to say its last words.
    pub stop_grace: Duration,
    /// What one machine may leave in its dependency cache, in MiB.
    pub cache_mib: u64,
    /// Whether to use control groups where they are; without, the server watches by itself.
    pub cgroups: bool,
}

impl Config {
    /// The usual: sandboxed runners of this program.
    pub fn new(data: PathBuf, this_program: PathBuf, server_socket: PathBuf) -> Self {
        Config {
            data,
            isolation: Isolation::Sandbox,
            init: (this_program, vec!["machine-init".to_owned()]),
            program: vec![INIT_INSIDE.to_owned(), "runner".to_owned()],
            server_socket,
            egress_allow: Vec::new(),
            resolver: egress::system_resolver(),
            first_user: FIRST_USER,
            stop_grace: STOP_GRACE,
            cache_mib: CACHE_MIB,
            cgroups: true,
        }
    }
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("data", &self.data)
            .field("isolation", &self.isolation)
            .field("program", &self.program)
            .finish_non_exhaustive()
    }
}

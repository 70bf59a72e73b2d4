//! Configuration: `config/default.toml` is the documentation; layers replace single keys of it.

mod address;
mod aws;
mod dns;
mod dynamodb;
mod fly;
mod github;
mod layers;
mod proxies;
mod secret;
mod server;
#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Deserializer};
use toml::{Table, Value};

use layers::{Text, defaults, leaves, not_toml, read, set, value_of};

pub use aws::{Aws, Kms, S3};
pub use dns::{DnSimple, Dns, DnsDriver};
pub use dynamodb::DynamoDb;
pub use fly::{AddressKind, FlyMachines, Sweep};
pub use github::GitHub;
pub use proxies::Proxies;
pub use secret::Secret;
pub use server::Server;

/// Every key with its default and its comment.
pub const DEFAULT: &str = include_str!("../config/default.toml");
/// The runner, its shell and Node begin with so much memory, in MiB.
const LEAST_MEMORY: u64 = 64;
/// Node alone has a dozen threads.
const LEAST_PROCESSES: u64 = 32;
/// Node alone opens some thirty files.
const LEAST_FILES: u64 = 64;
/// The smallest app with its log, in MiB.
const LEAST_DISK: u64 = 8;
/// The shortest limit that is one.
const LEAST_SPAN: Duration = Duration::from_secs(1);
/// What environment variables of ours begin with.
const PREFIX: &str = "NESTLING__";

/// The whole configuration.
#[derive(Debug, Clone, Deserialize)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[dns]`
    pub dns: Dns,
    /// `[aws]`
    pub aws: Aws,
    /// `[store]`
    pub store: Store,
    /// `[keys]`
    pub keys: Keys,
    /// `[blobs]`
    pub blobs: Blobs,
    /// `[forge]`
    pub forge: Forge,
    /// `[builds]`
    pub builds: Builds,
    /// `[machines]`
    pub machines: Machines,
    /// `[limits]`
    pub limits: Limits,
    /// `[log]`
    pub log: Log,
}

/// `[store]`
#[derive(Debug, Clone, Deserialize)]
pub struct Store {
    /// Which.
    pub driver: StoreDriver,
    /// `[store.dynamodb]`
    pub dynamodb: DynamoDb,
}

/// Where records live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreDriver {
    /// One file in the data folder.
    Sqlite,
    /// Two tables of AWS DynamoDB.
    #[serde(rename = "dynamodb")]
    DynamoDb,
}

/// `[keys]`
#[derive(Debug, Clone, Deserialize)]
pub struct Keys {
    /// Which.
    pub driver: KeysDriver,
    /// `[keys.kms]`
    pub kms: Kms,
}

/// What seals secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeysDriver {
    /// A master key file in the data folder.
    Local,
    /// A key of AWS KMS.
    Kms,
}

/// `[blobs]`
#[derive(Debug, Clone, Deserialize)]
pub struct Blobs {
    /// Which.
    pub driver: BlobsDriver,
    /// Older ones are removed.
    #[serde(deserialize_with = "span")]
    pub max_age: Duration,
    /// Beyond this much, the oldest are removed.
    pub max_mib: u64,
    /// `[blobs.s3]`
    pub s3: S3,
}

/// Where logs and artifacts live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlobsDriver {
    /// In the data folder.
    Directory,
    /// In two buckets of S3.
    S3,
}

/// `[forge]`
#[derive(Debug, Clone, Deserialize)]
pub struct Forge {
    /// Which.
    pub driver: ForgeDriver,
    /// `[forge.github]`
    pub github: GitHub,
}

/// Where source and pull requests live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForgeDriver {
    /// Git repositories on this machine.
    Local,
    /// A GitHub App.
    #[serde(rename = "github")]
    GitHub,
}

/// `[builds]`
#[derive(Debug, Clone, Deserialize)]
pub struct Builds {
    /// Builds at once; 0 means one per core, at most 4.
    pub at_once: usize,
    /// Builds pause below this.
    pub min_free_mib: u64,
}

/// `[machines]`
#[derive(Debug, Clone, Deserialize)]
pub struct Machines {
    /// Which.
    pub driver: MachinesDriver,
    /// `[machines.local]`
    pub local: LocalMachines,
    /// `[machines.fly]`
    pub fly: FlyMachines,
}

/// What deployments run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MachinesDriver {
    /// Sandboxed processes on this box.
    Local,
    /// Machines at Fly.
    Fly,
}

/// Why GitHub and plain processes do not go together.
const NOT_ISOLATED: &str = "machines.local.isolation is \"none\", which is for your own code only: what comes from GitHub runs in a sandbox or not at all; `nestling check` says what a sandbox lacks here";

/// `[machines.local]`
#[derive(Debug, Clone, Deserialize)]
pub struct LocalMachines {
    /// Whether machines are sandboxed.
    pub isolation: Isolation,
    /// Memory of one machine.
    pub memory_mib: u64,
    /// Processes and threads of one machine.
    pub processes: u64,
    /// Open files per process.
    pub files: u64,
    /// Disk of one machine.
    pub disk_mib: u64,
    /// Private names or addresses that machines may reach.
    pub egress_allow: Vec<String>,
}

/// Whether machines are sandboxed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// A bubblewrap sandbox, or refuse.
    Auto,
    /// Plain processes, for your own code only.
    None,
}

/// `[limits]`
#[derive(Debug, Clone, Deserialize)]
pub struct Limits {
    /// Clone, install and build together.
    #[serde(deserialize_with = "span")]
    pub setup: Duration,
    /// The test run.
    #[serde(deserialize_with = "span")]
    pub test: Duration,
    /// Until the app listens.
    #[serde(deserialize_with = "span")]
    pub start: Duration,
    /// Until it answers well.
    #[serde(deserialize_with = "span")]
    pub healthy: Duration,
}

/// `[log]`
#[derive(Debug, Clone, Deserialize)]
pub struct Log {
    /// A level or filter.
    pub level: String,
    /// For people or machines.
    pub format: LogFormat,
}

/// For whom the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// People.
    Text,
    /// Machines.
    Json,
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("could not read the configuration {path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not TOML, or a value does not fit its key.
    #[error("{place}: {reason}")]
    Value {
        /// File or variable.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// There is no such key.
    #[error(
        "{place}: there is no key {key:?}; the nearest one is {nearest:?} (config/default.toml lists them all)"
    )]
    Unknown {
        /// File or variable.
        place: String,
        /// The key.
        key: String,
        /// What may have been meant.
        nearest: String,
    },
}

impl Config {
    /// The defaults, then the file, then the variables (`NESTLING__SERVER__LISTEN`).
    pub fn load(
        file: Option<&Path>,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut table = defaults()?;
        if let Some(path) = file {
            let text = read(path)?;
            let place = path.display().to_string();
            let layer: Table = text
                .parse()
                .map_err(|error| not_toml(&place, &text, &error))?;
            for (key, value) in leaves(&layer) {
                set(&mut table, &place, &key, |_| value)?;
            }
        }
        for (name, text) in variables {
            let Some(path) = name.strip_prefix(PREFIX) else {
                continue;
            };
            let place = format!("the environment variable {name}");
            let (path, text) = match path.strip_suffix("__FILE") {
                Some(path) => (path, Text::OfFile(read(Path::new(&text))?)),
                None => (path, Text::OfVariable(text)),
            };
            let key = path.to_lowercase().replace("__", ".");
            set(&mut table, &place, &key, |known| value_of(text, known))?;
        }
        let place = || {
            file.map_or("the configuration".to_owned(), |path| {
                path.display().to_string()
            })
        };
        let config: Config = Value::Table(table)
            .try_into()
            .map_err(|error: toml::de::Error| ConfigError::Value {
                place: place(),
                reason: error.to_string(),
            })?;
        config.check(place())?;
        Ok(config)
    }

    /// Whether a server can run with it: an error that names the `place` where it was changed last.
    pub fn check(&self, place: String) -> Result<(), ConfigError> {
        match self.too_little().or_else(|| self.unusable()) {
            Some(reason) => Err(ConfigError::Value { place, reason }),
            None => Ok(()),
        }
    }

    /// What cannot be, or the chosen drivers cannot work with.
    fn unusable(&self) -> Option<String> {
        self.server
            .unusable()
            .or_else(|| self.dns.unusable(&self.server))
            .or_else(|| self.unusable_forge())
            .or_else(|| self.unusable_machines())
            .or_else(|| self.unusable_on_aws())
    }

    /// What drivers on AWS cannot work with; nothing of it matters while there are none.
    fn unusable_on_aws(&self) -> Option<String> {
        let blobs = self.blobs.driver == BlobsDriver::S3;
        let keys = self.keys.driver == KeysDriver::Kms;
        let store = self.store.driver == StoreDriver::DynamoDb;
        let account = (blobs || keys || store).then(|| self.aws.unusable());
        account
            .flatten()
            .or_else(|| blobs.then(|| self.blobs.s3.unusable()).flatten())
            .or_else(|| keys.then(|| self.keys.kms.unusable()).flatten())
            .or_else(|| store.then(|| self.store.dynamodb.unusable()).flatten())
    }

    fn unusable_machines(&self) -> Option<String> {
        match self.machines.driver {
            MachinesDriver::Local => None,
            MachinesDriver::Fly => self.machines.fly.unusable(&self.server.public_url),
        }
    }

    fn unusable_forge(&self) -> Option<String> {
        let machines = &self.machines;
        let is_plain =
            machines.driver == MachinesDriver::Local && machines.local.isolation == Isolation::None;
        match self.forge.driver {
            ForgeDriver::Local => None,
            // What comes from a forge is anybody's code.
            ForgeDriver::GitHub if is_plain => Some(NOT_ISOLATED.to_owned()),
            ForgeDriver::GitHub => self.forge.github.unusable(),
        }
    }

    /// What is set below its minimum: nothing could run with it, and each deployment would say something else.
    fn too_little(&self) -> Option<String> {
        let (local, limits) = (&self.machines.local, &self.limits);
        let numbers = [
            ("machines.local.memory_mib", local.memory_mib, LEAST_MEMORY),
            ("machines.local.processes", local.processes, LEAST_PROCESSES),
            ("machines.local.files", local.files, LEAST_FILES),
            ("machines.local.disk_mib", local.disk_mib, LEAST_DISK),
        ];
        let number = numbers.into_iter().find(|(_, value, least)| value < least);
        let spans = [
            ("limits.setup", limits.setup),
            ("limits.test", limits.test),
            ("limits.start", limits.start),
            ("limits.healthy", limits.healthy),
            ("blobs.max_age", self.blobs.max_age),
        ];
        let span = spans.into_iter().find(|(_, span)| *span < LEAST_SPAN);
        number
            .map(|(key, value, least)| format!("{key} is {value}, and must be {least} at least"))
            .or_else(|| span.map(|(key, _)| format!("{key} must be 1s at least")))
    }
}

/// Reads `90s`, `15m`, `12h`, `30d` or `500ms`.
fn span<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_span(&text).ok_or_else(|| {
        serde::de::Error::custom(format!(
            "{text:?} is not a span of time: write 500ms, 90s, 15m, 12h or 30d"
        ))
    })
}

fn parse_span(text: &str) -> Option<Duration> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number: u64 = text[..digits].parse().ok()?;
    let unit = match &text[digits..] {
        "ms" => return Some(Duration::from_millis(number)),
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return None,
    };
    number.checked_mul(unit).map(Duration::from_secs)
}

//! Configuration: `config/default.toml` is the documentation; layers replace single keys of it.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Deserializer};
use toml::{Table, Value};

/// Every key with its default and its comment.
pub const DEFAULT: &str = include_str!("../config/default.toml");
/// What environment variables of ours begin with.
const PREFIX: &str = "NESTLING__";

/// The whole configuration.
#[derive(Debug, Clone, Deserialize)]
pub struct Config {
    /// `[server]`
    pub server: Server,
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

/// `[server]`
#[derive(Debug, Clone, Deserialize)]
pub struct Server {
    /// Where the server listens.
    pub listen: SocketAddr,
    /// Everything that must survive.
    pub data_dir: PathBuf,
    /// What follows a label.
    pub preview_domain: String,
    /// The dashboard's host.
    pub dashboard_host: String,
}

/// `[store]`
#[derive(Debug, Clone, Deserialize)]
pub struct Store {
    /// Which.
    pub driver: StoreDriver,
}

/// Where records live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreDriver {
    /// One file in the data folder.
    Sqlite,
}

/// `[keys]`
#[derive(Debug, Clone, Deserialize)]
pub struct Keys {
    /// Which.
    pub driver: KeysDriver,
}

/// What seals secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeysDriver {
    /// A master key file in the data folder.
    Local,
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
}

/// Where logs and artifacts live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlobsDriver {
    /// In the data folder.
    Directory,
}

/// `[forge]`
#[derive(Debug, Clone, Deserialize)]
pub struct Forge {
    /// Which.
    pub driver: ForgeDriver,
}

/// Where source and pull requests live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForgeDriver {
    /// Git repositories on this machine.
    Local,
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
}

/// What deployments run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MachinesDriver {
    /// Sandboxed processes on this box.
    Local,
}

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
            let layer: Table =
                text.parse()
                    .map_err(|error: toml::de::Error| ConfigError::Value {
                        place: place.clone(),
                        reason: error.to_string(),
                    })?;
            for (key, value) in leaves(&layer) {
                set(&mut table, &place, &key, value)?;
            }
        }
        for (name, text) in variables {
            let Some(path) = name.strip_prefix(PREFIX) else {
                continue;
            };
            let place = format!("the environment variable {name}");
            let (path, text) = match path.strip_suffix("__FILE") {
                Some(path) => (path, read(Path::new(&text))?.trim_end().to_owned()),
                None => (path, text),
            };
            let key = path.to_lowercase().replace("__", ".");
            set(&mut table, &place, &key, value_of(&text))?;
        }
        let place = || {
            file.map_or("the configuration".to_owned(), |path| {
                path.display().to_string()
            })
        };
        Value::Table(table)
            .try_into()
            .map_err(|error: toml::de::Error| ConfigError::Value {
                place: place(),
                reason: error.to_string(),
            })
    }
}

fn defaults() -> Result<Table, ConfigError> {
    DEFAULT
        .parse()
        .map_err(|error: toml::de::Error| ConfigError::Value {
            place: "config/default.toml".into(),
            reason: error.to_string(),
        })
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })
}

/// A variable's text as the value it would be in a file; what is not one is a string.
fn value_of(text: &str) -> Value {
    let parsed: Option<Table> = format!("value = {text}").parse().ok();
    parsed
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

/// Every key of a table in the form `section.key`, with its value.
fn leaves(table: &Table) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (name, value) in table {
        match value {
            Value::Table(inner) => found.extend(
                leaves(inner)
                    .into_iter()
                    .map(|(key, value)| (format!("{name}.{key}"), value)),
            ),
            Value::String(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_)
            | Value::Array(_) => {
                found.push((name.clone(), value.clone()));
            }
        }
    }
    found
}

fn set(table: &mut Table, place: &str, key: &str, value: Value) -> Result<(), ConfigError> {
    let unknown = |table: &Table| ConfigError::Unknown {
        place: place.to_owned(),
        key: key.to_owned(),
        nearest: nearest(table, key),
    };
    let whole = table.clone();
    let mut inner = &mut *table;
    let mut parts: Vec<&str> = key.split('.').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(Value::Table(next)) = inner.get_mut(part) else {
            return Err(unknown(&whole));
        };
        inner = next;
    }
    match inner.get_mut(last) {
        Some(Value::Table(_)) | None => Err(unknown(&whole)),
        Some(known) => {
            *known = value;
            Ok(())
        }
    }
}

fn nearest(table: &Table, key: &str) -> String {
    leaves(table)
        .into_iter()
        .map(|(known, _)| known)
        .min_by_key(|known| strsim::damerau_levenshtein(known, key))
        .unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn none() -> std::iter::Empty<(String, String)> {
        std::iter::empty()
    }

    #[test]
    fn the_defaults_are_a_configuration_and_every_key_is_read() {
        let config = Config::load(None, none()).unwrap();
        assert_eq!(config.server.listen.port(), 4100);
        // Each key taken away must be missed: a key that nobody reads is not documentation.
        for (key, _) in leaves(&defaults().unwrap()) {
            let mut table = defaults().unwrap();
            let mut inner = &mut table;
            let (path, last) = key.rsplit_once('.').unwrap();
            for part in path.split('.') {
                let Some(Value::Table(next)) = inner.get_mut(part) else {
                    panic!("{key}")
                };
                inner = next;
            }
            inner.remove(last);
            let read: Result<Config, _> = Value::Table(table).try_into();
            assert!(read.is_err(), "nobody reads {key}");
        }
    }

    #[test]
    fn a_misspelt_key_names_the_nearest_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("nestling.toml");
        std::fs::write(&file, "[server]\nlisten_on = \"127.0.0.1:1\"\n").unwrap();
        let error = Config::load(Some(&file), none()).unwrap_err().to_string();
        assert!(error.ends_with(r#"there is no key "server.listen_on"; the nearest one is "server.listen" (config/default.toml lists them all)"#), "{error}");
    }

    #[test]
    fn the_environment_wins_over_the_file_and_says_where_it_is_wrong() {
        let variables = |value: &str| {
            vec![("NESTLING__LIMITS__SETUP".to_owned(), value.to_owned())].into_iter()
        };
        assert_eq!(
            Config::load(None, variables("90s")).unwrap().limits.setup,
            Duration::from_secs(90)
        );
        let error = Config::load(None, variables("soon"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("\"soon\" is not a span of time: write 500ms, 90s, 15m, 12h or 30d"),
            "{error}"
        );
    }
}

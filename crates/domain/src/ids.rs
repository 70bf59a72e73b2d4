//! Names and numbers that mean one thing each, checked where they enter.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A moment by the server's own clock: milliseconds since 1970. Clocks of two machines are never compared.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// This moment and `span` more.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Timestamp(
            self.0
                .saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)),
        )
    }

    /// How long ago `earlier` was; zero when it was not earlier.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Counts the deployments of one environment from 1. An observation that carries a generation which the
/// record no longer names is about a machine that has since been replaced.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Generation(pub u32);

impl Generation {
    /// The one after this.
    #[must_use]
    pub fn next(self) -> Self {
        Generation(self.0 + 1)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Counts the saves of one record; a save names the version that it replaces.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Version(pub u64);

/// A git commit by its full name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Commit(String);

/// Why a text is not the name of a commit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a commit: a commit has 40 or 64 lower-case hex digits")]
pub struct NotACommit(String);

impl Commit {
    /// Reads a full commit name: 40 (SHA-1) or 64 (SHA-256) lower-case hex digits.
    pub fn parse(text: &str) -> Result<Self, NotACommit> {
        let hex = text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if hex && (text.len() == 40 || text.len() == 64) {
            Ok(Commit(text.to_owned()))
        } else {
            Err(NotACommit(text.chars().take(80).collect()))
        }
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first seven digits, as people write it.
    pub fn short(&self) -> &str {
        &self.0[..7]
    }
}

impl TryFrom<String> for Commit {
    type Error = NotACommit;
    fn try_from(text: String) -> Result<Self, NotACommit> {
        Commit::parse(&text)
    }
}

impl From<Commit> for String {
    fn from(commit: Commit) -> String {
        commit.0
    }
}

impl fmt::Display for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A repository by its number: GitHub's own, or a hash of a local repository's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RepositoryId(pub u64);

impl RepositoryId {
    /// The number of a local repository: a function of its canonical path, so that it outlives our records.
    pub fn of_path(path: &str) -> Self {
        let digest = Sha256::digest(path.as_bytes());
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&digest[..8]);
        // 53 bits, so that the number survives JSON readers that know only floating point.
        RepositoryId(u64::from_be_bytes(bytes) >> 11)
    }
}

impl fmt::Display for RepositoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An app, for ever: a function of its repository and folder.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AppId(pub String);

impl AppId {
    /// The id of the app in folder `root` of `repository`: 16 hex digits.
    pub fn derive(repository: RepositoryId, root: &str) -> Self {
        let digest = Sha256::digest(format!("{repository}\0{root}").as_bytes());
        AppId(hex(&digest[..8]))
    }
}

impl fmt::Display for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What kind of environment, and for which pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The one environment of the default branch.
    Production,
    /// The environment of this pull request.
    Preview(u32),
}

impl Kind {
    /// The word for pages, addresses and commands: `production` or `pr-12`.
    pub fn name(self) -> String {
        match self {
            Kind::Production => "production".to_owned(),
            Kind::Preview(number) => format!("pr-{number}"),
        }
    }

    /// Reads what [`Kind::name`] writes.
    pub fn parse(name: &str) -> Option<Self> {
        if name == "production" {
            return Some(Kind::Production);
        }
        let number = name.strip_prefix("pr-")?;
        let number: u32 = number
            .parse()
            .ok()
            .filter(|n: &u32| *n > 0 && n.to_string() == number)?;
        Some(Kind::Preview(number))
    }

    /// The kind without the number, which secrets and variables belong to.
    pub fn class(self) -> Class {
        match self {
            Kind::Production => Class::Production,
            Kind::Preview(_) => Class::Preview,
        }
    }

    /// The pull request's number, of a preview.
    pub fn pull_request(self) -> Option<u32> {
        match self {
            Kind::Production => None,
            Kind::Preview(number) => Some(number),
        }
    }
}

/// The two kinds that secrets and variables belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// The default branch's environment.
    Production,
    /// All previews of the app.
    Preview,
}

impl Class {
    /// `production` or `preview`.
    pub fn name(self) -> &'static str {
        match self {
            Class::Production => "production",
            Class::Preview => "preview",
        }
    }

    /// Reads what [`Class::name`] writes.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "production" => Some(Class::Production),
            "preview" => Some(Class::Preview),
            _ => None,
        }
    }
}

/// An environment, for ever: a function of app, kind and pull request number, so that a repeated create or
/// a reopen finds the same record. Safe as a file name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EnvironmentId(pub String);

impl EnvironmentId {
    /// The id of an app's environment.
    pub fn derive(app: &AppId, kind: Kind) -> Self {
        EnvironmentId(format!("{app}-{}", kind.name()))
    }
}

impl fmt::Display for EnvironmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The id of an input, unique in its environment: a delivery, a report, an idempotency key. A repeat gets
/// the first answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InputId(pub String);

/// Lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

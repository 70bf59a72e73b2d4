//! Logs: live lines, and the segments that keep them.
//!
//! The runner numbers the lines of each log from 0 over all boots of its generation. It sends them live
//! (best effort, batched) and puts them in segments: the current segment is put again every 5 s while it
//! grows, sealed once a put leaves it at 64 KiB or more or at its 4th put, and never written again after. A segment is
//! lines of JSON, packed with gzip (RFC 1952); unpacked ones are read, too.

use serde::{Deserialize, Serialize};

/// The two logs of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Log {
    /// Clone, setup and tests.
    Deployment,
    /// What the running app says.
    Runtime,
}

impl Log {
    /// The word used in addresses and keys.
    pub fn name(self) -> &'static str {
        match self {
            Log::Deployment => "deployment",
            Log::Runtime => "runtime",
        }
    }
}

/// One line; in a segment, unpacked, each is one line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its number in its log, from 0.
    pub n: u64,
    /// When the runner read it: milliseconds since 1970 by the machine's clock. Shown, never compared.
    pub at: u64,
    /// Who said it.
    pub from: Source,
    /// The text without its line end, secrets masked, at most 16 KiB.
    pub text: String,
}

/// Who said a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The runner itself.
    Runner,
    /// Standard output of a step or of the app.
    Out,
    /// Standard error of a step or of the app.
    Err,
}

/// A batch of live lines, at most 64 KiB, at most five batches a second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lines {
    /// The generation that they belong to.
    pub generation: u32,
    /// Which log.
    pub log: Log,
    /// Consecutive lines.
    pub lines: Vec<Line>,
}

/// Asks for an address to put exactly `length` bytes under `name`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    /// The generation that it belongs to.
    pub generation: u32,
    /// `logs/deployment/000001`, `logs/runtime/000001` (see [`segment`]) or [`crate::test::ARTIFACT`].
    pub name: String,
    /// How many bytes will be put.
    pub length: u64,
    /// Whether these bytes complete the object (a sealed segment, an artifact).
    pub sealed: bool,
    /// Whether the runner can put to a whole address elsewhere, too, by HTTPS.
    #[serde(default)]
    pub direct: bool,
}

/// Where to put what was announced; valid for five minutes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadAddress {
    /// A path on the server (`/runner/v1/blobs/…`) or a whole address elsewhere.
    pub url: String,
}

/// The name of the `n`th segment of a log, counted from 1.
pub fn segment(log: Log, n: u32) -> String {
    format!("logs/{}/{n:06}", log.name())
}

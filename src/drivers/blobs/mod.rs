//! Blobs: logs, artifacts and large bodies, by key.

pub mod directory;
mod key;
pub mod s3;
pub mod segment;

#[cfg(test)]
pub(crate) mod conformance;
#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use nestling_domain::ids::Timestamp;

/// Why a blob could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The key is not one: keys are relative paths of letters, digits, `.`, `_`, `-` and `/`.
    #[error("{0:?} is not the key of a blob")]
    Key(String),
    /// The outside failed.
    #[error("could not {what} blob {key}")]
    Io {
        /// `read`, `write`, `list` or `remove`.
        what: &'static str,
        /// Which.
        key: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Where blobs live. Keys under `environments/{environment}/{generation}/` belong to that deployment.
#[async_trait]
pub trait Blobs: Send + Sync + 'static {
    /// Writes a blob whole, replacing what was there; a reader sees the old bytes or the new.
    async fn put(&self, key: &str, bytes: bytes::Bytes) -> Result<(), BlobError>;
    /// Reads a blob; `None` when there is none.
    async fn get(&self, key: &str) -> Result<Option<bytes::Bytes>, BlobError>;
    /// The keys that begin with `prefix`, in order, with their sizes.
    async fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>, BlobError>;
    /// Removes every blob whose key begins with `prefix`.
    async fn remove(&self, prefix: &str) -> Result<(), BlobError>;
    /// An address at which anybody may put exactly `length` bytes as this blob for that long, past the server; `None` where
    /// blobs have no such addresses. It is a credential: never logged.
    async fn address(
        &self,
        _key: &str,
        _length: u64,
        _valid: Duration,
    ) -> Result<Option<String>, BlobError> {
        Ok(None)
    }
    /// Why the last blob could not be written, for people; `None` when it could, or none was written yet, or nobody watches.
    fn trouble(&self) -> Option<String> {
        None
    }
    /// Removes blobs last written before `older_than`, then the oldest until all fit in `keep_bytes`. Answers how many went.
    async fn prune(&self, older_than: Timestamp, keep_bytes: u64) -> Result<u64, BlobError>;
}

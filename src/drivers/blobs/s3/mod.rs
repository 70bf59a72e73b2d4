//! Blobs in S3: logs in one bucket, everything else in another, an object each.
//!
//! An object is put whole, and whoever reads it sees the old bytes or the new: S3 promises that, and that a list shows
//! what was put before. Nothing of it needs a lock. What is old goes by a lifecycle rule of the bucket; where there is
//! none, [`Blobs::prune`] does it as in a folder, which costs a listing of everything each time.

mod look;
mod objects;
mod rules;
mod words;

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use aws_sdk_s3::{Client, presigning::PresigningConfig, primitives::ByteStream};
use bytes::Bytes;
use nestling_domain::ids::Timestamp;
use tracing::{error, info};

use self::{objects::Bucket, rules::Retention};
use super::{
    BlobError, Blobs,
    key::{checked_key, checked_prefix, removable_prefix},
};
use crate::drivers::aws::{Account, CONNECT, Clock};

pub use look::{Look, Looked};

/// The longest one try of a request may take: 5 MiB leave a home within that time.
const TRY: Duration = Duration::from_secs(30);
/// The longest all tries of one request may take together.
const ALL_TRIES: Duration = Duration::from_mins(1);

/// Which buckets, and where in them.
#[derive(Debug, Clone)]
pub struct Order {
    /// The bucket of the logs.
    pub logs_bucket: String,
    /// The bucket of everything else; may be the same.
    pub artifacts_bucket: String,
    /// What every key begins with: empty, or ending in `/`.
    pub prefix: String,
}

/// Blobs in buckets.
#[derive(Debug, Clone)]
pub struct S3 {
    logs: Bucket,
    artifacts: Bucket,
    clock: Clock,
    /// Why the last object could not be put; nothing while it could.
    trouble: Arc<Mutex<Option<String>>>,
}

/// A blob as it lies in a bucket.
struct Found {
    key: String,
    bytes: u64,
    written_at: Timestamp,
}

impl S3 {
    /// Blobs in these buckets of an account. Nothing is asked yet: see [`S3::look`].
    pub fn new(account: &Account, order: &Order) -> Self {
        let timeouts = crate::drivers::aws::timeouts()
            .connect_timeout(CONNECT)
            .read_timeout(TRY)
            .operation_attempt_timeout(TRY)
            .operation_timeout(ALL_TRIES);
        let config = aws_sdk_s3::config::Builder::from(account.sdk())
            // An address that is not AWS's own has no names of buckets in front of it.
            .force_path_style(account.is_elsewhere())
            .timeout_config(timeouts.build())
            .interceptor(account.clock().clone())
            .build();
        let client = Client::from_conf(config);
        let bucket = |name: &str| Bucket {
            client: client.clone(),
            name: name.to_owned(),
            prefix: order.prefix.clone(),
            region: account.region().to_owned(),
        };
        S3 {
            logs: bucket(&order.logs_bucket),
            artifacts: bucket(&order.artifacts_bucket),
            clock: account.clock().clone(),
            trouble: Arc::default(),
        }
    }

    /// Remembers what came of a put, and says so when that is news.
    fn seen<T>(&self, outcome: io::Result<T>) -> io::Result<T> {
        let trouble = outcome.as_ref().err().map(ToString::to_string);
        let mut known = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != trouble {
            if let Some(why) = &trouble {
                error!("logs and artifacts cannot be kept: {why}");
            } else {
                info!("logs and artifacts are kept again");
            }
            *known = trouble;
        }
        outcome
    }

    /// The bucket in which the blob of this key lies.
    fn bucket_of(&self, key: &str) -> &Bucket {
        if is_of_logs(key) {
            &self.logs
        } else {
            &self.artifacts
        }
    }

    /// The buckets, each once.
    fn buckets(&self) -> Vec<&Bucket> {
        if self.logs.name == self.artifacts.name {
            return vec![&self.logs];
        }
        vec![&self.logs, &self.artifacts]
    }

    /// The buckets in which keys that begin with this may lie.
    fn buckets_of(&self, prefix: &str) -> Vec<&Bucket> {
        // Once the fourth part of a key is whole, it decides.
        if prefix.split('/').count() > 5 || is_of_logs(prefix) {
            return vec![self.bucket_of(prefix)];
        }
        self.buckets()
    }
}

#[async_trait]
impl Blobs for S3 {
    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), BlobError> {
        let bucket = self.bucket_of(checked_key(key)?);
        let put = bucket
            .client
            .put_object()
            .bucket(&bucket.name)
            .key(bucket.full(key))
            .body(ByteStream::from(bytes));
        let put = put.send().await;
        let put = put.map_err(|error| bucket.words("s3:PutObject", &error));
        let put = self.seen(put);
        put.map_err(|error| failed("write", key, error))?;
        Ok(())
    }

    fn trouble(&self) -> Option<String> {
        let known = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        known.clone()
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, BlobError> {
        let bucket = self.bucket_of(checked_key(key)?);
        let read = bucket.read(key).await;
        read.map_err(|error| failed("read", key, error))
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>, BlobError> {
        checked_prefix(prefix)?;
        let mut found = Vec::new();
        for bucket in self.buckets_of(prefix) {
            let some = bucket.find(prefix).await;
            found.extend(some.map_err(|error| failed("list", prefix, error))?);
        }
        found.sort_by(|a, b| a.key.cmp(&b.key));
        let shown = found.into_iter().map(|blob| (blob.key, blob.bytes));
        Ok(shown.collect())
    }

    async fn remove(&self, prefix: &str) -> Result<(), BlobError> {
        removable_prefix(prefix)?;
        let told = |error| failed("remove", prefix, error);
        for bucket in self.buckets_of(prefix) {
            let found = bucket.find(prefix).await.map_err(told)?;
            let keys = found.iter().map(|blob| blob.key.as_str());
            bucket.remove(keys).await.map_err(told)?;
        }
        Ok(())
    }

    async fn address(
        &self,
        key: &str,
        length: u64,
        valid: Duration,
    ) -> Result<Option<String>, BlobError> {
        let bucket = self.bucket_of(checked_key(key)?);
        let told = |error| failed("write", key, io::Error::other(error));
        let put = bucket
            .client
            .put_object()
            .bucket(&bucket.name)
            .key(bucket.full(key))
            .content_length(i64::try_from(length).unwrap_or(i64::MAX));
        // What is signed beforehand is not corrected by the SDK.
        let start = std::time::UNIX_EPOCH + Duration::from_millis(self.clock.theirs().0);
        let signing = PresigningConfig::builder()
            .start_time(start)
            .expires_in(valid);
        let signing = signing.build().map_err(|error| told(error.to_string()))?;
        let signed = put.presigned(signing).await;
        let signed =
            signed.map_err(|error| failed("write", key, bucket.words("s3:PutObject", &error)))?;
        Ok(Some(signed.uri().to_owned()))
    }

    /// Buckets whose lifecycle rule removes what is old are left alone, their size included.
    async fn prune(&self, older_than: Timestamp, keep_bytes: u64) -> Result<u64, BlobError> {
        let told = |error| failed("remove", "", error);
        let mut blobs = Vec::new();
        for bucket in self.buckets() {
            if matches!(bucket.retention().await, Ok(Retention::Days(_))) {
                continue;
            }
            let found = bucket.find("").await.map_err(told)?;
            blobs.extend(found.into_iter().map(|blob| (bucket, blob)));
        }
        blobs.sort_by(|(_, a), (_, b)| (a.written_at, &a.key).cmp(&(b.written_at, &b.key)));
        let mut bytes: u64 = blobs.iter().map(|(_, blob)| blob.bytes).sum();
        let goes = blobs.iter().take_while(|(_, blob)| {
            let goes = blob.written_at < older_than || bytes > keep_bytes;
            bytes = bytes.saturating_sub(blob.bytes);
            goes
        });
        let gone = goes.count();
        for bucket in self.buckets() {
            let of_it = blobs.iter().take(gone);
            let of_it = of_it.filter(|(other, _)| other.name == bucket.name);
            let keys = of_it.map(|(_, blob)| blob.key.as_str());
            bucket.remove(keys).await.map_err(told)?;
        }
        Ok(gone as u64)
    }
}

/// Whether it is a log of a deployment, or the mark that a segment of one is complete:
/// `environments/{environment}/{generation}/logs/…`, or `…/sealed/logs/…`.
fn is_of_logs(key: &str) -> bool {
    let mut parts = key.split('/').skip(3);
    match (parts.next(), parts.next()) {
        (Some("logs"), Some(_)) => key.starts_with("environments/"),
        (Some("sealed"), Some("logs")) => {
            key.starts_with("environments/") && parts.next().is_some()
        }
        _ => false,
    }
}

fn failed(what: &'static str, key: &str, source: io::Error) -> BlobError {
    BlobError::Io {
        what,
        key: key.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests;

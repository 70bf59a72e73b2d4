//! Blobs in memory.

use std::{collections::BTreeMap, sync::Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use nestling_domain::ids::Timestamp;

use crate::drivers::blobs::{BlobError, Blobs};

/// Holds them, and keeps them all.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<BTreeMap<String, Bytes>>);

#[async_trait]
impl Blobs for Memory {
    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), BlobError> {
        self.0.lock().unwrap().insert(key.to_owned(), bytes);
        Ok(())
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, BlobError> {
        Ok(self.0.lock().unwrap().get(key).cloned())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>, BlobError> {
        let blobs = self.0.lock().unwrap();
        let found = blobs.iter().filter(|(key, _)| key.starts_with(prefix));
        Ok(found
            .map(|(key, bytes)| (key.clone(), bytes.len() as u64))
            .collect())
    }

    async fn remove(&self, prefix: &str) -> Result<(), BlobError> {
        let mut blobs = self.0.lock().unwrap();
        blobs.retain(|key, _| !key.starts_with(prefix));
        Ok(())
    }

    async fn prune(&self, _: Timestamp, _: u64) -> Result<u64, BlobError> {
        Ok(0)
    }
}

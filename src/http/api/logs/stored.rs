//! The lines that segments hold, a segment at a time.

use std::{collections::VecDeque, sync::Arc};

use nestling_protocol::log::Line;

use crate::{
    actors::logging::blob_key,
    drivers::blobs::{BlobError, Blobs, segment},
    messages::logging::LogId,
};

/// A reading of the segments of one log, in order.
pub(super) struct Stored {
    blobs: Arc<dyn Blobs>,
    keys: VecDeque<String>,
    next: u64,
}

impl Stored {
    /// Begins with line number `from`.
    pub(super) async fn open(
        blobs: Arc<dyn Blobs>,
        id: &LogId,
        from: u64,
    ) -> Result<Self, BlobError> {
        let keys = keys(&*blobs, id).await?;
        Ok(Stored {
            blobs,
            keys: keys.into(),
            next: from,
        })
    }

    /// The number of the line that comes next.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// The lines of the next segment that has any; `None` at the end.
    pub(super) async fn more(&mut self) -> Result<Option<Vec<Line>>, BlobError> {
        while let Some(key) = self.keys.pop_front() {
            // It may have been pruned since it was listed.
            let Some(bytes) = self.blobs.get(&key).await? else {
                continue;
            };
            let mut lines = Vec::new();
            for line in segment::lines(&bytes) {
                if line.n >= self.next {
                    self.next = line.n.saturating_add(1);
                    lines.push(line);
                }
            }
            if !lines.is_empty() {
                return Ok(Some(lines));
            }
        }
        Ok(None)
    }
}

/// The number after the last line that the segments hold.
pub(super) async fn end(blobs: &dyn Blobs, id: &LogId) -> Result<u64, BlobError> {
    for key in keys(blobs, id).await?.iter().rev() {
        let bytes = blobs.get(key).await?.unwrap_or_default();
        let lines = segment::lines(&bytes);
        if let Some(last) = lines.iter().map(|line| line.n).max() {
            return Ok(last.saturating_add(1));
        }
    }
    Ok(0)
}

async fn keys(blobs: &dyn Blobs, id: &LogId) -> Result<Vec<String>, BlobError> {
    let prefix = blob_key(
        &id.environment,
        id.generation,
        &format!("logs/{}/", id.log.name()),
    );
    let listed = blobs.list(&prefix).await?;
    Ok(listed.into_iter().map(|(key, _)| key).collect())
}

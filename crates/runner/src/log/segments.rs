//! Putting segments, until the server has them.

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use nestling_protocol::log::segment;
use tokio::io::AsyncReadExt;
use tokio::time::{MissedTickBehavior, interval};

use super::Logger;
use super::buffer::Due;
use crate::server::Stale;

/// How often the current segment is put again while it grows.
const PUT_EVERY: Duration = Duration::from_secs(5);

impl Logger {
    /// Puts the current segment every five seconds, full ones at once.
    pub(super) fn put_regularly(&self) {
        let logger = self.clone();
        tokio::spawn(async move {
            let mut ticks = interval(PUT_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    _ = ticks.tick() => {}
                    () = logger.0.full.notified() => {}
                }
                if logger.put(false).await.is_err() {
                    return;
                }
            }
        });
    }

    /// Puts everything that was said so far and seals it. Returns once the server has it, or no longer
    /// wants it.
    pub(crate) async fn seal(&self) {
        let _ = self.put(true).await;
    }

    async fn put(&self, all: bool) -> Result<(), Stale> {
        let _one_at_a_time = self.0.putting.lock().await;
        loop {
            let Some(due) = self.state().buffer.due(all) else {
                return Ok(());
            };
            self.put_one(&due).await?;
            if due.sealed {
                self.state().buffer.sealed(due.segment);
            }
        }
    }

    async fn put_one(&self, due: &Due) -> Result<(), Stale> {
        let Ok(content) = read(due).await else {
            return Ok(());
        };
        let content = packed(content);
        let name = segment(self.0.log, due.segment);
        let server = &self.0.server;
        server
            .upload(self.0.generation, &name, content, due.sealed)
            .await
    }
}

async fn read(due: &Due) -> std::io::Result<Bytes> {
    let file = tokio::fs::File::open(&due.path).await?;
    let mut content = Vec::new();
    // Exactly what was announced: the file may have grown since.
    file.take(due.length).read_to_end(&mut content).await?;
    Ok(content.into())
}

/// The same bytes are the same when they are packed again: nothing of the time is in them.
fn packed(content: Bytes) -> Bytes {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    let written = packer.write_all(&content);
    match written.and_then(|()| packer.finish()) {
        Ok(packed) => packed.into(),
        // Memory takes everything. What is not packed is read as well.
        Err(_) => content,
    }
}

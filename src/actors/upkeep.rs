//! Upkeep: what ages is removed, and a low disk pauses builds, never the server.

use std::{path::PathBuf, sync::Arc, time::Duration};

use actix::prelude::*;
use nestling_domain::ids::Timestamp;
use tracing::{info, warn};

use crate::{
    drivers::{blobs::Blobs, clock, store::Store},
    messages::admission::Pause,
};

/// How often the disk is looked at: a build can fill a gigabyte in this time, which the reserve covers.
const DISK_ROUND: Duration = Duration::from_secs(10);
/// How often what has aged is removed.
const AGE_ROUND: Duration = Duration::from_mins(10);

/// What upkeep keeps to.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Older blobs are removed.
    pub blob_age: Duration,
    /// Beyond this many bytes of blobs, the oldest are removed.
    pub blob_bytes: u64,
    /// Builds pause while the disk has less than this free, in bytes.
    pub free_bytes: u64,
}

/// Removes what has aged, and watches the disk.
pub struct Upkeep {
    store: Arc<dyn Store>,
    blobs: Arc<dyn Blobs>,
    pause: Recipient<Pause>,
    data_dir: PathBuf,
    bounds: Bounds,
}

impl Upkeep {
    /// The actor for this data folder.
    pub fn new(
        store: Arc<dyn Store>,
        blobs: Arc<dyn Blobs>,
        pause: Recipient<Pause>,
        data_dir: PathBuf,
        bounds: Bounds,
    ) -> Self {
        Upkeep {
            store,
            blobs,
            pause,
            data_dir,
            bounds,
        }
    }

    fn look_at_disk(&mut self, _: &mut Context<Self>) {
        let reason = match free_bytes(&self.data_dir) {
            Ok(free) if free < self.bounds.free_bytes => Some(format!(
                "the disk of {} has {} MiB free and builds need {} MiB: free some space, or lower builds.min_free_mib",
                self.data_dir.display(),
                free >> 20,
                self.bounds.free_bytes >> 20
            )),
            Ok(_) => None,
            Err(error) => {
                warn!(
                    "could not look at the disk of {}: {error}",
                    self.data_dir.display()
                );
                return;
            }
        };
        self.pause.do_send(Pause(reason));
    }

    fn remove_aged(&mut self, ctx: &mut Context<Self>) {
        let (store, blobs, bounds) = (self.store.clone(), self.blobs.clone(), self.bounds.clone());
        let work = async move {
            let now = clock::now();
            if let Err(error) = store.prune(now).await {
                warn!("could not remove aged records: {error}");
            }
            let age = u64::try_from(bounds.blob_age.as_millis()).unwrap_or(u64::MAX);
            match blobs
                .prune(Timestamp(now.0.saturating_sub(age)), bounds.blob_bytes)
                .await
            {
                Ok(0) => {}
                Ok(removed) => info!("removed {removed} aged logs and artifacts"),
                Err(error) => warn!("could not remove aged logs and artifacts: {error}"),
            }
        };
        ctx.spawn(work.into_actor(self));
    }
}

impl Actor for Upkeep {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.look_at_disk(ctx);
        self.remove_aged(ctx);
        ctx.run_interval(DISK_ROUND, Self::look_at_disk);
        ctx.run_interval(AGE_ROUND, Self::remove_aged);
    }
}

/// What an ordinary user may still write to the disk of this folder.
fn free_bytes(folder: &std::path::Path) -> std::io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

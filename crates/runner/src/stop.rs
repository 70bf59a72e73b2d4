//! Being told to stop: by the server, or by a signal.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Says once, to everyone who listens, that the runner ends. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Stop(Arc<watch::Sender<bool>>);

impl Stop {
    pub(crate) fn new() -> Self {
        Stop(Arc::new(watch::Sender::new(false)))
    }

    /// Tells everyone. Saying it again changes nothing.
    pub(crate) fn now(&self) {
        self.0.send_replace(true);
    }

    /// Waits until it is said.
    pub(crate) async fn said(&self) {
        let mut watch = self.0.subscribe();
        // The sender lives in `self`, so this ends only by being told.
        let _ = watch.wait_for(|said| *said).await;
    }

    /// Lets SIGTERM and SIGINT say it.
    pub(crate) fn obey_signals(&self) -> std::io::Result<()> {
        for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
            let mut signals = signal(kind)?;
            let stop = self.clone();
            tokio::spawn(async move {
                signals.recv().await;
                stop.now();
            });
        }
        Ok(())
    }
}

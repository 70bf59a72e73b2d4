//! An effect that goes on beside its actor.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use nestling_domain::lifecycle::Observation;
use tokio::task::{JoinError, JoinHandle};

/// An effect under way; dropped, it ends.
pub(super) struct Task(JoinHandle<Option<Observation>>);

impl Task {
    /// Begins it, also while a save pauses the actor's mailbox: what an actor spawns by itself stands still then.
    pub(super) fn spawn(work: impl Future<Output = Option<Observation>> + 'static) -> Self {
        Task(actix::spawn(work))
    }
}

impl Future for Task {
    type Output = Result<Option<Observation>, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context)
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

//! The state of a model that runs: one value behind a lock, and a bell for whoever waits for a change.

use std::{
    ops::{Deref, DerefMut},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

/// A state, and how many times somebody has acted on it.
#[derive(Debug)]
pub(crate) struct Shared<S> {
    state: Mutex<S>,
    changed: watch::Sender<u64>,
}

/// The state, to act on it. Whoever waits for a change looks again when this is dropped.
pub(crate) struct Acting<'a, S> {
    state: MutexGuard<'a, S>,
    changed: &'a watch::Sender<u64>,
}

impl<S> Shared<S> {
    pub(crate) fn new(state: S) -> Self {
        Shared {
            state: Mutex::new(state),
            changed: watch::Sender::new(0),
        }
    }

    pub(crate) fn lock(&self) -> Acting<'_, S> {
        Acting {
            state: self.peek(),
            changed: &self.changed,
        }
    }

    /// Hears of changes from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Tells whoever waits that something has changed.
    pub(crate) fn tell(&self) {
        self.changed.send_modify(|n| *n += 1);
    }

    /// The state, to look at it: nobody is told.
    pub(crate) fn peek(&self) -> MutexGuard<'_, S> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Deref for Acting<'_, S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.state
    }
}

impl<S> DerefMut for Acting<'_, S> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.state
    }
}

impl<S> Drop for Acting<'_, S> {
    fn drop(&mut self) {
        self.changed.send_modify(|n| *n += 1);
    }
}

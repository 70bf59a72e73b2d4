//! What people are told for as long as it is so.

use std::sync::{Arc, Mutex, PoisonError};

/// What people are told for as long as it is so; one cell for all who hold a clone.
#[derive(Debug, Clone)]
pub struct Said<T>(Arc<Mutex<Option<T>>>);

impl<T> Default for Said<T> {
    fn default() -> Self {
        Said(Arc::default())
    }
}

impl<T: Clone> Said<T> {
    /// Says it from now on; `None` when it is over.
    pub fn say(&self, what: Option<T>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = what;
    }

    /// What was said last.
    pub fn said(&self) -> Option<T> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

//! Installations through which nothing can be done now, as GitHub said last.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::GitHub;

/// Why nothing can be done through an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreachable {
    /// Its owner stopped it for a while.
    Suspended,
    /// The App is not installed there any more.
    Removed,
}

/// What was said of each.
#[derive(Debug, Default)]
pub(super) struct Reach(Mutex<BTreeMap<u64, Unreachable>>);

impl Reach {
    /// Something was answered through this installation.
    pub(super) fn reached(&self, installation: u64) {
        self.known().remove(&installation);
    }

    pub(super) fn not_reached(&self, installation: u64, why: Unreachable) {
        self.known().insert(installation, why);
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<u64, Unreachable>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GitHub {
    /// Why nothing can be done through an installation, as of GitHub's last word about it.
    pub fn unreachable(&self, installation: u64) -> Option<Unreachable> {
        self.reach.known().get(&installation).copied()
    }
}

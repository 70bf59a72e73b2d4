//! What nothing can be done through now, as GitHub said last: installations, and the App itself.

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
pub(super) struct Reach {
    installations: Mutex<BTreeMap<u64, Unreachable>>,
    /// Why the App itself is not taken for what it says it is.
    app: Mutex<Option<String>>,
}

impl Reach {
    /// Something was answered through this installation.
    pub(super) fn reached(&self, installation: u64) {
        self.known().remove(&installation);
    }

    pub(super) fn not_reached(&self, installation: u64, why: Unreachable) {
        self.known().insert(installation, why);
    }

    /// GitHub took what the App signed, or did not, and why.
    pub(super) fn taken(&self, taken: Result<(), &str>) {
        *self.of_app() = taken.err().map(str::to_owned);
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<u64, Unreachable>> {
        let known = self.installations.lock();
        known.unwrap_or_else(PoisonError::into_inner)
    }

    fn of_app(&self) -> MutexGuard<'_, Option<String>> {
        self.app.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GitHub {
    /// Why nothing can be done through an installation, as of GitHub's last word about it.
    pub fn unreachable(&self, installation: u64) -> Option<Unreachable> {
        self.reach.known().get(&installation).copied()
    }

    /// Why GitHub does not take the App for what it says it is, as of its last word about that.
    pub fn not_taken_for(&self) -> Option<String> {
        self.reach.of_app().clone()
    }
}

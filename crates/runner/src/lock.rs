//! The machine's lock: held means that this machine lives.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotLocked {
    /// Another runner of this deployment is alive.
    #[error("another runner already holds the lock {}: this deployment runs already", .0.display())]
    Held(PathBuf),
    /// The file cannot be opened or locked.
    #[error("could not lock {}: it must be a writable file of the machine", .0.display())]
    Unusable(PathBuf, #[source] std::io::Error),
}

/// Takes the lock, without waiting. It is held until the file is dropped, so the runner keeps it for life.
pub(crate) fn take(path: &Path) -> Result<File, NotLocked> {
    let unusable = |error| NotLocked::Unusable(path.to_owned(), error);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(unusable)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(NotLocked::Held(path.to_owned())),
        Err(error) => Err(unusable(error.into())),
    }
}

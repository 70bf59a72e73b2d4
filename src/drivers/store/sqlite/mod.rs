//! The store in one SQLite file: WAL, `synchronous=FULL`, one writer with group commit, two readers.
//!
//! All writes go through one thread that gathers what waits into one transaction, each request behind a
//! savepoint of its own, so that one fsync serves many and a conflict rejects only itself. An answer is given
//! only after the commit. *In memory*, the same SQL runs inline: no thread, no timer, so that a simulation
//! under paused time can use it.

mod apps;
mod environments;
mod history;
mod inbox;
mod keys;
mod migrations;
mod opening;
mod own_app;
mod pull_requests;
mod readers;
mod rows;
mod store;
mod trouble;
mod upkeep;
mod values;
mod writer;

#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::Connection;

pub use opening::OpenError;

use super::StoreError;
use readers::Readers;
use trouble::Trouble;
use writer::Writer;

/// After this much time the outcome counts as unknown: a durable write takes under a millisecond, so that a
/// disk which needs longer than this is not coming back soon.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// The SQLite driver. Clones share the database; the last one to go closes it.
#[derive(Clone)]
pub struct Sqlite(Arc<Mode>);

enum Mode {
    File {
        path: PathBuf,
        // Before the writer, so that the writer's connection is the last to close: it then moves the log into
        // the database file, which readers may not.
        readers: Readers,
        writer: Writer,
    },
    Inline(Mutex<Connection>),
}

impl Sqlite {
    /// Opens the database file, and makes it when there is none. The caller holds the lock of the data folder,
    /// see [`DataDir`](crate::drivers::data_dir::DataDir).
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let connection = opening::open(path)?;
        let readers = Readers::open(path)?;
        let writer = Writer::start(connection, path.to_owned())
            .map_err(|source| OpenError::Thread { source })?;
        Ok(Sqlite(Arc::new(Mode::File {
            path: path.to_owned(),
            writer,
            readers,
        })))
    }

    /// A store that lives as long as its clones, without threads or timers.
    pub fn in_memory() -> Result<Self, OpenError> {
        let connection = opening::in_memory()?;
        Ok(Sqlite(Arc::new(Mode::Inline(Mutex::new(connection)))))
    }

    /// How many writes wait for the writer right now, for the metrics: above zero for long means a slow disk.
    pub fn waiting(&self) -> usize {
        match &*self.0 {
            Mode::File { writer, .. } => writer.waiting(),
            Mode::Inline(_) => 0,
        }
    }

    /// Runs `work` in the writer's next transaction, behind a savepoint of its own, and answers after the
    /// commit. `work` may run more than once; all but the last run are undone.
    async fn write<T: Send + 'static>(
        &self,
        work: impl Fn(&Connection) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, StoreError> {
        match &*self.0 {
            Mode::File { writer, .. } => writer.write(work).await,
            Mode::Inline(connection) => {
                let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
                writer::write_inline(&connection, work)
            }
        }
    }

    /// Runs `work` on a connection that only reads, and sees everything acknowledged before.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, StoreError> {
        match &*self.0 {
            Mode::File { readers, path, .. } => readers.read(path, work).await,
            Mode::Inline(connection) => {
                let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
                work(&connection).map_err(|trouble| self.outcome(&trouble))
            }
        }
    }

    fn outcome(&self, trouble: &Trouble) -> StoreError {
        match &*self.0 {
            Mode::File { path, .. } => trouble.outcome(path),
            Mode::Inline(_) => trouble.outcome(Path::new(":memory:")),
        }
    }
}

//! Opening the database file, and saying clearly why it cannot be opened.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::migrations;

/// Marks the file as ours in its header: `Nest`.
pub(super) const APPLICATION_ID: i32 = i32::from_be_bytes(*b"Nest");
/// How long a statement waits for a lock that somebody else holds (a backup, an operator's `sqlite3`): less
/// than the time limit of a request, so that the lock is named and not a mere timeout.
const BUSY: Duration = Duration::from_secs(8);
/// Page cache per connection, in KiB: 100,000 environments must not grow the server; the system caches the file.
const CACHE: i64 = 8 * 1024;
/// The log file is cut back to this size after a checkpoint.
const LOG_BYTES: i64 = 64 * 1024 * 1024;
/// A file up to this size is checked whole at every start (about 0.1 s); a larger one would delay the start
/// for seconds, and its damage shows when the damaged page is read.
const CHECKED_BYTES: u64 = 64 * 1024 * 1024;
/// Statements kept prepared per connection: all that the driver has.
const STATEMENTS: usize = 96;

/// Why the database cannot be opened. In every case the file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is damaged, or no database at all.
    #[error(
        "the database {} is damaged: {reason}; it was left untouched. Restore a backup of it (with its -wal file, if there is one), or move it and its -wal and -shm files away to start anew",
        path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// It belongs to another program.
    #[error(
        "{} is the database of another program; it was left untouched. Choose another data folder",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A newer server made it.
    #[error(
        "the database {} was made by a newer version of nestling (its schema is {found}, this version knows up to {known}); it was left untouched. Install that version again, or restore a backup from before the upgrade",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// Our newest schema.
        known: i64,
    },
    /// It cannot be opened, read or written.
    #[error(
        "could not open the database {}: {reason}; the file and its folder must be readable and writable for the server's user, with space left on that disk",
        path.display()
    )]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The writer's thread could not be started.
    #[error("could not start the store's writer")]
    Thread {
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Opens for writing, at the newest schema. A new file is made; one that is not right is left as it was.
pub(super) fn open(path: &Path) -> Result<Connection, OpenError> {
    if std::fs::metadata(path).is_ok_and(|file| file.len() > 0) {
        // On a connection that cannot write, so that looking changes nothing.
        inspect(path)?;
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let attempt = || {
        let mut database = Connection::open_with_flags(path, flags)?;
        database.busy_timeout(BUSY)?;
        database.pragma_update(None, "journal_mode", "WAL")?;
        // NORMAL may lose acknowledged commits when the power fails.
        database.pragma_update(None, "synchronous", "FULL")?;
        database.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
        prepare(&database)?;
        migrations::run(&mut database)?;
        Ok(database)
    };
    attempt().map_err(|error| explain(path, &error))
}

/// Opens for reading a file that [`open`] has opened before.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, OpenError> {
    let attempt = || {
        let database = read_only(path)?;
        prepare(&database)?;
        Ok(database)
    };
    attempt().map_err(|error| explain(path, &error))
}

/// The same schema without a file.
pub(super) fn in_memory() -> Result<Connection, OpenError> {
    let attempt = || {
        let mut database = Connection::open_in_memory()?;
        prepare(&database)?;
        migrations::run(&mut database)?;
        Ok(database)
    };
    attempt().map_err(|error| explain(Path::new(":memory:"), &error))
}

fn inspect(path: &Path) -> Result<(), OpenError> {
    let attempt = || {
        let database = read_only(path)?;
        let tables: i64 =
            database.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        let application: i32 =
            database.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let version: i64 = database.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let small = std::fs::metadata(path).is_ok_and(|file| file.len() <= CHECKED_BYTES);
        let verdict = if small {
            database.pragma_query_value(None, "quick_check", |row| row.get(0))?
        } else {
            "ok".to_owned()
        };
        Ok((tables, application, version, verdict))
    };
    let (tables, application, version, verdict): (_, _, _, String) =
        attempt().map_err(|error| explain(path, &error))?;
    let path = path.to_owned();
    if tables > 0 && application != APPLICATION_ID {
        return Err(OpenError::Foreign { path });
    }
    if version > migrations::newest() {
        return Err(OpenError::Newer {
            path,
            found: version,
            known: migrations::newest(),
        });
    }
    if verdict != "ok" {
        return Err(OpenError::Corrupt {
            path,
            reason: one_line(&verdict),
        });
    }
    Ok(())
}

/// The first thing that a check found, for a sentence.
fn one_line(verdict: &str) -> String {
    let mut found = verdict.lines().filter(|line| !line.starts_with("***"));
    found.next().unwrap_or("its check failed").to_owned()
}

fn read_only(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = Connection::open_with_flags(path, flags)?;
    database.busy_timeout(BUSY)?;
    Ok(database)
}

fn prepare(database: &Connection) -> rusqlite::Result<()> {
    database.pragma_update(None, "foreign_keys", true)?;
    // Negative: KiB, not pages.
    database.pragma_update(None, "cache_size", -CACHE)?;
    database.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

fn explain(path: &Path, error: &rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    let reason = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            OpenError::Corrupt { path, reason }
        }
        _ => OpenError::Unusable { path, reason },
    }
}

//! What can go wrong inside, and what it means for whoever asked.

use std::path::Path;

use rusqlite::ErrorCode;

use crate::drivers::store::StoreError;

/// Why a piece of work did not end well.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// See [`StoreError::Conflict`].
    #[error("{0}")]
    Conflict(String),
    /// See [`StoreError::Rejected`].
    #[error("{0}")]
    Rejected(String),
    /// The database said so.
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
}

impl Trouble {
    /// Whether the disk failed: nothing more may be written, because nobody knows what the disk holds.
    pub(super) fn of_disk(&self) -> bool {
        self.code() == Some(ErrorCode::SystemIoFailure)
    }

    /// Whether it did not fit: the same work may fit when it is tried without its neighbours.
    pub(super) fn of_space(&self) -> bool {
        self.code() == Some(ErrorCode::DiskFull)
    }

    /// What whoever asked is told.
    pub(super) fn outcome(&self, database: &Path) -> StoreError {
        let file = database.display();
        match self {
            Trouble::Conflict(what) => StoreError::Conflict(what.clone()),
            Trouble::Rejected(why) => StoreError::Rejected(why.clone()),
            Trouble::Sql(error) => match self.code() {
                Some(ErrorCode::DiskFull) => StoreError::Rejected(format!(
                    "no space is left for {file}: nothing was written and nothing is lost; free some space on that disk"
                )),
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                    StoreError::Rejected(format!(
                        "the database {file} is damaged ({error}): stop the server, keep a copy of the file, and restore a backup"
                    ))
                }
                Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                    StoreError::Rejected(format!(
                        "the database {file} cannot be written ({error}): its folder and file must belong to the server's user"
                    ))
                }
                Some(
                    ErrorCode::SystemIoFailure
                    | ErrorCode::DatabaseBusy
                    | ErrorCode::DatabaseLocked,
                ) => StoreError::Unknown(format!("{file}: {error}")),
                _ => StoreError::Rejected(format!("{file}: {error}")),
            },
        }
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Trouble::Sql(error) => error.sqlite_error_code(),
            Trouble::Conflict(_) | Trouble::Rejected(_) => None,
        }
    }
}

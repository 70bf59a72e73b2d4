//! Two connections that only read, lent to blocking tasks.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::{
    TIME_LIMIT,
    opening::{self, OpenError},
    trouble::Trouble,
};
use crate::drivers::store::StoreError;

/// How many may read at once. In WAL readers and the writer never wait for each other; two keep a long list
/// from holding up short look-ups, more would only share the same cores.
const READERS: usize = 2;

/// The readers' connections.
pub(super) struct Readers {
    idle: Arc<Mutex<Vec<Connection>>>,
    free: Arc<Semaphore>,
}

impl Readers {
    /// Opens them on a database that is there.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let idle = (0..READERS)
            .map(|_| opening::open_to_read(path))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Readers {
            idle: Arc::new(Mutex::new(idle)),
            free: Arc::new(Semaphore::new(READERS)),
        })
    }

    /// See [`Sqlite::read`](super::Sqlite::read).
    pub(super) async fn read<T: Send + 'static>(
        &self,
        path: &Path,
        work: impl FnOnce(&Connection) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, StoreError> {
        let ask = async {
            let unknown = |why: &str| StoreError::Unknown(format!("{}: {why}", path.display()));
            let permit = self.free.clone().acquire_owned().await;
            let permit = permit.map_err(|_| unknown("the readers are closed"))?;
            let idle = self.idle.clone();
            let path = path.to_owned();
            let read = tokio::task::spawn_blocking(move || {
                let loan = Loan::take(idle);
                let read = loan.read(work);
                // First the connection, then the permit: who holds a permit finds a connection.
                drop(loan);
                drop(permit);
                read.map_err(|trouble| trouble.outcome(&path))
            });
            read.await.map_err(|_| unknown("the read was broken off"))?
        };
        match tokio::time::timeout(TIME_LIMIT, ask).await {
            Ok(answer) => answer,
            Err(_) => Err(StoreError::Unknown(format!(
                "{} did not answer within {} s",
                path.display(),
                TIME_LIMIT.as_secs()
            ))),
        }
    }
}

/// A connection that goes back when it is dropped, also by a panic.
struct Loan {
    connection: Option<Connection>,
    home: Arc<Mutex<Vec<Connection>>>,
}

impl Loan {
    fn take(home: Arc<Mutex<Vec<Connection>>>) -> Self {
        let connection = home.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Loan { connection, home }
    }

    fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Trouble>) -> Result<T, Trouble> {
        match &self.connection {
            Some(connection) => work(connection),
            None => Err(Trouble::Rejected(
                "no reader is left: restart the server".to_owned(),
            )),
        }
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.home
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(connection);
        }
    }
}

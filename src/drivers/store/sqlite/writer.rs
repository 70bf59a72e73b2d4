//! The one writer: a thread that gathers waiting requests into one transaction.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    thread,
};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{TIME_LIMIT, trouble::Trouble};
use crate::drivers::store::StoreError;

/// The most requests in one transaction: at 8,000 saves a second a full one holds the others up for 30 ms.
const GROUP: usize = 256;
/// Requests that may wait: four groups, so that a writer that is busy committing finds the next one complete,
/// and whoever comes later waits where he can still give up.
const QUEUE: usize = 4 * GROUP;

/// A handle of the writer's thread; dropping it lets the thread end its queue and close the file.
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Box<dyn Request>>>,
    thread: Option<thread::JoinHandle<()>>,
    /// Why the writer ended, once the disk failed.
    ended: Arc<OnceLock<String>>,
}

/// Something to write, and whoever waits for it.
trait Request: Send {
    /// Whether anybody still waits for the answer. What nobody waits for is not begun.
    fn is_wanted(&self) -> bool;
    /// Does it, keeping the value for the answer.
    fn run(&mut self, database: &Connection) -> Result<(), Trouble>;
    /// Answers, once it is known what became of it.
    fn answer(self: Box<Self>, outcome: Result<(), StoreError>);
}

struct Work<F, T> {
    run: F,
    value: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Request for Work<F, T>
where
    F: Fn(&Connection) -> Result<T, Trouble> + Send,
    T: Send,
{
    fn is_wanted(&self) -> bool {
        !self.reply.is_closed()
    }

    fn run(&mut self, database: &Connection) -> Result<(), Trouble> {
        self.value = Some((self.run)(database)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<(), StoreError>) {
        let answer = match (outcome, self.value) {
            (Ok(()), Some(value)) => Ok(value),
            (Ok(()), None) => Err(StoreError::Unknown(
                "the writer never came to it".to_owned(),
            )),
            (Err(error), _) => Err(error),
        };
        // Whoever gave up meanwhile treats the outcome as unknown and reloads.
        let _ = self.reply.send(answer);
    }
}

impl Writer {
    /// Starts the thread on a connection that is its own from now on.
    pub(super) fn start(database: Connection, path: PathBuf) -> std::io::Result<Self> {
        let (queue, requests) = mpsc::channel(QUEUE);
        let ended = Arc::new(OnceLock::new());
        let thread = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn({
                let ended = ended.clone();
                move || serve(&database, &path, requests, &ended)
            })?;
        Ok(Writer {
            queue: Some(queue),
            thread: Some(thread),
            ended,
        })
    }

    /// See [`Sqlite::write`](super::Sqlite::write).
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl Fn(&Connection) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let request = Box::new(Work {
            run: work,
            value: None,
            reply,
        });
        let ask = async {
            let Some(queue) = &self.queue else {
                return Err(self.gone());
            };
            // Not taken up at all: known not to have happened.
            queue.send(request).await.map_err(|_| self.gone())?;
            answer
                .await
                .unwrap_or_else(|_| Err(StoreError::Unknown(self.why_ended())))
        };
        match tokio::time::timeout(TIME_LIMIT, ask).await {
            Ok(answer) => answer,
            Err(_) => Err(StoreError::Unknown(format!(
                "no answer of the disk within {} s",
                TIME_LIMIT.as_secs()
            ))),
        }
    }

    /// Requests that wait for the next group.
    pub(super) fn waiting(&self) -> usize {
        self.queue
            .as_ref()
            .map_or(0, |queue| queue.max_capacity() - queue.capacity())
    }

    fn gone(&self) -> StoreError {
        StoreError::Rejected(self.why_ended())
    }

    fn why_ended(&self) -> String {
        match self.ended.get() {
            Some(why) => format!(
                "nothing is written since the disk failed ({why}): check the disk, then restart the server"
            ),
            None => "the store's writer has ended unexpectedly: restart the server".to_owned(),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A writer that panicked has already been reported by the check.
            let _ = thread.join();
        }
    }
}

/// One write without a thread: a group of one.
pub(super) fn write_inline<T: Send>(
    database: &Connection,
    work: impl Fn(&Connection) -> Result<T, Trouble> + Send,
) -> Result<T, StoreError> {
    let path = Path::new(":memory:");
    let (reply, mut answer) = oneshot::channel();
    let mut group: Vec<Box<dyn Request + '_>> = vec![Box::new(Work {
        run: work,
        value: None,
        reply,
    })];
    let outcomes = match commit(database, path, &mut group) {
        Ok(outcomes) => outcomes,
        Err(lost) => vec![Err(lost.outcome(path))],
    };
    for (request, outcome) in group.into_iter().zip(outcomes) {
        request.answer(outcome);
    }
    answer.try_recv().unwrap_or_else(|_| {
        Err(StoreError::Unknown(
            "the writer never came to it".to_owned(),
        ))
    })
}

fn serve(
    database: &Connection,
    path: &Path,
    mut requests: mpsc::Receiver<Box<dyn Request>>,
    ended: &OnceLock<String>,
) {
    while let Some(first) = requests.blocking_recv() {
        let mut group = vec![first];
        while group.len() < GROUP
            && let Ok(next) = requests.try_recv()
        {
            group.push(next);
        }
        if let Err(trouble) = write_group(database, path, group) {
            let why = format!("{}: {trouble}", path.display());
            tracing::error!(store.file = %path.display(), "the store stops writing: {why}");
            let _ = ended.set(why);
            // What still waits was not begun; whoever asks later is told the same.
            requests.close();
            while let Ok(request) = requests.try_recv() {
                request.answer(Err(StoreError::Rejected(
                    "nothing is written since the disk failed: check the disk, then restart the server".to_owned(),
                )));
            }
            return;
        }
    }
}

/// Writes a group and answers it. The error is one of the disk, after which nothing more may be written.
fn write_group<'a>(
    database: &Connection,
    path: &Path,
    mut group: Vec<Box<dyn Request + 'a>>,
) -> Result<(), Trouble> {
    match commit(database, path, &mut group) {
        Ok(outcomes) => {
            for (request, outcome) in group.into_iter().zip(outcomes) {
                request.answer(outcome);
            }
            Ok(())
        }
        Err(trouble) if trouble.of_disk() => {
            let unknown = trouble.outcome(path);
            for request in group {
                request.answer(Err(unknown.clone()));
            }
            Err(trouble)
        }
        // One that does not fit must not take its neighbours along: each again, alone.
        Err(trouble) if trouble.of_space() && group.len() > 1 => {
            for request in group {
                write_group(database, path, vec![request])?;
            }
            Ok(())
        }
        Err(trouble) => {
            let outcome = trouble.outcome(path);
            for request in group {
                request.answer(Err(outcome.clone()));
            }
            Ok(())
        }
    }
}

/// One transaction over the group: what became of each, or the trouble that undid all of it.
fn commit(
    database: &Connection,
    path: &Path,
    group: &mut [Box<dyn Request + '_>],
) -> Result<Vec<Result<(), StoreError>>, Trouble> {
    if group.is_empty() {
        return Ok(Vec::new());
    }
    database.execute_batch("BEGIN IMMEDIATE")?;
    let done = run_all(database, path, group).and_then(|outcomes| {
        database.execute_batch("COMMIT")?;
        Ok(outcomes)
    });
    if done.is_err() && !database.is_autocommit() {
        // Fails only when the disk has failed, which the trouble at hand says already.
        let _ = database.execute_batch("ROLLBACK");
    }
    done
}

fn run_all(
    database: &Connection,
    path: &Path,
    group: &mut [Box<dyn Request + '_>],
) -> Result<Vec<Result<(), StoreError>>, Trouble> {
    let mut outcomes = Vec::with_capacity(group.len());
    for request in group {
        // Only now: the transaction may have waited for a lock.
        if !request.is_wanted() {
            outcomes.push(Err(StoreError::Unknown(
                "nobody waited for it any more".to_owned(),
            )));
            continue;
        }
        execute(database, "SAVEPOINT request")?;
        match request.run(database) {
            Ok(()) => outcomes.push(Ok(())),
            // A full or failing disk undoes the whole transaction, not only this request.
            Err(trouble) if trouble.of_disk() || trouble.of_space() || database.is_autocommit() => {
                return Err(trouble);
            }
            Err(trouble) => {
                execute(database, "ROLLBACK TO request")?;
                outcomes.push(Err(trouble.outcome(path)));
            }
        }
        execute(database, "RELEASE request")?;
    }
    Ok(outcomes)
}

fn execute(database: &Connection, sql: &str) -> Result<(), Trouble> {
    database.prepare_cached(sql)?.execute([])?;
    Ok(())
}

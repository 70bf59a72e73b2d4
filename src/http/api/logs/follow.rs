//! Following a log: one server-sent event per line, from the first wanted until the deployment has ended.

use std::{fmt::Write as _, time::Duration};

use actix_web::{HttpResponse, http::header, rt, web};
use bytes::Bytes;
use futures::stream;
use nestling_domain::{ids::Timestamp, record::DeploymentRecord};
use nestling_protocol::log::{Line, Source};
use tokio::{
    sync::{Semaphore, SemaphorePermit, mpsc},
    time::{Instant, interval},
};

use super::{super::merge::Merge, stored::Stored};
use crate::{
    drivers::clock,
    http::{
        Services,
        auth::{Auth, Principal},
        problem::Problem,
    },
    messages::logging::{Follow, LogId},
};

/// How many who signed in may follow at once; more are told to come back.
const MOST: usize = 512;
/// Batches that may wait for a client; one that reads nothing holds its follower up, not the server.
const WAITING: usize = 16;
/// How often a follower looks whether lines are missing, whether the deployment has ended, and who watches.
const ROUND: Duration = Duration::from_secs(1);
/// A missing line is waited for this long: it was lost live, and two rounds of puts bring it with its segment.
const MISSING: Duration = Duration::from_secs(12);
/// After its end a deployment still has this long to say its last words: two rounds of puts.
const LAST_WORDS: Duration = Duration::from_secs(10);
/// A comment is sent this often while there is nothing to say, so that no proxy takes the silence for an end.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How many may who have a link, as anybody may: they take no place of people who signed in.
const MOST_READERS: usize = 128;

static FOLLOWING: Semaphore = Semaphore::const_new(MOST);
static READING: Semaphore = Semaphore::const_new(MOST_READERS);

/// Who watches.
pub(in crate::http) enum Watcher {
    /// The operator, until the session ends.
    SignedIn(web::Data<Auth>, Principal),
    /// Somebody with a sealed link.
    Reader,
}

impl Watcher {
    fn still(&self) -> bool {
        match self {
            Watcher::SignedIn(auth, principal) => auth.still(principal),
            Watcher::Reader => true,
        }
    }

    fn places(&self) -> (&'static Semaphore, usize) {
        match self {
            Watcher::SignedIn(..) => (&FOLLOWING, MOST),
            Watcher::Reader => (&READING, MOST_READERS),
        }
    }
}

/// Answers with the events of a log from line number `from` on.
pub(super) fn follow(
    services: web::Data<Services>,
    watcher: Watcher,
    id: LogId,
    from: u64,
) -> Result<HttpResponse, Problem> {
    let (places, most) = watcher.places();
    let place = places.try_acquire().map_err(|_| {
        Problem::unavailable(format!(
            "{most} requests follow logs already: try again in a moment"
        ))
    })?;
    let (out, events) = mpsc::channel(WAITING);
    let follower = Follower {
        services,
        watcher,
        id,
        merge: Merge::new(from),
        missing: None,
        spoke: Instant::now(),
        out,
        _place: place,
    };
    rt::spawn(async move {
        // The client is gone, or a part of the server: it comes back with the number of its last line.
        let _ = follower.run().await;
    });
    let body = stream::unfold(events, |mut events| async move {
        let bytes = events.recv().await?;
        Some((Ok::<Bytes, Problem>(bytes), events))
    });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        // Whoever compresses would hold lines back.
        .insert_header((header::CONTENT_ENCODING, "identity"))
        .streaming(body))
}

struct Follower {
    services: web::Data<Services>,
    watcher: Watcher,
    id: LogId,
    merge: Merge,
    /// The line that is missing, and since when.
    missing: Option<(u64, Instant)>,
    spoke: Instant,
    out: mpsc::Sender<Bytes>,
    _place: SemaphorePermit<'static>,
}

/// Why a follower ends before the log does.
#[derive(Debug, thiserror::Error)]
enum Ends {
    #[error("the client is gone, or no longer signed in")]
    Client,
    #[error(transparent)]
    Server(#[from] Problem),
}

impl Follower {
    async fn run(mut self) -> Result<(), Ends> {
        self.say("retry: 1000\n\n".to_owned()).await?;
        self.catch_up().await?;
        loop {
            let follow = Follow {
                id: self.id.clone(),
                from: self.merge.next(),
            };
            let followed = self.services.logging.follow.send(follow).await;
            let followed = followed.map_err(Problem::from)?;
            for line in followed.backlog {
                self.merge.offer(line);
            }
            self.flush().await?;
            if self.live(followed.live).await? {
                return Ok(());
            }
        }
    }

    /// Passes live lines on; whether the log has ended. Otherwise this channel has, and another is needed.
    async fn live(&mut self, mut lines: mpsc::Receiver<Line>) -> Result<bool, Ends> {
        let mut round = interval(ROUND);
        loop {
            tokio::select! {
                line = lines.recv() => {
                    let Some(line) = line else { return Ok(false) };
                    self.merge.offer(line);
                    while let Ok(line) = lines.try_recv() {
                        self.merge.offer(line);
                    }
                    self.flush().await?;
                }
                _ = round.tick() => {
                    if self.round().await? {
                        return Ok(true);
                    }
                }
                () = self.out.closed() => return Err(Ends::Client),
            }
        }
    }

    /// Looks after everything that no line announces; whether the log has ended.
    async fn round(&mut self) -> Result<bool, Ends> {
        if !self.watcher.still() {
            return Err(Ends::Client);
        }
        if self.merge.misses() {
            let next = self.merge.next();
            // Another line than before: the last one came.
            let since = match self.missing {
                Some((line, since)) if line == next => since,
                _ => Instant::now(),
            };
            self.missing = Some((next, since));
            self.catch_up().await?;
            if self.merge.misses() && self.merge.next() == next && since.elapsed() >= MISSING {
                self.give_up().await?;
            }
        }
        let record = self.record().await?;
        if record
            .as_ref()
            .is_none_or(|record| over(record, clock::now()))
        {
            self.catch_up().await?;
            while self.merge.misses() {
                self.give_up().await?;
            }
            let status = record.map_or("removed", |record| record.shown.name());
            self.say(format!("event: end\ndata: {{\"status\":\"{status}\"}}\n\n"))
                .await?;
            return Ok(true);
        }
        if self.spoke.elapsed() >= KEEP_ALIVE {
            self.say(": still there\n\n".to_owned()).await?;
        }
        Ok(false)
    }

    /// Reads what the segments hold from the next line on.
    async fn catch_up(&mut self) -> Result<(), Ends> {
        let blobs = self.services.blobs.clone();
        let mut stored = Stored::open(blobs, &self.id, self.merge.next())
            .await
            .map_err(Problem::from)?;
        while let Some(lines) = stored.more().await.map_err(Problem::from)? {
            for line in lines {
                self.merge.offer(line);
            }
            self.flush().await?;
        }
        Ok(())
    }

    /// Goes on without the missing lines, and says so in their place.
    async fn give_up(&mut self) -> Result<(), Ends> {
        let left_out = self.merge.next();
        let count = self.merge.give_up();
        let mut lines = Vec::new();
        if let Some(last) = count.checked_sub(1) {
            let what = match count {
                1 => "1 line is".to_owned(),
                _ => format!("{count} lines are"),
            };
            lines.push(Line {
                // Of the last one, so that whoever comes back goes on after them.
                n: left_out.saturating_add(last),
                at: clock::now().0,
                from: Source::Runner,
                text: format!(
                    "{what} left out here: not arrived so far; what still comes is in the stored log"
                ),
            });
        }
        lines.extend(self.merge.take());
        self.send(lines).await
    }

    async fn flush(&mut self) -> Result<(), Ends> {
        let ready = self.merge.take();
        self.send(ready).await
    }

    async fn send(&mut self, ready: Vec<Line>) -> Result<(), Ends> {
        if ready.is_empty() {
            return Ok(());
        }
        let mut events = String::new();
        for line in ready {
            let json = serde_json::to_string(&line).unwrap_or_default();
            // Writing to a string cannot fail.
            let _ = write!(events, "id: {}\ndata: {json}\n\n", line.n);
        }
        self.say(events).await
    }

    async fn say(&mut self, text: String) -> Result<(), Ends> {
        self.spoke = Instant::now();
        self.out.send(text.into()).await.map_err(|_| Ends::Client)
    }

    async fn record(&self) -> Result<Option<DeploymentRecord>, Ends> {
        let store = &self.services.store;
        let record = store
            .deployment(&self.id.environment, self.id.generation)
            .await;
        Ok(record.map_err(Problem::from)?)
    }
}

/// Whether no more lines will come.
fn over(record: &DeploymentRecord, now: Timestamp) -> bool {
    record
        .ended_at
        .is_some_and(|at| now.since(at) >= LAST_WORDS)
}

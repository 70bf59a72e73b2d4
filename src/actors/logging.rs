//! Logging: keeps the newest lines of each log at hand, and fans live lines out to those who follow.
//!
//! The segments in the blob store are the whole log; this actor holds its newest end, because a segment is
//! put only every five seconds.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use actix::prelude::*;
use nestling_domain::ids::{EnvironmentId, Generation, Timestamp};
use nestling_protocol::log::{Line, Log};
use tokio::sync::mpsc;
use tracing::warn;

use crate::{
    drivers::{
        blobs::{Blobs, segment},
        clock,
    },
    messages::logging::{Append, Follow, Followed, Handle, LogId, Read},
};

/// Lines of one log that are kept at hand: what a page shows at most.
const AT_HAND: usize = 10_000;
/// Bytes of one log that are kept at hand.
const AT_HAND_BYTES: usize = 2 * 1024 * 1024;
/// Lines that may wait for one follower; one that is further behind loses its channel and follows anew.
const FOLLOWER: usize = 1_024;
/// A log that nobody wrote or followed for this long is forgotten here; its segments stay.
const FORGOTTEN: Duration = Duration::from_mins(15);
/// How often forgotten logs are looked for.
const ROUND: Duration = Duration::from_mins(1);

/// Keeps and fans out live lines.
pub struct Logging {
    blobs: Arc<dyn Blobs>,
    tails: HashMap<LogId, Tail>,
}

#[derive(Default)]
struct Tail {
    lines: VecDeque<Line>,
    bytes: usize,
    /// The number of the line expected next; earlier ones are repeats.
    next: u64,
    followers: Vec<mpsc::Sender<Line>>,
    touched: Timestamp,
}

impl Logging {
    /// The actor, with the store of segments.
    pub fn new(blobs: Arc<dyn Blobs>) -> Self {
        Logging {
            blobs,
            tails: HashMap::new(),
        }
    }

    /// The way for everybody else to reach it.
    pub fn handle(address: &Addr<Self>) -> Handle {
        Handle {
            append: address.clone().recipient(),
            read: address.clone().recipient(),
            follow: address.clone().recipient(),
        }
    }

    fn tail(&mut self, id: &LogId) -> &mut Tail {
        let tail = self.tails.entry(id.clone()).or_default();
        tail.touched = clock::now();
        tail
    }

    fn forget(&mut self) {
        let now = clock::now();
        self.tails.retain(|_, tail| {
            tail.followers.retain(|follower| !follower.is_closed());
            !tail.followers.is_empty() || now.since(tail.touched) < FORGOTTEN
        });
    }
}

impl Tail {
    fn push(&mut self, line: Line) {
        if line.n < self.next {
            return;
        }
        self.next = line.n + 1;
        self.followers
            .retain(|follower| follower.try_send(line.clone()).is_ok());
        self.bytes += line.text.len();
        self.lines.push_back(line);
        while self.lines.len() > AT_HAND || self.bytes > AT_HAND_BYTES {
            let Some(gone) = self.lines.pop_front() else {
                break;
            };
            self.bytes -= gone.text.len();
        }
    }

    /// The lines at hand from `from` on; `None` when older ones are needed, which only the segments hold.
    fn from(&self, from: u64) -> Option<Vec<Line>> {
        let first = self.lines.front().map_or(u64::MAX, |line| line.n);
        (first <= from).then(|| {
            self.lines
                .iter()
                .filter(|line| line.n >= from)
                .cloned()
                .collect()
        })
    }
}

impl Actor for Logging {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(0);
        ctx.run_interval(ROUND, |actor, _| actor.forget());
    }
}

impl Handler<Append> for Logging {
    type Result = ();

    fn handle(&mut self, Append { environment, lines }: Append, _: &mut Self::Context) {
        let id = LogId {
            environment,
            generation: Generation(lines.generation),
            log: lines.log,
        };
        let tail = self.tail(&id);
        for line in lines.lines {
            tail.push(line);
        }
    }
}

impl Handler<Read> for Logging {
    type Result = ResponseActFuture<Self, Vec<Line>>;

    fn handle(&mut self, Read { id, from }: Read, _: &mut Self::Context) -> Self::Result {
        if let Some(lines) = self.tails.get(&id).and_then(|tail| tail.from(from)) {
            return Box::pin(fut::ready(lines));
        }
        let blobs = self.blobs.clone();
        let stored = {
            let id = id.clone();
            async move { segments(&*blobs, &id, from).await }
        };
        Box::pin(
            stored
                .into_actor(self)
                .map(move |stored, actor, _| actor.joined(&id, from, stored)),
        )
    }
}

impl Handler<Follow> for Logging {
    type Result = ResponseActFuture<Self, Followed>;

    fn handle(&mut self, Follow { id, from }: Follow, _: &mut Self::Context) -> Self::Result {
        let (follower, live) = mpsc::channel(FOLLOWER);
        if let Some(backlog) = self.tails.get(&id).and_then(|tail| tail.from(from)) {
            self.tail(&id).followers.push(follower);
            return Box::pin(fut::ready(Followed { backlog, live }));
        }
        let blobs = self.blobs.clone();
        let stored = {
            let id = id.clone();
            async move { segments(&*blobs, &id, from).await }
        };
        Box::pin(stored.into_actor(self).map(move |stored, actor, _| {
            // Joined and subscribed in one turn of this actor: no line is missed, none comes twice.
            let backlog = actor.joined(&id, from, stored);
            actor.tail(&id).followers.push(follower);
            Followed { backlog, live }
        }))
    }
}

impl Logging {
    /// What the segments hold, and after it what is at hand.
    fn joined(&self, id: &LogId, from: u64, mut stored: Vec<Line>) -> Vec<Line> {
        let next = stored.last().map_or(from, |line| line.n + 1);
        if let Some(tail) = self.tails.get(id) {
            stored.extend(tail.lines.iter().filter(|line| line.n >= next).cloned());
        }
        stored
    }
}

/// The key under which a deployment's logs and artifacts lie.
pub fn blob_key(environment: &EnvironmentId, generation: Generation, name: &str) -> String {
    format!("environments/{environment}/{generation}/{name}")
}

/// The key for what a machine that has ended left of a segment: all of its lines, those that were put among them. It is
/// read right after the segment itself, and whoever reads a log passes over lines that he has. A key of its own,
/// because a put that was on its way when the machine ended may still arrive, with fewer lines.
pub fn left_key(
    environment: &EnvironmentId,
    generation: Generation,
    log: Log,
    segment: u32,
) -> String {
    let name = nestling_protocol::log::segment(log, segment);
    blob_key(environment, generation, &format!("{name}-left"))
}

/// The lines that the segments of a log hold, from number `from` on.
async fn segments(blobs: &dyn Blobs, id: &LogId, from: u64) -> Vec<Line> {
    let prefix = blob_key(
        &id.environment,
        id.generation,
        &format!("logs/{}/", id.log.name()),
    );
    let mut lines: Vec<Line> = Vec::new();
    let keys = match blobs.list(&prefix).await {
        Ok(keys) => keys,
        Err(error) => {
            warn!("could not list the log under {prefix}: {error}");
            return lines;
        }
    };
    for (key, _) in keys {
        let Ok(Some(bytes)) = blobs.get(&key).await else {
            continue;
        };
        let read = segment::lines(&bytes).into_iter();
        let next = lines.last().map_or(from, |line| line.n + 1);
        lines.extend(read.filter(|line| line.n >= next));
        if lines.len() > AT_HAND {
            lines.drain(..lines.len() - AT_HAND);
        }
    }
    lines
}

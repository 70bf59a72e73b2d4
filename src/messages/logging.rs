//! What the logging actor is told and asked: live lines of deployments.

use actix::prelude::*;
use nestling_domain::ids::{EnvironmentId, Generation};
use nestling_protocol::log::{Line, Lines, Log};
use tokio::sync::mpsc;

/// Which log.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LogId {
    /// Of which environment.
    pub environment: EnvironmentId,
    /// Of which deployment.
    pub generation: Generation,
    /// Which of the two.
    pub log: Log,
}

/// Live lines from a runner.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Append {
    /// Of which environment.
    pub environment: EnvironmentId,
    /// The lines.
    pub lines: Lines,
}

/// The lines of a log from number `from` on, as far as they are kept, oldest first.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Vec<Line>")]
pub struct Read {
    /// Which log.
    pub id: LogId,
    /// The first line wanted.
    pub from: u64,
}

/// The lines of a log from number `from` on, and those to come. A follower that does not keep up loses its
/// channel and may follow again from where it was.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Followed")]
pub struct Follow {
    /// Which log.
    pub id: LogId,
    /// The first line wanted.
    pub from: u64,
}

/// A log being followed.
#[derive(Debug, MessageResponse)]
pub struct Followed {
    /// What is there already.
    pub backlog: Vec<Line>,
    /// What comes.
    pub live: mpsc::Receiver<Line>,
}

/// The way for everybody else to reach the logging actor.
#[derive(Clone)]
pub struct Handle {
    /// For runners.
    pub append: Recipient<Append>,
    /// For people.
    pub read: Recipient<Read>,
    /// For people who watch.
    pub follow: Recipient<Follow>,
}

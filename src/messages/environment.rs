//! What an environment actor is told.

use std::sync::Arc;

use actix::prelude::*;
use nestling_domain::{
    app::App,
    environment::Environment,
    ids::{Generation, InputId, Kind},
    lifecycle::Event,
};
use nestling_protocol::report::Next;

/// How a decision begins when an event changes nothing; why follows.
pub(crate) const NOTHING: &str = "nothing: ";

/// Something happened to one environment. Answered after it is saved.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Applied, NotApplied>")]
pub struct Apply {
    /// What.
    pub event: Event,
    /// Who or what caused it, for people: `push`, `local user`, `runner`, `clock`.
    pub by: String,
    /// The input's id, when a repeat must get the first answer.
    pub input: Option<InputId>,
    /// What it is called, and what to record first when there is no such environment yet; without it the event is refused then.
    pub birth: Option<Arc<Birth>>,
}

/// What is needed to record an environment that does not exist yet, and what one that exists is called now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Birth {
    /// Of which app.
    pub app: App,
    /// Production, or the preview of which pull request.
    pub kind: Kind,
    /// The branch that it tracks.
    pub branch: String,
    /// The pull request's title; the branch for production.
    pub title: String,
    /// Whether one that does not exist is made.
    pub makes: bool,
}

/// An event was decided and saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The record after it.
    pub environment: Arc<Environment>,
    /// The answer for a runner that reported.
    pub answer: Option<Next>,
    /// What came of it, in words: what it caused, or why nothing.
    pub decision: String,
}

/// Why an event was not applied. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotApplied {
    /// There is no such environment.
    #[error("there is no environment {0}")]
    Unknown(String),
    /// It is an order that cannot be obeyed: why, for people.
    #[error("{0}")]
    Refused(String),
    /// Its actor died three times in a minute; the next order of a person releases it. Its machine stays as it is.
    #[error(
        "{environment} is quarantined since its actor failed repeatedly ({reason}): what runs stays as it is, and nothing else is done until somebody redeploys, starts or stops it"
    )]
    Quarantined {
        /// Which.
        environment: String,
        /// What it died of.
        reason: String,
    },
    /// Too much waits already.
    #[error("{0} has too many waiting events: try again in a moment")]
    Busy(String),
    /// It may or may not have been saved, or the actor died over it: ask again.
    #[error("it is not known whether {0} was changed: try again")]
    Uncertain(String),
}

/// A runner lives. Kept in memory, never saved; answered with what it is to do.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Next")]
pub struct Beat {
    /// Which generation's runner.
    pub generation: Generation,
}

/// What the record is now, and what the actor is doing about it.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Inspected")]
pub struct Inspect;

/// An actor as the admin page shows it.
#[derive(Debug, Clone)]
pub struct Inspected {
    /// The record; `None` when there is none.
    pub environment: Option<Arc<Environment>>,
    /// The effects in flight, in words.
    pub in_flight: Vec<String>,
    /// The last error that an effect met, for people.
    pub last_error: Option<String>,
}

/// Leave memory: nothing is owed, and the parent no longer routes here.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Leave;

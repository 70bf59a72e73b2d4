//! Asking an app: one request on one connection, until its answer begins.

use std::{fmt::Display, time::Duration};

use hyper::{Response, body::Incoming};
use tokio::time::sleep;

use super::{
    config::FRESH,
    heads::{Origin, Upgrade},
    pool::{Goal, Lease},
    visit::Visit,
    worker::Worker,
};
use crate::messages::routes::{Ending, Flight};

/// The beginning of an answer, and the connection that it comes on.
pub(super) struct Asked {
    pub(super) response: Response<Incoming>,
    pub(super) lease: Lease,
}

/// How far a request came that got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// The app has seen nothing of it.
    Nothing,
    /// The app may have seen it all.
    All,
    /// The app has it and took too long.
    Late,
    /// It was refused: its head is too large.
    TooLarge,
    /// It was refused: it cannot be sent on.
    Unreadable,
}

/// Why an app gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) sent: Sent,
    /// Whether the connection had been used before.
    pub(super) reused: bool,
    /// What happened, in people's words.
    pub(super) reason: String,
}

impl Failure {
    pub(super) fn new(sent: Sent, reason: impl Display) -> Self {
        Failure {
            sent,
            reused: false,
            reason: reason.to_string(),
        }
    }
}

impl Worker {
    /// Asks until the answer begins, the app is late, or the deployment's time is over.
    pub(super) async fn ask(
        &self,
        visit: &mut Visit,
        goal: &Goal,
        flight: &Flight,
        origin: &Origin<'_>,
        again: bool,
    ) -> Result<Asked, Failure> {
        let late = self.shared.config.bounds.first_byte;
        tokio::select! {
            biased;
            asked = self.exchange(visit, goal, origin, again) => asked,
            () = flight.flights().told(Ending::All) => Err(Failure::new(Sent::All, "it was replaced before it answered")),
            () = sleep(late) => Err(Failure::new(Sent::Late, format_args!("it took longer than {} s", late.as_secs()))),
        }
    }

    async fn exchange(
        &self,
        visit: &mut Visit,
        goal: &Goal,
        origin: &Origin<'_>,
        again: bool,
    ) -> Result<Asked, Failure> {
        let leased = self.pool.lease(goal, lately(visit, again)).await;
        let mut lease = leased.map_err(|reason| Failure::new(Sent::Nothing, reason))?;
        let request = visit.for_app(origin, self.shared.config.bounds.head, &lease);
        let request = request.map_err(|refused| Failure::new(Sent::from(refused), ""))?;
        match lease.sender.try_send_request(request).await {
            Ok(response) => Ok(Asked { response, lease }),
            Err(mut error) => {
                let unsent = error.take_message();
                let sent = if unsent.is_some() {
                    Sent::Nothing
                } else {
                    Sent::All
                };
                if let Some(request) = unsent {
                    visit.take_back(request.into_body());
                }
                let reason = words(error.error());
                Err(Failure {
                    reused: lease.reused,
                    ..Failure::new(sent, reason)
                })
            }
        }
    }
}

/// How lately a connection must have been used to carry this request; `None` asks for a new one. A WebSocket
/// keeps its connection; what failed once, or must not come twice, is not risked on one that may be closing.
fn lately(visit: &Visit, again: bool) -> Option<Duration> {
    if again || visit.upgrade != Upgrade::No {
        None
    } else if visit.may_go_again() {
        Some(Duration::MAX)
    } else {
        Some(FRESH)
    }
}

/// What went wrong on a connection, for people.
pub(super) fn words(error: &hyper::Error) -> String {
    if error.is_parse() {
        "what it sent is not HTTP".to_owned()
    } else if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        "it closed the connection before it answered".to_owned()
    } else {
        let cause =
            std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
        format!("the connection broke ({cause})")
    }
}

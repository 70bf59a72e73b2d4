//! Bodies on their way through: nothing is gathered, each piece waits until the other side takes it.

use std::{
    cell::Cell,
    error::Error,
    io,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use actix_web::{
    body::{BodySize, MessageBody},
    dev::Payload,
};
use bytes::Bytes;
use futures::Stream as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::{events::Events, pool::Lease};
use crate::messages::routes::{Ending, Flight, Flights};

/// A request's body on its way to an app.
pub(super) struct Carried {
    payload: Option<Payload>,
    length: Option<u64>,
    sent: Rc<Cell<bool>>,
}

impl Carried {
    /// Of `length` bytes where the client said so. `sent` becomes true at its end.
    pub(super) fn new(payload: Option<Payload>, length: Option<u64>, sent: Rc<Cell<bool>>) -> Self {
        sent.set(payload.is_none());
        Carried {
            payload,
            length,
            sent,
        }
    }

    /// Takes back what was not sent.
    pub(super) fn into_payload(self) -> Option<Payload> {
        self.payload
    }
}

impl Body for Carried {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let Some(payload) = &mut self.payload else {
            return Poll::Ready(None);
        };
        match ready!(Pin::new(payload).poll_next(cx)) {
            Some(Ok(piece)) => Poll::Ready(Some(Ok(Frame::data(piece)))),
            // The client went away or sent what cannot be read: the app must not take it for the end.
            Some(Err(error)) => Poll::Ready(Some(Err(io::Error::other(error.to_string())))),
            None => {
                self.payload = None;
                self.sent.set(true);
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.payload.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.payload, self.length) {
            (None, _) => SizeHint::with_exact(0),
            (Some(_), Some(length)) => SizeHint::with_exact(length),
            (Some(_), None) => SizeHint::default(),
        }
    }
}

/// An app's answer on its way to a client.
pub(super) struct Answer {
    incoming: Incoming,
    size: BodySize,
    left: Option<u64>,
    lease: Option<Lease>,
    /// In flight until the client has it all.
    flight: Option<Flight>,
    watch: Option<Watch>,
    /// Whether it was once looked at again without a watch.
    looked_again: bool,
    ends: Ends,
    pause: Duration,
}

/// How an answer ends that the app has not ended when another deployment serves.
#[derive(Debug)]
pub(super) enum Ends {
    /// When the drain is over, and so that it looks broken: it is.
    Broken,
    /// When the drain is over, as if it were whole: its reader asks for more.
    Gently,
    /// As soon as it is between two messages: an event stream never ends by itself, and its reader connects
    /// again. Like a WebSocket it would otherwise hold every drain to its end.
    BetweenEvents(Events),
}

impl Ends {
    /// Whether it may end here once another deployment serves.
    fn are_here(&self) -> bool {
        match self {
            Ends::BetweenEvents(events) => events.between(),
            Ends::Broken | Ends::Gently => false,
        }
    }
}

/// What ends an answer that goes on for too long.
struct Watch {
    progress: Instant,
    /// What is waited for at first, or since.
    awaits: Ending,
    over: Pin<Box<dyn Future<Output = ()>>>,
    late: Pin<Box<tokio::time::Sleep>>,
}

impl Answer {
    /// `size` is what the client is told; `ends` and `pause` are about early ends.
    pub(super) fn new(
        incoming: Incoming,
        size: BodySize,
        lease: Lease,
        flight: Flight,
        ends: Ends,
        pause: Duration,
    ) -> Self {
        let left = incoming.size_hint().exact();
        let mut answer = Answer {
            incoming,
            size,
            left,
            lease: Some(lease),
            flight: Some(flight),
            watch: None,
            looked_again: false,
            ends,
            pause,
        };
        if left == Some(0) {
            answer.finish();
        }
        answer
    }

    fn finish(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
        self.flight = None;
        self.watch = None;
    }

    /// Whether the answer is to end although the app has not ended it.
    fn is_over(&mut self, cx: &mut Context<'_>) -> Option<&'static str> {
        let flight = self.flight.as_ref()?;
        let pause = self.pause;
        let watch = self.watch.get_or_insert_with(|| {
            let awaits = match self.ends {
                Ends::Broken | Ends::Gently => Ending::All,
                Ends::BetweenEvents(_) => Ending::Streams,
            };
            Watch {
                progress: Instant::now(),
                awaits,
                over: Box::pin(told(flight.flights().clone(), awaits)),
                late: Box::pin(tokio::time::sleep(pause)),
            }
        });
        if watch.awaits == Ending::Streams && watch.over.as_mut().poll(cx).is_ready() {
            // The message under way may come to its end, within the drain.
            watch.awaits = Ending::All;
            watch.over = Box::pin(told(flight.flights().clone(), Ending::All));
        }
        if watch.awaits == Ending::All
            && (self.ends.are_here() || watch.over.as_mut().poll(cx).is_ready())
        {
            return Some("the deployment was replaced");
        }
        while watch.late.as_mut().poll(cx).is_ready() {
            let quiet = watch.progress.elapsed();
            if quiet >= pause {
                return Some("the app paused for too long");
            }
            watch
                .late
                .set(tokio::time::sleep(pause.saturating_sub(quiet)));
        }
        None
    }
}

async fn told(flights: Arc<Flights>, ending: Ending) {
    flights.told(ending).await;
}

impl MessageBody for Answer {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if self.flight.is_none() {
            return Poll::Ready(None);
        }
        loop {
            match Pin::new(&mut self.incoming).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers end here: few clients read them, and an app's could be mistaken for ours.
                    let Ok(piece) = frame.into_data() else {
                        continue;
                    };
                    if let Some(watch) = &mut self.watch {
                        watch.progress = Instant::now();
                    }
                    if let Ends::BetweenEvents(events) = &mut self.ends {
                        events.take(&piece);
                    }
                    self.left = self
                        .left
                        .map(|left| left.saturating_sub(piece.len() as u64));
                    if self.left == Some(0) {
                        self.finish();
                    }
                    return Poll::Ready(Some(Ok(piece)));
                }
                Poll::Ready(Some(Err(error))) => {
                    self.lease = None;
                    self.finish();
                    return Poll::Ready(Some(Err(error.into())));
                }
                Poll::Ready(None) => {
                    self.finish();
                    return Poll::Ready(None);
                }
                Poll::Pending => {}
            }
            if !std::mem::replace(&mut self.looked_again, true) {
                // Most bodies came with their head, and are here once the connection's task has had its turn: only for
                // the others is a watch worth its clock.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let Some(reason) = self.is_over(cx) else {
                return Poll::Pending;
            };
            self.lease = None;
            self.finish();
            return Poll::Ready(match self.ends {
                Ends::Broken => Some(Err(reason.into())),
                Ends::Gently | Ends::BetweenEvents(_) => None,
            });
        }
    }
}

//! A WebSocket between a client and an app: bytes pass both ways until one side ends, or until another
//! deployment takes over; then the client is told to connect again.

use std::{
    cell::Cell,
    io,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use actix_web::{
    body::{BodySize, MessageBody},
    dev::Payload,
};
use bytes::Bytes;
use futures::StreamExt as _;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead as _, AsyncWriteExt as _, ReadBuf, ReadHalf, WriteHalf},
    task::JoinHandle,
};

use super::{
    config::{CLOSE_REPLY, FRAME_END, LAST_WORDS},
    frames::{Frames, RESTART},
};
use crate::messages::routes::{Ending, Flight, Flights};

/// What is read of an app's messages at once.
const PIECE: usize = 16 * 1024;

/// The app's half of a WebSocket, as the body of our 101 answer; the client's half runs beside it.
pub(super) struct Relay {
    app: ReadHalf<TokioIo<Upgraded>>,
    space: Box<[u8]>,
    frames: Frames,
    uplink: JoinHandle<()>,
    client_gone: bool,
    /// When something last passed, either way.
    passed: Rc<Cell<Instant>>,
    silence: Duration,
    state: State,
    over: Pin<Box<dyn Future<Output = ()>>>,
    timer: Pin<Box<tokio::time::Sleep>>,
    _flight: Flight,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The client has gone; the app may finish what it says.
    LastWords,
    /// Told to end: the frame under way passes, no other.
    Ending,
    /// Our close frame is sent; the client's is awaited.
    Closing,
    Ended,
}

impl Relay {
    pub(super) fn new(
        client: Payload,
        upgraded: Upgraded,
        flight: Flight,
        silence: Duration,
    ) -> Self {
        let (app, to_app) = tokio::io::split(TokioIo::new(upgraded));
        let passed = Rc::new(Cell::new(Instant::now()));
        Relay {
            app,
            space: vec![0; PIECE].into(),
            frames: Frames::default(),
            client_gone: false,
            uplink: actix_web::rt::spawn(carry_up(client, to_app, passed.clone())),
            passed,
            silence,
            state: State::Open,
            over: Box::pin(told(flight.flights().clone())),
            timer: Box::pin(tokio::time::sleep(silence)),
            _flight: flight,
        }
    }

    fn enter(&mut self, state: State, most: Duration) {
        self.state = state;
        self.timer.set(tokio::time::sleep(most));
    }

    /// Notes what happened beside the app's bytes; returns what the client hears of it, or that it is over.
    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if matches!(self.state, State::Open | State::LastWords)
            && self.over.as_mut().poll(cx).is_ready()
        {
            self.enter(State::Ending, FRAME_END);
        }
        self.client_gone = self.client_gone || Pin::new(&mut self.uplink).poll(cx).is_ready();
        if self.state == State::Open && self.client_gone {
            self.enter(State::LastWords, LAST_WORDS);
        }
        if self.state == State::Ending && self.frames.between() {
            if self.frames.closed() {
                return Poll::Ready(None);
            }
            self.enter(State::Closing, CLOSE_REPLY);
            return Poll::Ready(Some(Bytes::from_static(&RESTART)));
        }
        if self.state == State::Closing && self.client_gone {
            return Poll::Ready(None);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            let quiet = self.passed.get().elapsed();
            if self.state != State::Open || quiet >= self.silence {
                return Poll::Ready(None);
            }
            self.timer
                .set(tokio::time::sleep(self.silence.saturating_sub(quiet)));
        }
        Poll::Pending
    }

    /// The app's next bytes; `None` when it said its last.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let mut buffer = ReadBuf::new(&mut self.space);
        let read = Pin::new(&mut self.app).poll_read(cx, &mut buffer);
        let length = buffer.filled().len();
        match read {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Some(Err(error))),
            Poll::Ready(Ok(())) if length == 0 => Poll::Ready(None),
            Poll::Ready(Ok(())) => {
                self.passed.set(Instant::now());
                let taken = self
                    .frames
                    .take(&self.space[..length], self.state == State::Ending);
                Poll::Ready(Some(Ok(Bytes::copy_from_slice(&self.space[..taken]))))
            }
        }
    }
}

impl MessageBody for Relay {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Bytes>>> {
        if self.state == State::Ended {
            return Poll::Ready(None);
        }
        let turn = self.turn(cx);
        let next = match turn {
            Poll::Ready(next) => Poll::Ready(next.map(Ok)),
            // After our close frame nothing of the app may follow.
            Poll::Pending if self.state == State::Closing => Poll::Pending,
            Poll::Pending => self.read(cx),
        };
        if let Poll::Ready(None | Some(Err(_))) = next {
            self.state = State::Ended;
            self.uplink.abort();
            // A connection that broke below a WebSocket just ends: it has no other way to say so.
            return Poll::Ready(None);
        }
        next
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.uplink.abort();
    }
}

async fn told(flights: Arc<Flights>) {
    flights.told(Ending::Streams).await;
}

/// Carries what the client says to the app, until either is gone or the client has said goodbye.
async fn carry_up(
    mut client: Payload,
    mut app: WriteHalf<TokioIo<Upgraded>>,
    passed: Rc<Cell<Instant>>,
) {
    let mut frames = Frames::default();
    while let Some(Ok(piece)) = client.next().await {
        passed.set(Instant::now());
        frames.take(&piece, false);
        if app.write_all(&piece).await.is_err() {
            return;
        }
        if frames.closed() && frames.between() {
            // The app answers the goodbye and closes; to close under its hands could cost its answer.
            return;
        }
    }
    app.shutdown().await.ok();
}

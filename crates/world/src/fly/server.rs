//! The model's socket, its heart, and the checks that it makes itself.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, combinators::BoxBody};
use hyper::{
    Response,
    body::{Frame, Incoming, SizeHint},
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    sync::{oneshot, watch},
    time::{sleep, timeout},
};

use super::{
    Shared, control,
    exchange::{Outcome, Waiting},
    flycast::Flycast,
    host::Check,
    registry,
    wire::{self, Answer},
};
use crate::server::{accept, read, response};

/// Nobody sends more at once.
const BODY: usize = 4 << 20;
/// How often it looks whether something's time has come: more often than the shortest delay.
const BEAT: Duration = Duration::from_millis(5);

type Sent = Response<BoxBody<Bytes, io::Error>>;

/// Serves until it is told to stop.
pub(crate) fn run(shared: Arc<Shared>, listener: TcpListener, stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        return;
    };
    runtime.block_on(async {
        let asked = shared.clone();
        tokio::select! {
            () = accept(listener, move |request| answer(asked.clone(), request)) => {}
            () = beat(shared) => {}
            _ = stopped => {}
        }
    });
    runtime.shutdown_background();
}

async fn beat(shared: Arc<Shared>) {
    let mut flycast = Flycast::default();
    loop {
        sleep(BEAT).await;
        let (changed, due, doors) = {
            let mut state = shared.peek();
            (state.tick(), state.checks_due(), state.doors())
        };
        flycast.opens(doors);
        if changed {
            shared.tell();
        }
        for (machine, check, address) in due {
            let shared = shared.clone();
            tokio::spawn(async move {
                let patience = u64::try_from(check.timeout).unwrap_or_default();
                let asked = timeout(Duration::from_millis(patience), probe(&check, address));
                let found = asked.await.unwrap_or_else(|_| Err("timeout".into()));
                shared.lock().checked(&machine, &check, found);
            });
        }
    }
}

/// Makes a check as Fly does: a connection, or an answer below 400.
async fn probe(check: &Check, address: SocketAddr) -> Result<String, String> {
    let told = |error: &dyn std::fmt::Display| error.to_string();
    let stream = TcpStream::connect(address).await;
    let stream = stream.map_err(|error| told(&error))?;
    if check.kind != "http" {
        return Ok("Success".into());
    }
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| told(&error))?;
    let connection = tokio::spawn(connection);
    let request = hyper::Request::builder()
        .method(check.method.as_str())
        .uri(check.path.as_str())
        .header("host", address.to_string())
        .header("user-agent", "Consul Health Check")
        .body(Empty::<Bytes>::new());
    let request = request.map_err(|error| told(&error))?;
    let answer = sender.send_request(request).await;
    connection.abort();
    let status = answer.map_err(|error| told(&error))?.status();
    match status.as_u16() {
        200..400 => Ok(status.to_string()),
        _ => Err(status.to_string()),
    }
}

async fn answer(shared: Arc<Shared>, request: hyper::Request<Incoming>) -> io::Result<Sent> {
    let request = read(request, BODY).await?;
    let latency = shared.peek().faults.latency;
    if !latency.is_zero() {
        sleep(latency).await;
    }
    // Seen before the request has its effect, so that no change of it is missed.
    let changes = shared.changes();
    // Hosts start processes under the lock, so not on the thread that serves everybody.
    let asked = shared.clone();
    let outcome = tokio::task::spawn_blocking(move || {
        let mut state = asked.lock();
        control::answer(&mut state, &request)
            .or_else(|| registry::answer(&state, &request))
            .map_or_else(|| state.ask(&request), Outcome::Answered)
    });
    let mut outcome = outcome.await.map_err(io::Error::other)?;
    if let Outcome::Waits(waiting) = outcome {
        outcome = waited(&shared, &waiting, changes).await;
    }
    match outcome {
        Outcome::Answered(answer) => Ok(whole(answer)),
        Outcome::Late(by, answer) => {
            sleep(by).await;
            Ok(whole(answer))
        }
        Outcome::Half(answer) => Ok(halved(&answer)),
        Outcome::Cut => Err(io::Error::other("cut by order of the story")),
        Outcome::Silence | Outcome::Waits(_) => std::future::pending().await,
    }
}

/// Looks again after every change, and once its time is over by the model's clock.
async fn waited(shared: &Shared, waiting: &Waiting, mut changes: watch::Receiver<u64>) -> Outcome {
    loop {
        changes.mark_unchanged();
        let (changed, outcome, left) = {
            let mut state = shared.peek();
            let changed = state.tick();
            let outcome = state.waited(waiting);
            (changed, outcome, waiting.until() - state.now())
        };
        if changed || outcome.is_some() {
            shared.tell();
        }
        if let Some(outcome) = outcome {
            return outcome;
        }
        let left = Duration::from_millis(u64::try_from(left).unwrap_or_default());
        let _ = timeout(left, changes.changed()).await;
    }
}

fn whole(answer: Answer) -> Sent {
    response(answer).map(|body| body.map_err(|never| match never {}).boxed())
}

fn halved(answer: &Answer) -> Sent {
    let (half, whole) = wire::half(answer);
    let body = Half {
        left: Some(half),
        whole,
    };
    let mut sent = Response::new(body.boxed());
    *sent.status_mut() = hyper::StatusCode::from_u16(answer.status).unwrap_or_default();
    sent
}

/// A body that promises all and ends in its middle.
struct Half {
    left: Option<Bytes>,
    whole: u64,
}

impl hyper::body::Body for Half {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let frame = match self.left.take() {
            Some(left) => Ok(Frame::data(left)),
            None => Err(io::Error::other("cut by order of the story")),
        };
        Poll::Ready(Some(frame))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.whole)
    }
}

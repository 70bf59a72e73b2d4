//! The model's socket.

use std::{io, net::TcpListener, sync::Arc};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, body::Incoming};
use tokio::sync::{mpsc::UnboundedReceiver, oneshot};

use super::{
    Shared, control,
    exchange::{Outcome, exchange},
    smart_http,
    webhooks::send_all,
};
use crate::server::{accept, read, response};

/// Nobody sends more at once, but for a push.
const BODY: usize = 64 << 20;

/// Serves until it is told to stop.
pub(crate) fn run(
    shared: Arc<Shared>,
    listener: TcpListener,
    outbox: UnboundedReceiver<u64>,
    stopped: oneshot::Receiver<()>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        return;
    };
    runtime.block_on(async {
        let sending = tokio::spawn(send_all(shared.clone(), outbox));
        tokio::select! {
            () = accept(listener, move |request| answer(shared.clone(), request)) => {}
            _ = stopped => {}
        }
        sending.abort();
    });
    runtime.shutdown_background();
}

async fn answer(
    shared: Arc<Shared>,
    request: hyper::Request<Incoming>,
) -> io::Result<Response<Full<Bytes>>> {
    let request = read(request, BODY).await?;
    let latency = shared.peek().faults.latency;
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    if let Some(order) = smart_http::Order::read(&request) {
        return smart_http::answer(&shared, &request, order).await;
    }
    // git runs under the lock, so not on the thread that serves everybody.
    let outcome = tokio::task::spawn_blocking(move || {
        let mut state = shared.lock();
        control::answer(&mut state, &request)
            .map_or_else(|| exchange(&mut state, &request), Outcome::Answered)
    });
    match outcome.await.map_err(io::Error::other)? {
        Outcome::Answered(answer) => Ok(response(answer)),
        Outcome::Cut => Err(io::Error::other("cut by order of the story")),
        Outcome::Silence => std::future::pending().await,
    }
}

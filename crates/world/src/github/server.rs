//! The model's socket.

use std::{convert::Infallible, io, net::TcpListener, sync::Arc};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    sync::{mpsc::UnboundedReceiver, oneshot},
    task::JoinSet,
};

use super::{
    Shared, control,
    exchange::{Outcome, exchange},
    smart_http,
    webhooks::send_all,
    wire::{Answer, Body, Request},
};

/// Nobody sends more at once, but for a push.
const BODY: usize = 64 << 20;

/// Serves until it is told to stop. hyper and not actix-web, because only here a connection can be cut without an answer.
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
            () = accept(shared, listener) => {}
            _ = stopped => {}
        }
        sending.abort();
    });
    runtime.shutdown_background();
}

async fn accept(shared: Arc<Shared>, listener: TcpListener) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    // Dropped with this future: a stopped model leaves no connection behind.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = shared.clone();
        let service = service_fn(move |request| answer(shared.clone(), request));
        let _ = stream.set_nodelay(true);
        connections.spawn(async move {
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            let _ = connection.await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(
    shared: Arc<Shared>,
    request: hyper::Request<Incoming>,
) -> io::Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, BODY).collect().await;
    let body = body.map_err(io::Error::other)?.to_bytes();
    let target = head
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let request = Request::new(head.method, target, head.headers, body);
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

pub(crate) fn response(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    let built = match answer.body {
        Body::Nothing => response.body(Full::default()),
        Body::Json(body) => response
            .header("content-type", "application/json; charset=utf-8")
            .body(Full::from(body.to_string())),
        Body::Other(kind, bytes) => response
            .header("content-type", kind)
            .body(Full::from(bytes)),
    };
    let failed = |_| -> Result<Response<Full<Bytes>>, Infallible> {
        let mut failed = Response::new(Full::from("the model made an answer that is none"));
        *failed.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
        Ok(failed)
    };
    built.or_else(failed).unwrap_or_default()
}

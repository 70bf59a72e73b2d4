//! A model's socket. hyper and not actix-web, because only here a connection can be cut without an answer.

use std::{convert::Infallible, error::Error, io, net::TcpListener};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;

use super::wire::{Answer, Body, Request};

/// Takes connections until it is dropped, and then leaves none behind. An answer that is an error cuts its connection.
pub(crate) async fn accept<A, F, B>(listener: TcpListener, answer: A)
where
    A: Fn(hyper::Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = io::Result<Response<B>>> + Send + 'static,
    B: hyper::body::Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let service = service_fn(answer.clone());
        let _ = stream.set_nodelay(true);
        connections.spawn(async move {
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            let _ = connection.await;
        });
        while connections.try_join_next().is_some() {}
    }
}

/// All of a request, with a body of so many bytes at most.
pub(crate) async fn read(request: hyper::Request<Incoming>, most: usize) -> io::Result<Request> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, most).collect().await;
    let body = body.map_err(io::Error::other)?.to_bytes();
    let target = head
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    Ok(Request::new(head.method, target, head.headers, body))
}

/// An answer as hyper sends it.
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

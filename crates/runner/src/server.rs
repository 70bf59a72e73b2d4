//! The server, reached over HTTP.

mod past;
#[cfg(test)]
mod tests;
mod way;

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response, StatusCode};
use nestling_protocol::{Problem, STALE};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::AsyncWriteExt;
use tokio::time::{sleep, timeout};

use crate::stop::Stop;

pub(crate) use way::{NotAnOrigin, Origin, Way};

/// A request that takes longer counts as lost and is sent again.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// A source download may take long in all, but not between two chunks.
const CHUNK_TIMEOUT: Duration = Duration::from_secs(30);
/// The first pause before a request is sent again: a restarted server is back within a second.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause: a server that was away for minutes is still noticed at once.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Answers are small JSON; a larger one is not ours. The bundle is the largest.
const ANSWER_LIMIT: usize = 16 * 1024 * 1024;
/// A reason is a few sentences.
const PROBLEM_LIMIT: usize = 64 * 1024;

/// Why one attempt brought no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Attempt {
    /// No server there, or it went away before it answered.
    #[error("the server does not answer: {0}")]
    Away(String),
    /// It answered something else than success, and why.
    #[error("the server answered {0}: {1}")]
    Refused(StatusCode, String),
    /// It said that this generation is stale.
    #[error("the server says that this deployment is no longer wanted")]
    Stale,
    /// What was downloaded could not be kept.
    #[error("could not write {0}")]
    Disk(String),
}

/// The server no longer wants this deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stale;

/// The server's address and our token. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Server {
    way: Way,
    token: Arc<Mutex<String>>,
    stop: Stop,
    /// Whether uploads go past it next, see [`Server::upload`].
    past: Arc<AtomicBool>,
}

impl Server {
    pub(crate) fn new(way: Way, token: String, stop: Stop) -> Self {
        // What runs beside the server gains nothing by going past it.
        let past = matches!(way, Way::Network(_));
        Server {
            past: Arc::new(AtomicBool::new(past)),
            way,
            token: Arc::new(Mutex::new(token)),
            stop,
        }
    }

    /// Replaces the token by a fresh one.
    pub(crate) fn renew(&self, token: String) {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = token;
    }

    /// Asks until it is answered; gives up only when stale.
    pub(crate) async fn insist_get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Stale> {
        self.insist(|| self.json(Method::GET, path, Bytes::new()))
            .await
    }

    /// Says until it is answered; gives up only when stale.
    pub(crate) async fn insist_post<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, Stale> {
        let body = encode(body);
        self.insist(|| self.json(Method::POST, path, body.clone()))
            .await
    }

    /// Says once.
    pub(crate) async fn post_once<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, Attempt> {
        self.json(Method::POST, path, encode(body)).await
    }

    /// Says once; the answer has no content.
    pub(crate) async fn post_plain<B: Serialize>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<(), Attempt> {
        self.bytes(Method::POST, path, "application/json", encode(body))
            .await
            .map(drop)
    }

    /// Puts bytes, once.
    pub(crate) async fn put_once(&self, path: &str, body: Bytes) -> Result<(), Attempt> {
        self.bytes(Method::PUT, path, "application/octet-stream", body)
            .await
            .map(drop)
    }

    /// Repeats an attempt with growing pauses until it succeeds or the deployment is stale. Being stale
    /// also tells everyone to stop.
    pub(crate) async fn insist<T, F>(&self, attempt: impl Fn() -> F) -> Result<T, Stale>
    where
        F: Future<Output = Result<T, Attempt>>,
    {
        let mut pause = FIRST_PAUSE;
        loop {
            match attempt().await {
                Ok(value) => return Ok(value),
                Err(Attempt::Stale) => {
                    self.stop.now();
                    return Err(Stale);
                }
                // 401 included: a token is renewed by a later heartbeat.
                Err(Attempt::Away(_) | Attempt::Refused(..) | Attempt::Disk(_)) => {
                    sleep(pause).await;
                }
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Downloads the body at `path` into `file`, replacing what is there.
    pub(crate) async fn download(&self, path: &str, file: &Path) -> Result<(), Attempt> {
        let response = timeout(
            REQUEST_TIMEOUT,
            self.send(Method::GET, path, "", Bytes::new()),
        )
        .await
        .map_err(late)??;
        let disk = |error: std::io::Error| Attempt::Disk(format!("{}: {error}", file.display()));
        let mut target = tokio::fs::File::create(file).await.map_err(disk)?;
        let mut body = response.into_body();
        while let Some(frame) = timeout(CHUNK_TIMEOUT, body.frame()).await.map_err(late)? {
            let frame = frame.map_err(away)?;
            if let Some(chunk) = frame.data_ref() {
                target.write_all(chunk).await.map_err(disk)?;
            }
        }
        target.flush().await.map_err(disk)
    }

    async fn json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<T, Attempt> {
        let answer = self.bytes(method, path, "application/json", body).await?;
        serde_json::from_slice(&answer)
            .map_err(|error| Attempt::Away(format!("answer to {path} not understood: {error}")))
    }

    async fn bytes(
        &self,
        method: Method,
        path: &str,
        kind: &str,
        body: Bytes,
    ) -> Result<Bytes, Attempt> {
        let whole = async {
            let response = self.send(method, path, kind, body).await?;
            let body = http_body_util::Limited::new(response.into_body(), ANSWER_LIMIT);
            body.collect()
                .await
                .map(http_body_util::Collected::to_bytes)
                .map_err(away)
        };
        timeout(REQUEST_TIMEOUT, whole).await.map_err(late)?
    }

    /// One request on a connection of its own: a restarted server never meets a connection of the old one.
    async fn send(
        &self,
        method: Method,
        path: &str,
        kind: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, Attempt> {
        let mut sender = self.way.connect().await?;
        let token = self
            .token
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.way.host())
            .header(AUTHORIZATION, format!("Bearer {token}"));
        if !kind.is_empty() {
            request = request.header(CONTENT_TYPE, kind);
        }
        let request = request.body(Full::new(body)).map_err(away)?;
        let response = sender.send_request(request).await.map_err(away)?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(refusal(response).await)
    }
}

impl Attempt {
    /// Whether the same request would be refused again: the server understood it, and said no to what it asks.
    pub(crate) fn stays(&self) -> bool {
        match self {
            Attempt::Stale | Attempt::Disk(_) => true,
            Attempt::Refused(status, _) => *status == StatusCode::UNPROCESSABLE_ENTITY,
            Attempt::Away(_) => false,
        }
    }
}

/// What a server means that did not say yes.
async fn refusal(response: Response<Incoming>) -> Attempt {
    let status = response.status();
    let body = http_body_util::Limited::new(response.into_body(), PROBLEM_LIMIT).collect();
    let body = match timeout(REQUEST_TIMEOUT, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) | Err(_) => Bytes::new(),
    };
    match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) if problem.kind == STALE => Attempt::Stale,
        Ok(problem) => Attempt::Refused(status, problem.detail),
        Err(_) => Attempt::Refused(status, "it does not say why".to_owned()),
    }
}

fn encode<B: Serialize>(body: &B) -> Bytes {
    // Our own messages are plain data: they always become JSON.
    serde_json::to_vec(body)
        .map(Bytes::from)
        .unwrap_or_default()
}

fn away(error: impl std::fmt::Display) -> Attempt {
    Attempt::Away(error.to_string())
}

fn late(_: tokio::time::error::Elapsed) -> Attempt {
    Attempt::Away("no answer in time".into())
}

//! One request: its deadline, and what its answer means.

use std::time::Duration;

use nestling_domain::fly::{Outcome, judge};
use reqwest::{Method, Response, header::RETRY_AFTER};
use serde_json::Value;
use tokio::time::timeout;
use tracing::debug;

use super::{
    Fly,
    limits::Action,
    shapes::{self, Problem},
};

/// The longest answer that is read, in bytes: a thousand machines with their events are some 4 MB.
const LONGEST_ANSWER: usize = 16 << 20;
/// The header that shows whose a lease is.
const NONCE: &str = "fly-machine-lease-nonce";

/// What is asked.
pub(super) struct Asked {
    /// What Fly counts it as.
    pub(super) action: Action,
    /// The app or machine that Fly counts it for.
    pub(super) about: String,
    pub(super) method: Method,
    /// Below the base, with what follows a `?`.
    pub(super) path: String,
    pub(super) body: Option<Value>,
    pub(super) nonce: Option<String>,
}

/// What came back.
pub(super) enum Answered {
    /// It is done, and this is the body.
    Well(Vec<u8>),
    /// It is not, or nobody knows.
    Otherwise(Outcome),
}

impl Asked {
    fn new(action: Action, about: &str, (method, path): (Method, String)) -> Self {
        Asked {
            action,
            about: about.to_owned(),
            method,
            path,
            body: None,
            nonce: None,
        }
    }

    /// What is there?
    pub(super) fn see(action: Action, about: &str, path: String) -> Self {
        Asked::new(action, about, (Method::GET, path))
    }

    /// Something new, or another value.
    pub(super) fn make(action: Action, about: &str, path: String, body: Value) -> Self {
        Asked {
            body: Some(body),
            ..Asked::new(action, about, (Method::POST, path))
        }
    }

    /// Something less.
    pub(super) fn remove(action: Action, about: &str, path: String) -> Self {
        Asked::new(action, about, (Method::DELETE, path))
    }
}

impl Fly {
    pub(super) async fn send(&self, asked: &Asked) -> Answered {
        let patience = match asked.method {
            Method::GET => self.pace.seeing,
            _ => self.pace.doing,
        };
        let answered = timeout(patience, self.exchange(asked)).await;
        let answered = answered.unwrap_or_else(|_| {
            let why = format!("no answer within {} s", patience.as_secs());
            Answered::Otherwise(Outcome::Unknown(why))
        });
        match &answered {
            Answered::Well(_) => debug!("Fly did {} of {}", asked.action, asked.about),
            Answered::Otherwise(outcome) => {
                debug!("Fly on {} of {}: {outcome:?}", asked.action, asked.about);
            }
        }
        answered
    }

    async fn exchange(&self, asked: &Asked) -> Answered {
        let url = format!("{}{}", self.base, asked.path);
        let mut request = self.http.request(asked.method.clone(), url);
        request = request.bearer_auth(self.token.as_str());
        if let Some(body) = &asked.body {
            request = request.json(body);
        }
        if let Some(nonce) = &asked.nonce {
            request = request.header(NONCE, nonce);
        }
        let unknown = |why: String| Answered::Otherwise(Outcome::Unknown(why));
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return unknown(in_words(&error)),
        };
        let code = response.status().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
        let body = match whole(response).await {
            Ok(body) => body,
            Err(why) => return unknown(why),
        };
        if (200..300).contains(&code) {
            return Answered::Well(body);
        }
        let said: Problem = shapes::read(&body).unwrap_or_else(|_| Problem {
            error: String::from_utf8_lossy(&body).into_owned(),
            status: String::new(),
        });
        let retry_after = retry_after.map(Duration::from_secs);
        match judge(code, (&said.error, &said.status), retry_after) {
            Outcome::Done => unknown(format!("Fly answers {code}")),
            outcome @ (Outcome::Refused(_) | Outcome::Later(_) | Outcome::Unknown(_)) => {
                Answered::Otherwise(outcome)
            }
        }
    }
}

/// A body to its end. Where it is cut, what was asked may have been done all the same.
async fn whole(mut response: Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| in_words(&error))? {
        if body.len() + chunk.len() > LONGEST_ANSWER {
            return Err(format!("an answer of more than {LONGEST_ANSWER} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What went wrong, without the address: it is said elsewhere.
fn in_words(error: &reqwest::Error) -> String {
    let mut words = match error {
        error if error.is_connect() => "Fly cannot be reached".to_owned(),
        error if error.is_timeout() => "Fly did not answer in time".to_owned(),
        _ => "the connection to Fly broke".to_owned(),
    };
    let mut source = std::error::Error::source(error);
    while let Some(deeper) = source {
        words = format!("{words}: {deeper}");
        source = deeper.source();
    }
    words
}

//! One request: its deadline, and what its answer means.

use std::time::Duration;

use hyper::{
    Method, Request,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER},
};
use nestling_domain::fly::{Outcome, judge};
use serde_json::Value;
use tokio::time::timeout;
use tracing::debug;

use super::{
    Fly,
    limits::Action,
    shapes::{self, Problem},
};

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
        let unknown = |why: String| Answered::Otherwise(Outcome::Unknown(why));
        let request = match self.written(asked) {
            Ok(request) => request,
            Err(why) => return unknown(format!("Fly cannot be asked this: {why}")),
        };
        let (head, body) = match self.way.carry(request).await {
            Ok(answer) => answer.into_parts(),
            Err(why) => return unknown(why),
        };
        let code = head.status.as_u16();
        let retry_after = head.headers.get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
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

    fn written(&self, asked: &Asked) -> Result<Request<Vec<u8>>, hyper::http::Error> {
        let url = format!("{}{}", self.base, asked.path);
        let bearer = format!("Bearer {}", self.token.as_str());
        let mut bearer = HeaderValue::try_from(bearer)?;
        bearer.set_sensitive(true);
        let mut request = Request::builder().method(&asked.method).uri(url);
        request = request.header(AUTHORIZATION, bearer);
        if let Some(nonce) = &asked.nonce {
            request = request.header(NONCE, nonce);
        }
        let Some(body) = &asked.body else {
            return request.body(Vec::new());
        };
        let request = request.header(CONTENT_TYPE, "application/json");
        request.body(body.to_string().into_bytes())
    }
}

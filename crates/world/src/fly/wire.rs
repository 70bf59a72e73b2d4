//! How Fly writes its errors. What is in quotation marks was seen from Fly by others; the rest is in its manner.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub(crate) use crate::wire::Answered;
pub use crate::wire::{Answer, Body, Request};

/// An error of the part that runs machines.
pub(crate) fn error(status: u16, words: impl Into<String>) -> Answer {
    Answer::json(status, json!({ "error": words.into() }))
}

/// The same with Fly's own word for it.
pub(crate) fn coded(status: u16, words: impl Into<String>, code: &str) -> Answer {
    Answer::json(status, json!({ "error": words.into(), "status": code }))
}

/// An error of the part that keeps apps, which writes `message`.
pub(crate) fn message(status: u16, words: &str) -> Answer {
    Answer::json(status, json!({ "message": words }))
}

/// What stands at no route: plain text, from an API that is JSON everywhere else, and before anybody's token is looked at.
pub(crate) fn no_route() -> Answer {
    let answer = Answer::other("text/plain; charset=utf-8", "404 page not found\n");
    Answer {
        status: 404,
        ..answer
    }
}

pub(crate) fn bad_token() -> Answer {
    error(401, "Authenticate: token validation error")
}

pub(crate) fn no_app(name: &str) -> Answer {
    error(404, format!("Could not find App \"{name}\""))
}

pub(crate) fn foreign_app(name: &str) -> Answer {
    error(
        403,
        format!("you are not authorized to access the app {name}"),
    )
}

pub(crate) fn no_machine() -> Answer {
    error(404, "machine not found")
}

pub(crate) fn precondition(words: impl std::fmt::Display) -> Answer {
    error(412, format!("failed_precondition: {words}"))
}

pub(crate) fn invalid(words: impl std::fmt::Display) -> Answer {
    error(400, format!("invalid_argument: {words}"))
}

/// Nobody reaches the physical host.
pub(crate) fn unreachable() -> Answer {
    error(
        503,
        "unavailable: the host of the machine cannot be reached",
    )
}

/// `{"ok": true}`.
pub(crate) fn done() -> Answer {
    Answer::ok(json!({ "ok": true }))
}

/// Too quick: in how many milliseconds it may come again is said by order only.
pub(crate) fn limited(wait_ms: Option<i64>) -> Answer {
    let answer = error(429, "rate limit exceeded");
    match wait_ms {
        Some(ms) => {
            let seconds = ms.max(0).unsigned_abs().div_ceil(1000);
            answer.with("retry-after", seconds.to_string())
        }
        None => answer,
    }
}

/// Fly's usual words for a status, where a story orders one.
pub(crate) fn ordered(status: u16) -> Answer {
    match status {
        401 => bad_token(),
        404 => error(404, "not found"),
        408 => error(408, "deadline_exceeded: the request timed out"),
        409 => error(
            409,
            "aborted: machine update failed due to concurrent update",
        ),
        412 => precondition("by order of the story"),
        422 => error(422, "Validation failed"),
        429 => limited(None),
        // What stands before the API answers these, and not in JSON.
        502 => plain(502, "Bad Gateway"),
        504 => plain(504, "upstream request timeout"),
        500.. => error(status, "internal: server error"),
        _ => error(status, "by order of the story"),
    }
}

fn plain(status: u16, words: &'static str) -> Answer {
    let answer = Answer::other("text/plain", words);
    Answer { status, ..answer }
}

/// The body in this form; or what Fly says to one that is not.
pub(crate) fn body<T: DeserializeOwned>(request: &Request) -> Result<T, Answer> {
    let object = request.object();
    let object = object.ok_or_else(|| error(400, "invalid request: the body is no JSON object"))?;
    let read = serde_json::from_value(object);
    read.map_err(|wrong| error(400, format!("invalid request: {wrong}")))
}

/// Half of what an answer would have sent, and the length of the whole.
pub(crate) fn half(answer: &Answer) -> (Bytes, u64) {
    let whole = match &answer.body {
        Body::Nothing => Bytes::new(),
        Body::Json(body) => Bytes::from(body.to_string()),
        Body::Other(_, bytes) => bytes.clone(),
    };
    let length = whole.len();
    let half = whole.slice(..length / 2);
    (half, u64::try_from(length).unwrap_or(u64::MAX))
}

/// A list without any item, or without every other one; anything else stays as it is.
pub(crate) fn thinned(answer: &mut Answer, keep: impl Fn(usize) -> bool) {
    let Body::Json(body) = &mut answer.body else {
        return;
    };
    let thin = |list: &mut Vec<Value>| {
        let mut place = 0;
        list.retain(|_| {
            place += 1;
            keep(place - 1)
        });
    };
    match body {
        Value::Array(list) => thin(list),
        Value::Object(fields) => {
            let lists = [
                "apps",
                "machines",
                "volumes",
                "ips",
                "certificates",
                "secrets",
            ];
            for name in lists {
                if let Some(Value::Array(list)) = fields.get_mut(name) {
                    thin(list);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

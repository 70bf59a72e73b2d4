//! What is asked and what is answered, without a socket: the same for every model.

use std::collections::BTreeMap;

use bytes::Bytes;
use hyper::{HeaderMap, Method};
use serde_json::Value;

/// What somebody asks.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET` and so on.
    pub method: Method,
    /// Decoded parts of the path.
    pub segments: Vec<String>,
    /// As it was sent.
    pub path: String,
    /// Decoded parameters; the last of a name counts.
    pub query: BTreeMap<String, String>,
    /// As they were sent.
    pub headers: HeaderMap,
    /// All of it.
    pub body: Bytes,
}

impl Request {
    /// Of a method, a path with its query, headers and a body.
    pub fn new(method: Method, target: &str, headers: HeaderMap, body: Bytes) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let decoded = |part: &str| {
            let pair = format!("x={}", part.replace('+', "%2B"));
            let found = url::form_urlencoded::parse(pair.as_bytes()).next();
            found
                .map(|(_, value)| value.into_owned())
                .unwrap_or_default()
        };
        let query = url::form_urlencoded::parse(query.as_bytes()).into_owned();
        Request {
            method,
            segments: path.trim_matches('/').split('/').map(decoded).collect(),
            path: path.to_owned(),
            query: query.collect(),
            headers,
            body,
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let value = self.query.get(name).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }

    /// The body, if it is an object; an empty one is an empty object.
    pub(crate) fn object(&self) -> Option<Value> {
        if self.body.is_empty() {
            return Some(Value::Object(serde_json::Map::default()));
        }
        let parsed = serde_json::from_slice::<Value>(&self.body).ok();
        parsed.filter(Value::is_object)
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Of HTTP.
    pub status: u16,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    /// What comes with it.
    pub body: Body,
}

/// What comes with an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Nothing.
    Nothing,
    /// As nearly everything.
    Json(Value),
    /// A page or a file, with its content type.
    Other(&'static str, Bytes),
}

/// How every route ends: an error is an answer as well.
pub(crate) type Answered = Result<Answer, Answer>;

impl Answer {
    pub(crate) fn json(status: u16, body: Value) -> Self {
        Answer {
            status,
            headers: Vec::new(),
            body: Body::Json(body),
        }
    }

    pub(crate) fn ok(body: Value) -> Self {
        Answer::json(200, body)
    }

    pub(crate) fn created(body: Value) -> Self {
        Answer::json(201, body)
    }

    pub(crate) fn other(kind: &'static str, bytes: impl Into<Bytes>) -> Self {
        Answer {
            status: 200,
            headers: Vec::new(),
            body: Body::Other(kind, bytes.into()),
        }
    }

    pub(crate) fn empty() -> Self {
        Answer {
            status: 204,
            headers: Vec::new(),
            body: Body::Nothing,
        }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

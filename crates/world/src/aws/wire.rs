//! What is asked and what is answered, without a socket.

use bytes::Bytes;
use hyper::{HeaderMap, Method};
use serde_json::{Value, json};

/// What somebody asks.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET` and so on.
    pub method: Method,
    /// As it was sent, with `%`.
    pub path: String,
    /// Decoded parameters, in order.
    pub query: Vec<(String, String)>,
    /// As they were sent.
    pub headers: HeaderMap,
    /// All of it, without the frames of `aws-chunked`.
    pub body: Bytes,
}

impl Request {
    pub(super) fn new(method: Method, target: &str, headers: HeaderMap, body: Bytes) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query = url::form_urlencoded::parse(query.as_bytes()).into_owned();
        Request {
            method,
            path: path.to_owned(),
            query: query.collect(),
            headers,
            body,
        }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Bytes,
}

/// How every action ends: an error is an answer as well.
pub(super) type Answered = Result<Answer, Answer>;

impl Answer {
    pub(super) fn empty(status: u16) -> Self {
        Answer {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    pub(super) fn json(status: u16, body: &Value) -> Self {
        Answer {
            status,
            headers: vec![("content-type", "application/x-amz-json-1.1".to_owned())],
            body: body.to_string().into(),
        }
    }

    pub(super) fn xml(status: u16, body: &str) -> Self {
        let text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}");
        Answer {
            status,
            headers: vec![("content-type", "application/xml".to_owned())],
            body: text.into(),
        }
    }

    /// An error as services with JSON say it.
    pub(super) fn json_error(status: u16, code: &str, message: &str) -> Self {
        Answer::json(status, &json!({ "__type": code, "message": message }))
    }

    /// An error as S3 says it.
    pub(super) fn xml_error(status: u16, code: &str, message: &str) -> Self {
        let message = escaped(message);
        Answer::xml(
            status,
            &format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>"),
        )
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

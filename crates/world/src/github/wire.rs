//! What is asked and what is answered, without a socket.

use std::collections::BTreeMap;

use bytes::Bytes;
use hyper::{HeaderMap, Method};
use serde_json::{Value, json};

/// Where GitHub's documentation begins; every error names a place in it.
pub(crate) const DOCUMENTATION: &str = "https://docs.github.com/rest";

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

    /// The body; an empty one is an empty object, as GitHub sees it.
    pub(crate) fn json(&self) -> Result<Value, Answer> {
        if self.body.is_empty() {
            return Ok(json!({}));
        }
        let parsed = serde_json::from_slice::<Value>(&self.body).ok();
        let object = parsed.filter(Value::is_object);
        object.ok_or_else(|| Answer::error(400, "Problems parsing JSON"))
    }
}

/// What GitHub answers.
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

    pub(crate) fn error(status: u16, message: &str) -> Self {
        let body = json!({
            "message": message,
            "documentation_url": DOCUMENTATION,
            "status": status.to_string(),
        });
        Answer::json(status, body)
    }

    pub(crate) fn not_found() -> Self {
        Answer::error(404, "Not Found")
    }

    /// What GitHub says of a body of the wrong shape.
    pub(crate) fn unprocessable(message: &str) -> Self {
        Answer::error(422, message)
    }

    /// What GitHub says of a field with a wrong value.
    pub(crate) fn invalid(resource: &str, field: &str, code: &str, message: &str) -> Self {
        let mut error = json!({ "resource": resource, "field": field, "code": code });
        if !message.is_empty() {
            error["message"] = json!(message);
        }
        Answer::json(
            422,
            json!({
                "message": "Validation Failed",
                "errors": [error],
                "documentation_url": DOCUMENTATION,
                "status": "422",
            }),
        )
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// Page size if none is asked for, and at most.
const PAGE: (usize, usize) = (30, 100);

/// One page of a list, with links to the others.
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) link: Option<String>,
}

/// Cuts the page out that was asked for.
pub(crate) fn page<T>(request: &Request, base: &str, all: Vec<T>) -> Page<T> {
    let number = |name: &str, or: usize| {
        let given = request.parameter(name).and_then(|text| text.parse().ok());
        given.filter(|given| *given > 0).unwrap_or(or)
    };
    let size = number("per_page", PAGE.0).min(PAGE.1);
    let page = number("page", 1);
    let last = all.len().div_ceil(size).max(1);
    let mut links = Vec::new();
    let mut link = |to: usize, name: &str| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (key, value) in request.query.iter().filter(|(key, _)| *key != "page") {
            query.append_pair(key, value);
        }
        query.append_pair("page", &to.to_string());
        let query = query.finish();
        links.push(format!("<{base}{}?{query}>; rel=\"{name}\"", request.path));
    };
    if page > 1 {
        link(page - 1, "prev");
    }
    if page < last {
        link(page + 1, "next");
        link(last, "last");
    }
    if page > 1 {
        link(1, "first");
    }
    let items = all.into_iter().skip((page - 1) * size).take(size);
    Page {
        items: items.collect(),
        link: (!links.is_empty()).then(|| links.join(", ")),
    }
}

impl Page<Value> {
    /// A bare list.
    pub(crate) fn answer(self) -> Answer {
        Answer::ok(Value::Array(self.items)).linking(self.link)
    }

    /// A list under a name, with the number of all.
    pub(crate) fn counted(self, name: &str, total: usize) -> Answer {
        Answer::ok(json!({ "total_count": total, name: self.items })).linking(self.link)
    }
}

impl Answer {
    fn linking(self, link: Option<String>) -> Self {
        match link {
            Some(link) => self.with("link", link),
            None => self,
        }
    }
}

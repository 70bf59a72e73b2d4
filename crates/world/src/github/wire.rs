//! How GitHub writes its errors, and the pages of its lists.

use serde_json::{Value, json};

pub(crate) use crate::wire::Answered;
pub use crate::wire::{Answer, Body, Request};

/// Where GitHub's documentation begins; every error names a place in it.
pub(crate) const DOCUMENTATION: &str = "https://docs.github.com/rest";

impl Request {
    /// The body; an empty one is an empty object, as GitHub sees it.
    pub(in crate::github) fn json(&self) -> Result<Value, Answer> {
        let object = self.object();
        object.ok_or_else(|| Answer::error(400, "Problems parsing JSON"))
    }
}

impl Answer {
    pub(in crate::github) fn error(status: u16, message: &str) -> Self {
        let body = json!({
            "message": message,
            "documentation_url": DOCUMENTATION,
            "status": status.to_string(),
        });
        Answer::json(status, body)
    }

    pub(in crate::github) fn not_found() -> Self {
        Answer::error(404, "Not Found")
    }

    /// What GitHub says of a body of the wrong shape.
    pub(in crate::github) fn unprocessable(message: &str) -> Self {
        Answer::error(422, message)
    }

    /// What GitHub says of a field with a wrong value.
    pub(in crate::github) fn invalid(
        resource: &str,
        field: &str,
        code: &str,
        message: &str,
    ) -> Self {
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

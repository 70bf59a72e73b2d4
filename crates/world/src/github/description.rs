//! GitHub's own description of its API and webhooks: every request to the model, every answer of it and every payload
//! is held against it, if `npm ci --prefix tests/github` has brought it.

use std::{collections::BTreeMap, path::Path, sync::OnceLock};

use jsonschema::ValidationError;
use serde_json::Value;

use crate::schemas::{Reading, Schemas, escaped};

/// Where npm puts it.
const FILE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/github/node_modules/@octokit/openapi/generated/api.github.com.json"
);
/// What GitHub's description is known to be wrong in.
const READING: Reading = Reading {
    keyword: either_account,
    forgiven: |error| deleted_fork(error) || no_address(error),
    greedy: rest,
    closed: false,
};

/// The description.
#[derive(Debug)]
pub struct Description(Schemas);

impl Description {
    /// The one that this checkout has; `None` says that none was installed.
    pub fn of_this_checkout() -> Option<&'static Description> {
        static ONCE: OnceLock<Option<Description>> = OnceLock::new();
        ONCE.get_or_init(|| {
            let read = Schemas::read(Path::new(FILE), READING).ok();
            read.map(Description)
        })
        .as_ref()
    }

    /// What is wrong with a request and its answer, in words.
    pub fn exchange(
        &self,
        method: &str,
        path: &str,
        request: &Value,
        query: &BTreeMap<String, String>,
        status: u16,
        answer: Option<&Value>,
    ) -> Vec<String> {
        let method = method.to_lowercase();
        let Some(template) = self.0.template(&method, path) else {
            return vec![format!("{method} {path} is not in GitHub's description")];
        };
        let place = format!("/paths/{}/{method}", escaped(template));
        let Some(operation) = self.0.at(&place) else {
            return Vec::new();
        };
        let mut wrong = Vec::new();
        // A request that was refused for its shape is wrong on purpose, or shown to be wrong by its answer.
        if status < 400 {
            wrong.extend(self.unknown_parameters(template, operation, query));
            wrong.extend(self.request(&place, operation, request));
        }
        wrong.extend(self.answer(&place, operation, status, answer));
        let told = |words| format!("{method} {template} {status}: {words}");
        wrong.into_iter().map(told).collect()
    }

    /// What is wrong with a payload, in words.
    pub fn payload(&self, event: &str, payload: &Value) -> Vec<String> {
        let action = payload.get("action").and_then(Value::as_str);
        let name = match action {
            Some(action) => format!("{event}-{action}"),
            None => event.to_owned(),
        };
        let name = name.replace('_', "-");
        let place = format!("/x-webhooks/{name}/post/requestBody/content/application~1json/schema");
        if self.0.at(&place).is_none() {
            return vec![format!("no event {name} in GitHub's description")];
        }
        let told = |words| format!("webhook {name}: {words}");
        self.0
            .errors(&place, payload)
            .into_iter()
            .map(told)
            .collect()
    }

    fn unknown_parameters(
        &self,
        template: &str,
        operation: &Value,
        query: &BTreeMap<String, String>,
    ) -> Vec<String> {
        let known = self.0.parameters(operation);
        let unknown = query.keys().filter(|name| !known.contains(name.as_str()));
        unknown
            .map(|name| format!("{template} has no parameter {name}"))
            .collect()
    }

    fn request(&self, place: &str, operation: &Value, body: &Value) -> Vec<String> {
        let Some(schema) = operation.pointer("/requestBody/content/application~1json/schema")
        else {
            return Vec::new();
        };
        let mut wrong = self.0.errors(
            &format!("{place}/requestBody/content/application~1json/schema"),
            body,
        );
        // GitHub ignores what it does not know; who sends it has misunderstood something.
        if let (Some(known), Some(given)) = (schema.get("properties"), body.as_object()) {
            let unknown = given.keys().filter(|key| known.get(key.as_str()).is_none());
            wrong.extend(unknown.map(|key| format!("the request has an unknown key {key}")));
        }
        wrong
    }

    fn answer(
        &self,
        place: &str,
        operation: &Value,
        status: u16,
        body: Option<&Value>,
    ) -> Vec<String> {
        let responses = format!("{place}/responses/{status}");
        let Some(response) = operation.pointer(&format!("/responses/{status}")) else {
            // The description lists few of the errors; all have one shape.
            return match (status, body) {
                (400.., Some(body)) => self.0.errors("/components/schemas/basic-error", body),
                (400.., None) | (304, _) => Vec::new(),
                // Any route redirects from a former name.
                (301 | 307, Some(body)) => self.0.errors("/components/schemas/basic-error", body),
                _ => vec!["no such status in GitHub's description".into()],
            };
        };
        let place = match response.get("$ref").and_then(Value::as_str) {
            Some(reference) => reference.trim_start_matches('#').to_owned(),
            None => responses,
        };
        let place = format!("{place}/content/application~1json/schema");
        match (self.0.at(&place), body) {
            (Some(_), Some(body)) => self.0.errors(&place, body),
            (Some(_), None) => vec!["an answer without its body".into()],
            (None, _) => Vec::new(),
        }
    }
}

/// A mistake of the description: an account that is a user and an enterprise at once, where one of them is meant.
fn either_account(key: &str, schemas: &Value) -> Option<&'static str> {
    let title = |place: &str| schemas.pointer(place).and_then(Value::as_str);
    let both = title("/0/title") == Some("Simple User") && title("/1/title") == Some("Enterprise");
    (key == "allOf" && both).then_some("anyOf")
}

/// Another one: it does not know that a fork may be deleted, after which its pull requests have no repository at their
/// head.
fn deleted_fork(error: &ValidationError<'_>) -> bool {
    error.instance().is_null() && error.instance_path().to_string().ends_with("/head/repo")
}

/// And the last: addresses of a deployment's status are empty as a rule, which it says itself in `default`, although it
/// calls them addresses.
fn no_address(error: &ValidationError<'_>) -> bool {
    error.instance().as_str() == Some("") && error.instance_path().to_string().ends_with("_url")
}

/// Whether the path is one of a branch or a file, which take any rest.
fn rest(template: &str, parts: &[&str]) -> bool {
    let wanted = template.trim_matches('/').split('/').count();
    let greedy = template.ends_with("/{path}") || template.ends_with("/git/ref/{ref}");
    // The root of the tree is a path, too: an empty one.
    let root = parts.len() + 1 == wanted && template.ends_with("/contents/{path}");
    greedy && parts.len() > wanted || root
}

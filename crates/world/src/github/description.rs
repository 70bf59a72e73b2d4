//! GitHub's own description of its API and webhooks: every request to the model, every answer of it and every payload
//! is held against it, if `npm ci --prefix tests/github` has brought it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use jsonschema::{ValidationError, Validator, error::ValidationErrorKind as Kind};
use serde_json::{Map, Value, json};

/// Where npm puts it.
const FILE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/github/node_modules/@octokit/openapi/generated/api.github.com.json"
);
/// Errors that are told of one document; the rest follows from them as a rule.
const TOLD: usize = 5;

/// The description, with the validators that were needed so far.
#[derive(Debug)]
pub struct Description {
    whole: Value,
    validators: Mutex<BTreeMap<String, Option<Arc<Validator>>>>,
}

impl Description {
    /// The one that this checkout has; `None` says that none was installed.
    pub fn of_this_checkout() -> Option<&'static Description> {
        static ONCE: OnceLock<Option<Description>> = OnceLock::new();
        ONCE.get_or_init(|| Description::read(Path::new(FILE)))
            .as_ref()
    }

    fn read(file: &Path) -> Option<Self> {
        let bytes = std::fs::read(file).ok()?;
        Some(Description {
            whole: serde_json::from_slice(&bytes).ok()?,
            validators: Mutex::default(),
        })
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
        let Some(template) = self.template(&method, path) else {
            return vec![format!("{method} {path} is not in GitHub's description")];
        };
        let place = format!("/paths/{}/{method}", escaped(template));
        let Some(operation) = self.whole.pointer(&place) else {
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
        if self.whole.pointer(&place).is_none() {
            return vec![format!("no event {name} in GitHub's description")];
        }
        let told = |words| format!("webhook {name}: {words}");
        self.errors(&place, payload).into_iter().map(told).collect()
    }

    /// The path of the description that this one is an instance of: the one with the most literal parts.
    fn template(&self, method: &str, path: &str) -> Option<&str> {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let paths = self.whole.get("paths")?.as_object()?;
        let fits = |(template, operations): &(&String, &Value)| {
            operations.get(method).is_some() && instance(template, &parts)
        };
        let literal = |template: &str| {
            template
                .split('/')
                .filter(|part| !part.starts_with('{'))
                .count()
        };
        let fitting = paths.iter().filter(fits);
        fitting
            .map(|(template, _)| template.as_str())
            .max_by_key(|template| literal(template))
    }

    fn unknown_parameters(
        &self,
        template: &str,
        operation: &Value,
        query: &BTreeMap<String, String>,
    ) -> Vec<String> {
        let listed = operation.get("parameters").and_then(Value::as_array);
        let known: BTreeSet<&str> = listed
            .into_iter()
            .flatten()
            .filter_map(
                |parameter| match parameter.get("$ref").and_then(Value::as_str) {
                    Some(reference) => self.whole.pointer(reference.trim_start_matches('#')),
                    None => Some(parameter),
                },
            )
            .filter_map(|parameter| parameter.get("name")?.as_str())
            .collect();
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
        let mut wrong = self.errors(
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
                (400.., Some(body)) => self.errors("/components/schemas/basic-error", body),
                (400.., None) | (304, _) => Vec::new(),
                // Any route redirects from a former name.
                (301 | 307, Some(body)) => self.errors("/components/schemas/basic-error", body),
                _ => vec!["no such status in GitHub's description".into()],
            };
        };
        let place = match response.get("$ref").and_then(Value::as_str) {
            Some(reference) => reference.trim_start_matches('#').to_owned(),
            None => responses,
        };
        let place = format!("{place}/content/application~1json/schema");
        match (self.whole.pointer(&place), body) {
            (Some(_), Some(body)) => self.errors(&place, body),
            (Some(_), None) => vec!["an answer without its body".into()],
            (None, _) => Vec::new(),
        }
    }

    /// What the schema at this place says against a document.
    fn errors(&self, place: &str, document: &Value) -> Vec<String> {
        let Some(validator) = self.validator(place) else {
            return vec![format!("the schema at {place} cannot be read")];
        };
        let errors = validator.iter_errors(document);
        let errors = errors
            .filter(|error| !deleted_fork(error) && !no_address(error))
            .take(TOLD);
        errors.map(|error| told(&error)).collect()
    }

    fn validator(&self, place: &str) -> Option<Arc<Validator>> {
        let mut known = self
            .validators
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(place) {
            return found.clone();
        }
        let made = self.whole.pointer(place).and_then(|schema| {
            let mut definitions = Map::new();
            let mut schema = self.translated(schema, &mut definitions);
            schema["definitions"] = Value::Object(definitions);
            let options = jsonschema::draft7::options().should_validate_formats(true);
            options.build(&schema).ok().map(Arc::new)
        });
        known.insert(place.to_owned(), made.clone());
        made
    }

    /// A schema of `OpenAPI` 3.0 as JSON Schema, with all that it refers to put into `definitions`.
    fn translated(&self, schema: &Value, definitions: &mut Map<String, Value>) -> Value {
        match schema {
            Value::Object(fields) => {
                if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                    return self.referred(reference, definitions);
                }
                let mut made = Map::new();
                let kept = fields.iter().filter(|(key, _)| {
                    !matches!(key.as_str(), "example" | "examples" | "nullable")
                });
                for (key, value) in kept {
                    let key = if either_account(key, value) {
                        "anyOf"
                    } else {
                        key
                    };
                    made.insert(key.to_owned(), self.translated(value, definitions));
                }
                // `nullable` as a field of its own stands in some `properties`, where it is no keyword.
                match fields.get("nullable") {
                    Some(Value::Bool(true)) => json!({ "anyOf": [{ "type": "null" }, made] }),
                    Some(Value::Object(property)) => {
                        let property =
                            self.translated(&Value::Object(property.clone()), definitions);
                        made.insert("nullable".into(), property);
                        Value::Object(made)
                    }
                    _ => Value::Object(made),
                }
            }
            Value::Array(items) => {
                let each = items.iter().map(|item| self.translated(item, definitions));
                Value::Array(each.collect())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => schema.clone(),
        }
    }

    fn referred(&self, reference: &str, definitions: &mut Map<String, Value>) -> Value {
        let name = reference.rsplit('/').next().unwrap_or_default().to_owned();
        if !definitions.contains_key(&name) {
            definitions.insert(name.clone(), json!({}));
            if let Some(found) = self.whole.pointer(reference.trim_start_matches('#')) {
                let found = self.translated(found, definitions);
                definitions.insert(name.clone(), found);
            }
        }
        json!({ "$ref": format!("#/definitions/{name}") })
    }
}

/// A mistake of the description: an account that is a user and an enterprise at once, where one of them is meant.
fn either_account(key: &str, schemas: &Value) -> bool {
    let title = |place: &str| schemas.pointer(place).and_then(Value::as_str);
    key == "allOf"
        && title("/0/title") == Some("Simple User")
        && title("/1/title") == Some("Enterprise")
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

/// Whether the parts are an instance of a path with parameters; those of a branch or a file take any rest.
fn instance(template: &str, parts: &[&str]) -> bool {
    let wanted: Vec<&str> = template.trim_matches('/').split('/').collect();
    let greedy = template.ends_with("/{path}") || template.ends_with("/git/ref/{ref}");
    let same = wanted
        .iter()
        .zip(parts)
        .all(|(wanted, part)| wanted.starts_with('{') || wanted == part);
    // The root of the tree is a path, too: an empty one.
    let root = parts.len() + 1 == wanted.len() && template.ends_with("/contents/{path}");
    same && (wanted.len() == parts.len() || greedy && parts.len() > wanted.len() || root)
}

fn escaped(path: &str) -> String {
    path.replace('~', "~0").replace('/', "~1")
}

/// An error without the document that it is about, with what lies below it.
fn told(error: &ValidationError<'_>) -> String {
    let mut below = String::new();
    if let Kind::AnyOf { context } | Kind::OneOfNotValid { context } = error.kind() {
        let each: Vec<String> = context.iter().flatten().take(TOLD).map(told).collect();
        below = format!(" ({})", each.join("; "));
    }
    format!("{}: {}{below}", error.instance_path(), error.masked())
}

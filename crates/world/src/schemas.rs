//! A description of an API in the form of `OpenAPI` 3.0, and what its schemas say against documents. Each model says which of
//! its mistakes are forgiven.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context as _, Result};
use jsonschema::{ValidationError, Validator, error::ValidationErrorKind as Kind};
use serde_json::{Map, Value, json};

/// Errors that are told of one document; the rest follows from them as a rule.
const TOLD: usize = 5;

/// What is known to be wrong with a description, and how strictly it is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// Another name for a keyword of a schema, where the description uses the wrong one.
    pub(crate) keyword: fn(&str, &Value) -> Option<&'static str>,
    /// Whether an error is the description's own.
    pub(crate) forgiven: fn(&ValidationError<'_>) -> bool,
    /// Whether the path has more parts, or fewer, than its template: the last parameter takes a rest.
    pub(crate) greedy: fn(&str, &[&str]) -> bool,
    /// Whether a field that an object does not list is an error.
    pub(crate) closed: bool,
}

/// The description, with the validators that were needed so far.
#[derive(Debug)]
pub(crate) struct Schemas {
    whole: Value,
    reading: Reading,
    validators: Mutex<BTreeMap<String, Option<Arc<Validator>>>>,
}

impl Schemas {
    /// Of a file.
    pub(crate) fn read(file: &Path, reading: Reading) -> Result<Self> {
        let said = || {
            format!(
                "no description of an API can be read from {}",
                file.display()
            )
        };
        let bytes = std::fs::read(file).with_context(said)?;
        Ok(Schemas {
            whole: serde_json::from_slice(&bytes).with_context(said)?,
            reading,
            validators: Mutex::default(),
        })
    }

    /// What stands at a place of it, such as `/paths/~1apps/get`.
    pub(crate) fn at(&self, place: &str) -> Option<&Value> {
        self.whole.pointer(place)
    }

    /// Names of the parameters in the query of an operation.
    pub(crate) fn parameters<'a>(&'a self, operation: &'a Value) -> BTreeSet<&'a str> {
        let listed = operation.get("parameters").and_then(Value::as_array);
        listed
            .into_iter()
            .flatten()
            .filter_map(
                |parameter| match parameter.get("$ref").and_then(Value::as_str) {
                    Some(reference) => self.at(reference.trim_start_matches('#')),
                    None => Some(parameter),
                },
            )
            .filter_map(|parameter| parameter.get("name")?.as_str())
            .collect()
    }

    /// The path of the description that this one is an instance of: the one with the most literal parts.
    pub(crate) fn template(&self, method: &str, path: &str) -> Option<&str> {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let paths = self.whole.get("paths")?.as_object()?;
        let fits = |(template, operations): &(&String, &Value)| {
            operations.get(method).is_some() && self.instance(template, &parts)
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

    fn instance(&self, template: &str, parts: &[&str]) -> bool {
        let wanted: Vec<&str> = template.trim_matches('/').split('/').collect();
        let same = wanted
            .iter()
            .zip(parts)
            .all(|(wanted, part)| wanted.starts_with('{') || wanted == part);
        same && (wanted.len() == parts.len() || (self.reading.greedy)(template, parts))
    }

    /// What the schema at this place says against a document.
    pub(crate) fn errors(&self, place: &str, document: &Value) -> Vec<String> {
        let Some(validator) = self.validator(place) else {
            return vec![format!("the schema at {place} cannot be read")];
        };
        let errors = validator.iter_errors(document);
        let errors = errors
            .filter(|error| !(self.reading.forgiven)(error))
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
                    let key = (self.reading.keyword)(key, value).unwrap_or(key);
                    made.insert(key.to_owned(), self.translated(value, definitions));
                }
                if self.reading.closed && lists_fields(fields) {
                    made.insert("additionalProperties".into(), json!(false));
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

/// Whether a schema lists the fields of an object, and says nothing of others.
fn lists_fields(schema: &Map<String, Value>) -> bool {
    let kind = schema.get("type").and_then(Value::as_str);
    kind == Some("object")
        && schema.get("properties").is_some_and(Value::is_object)
        && !schema.contains_key("additionalProperties")
}

/// A path as a part of a JSON pointer.
pub(crate) fn escaped(path: &str) -> String {
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

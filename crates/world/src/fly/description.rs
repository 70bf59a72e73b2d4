//! Fly's own description of its API: every request to the model and every answer of it is held against it, if it is at hand.
//!
//! As it is weak (it forbids no field that it does not list), it is read strictly: what it does not list is wrong. Where it
//! is known to be wrong itself, [`KNOWN_MISTAKES`] says so.

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use anyhow::{Result, anyhow};
use jsonschema::{ValidationError, error::ValidationErrorKind as Kind};
use serde_json::{Value, json};

use crate::schemas::{Reading, Schemas, escaped};

/// Names the file of the description; without, it is looked for beside the checkout.
const NAMED: &str = "NESTLING_FLY_DESCRIPTION";
/// Where it lies beside a checkout.
const BESIDE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../../shared/data/fly-machines-openapi.json"
);
/// What everything that refuses answers with.
const ERROR: &str = "/components/schemas/ErrorResponse";
const READING: Reading = Reading {
    keyword: |_, _| None,
    forgiven: |error| KNOWN_MISTAKES.iter().any(|known| (known.is)(error)),
    greedy: |_, _| false,
    closed: true,
};

/// Something that the description is known to have wrong.
#[derive(Clone, Copy)]
pub struct Mistake {
    /// What is wrong, and who says so.
    pub reason: &'static str,
    is: fn(&ValidationError<'_>) -> bool,
}

impl std::fmt::Debug for Mistake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.reason)
    }
}

/// What the description of 2026-05 is known to have wrong, each with who says otherwise. Three more are known to
/// [`Description::exchange`]: leases that come wrapped, `state` of a wait that is a list, and parameters that it does not know.
pub const KNOWN_MISTAKES: [Mistake; 8] = [
    Mistake {
        reason: "autostop may be a boolean: its own text says so, and the documentation of the configuration",
        is: |error| error.instance().is_boolean() && ends(error, "/autostop"),
    },
    Mistake {
        reason: "a secret or a pair of metadata that is null is taken away: its own text of metadata, fly-go's UpdateAppSecrets",
        is: |error| error.instance().is_null() && below(error, &["values", "metadata"]),
    },
    Mistake {
        reason: "status has more words than two: name_taken and volume_placement_capacity of fly-go",
        is: |error| {
            let word = error.instance().as_str();
            matches!(word, Some("name_taken" | "volume_placement_capacity"))
                && ends(error, "/status")
        },
    },
    Mistake {
        reason: "durations of checks may be numbers of nanoseconds: the documentation of the configuration",
        is: |error| {
            let fields = ["/interval", "/timeout", "/grace_period"];
            error.instance().is_i64() && fields.iter().any(|field| ends(error, field))
        },
    },
    Mistake {
        reason: "fields without a value are null: the documentation's examples of volumes and certificates",
        is: |error| {
            let fields = [
                "/attached_machine_id",
                "/attached_alloc_id",
                "/issuer",
                "/rate_limited_until",
            ];
            error.instance().is_null() && fields.iter().any(|field| ends(error, field))
        },
    },
    Mistake {
        reason: "a machine says whether it is cordoned: fly-go's Machine",
        is: |error| only_unexpected(error, &["cordoned"]),
    },
    Mistake {
        reason: "a Flycast address says from which network it is reached: answers that others saw",
        is: |error| only_unexpected(error, &["network"]),
    },
    Mistake {
        reason: "the part of Fly that keeps apps writes message and not error: answers that others saw",
        is: |error| only_unexpected(error, &["message"]),
    },
];

/// Parameters that it does not know: method, path, the parameter's name or its beginning, and who says otherwise.
const PARAMETERS: [(&str, &str, &str, &str); 6] = [
    ("post", "/apps", "wait", "fly-go's CreateApp"),
    (
        "delete",
        "/apps/{app_name}",
        "force",
        "the documentation of apps",
    ),
    (
        "get",
        "/apps/{app_name}/machines",
        "metadata.",
        "the documentation of machines",
    ),
    (
        "delete",
        "/apps/{app_name}/machines/{machine_id}",
        "kill",
        "fly-go's Destroy",
    ),
    (
        "post",
        "/apps/{app_name}/machines/{machine_id}/lease",
        "ttl",
        "fly-go's AcquireLease",
    ),
    (
        "post",
        "/apps/{app_name}/machines/{machine_id}/restart",
        "force_stop",
        "fly-go's Restart",
    ),
];

/// The description.
#[derive(Debug)]
pub struct Description(Schemas);

impl Description {
    /// The one that is named by the environment or lies beside the checkout; `None` says that there is none. One that is
    /// named and cannot be read is an error.
    pub fn at_hand() -> Result<Option<&'static Description>> {
        static ONCE: OnceLock<Result<Option<Description>, String>> = OnceLock::new();
        let read = ONCE.get_or_init(|| {
            let (file, named) = place();
            match Schemas::read(&file, READING) {
                Ok(read) => Ok(Some(Description(read))),
                Err(_) if !named => Ok(None),
                Err(error) => Err(format!("{NAMED}: {error:#}")),
            }
        });
        match read {
            Ok(found) => Ok(found.as_ref()),
            Err(words) => Err(anyhow!("{words}")),
        }
    }

    /// Where it is looked for, to tell whoever misses it.
    pub fn looked_for() -> String {
        let (file, _) = place();
        format!("{} (or where {NAMED} says)", file.display())
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
            return vec![format!("{method} {path} is not in Fly's description")];
        };
        let place = format!("/paths/{}/{method}", escaped(template));
        let Some(operation) = self.0.at(&place) else {
            return Vec::new();
        };
        let mut wrong = Vec::new();
        // A request that was refused for its shape is wrong on purpose, or shown to be wrong by its answer.
        if status < 400 {
            wrong.extend(self.parameters(&method, template, operation, query));
            wrong.extend(self.request(&place, operation, request));
        }
        wrong.extend(self.answer(&place, template, status, answer));
        let told = |words| format!("{method} {template} {status}: {words}");
        wrong.into_iter().map(told).collect()
    }

    fn parameters(
        &self,
        method: &str,
        template: &str,
        operation: &Value,
        query: &BTreeMap<String, String>,
    ) -> Vec<String> {
        let known = self.0.parameters(operation);
        let listed = operation.get("parameters").and_then(Value::as_array);
        let listed = listed.into_iter().flatten();
        let of = |name: &str| {
            let mut listed = listed.clone();
            listed.find(|one| one.get("name").and_then(Value::as_str) == Some(name))
        };
        let also = |name: &str| {
            PARAMETERS.iter().any(|(of, at, known, _)| {
                (*of, *at) == (method, template) && name.starts_with(known)
            })
        };
        let wrong = |(name, value): (&String, &String)| {
            if !known.contains(name.as_str()) {
                return (!also(name)).then(|| format!("there is no parameter {name}"));
            }
            let schema = of(name)?.get("schema")?;
            (!fits(schema, value)).then(|| format!("{name} cannot be {value}"))
        };
        let mut wrong: Vec<String> = query.iter().filter_map(wrong).collect();
        let required = listed.clone().filter(|one| {
            one.get("in") == Some(&json!("query")) && one.get("required") == Some(&json!(true))
        });
        let names = required.filter_map(|one| one.get("name")?.as_str());
        let missing = names.filter(|name| !query.contains_key(*name));
        wrong.extend(missing.map(|name| format!("{name} is required")));
        wrong
    }

    fn request(&self, place: &str, operation: &Value, body: &Value) -> Vec<String> {
        let content = "/requestBody/content/application~1json/schema";
        if operation.pointer(content).is_none() {
            let empty = body.as_object().is_none_or(serde_json::Map::is_empty);
            let told = "a body where none is described".to_owned();
            return (!empty).then_some(told).into_iter().collect();
        }
        self.0.errors(&format!("{place}{content}"), body)
    }

    fn answer(
        &self,
        place: &str,
        template: &str,
        status: u16,
        body: Option<&Value>,
    ) -> Vec<String> {
        let response = format!("{place}/responses/{status}");
        if self.0.at(&response).is_none() {
            // It lists few of the errors; all have one shape.
            return match (status, body) {
                (400.., Some(body)) => self.0.errors(ERROR, body),
                (400.., None) => Vec::new(),
                _ => vec!["no such status in Fly's description".into()],
            };
        }
        let schema = format!("{response}/content/application~1json/schema");
        match (self.0.at(&schema), body) {
            (Some(_), Some(body)) => {
                // The documentation's examples and fly-go have leases in an envelope.
                let wrapped = body.get("data").filter(|_| template.ends_with("/lease"));
                self.0.errors(&schema, wrapped.unwrap_or(body))
            }
            (Some(_), None) => vec!["an answer without its body".into()],
            (None, _) => Vec::new(),
        }
    }
}

/// Where it is, and whether somebody said so.
fn place() -> (PathBuf, bool) {
    match env::var_os(NAMED).filter(|named| !named.is_empty()) {
        Some(named) => (PathBuf::from(named), true),
        None => (Path::new(BESIDE).to_owned(), false),
    }
}

/// Whether a parameter has a value that its schema knows; a list, as waits have them, if each item has.
fn fits(schema: &Value, value: &str) -> bool {
    let kind = schema.get("type").and_then(Value::as_str);
    let listed = schema.get("enum").and_then(Value::as_array);
    let known = |one: &str| listed.is_none_or(|listed| listed.contains(&json!(one)));
    match kind {
        Some("integer") => value.parse::<i64>().is_ok(),
        Some("boolean") => matches!(value, "true" | "false"),
        _ => value.split(',').all(known),
    }
}

fn ends(error: &ValidationError<'_>, with: &str) -> bool {
    error.instance_path().to_string().ends_with(with)
}

/// Whether it is about a member of an object of one of these names.
fn below(error: &ValidationError<'_>, names: &[&str]) -> bool {
    let path = error.instance_path().to_string();
    let mut parts = path.rsplit('/').skip(1);
    parts.next().is_some_and(|parent| names.contains(&parent))
}

fn only_unexpected(error: &ValidationError<'_>, known: &[&str]) -> bool {
    let Kind::AdditionalProperties { unexpected } = error.kind() else {
        return false;
    };
    unexpected
        .iter()
        .all(|field| known.contains(&field.as_str()))
}

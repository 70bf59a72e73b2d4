//! Layers of configuration: a later one replaces single keys, and only those that there are.

use std::path::Path;

use toml::{Table, Value};

use super::{ConfigError, DEFAULT};

pub(super) fn defaults() -> Result<Table, ConfigError> {
    DEFAULT
        .parse()
        .map_err(|error: toml::de::Error| ConfigError::Value {
            place: "config/default.toml".into(),
            reason: error.to_string(),
        })
}

pub(super) fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })
}

/// Why a file is no TOML. Only where and what: the parser's own picture quotes the line, which may hold a secret.
pub(super) fn not_toml(place: &str, text: &str, error: &toml::de::Error) -> ConfigError {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.unwrap_or_default().matches('\n').count() + 1;
    ConfigError::Value {
        place: format!("{place}, line {line}"),
        reason: error.message().to_owned(),
    }
}

/// What a variable says, or the file that it names.
pub(super) enum Text {
    /// Its own text.
    OfVariable(String),
    /// The content of a file.
    OfFile(String),
}

/// A text as the value it would be in a file; what is not one is a string. Where a string is expected it stays one, whatever
/// it looks like, and that of a file is taken as it is: a secret may have digits only, or quotes.
pub(super) fn value_of(text: Text, known: &Value) -> Value {
    let parsed = |text: &str| {
        let parsed: Option<Table> = format!("value = {text}").parse().ok();
        parsed.and_then(|mut table| table.remove("value"))
    };
    let (text, parsed) = match text {
        Text::OfFile(text) if known.is_str() => (text.trim_end().to_owned(), None),
        Text::OfFile(text) => {
            let text = text.trim_end().to_owned();
            let parsed = parsed(&text);
            (text, parsed)
        }
        Text::OfVariable(text) => {
            let parsed = parsed(&text).filter(|value| value.is_str() || !known.is_str());
            (text, parsed)
        }
    };
    parsed.unwrap_or(Value::String(text))
}

/// Every key of a table in the form `section.key`, with its value.
pub(super) fn leaves(table: &Table) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (name, value) in table {
        match value {
            Value::Table(inner) => found.extend(
                leaves(inner)
                    .into_iter()
                    .map(|(key, value)| (format!("{name}.{key}"), value)),
            ),
            Value::String(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_)
            | Value::Array(_) => {
                found.push((name.clone(), value.clone()));
            }
        }
    }
    found
}

pub(super) fn set(
    table: &mut Table,
    place: &str,
    key: &str,
    value: impl FnOnce(&Value) -> Value,
) -> Result<(), ConfigError> {
    let unknown = |table: &Table| ConfigError::Unknown {
        place: place.to_owned(),
        key: key.to_owned(),
        nearest: nearest(table, key),
    };
    let whole = table.clone();
    let mut inner = &mut *table;
    let mut parts: Vec<&str> = key.split('.').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(Value::Table(next)) = inner.get_mut(part) else {
            return Err(unknown(&whole));
        };
        inner = next;
    }
    match inner.get_mut(last) {
        Some(Value::Table(_)) | None => Err(unknown(&whole)),
        Some(known) => {
            *known = value(known);
            Ok(())
        }
    }
}

fn nearest(table: &Table, key: &str) -> String {
    leaves(table)
        .into_iter()
        .map(|(known, _)| known)
        .min_by_key(|known| strsim::damerau_levenshtein(known, key))
        .unwrap_or_default()
}

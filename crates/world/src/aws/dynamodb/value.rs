//! What attributes hold. Only the types that Nestling writes: any other is refused, so that nobody believes it modelled.

use std::{cmp::Ordering, collections::BTreeMap};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value as Json, json};

use super::wire::Fail;

/// What an item holds, by name.
pub type Item = BTreeMap<String, Value>;

/// What an attribute holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A string.
    S(String),
    /// A number; only whole ones are modelled.
    N(i128),
    /// A boolean.
    Bool(bool),
    /// Bytes.
    B(Vec<u8>),
}

impl Value {
    /// Reads `{"S": "text"}`.
    pub(super) fn read(json: &Json) -> Result<Self, Fail> {
        let one = json.as_object().filter(|object| object.len() == 1);
        let Some((kind, value)) = one.and_then(|object| object.iter().next()) else {
            return Err(Fail::invalid(
                "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
            ));
        };
        match (kind.as_str(), value) {
            ("S", Json::String(text)) => Ok(Value::S(text.clone())),
            ("N", Json::String(digits)) => digits.parse().map(Value::N).map_err(|_| {
                Fail::invalid(format!(
                    "the model knows only whole numbers, and not {digits:?}"
                ))
            }),
            ("BOOL", Json::Bool(yes)) => Ok(Value::Bool(*yes)),
            ("B", Json::String(text)) => STANDARD.decode(text).map(Value::B).map_err(|_| {
                Fail::new(
                    "SerializationException",
                    "Invalid base64 in a binary attribute",
                )
            }),
            _ => Err(Fail::invalid(format!(
                "the model does not know the type {kind}"
            ))),
        }
    }

    pub(super) fn show(&self) -> Json {
        match self {
            Value::S(text) => json!({ "S": text }),
            Value::N(number) => json!({ "N": number.to_string() }),
            Value::Bool(yes) => json!({ "BOOL": yes }),
            Value::B(bytes) => json!({ "B": STANDARD.encode(bytes) }),
        }
    }

    /// How two of one type compare; nothing of two types.
    pub(super) fn compare(&self, other: &Value) -> Option<Ordering> {
        match (self, other) {
            (Value::S(a), Value::S(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
            (Value::N(a), Value::N(b)) => Some(a.cmp(b)),
            (Value::B(a), Value::B(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }

    /// The letter of its type in a schema.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Value::S(_) => "S",
            Value::N(_) => "N",
            Value::Bool(_) => "BOOL",
            Value::B(_) => "B",
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Value::S(text) => text.len(),
            // Two digits in a byte, and one for the sign and the size.
            Value::N(number) => number.to_string().len().div_ceil(2) + 1,
            Value::Bool(_) => 1,
            Value::B(bytes) => bytes.len(),
        }
    }
}

/// The size that limits and units count by.
pub fn size(item: &Item) -> usize {
    item.iter()
        .map(|(name, value)| name.len() + value.bytes())
        .sum()
}

pub(super) fn read_item(json: &Json) -> Result<Item, Fail> {
    let Some(object) = json.as_object() else {
        return Err(Fail::invalid("an item must be a map"));
    };
    let items = object.iter();
    items
        .map(|(name, value)| Ok((name.clone(), Value::read(value)?)))
        .collect()
}

pub(super) fn show_item(item: &Item) -> Json {
    let shown = item
        .iter()
        .map(|(name, value)| (name.clone(), value.show()));
    Json::Object(shown.collect())
}

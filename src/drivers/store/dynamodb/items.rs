//! From items to words of the domain and back. A record that cannot be read is named, never a panic, and never hides its
//! neighbours.

use std::{borrow::Cow, collections::HashMap};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use serde::{Serialize, de::DeserializeOwned};

use super::{packed, trouble::Trouble};

/// What a table holds under one key.
pub(super) type Item = HashMap<String, AttributeValue>;

/// The partition key of both tables.
pub(super) const PK: &str = "pk";
/// The sort key of both tables.
pub(super) const SK: &str = "sk";
/// The record, as JSON: a text, or bytes where it is packed.
pub(super) const BODY: &str = "body";
/// The second from which on an item counts as gone; DynamoDB removes it some time later.
pub(super) const EXPIRES: &str = "expires";
/// The id of what a list names.
pub(super) const ID: &str = "id";

/// The largest body of a record: DynamoDB takes items of 400 KB, keys and all.
const LARGEST: usize = 350 * 1024;

/// An item under this key, with nothing in it yet.
pub(super) fn item(pk: impl Into<String>, sk: impl Into<String>) -> Item {
    HashMap::from([(PK.to_owned(), text(pk)), (SK.to_owned(), text(sk))])
}

/// A text as DynamoDB takes it.
pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// A number as DynamoDB takes it.
pub(super) fn digits(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// What is added to an item.
pub(super) trait With: Sized {
    fn with(self, name: &str, value: AttributeValue) -> Self;
    /// Nothing when there is nothing.
    fn with_any(self, name: &str, value: Option<AttributeValue>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }
}

impl With for Item {
    fn with(mut self, name: &str, value: AttributeValue) -> Self {
        self.insert(name.to_owned(), value);
        self
    }
}

/// A text of an item; empty when it has none of that name.
pub(super) fn word<'a>(item: &'a Item, name: &str) -> &'a str {
    let text = item.get(name).and_then(|value| value.as_s().ok());
    text.map_or("", String::as_str)
}

/// A number of an item.
pub(super) fn number(item: &Item, name: &str) -> Option<u64> {
    let digits = item.get(name).and_then(|value| value.as_n().ok());
    digits.and_then(|digits| digits.parse().ok())
}

/// Its key alone.
pub(super) fn key_of(whole: &Item) -> Item {
    item(word(whole, PK), word(whole, SK))
}

/// A record with its body.
pub(super) fn record<T: Serialize>(
    (pk, sk): (&str, &str),
    what: &str,
    value: &T,
) -> Result<Item, Trouble> {
    Ok(item(pk, sk).with(BODY, text(encode(what, value)?)))
}

/// The text of a record.
pub(super) fn encode<T: Serialize>(what: &str, value: &T) -> Result<String, Trouble> {
    let body = encode_any(what, value)?;
    if body.len() > LARGEST {
        return Err(Trouble::Rejected(format!(
            "{what} has {} KiB and DynamoDB takes {} KiB: nothing was written",
            body.len() >> 10,
            LARGEST >> 10
        )));
    }
    Ok(body)
}

/// The text of a record, however large.
pub(super) fn encode_any<T: Serialize>(what: &str, value: &T) -> Result<String, Trouble> {
    serde_json::to_string(value)
        .map_err(|error| Trouble::Rejected(format!("{what} cannot be written as JSON: {error}")))
}

/// A text as a packed body.
pub(super) fn pack(text: &str) -> Result<AttributeValue, Trouble> {
    let packed = packed::pack(text);
    let packed =
        packed.map_err(|error| Trouble::Rejected(format!("a body cannot be packed: {error}")))?;
    Ok(AttributeValue::B(Blob::new(packed)))
}

/// The text of an item's body, whether it is packed or not.
pub(super) fn body(item: &Item) -> Result<Cow<'_, str>, Trouble> {
    let Some(packed) = item.get(BODY).and_then(|value| value.as_b().ok()) else {
        return Ok(Cow::Borrowed(word(item, BODY)));
    };
    let text = packed::unpack(packed.as_ref()).map_err(|error| {
        Trouble::Rejected(format!(
            "the record {} {} cannot be read: {error}; restore it from a backup, or remove that item",
            word(item, PK),
            word(item, SK)
        ))
    })?;
    Ok(Cow::Owned(text))
}

/// The KiB that a write of an item is paid for.
pub(super) fn kib(item: &Item) -> usize {
    let bytes = |value: &AttributeValue| {
        let text = value.as_s().map(String::len);
        let packed = || value.as_b().map(|packed| packed.as_ref().len());
        // Two digits in a byte, and one for the sign and the size.
        let number = || value.as_n().map(|digits| digits.len().div_ceil(2) + 1);
        text.or_else(|_| packed())
            .or_else(|_| number())
            .unwrap_or(1)
    };
    let all = item.iter();
    let all: usize = all.map(|(name, value)| name.len() + bytes(value)).sum();
    all.div_ceil(1024)
}

/// The record that an item holds.
pub(super) fn decode<T: DeserializeOwned>(item: &Item) -> Result<T, Trouble> {
    decode_text(item, &body(item)?)
}

/// The record that a text of an item holds.
pub(super) fn decode_text<T: DeserializeOwned>(item: &Item, text: &str) -> Result<T, Trouble> {
    serde_json::from_str(text).map_err(|error| {
        // Only where and what kind: the parser's own words may quote what is stored, a variable's value say.
        let kind = match error.classify() {
            serde_json::error::Category::Data => "a field is missing or not of its kind",
            serde_json::error::Category::Eof => "it ends too early",
            serde_json::error::Category::Syntax | serde_json::error::Category::Io => "it is not JSON",
        };
        Trouble::Rejected(format!(
            "the record {} {} cannot be read: {kind}, at line {} column {}; restore it from a backup, or remove that item",
            word(item, PK),
            word(item, SK),
            error.line(),
            error.column()
        ))
    })
}

/// Keeps what could be read, and warns of what could not.
pub(super) fn keep<T>(read: Result<T, Trouble>, records: &mut Vec<T>) {
    match read {
        Ok(record) => records.push(record),
        Err(trouble) => tracing::warn!("skipped a record: {trouble}"),
    }
}

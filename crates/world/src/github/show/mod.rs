//! How GitHub writes what it knows: the fields that its own description requires, and those that are read.

mod check;
mod deployment;
mod git;
mod installation;
mod issue;
mod people;
mod pull_request;
mod repository;

pub(crate) use installation::{permissions, selection, show_delivery};
pub(crate) use issue::REACTIONS;
pub(crate) use repository::show_listed_repository;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::clock::iso;

/// An id of the graph, which nobody reads but everything has.
pub(crate) fn node(kind: &str, id: u64) -> String {
    STANDARD.encode(format!("{kind}{id}"))
}

/// A moment that may not have come.
pub(crate) fn moment(at: Option<i64>) -> Value {
    at.map_or(Value::Null, |at| Value::String(iso(at)))
}

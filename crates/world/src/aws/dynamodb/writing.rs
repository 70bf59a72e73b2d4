//! Operations that write one item or a batch, each by itself.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{
    expression::{Condition, Update, Words},
    state::{Place, State},
    value::{Item, read_item, show_item},
    wire::{Fail, parse},
};

/// The most writes of one batch.
const BATCH: usize = 25;

/// One write, of a request or of a transaction.
#[derive(Debug, Clone)]
pub(super) struct Write {
    pub(super) place: Place,
    pub(super) condition: Option<Condition>,
    pub(super) change: Change,
}

/// What is done with an item.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Put(Item),
    Delete,
    Update(Update),
    /// Only the condition is looked at.
    Nothing,
}

/// What every write says in the same words.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Asked {
    table_name: String,
    item: Option<Json>,
    key: Option<Json>,
    update_expression: Option<String>,
    condition_expression: Option<String>,
    expression_attribute_names: Option<Json>,
    expression_attribute_values: Option<Json>,
    return_values: Option<String>,
}

/// Which write it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Put,
    Delete,
    Update,
    Check,
}

impl Asked {
    /// The write, checked against the table's schema.
    pub(super) fn write(&self, state: &State, kind: Kind) -> Result<Write, Fail> {
        let table = state.table(&self.table_name)?;
        let words = Words::read(
            self.expression_attribute_names.as_ref(),
            self.expression_attribute_values.as_ref(),
        )?;
        let wrong = || Fail::invalid("the model does not know these parameters together");
        let (key, change) = match (kind, &self.item, &self.key, &self.update_expression) {
            (Kind::Put, Some(item), None, None) => {
                let item = read_item(item)?;
                table.fits(&item)?;
                (table.key(&item)?, Change::Put(item))
            }
            (Kind::Delete, None, Some(key), None) => {
                (table.whole_key(&read_item(key)?)?, Change::Delete)
            }
            (Kind::Check, None, Some(key), None) => {
                (table.whole_key(&read_item(key)?)?, Change::Nothing)
            }
            (Kind::Update, None, Some(key), Some(update)) => {
                let update = Update::read(update, &words)?;
                let keys = [&table.keys.hash, &table.keys.range];
                if let Some(name) = update.names().find(|name| keys.contains(name)) {
                    return Err(Fail::invalid(format!(
                        "One or more parameter values were invalid: Cannot update attribute {name}. This attribute is part of the key"
                    )));
                }
                (table.whole_key(&read_item(key)?)?, Change::Update(update))
            }
            _ => return Err(wrong()),
        };
        let condition = self.condition_expression.as_ref();
        let condition = condition
            .map(|text| Condition::read(text, &words))
            .transpose()?;
        words.all_used()?;
        if kind == Kind::Check && condition.is_none() {
            return Err(wrong());
        }
        Ok(Write {
            place: (self.table_name.clone(), key),
            condition,
            change,
        })
    }
}

impl Write {
    /// Whether its condition holds now.
    pub(super) fn may(&self, state: &State) -> bool {
        let (name, key) = &self.place;
        let table = state.tables.get(name);
        let there = table.and_then(|table| table.items.get(key));
        let nothing = Item::new();
        let condition = self.condition.as_ref();
        condition.is_none_or(|condition| condition.holds(there.unwrap_or(&nothing)))
    }

    /// The item as it is afterwards.
    pub(super) fn after(&self, state: &State) -> Result<Option<Item>, Fail> {
        let (name, key) = &self.place;
        let table = state.table(name)?;
        let there = table.items.get(key);
        match &self.change {
            Change::Put(item) => Ok(Some(item.clone())),
            Change::Delete => Ok(None),
            Change::Nothing => Ok(there.cloned()),
            Change::Update(update) => {
                let keyed = || {
                    let hash = (table.keys.hash.clone(), super::Value::S(key.0.clone()));
                    let range = (table.keys.range.clone(), super::Value::S(key.1.clone()));
                    Item::from([hash, range])
                };
                let after = update.apply(&there.cloned().unwrap_or_else(keyed))?;
                table.fits(&after)?;
                Ok(Some(after))
            }
        }
    }
}

/// `PutItem`, `DeleteItem`, `UpdateItem`.
pub(super) fn one(state: &mut State, body: &Json, kind: Kind) -> Result<Json, Fail> {
    let asked: Asked = parse(body)?;
    let write = asked.write(state, kind)?;
    if state.held.contains(&write.place) {
        return Err(Fail::conflict());
    }
    if !write.may(state) {
        // A refused write is paid for, too.
        state.writes += 1;
        return Err(Fail::unmet());
    }
    let after = write.after(state)?;
    state.replace(&write.place, after.clone(), 1);
    match (asked.return_values.as_deref(), after) {
        (None | Some("NONE"), _) => Ok(json!({})),
        (Some("ALL_NEW"), Some(item)) if kind == Kind::Update => {
            Ok(json!({ "Attributes": show_item(&item) }))
        }
        (Some(other), _) => Err(Fail::invalid(format!(
            "the model does not know ReturnValues {other} here"
        ))),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Batch {
    request_items: BTreeMap<String, Vec<Json>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct InBatch {
    put_request: Option<PutOf>,
    delete_request: Option<DeleteOf>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct PutOf {
    item: Json,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DeleteOf {
    key: Json,
}

/// `BatchWriteItem`: each write by itself, in no order.
pub(super) fn batch(state: &mut State, body: &Json, left_over: bool) -> Result<Json, Fail> {
    let asked: Batch = parse(body)?;
    let count: usize = asked.request_items.values().map(Vec::len).sum();
    if count == 0 || count > BATCH {
        return Err(Fail::invalid(
            "Too many items requested for the BatchWriteItem call",
        ));
    }
    let (mut writes, mut seen) = (Vec::new(), BTreeSet::new());
    for (name, requests) in &asked.request_items {
        for json in requests {
            let (one, kind): (InBatch, _) = (parse(json)?, json.get("PutRequest").is_some());
            let asked = Asked {
                table_name: name.clone(),
                item: one.put_request.map(|put| put.item),
                key: one.delete_request.map(|delete| delete.key),
                ..Asked::default()
            };
            let kind = if kind { Kind::Put } else { Kind::Delete };
            let write = asked.write(state, kind)?;
            if !seen.insert(write.place.clone()) {
                return Err(Fail::invalid(
                    "Provided list of item keys contains duplicates",
                ));
            }
            writes.push((json, write));
        }
    }
    let done = if left_over { count / 2 } else { count };
    let mut unwritten = json!({});
    for (place, (json, write)) in writes.into_iter().enumerate() {
        if place >= done || state.held.contains(&write.place) {
            let name = &write.place.0;
            if unwritten[name].is_null() {
                unwritten[name] = json!([]);
            }
            if let Some(rest) = unwritten[name].as_array_mut() {
                rest.push(json.clone());
            }
            continue;
        }
        let after = write.after(state)?;
        state.replace(&write.place, after, 1);
    }
    Ok(json!({ "UnprocessedItems": unwritten }))
}

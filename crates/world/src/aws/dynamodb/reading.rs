//! Operations that read: `GetItem`, `BatchGetItem`, `Query`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{
    expression::{Condition, Words},
    state::State,
    table::{Index, Table, units},
    value::{Item, Value, read_item, show_item, size},
    wire::{Fail, parse},
};

/// The most that one page of a query reads.
const PAGE: usize = 1 << 20;
/// The most that one batch answers.
const BATCH: usize = 16 << 20;
/// The most keys of one batch.
const BATCH_KEYS: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Get {
    table_name: String,
    key: Json,
    #[serde(default)]
    consistent_read: bool,
}

pub(super) fn get(state: &mut State, body: &Json) -> Result<Json, Fail> {
    let asked: Get = parse(body)?;
    let table = state.table(&asked.table_name)?;
    let key = table.whole_key(&read_item(&asked.key)?)?;
    let item = table.view(asked.consistent_read).get(&key).cloned();
    let bytes = item.as_ref().map_or(0, size);
    state.reads_twice += units(bytes, 4096) * if asked.consistent_read { 2 } else { 1 };
    Ok(match item {
        Some(item) => json!({ "Item": show_item(&item) }),
        None => json!({}),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct GetBatch {
    request_items: BTreeMap<String, KeysOf>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct KeysOf {
    keys: Vec<Json>,
    #[serde(default)]
    consistent_read: bool,
}

pub(super) fn get_batch(state: &mut State, body: &Json, left_over: bool) -> Result<Json, Fail> {
    let asked: GetBatch = parse(body)?;
    let count: usize = asked.request_items.values().map(|of| of.keys.len()).sum();
    if count == 0 || count > BATCH_KEYS {
        return Err(Fail::invalid(
            "Too many items requested for the BatchGetItem call",
        ));
    }
    let (mut responses, mut unread) = (json!({}), json!({}));
    let (mut bytes, mut twice) = (0, 0);
    let mut left = if left_over { count / 2 } else { count };
    for (name, of) in &asked.request_items {
        let table = state.table(name)?;
        let (mut items, mut rest, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
        for json in &of.keys {
            let key = table.whole_key(&read_item(json)?)?;
            if !seen.insert(key.clone()) {
                return Err(Fail::invalid(
                    "Provided list of item keys contains duplicates",
                ));
            }
            let item = table.view(of.consistent_read).get(&key);
            let of_item = item.map_or(0, size);
            if left == 0 || bytes + of_item > BATCH {
                rest.push(json.clone());
                continue;
            }
            left -= 1;
            bytes += of_item;
            twice += units(of_item, 4096) * if of.consistent_read { 2 } else { 1 };
            items.extend(item.map(show_item));
        }
        // DynamoDB answers in no order.
        items.reverse();
        responses[name] = items.into();
        if !rest.is_empty() {
            unread[name] = json!({ "Keys": rest, "ConsistentRead": of.consistent_read });
        }
    }
    state.reads_twice += twice;
    Ok(json!({ "Responses": responses, "UnprocessedKeys": unread }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Query {
    table_name: String,
    index_name: Option<String>,
    select: Option<String>,
    #[serde(default)]
    consistent_read: bool,
    scan_index_forward: Option<bool>,
    key_condition_expression: String,
    expression_attribute_names: Option<Json>,
    expression_attribute_values: Option<Json>,
    limit: Option<usize>,
    exclusive_start_key: Option<Json>,
}

pub(super) fn query(state: &mut State, body: &Json) -> Result<Json, Fail> {
    let asked: Query = parse(body)?;
    let table = state.table(&asked.table_name)?;
    let index = index_of(table, &asked)?;
    let keys = index.map_or(&table.keys, |index| &index.keys);
    let words = Words::read(
        asked.expression_attribute_names.as_ref(),
        asked.expression_attribute_values.as_ref(),
    )?;
    let condition = Condition::read(&asked.key_condition_expression, &words)?;
    words.all_used()?;
    let hash = condition.of_keys(&keys.hash, &keys.range)?;
    if asked.limit == Some(0) {
        return Err(Fail::invalid(
            "1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1",
        ));
    }
    let view = table.view(asked.consistent_read && index.is_none());
    let candidates: Box<dyn Iterator<Item = &Item>> = match (index, &hash) {
        (None, Value::S(hash)) => {
            let from = view.range((hash.clone(), String::new())..);
            let of_partition = from.take_while(move |((pk, _), _)| pk == hash);
            Box::new(of_partition.map(|(_, item)| item))
        }
        _ => Box::new(view.values()),
    };
    let mut found: Vec<Item> = candidates
        .filter(|item| condition.holds(item))
        .map(|item| projected(table, index, item))
        .collect();
    let order = |item: &Item| position(table, index, item);
    found.sort_by(|a, b| compare(&order(a), &order(b)));
    if asked.scan_index_forward == Some(false) {
        found.reverse();
    }
    if let Some(start) = &asked.exclusive_start_key {
        let start = read_item(start)?;
        if start.len() != if index.is_some() { 4 } else { 2 } {
            return Err(Fail::invalid("The provided starting key is invalid"));
        }
        let place = order(&start);
        let forward = asked.scan_index_forward != Some(false);
        found.retain(|item| {
            let order = compare(&order(item), &place);
            if forward {
                order.is_gt()
            } else {
                order.is_lt()
            }
        });
    }
    let (page, last) = page(found, asked.limit);
    let bytes: usize = page.iter().map(size).sum();
    let last = last
        .then(|| page.last().map(|item| start_of(table, index, item)))
        .flatten();
    let consistent = if asked.consistent_read { 2 } else { 1 };
    state.reads_twice += units(bytes, 4096) * consistent;
    let items: Vec<Json> = page.iter().map(show_item).collect();
    let mut answer = json!({ "Count": items.len(), "ScannedCount": items.len(), "Items": items });
    if let Some(last) = last {
        answer["LastEvaluatedKey"] = show_item(&last);
    }
    Ok(answer)
}

fn index_of<'a>(table: &'a Table, asked: &Query) -> Result<Option<&'a Index>, Fail> {
    let Some(name) = &asked.index_name else {
        return match &asked.select {
            None => Ok(None),
            Some(select) => Err(Fail::invalid(format!(
                "the model does not know Select {select} of a table"
            ))),
        };
    };
    let index = table.indexes.iter().find(|index| index.name == *name);
    let Some(index) = index else {
        return Err(Fail::invalid(format!(
            "The table does not have the specified index: {name}"
        )));
    };
    if asked.consistent_read {
        return Err(Fail::invalid(
            "Consistent reads are not supported on global secondary indexes",
        ));
    }
    if asked
        .select
        .as_deref()
        .is_some_and(|select| select != "ALL_PROJECTED_ATTRIBUTES")
    {
        return Err(Fail::invalid(
            "One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported for global secondary index",
        ));
    }
    Ok(Some(index))
}

/// What a reader of the index sees of an item: its keys.
fn projected(table: &Table, index: Option<&Index>, item: &Item) -> Item {
    match index {
        None => item.clone(),
        Some(_) => start_of(table, index, item),
    }
}

/// The keys of an item, of the table and of the index.
fn start_of(table: &Table, index: Option<&Index>, item: &Item) -> Item {
    let mut names = vec![&table.keys.hash, &table.keys.range];
    if let Some(index) = index {
        names.extend([&index.keys.hash, &index.keys.range]);
    }
    let keys = names.into_iter();
    keys.filter_map(|name| Some((name.clone(), item.get(name)?.clone())))
        .collect()
}

/// By what a query is ordered: an index by its sort key, and where that is the same in an order of its own.
fn position(table: &Table, index: Option<&Index>, item: &Item) -> Vec<Value> {
    let mut names = vec![&table.keys.range];
    if let Some(index) = index {
        names = vec![&index.keys.range, &table.keys.range, &table.keys.hash];
    }
    let values = names.into_iter();
    values.filter_map(|name| item.get(name).cloned()).collect()
}

fn compare(a: &[Value], b: &[Value]) -> std::cmp::Ordering {
    let pairs = a.iter().zip(b);
    let orders = pairs.filter_map(|(a, b)| a.compare(b));
    orders.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
}

/// What fits a page, and whether it ended before the end: also where the limit is met by the very last.
fn page(found: Vec<Item>, limit: Option<usize>) -> (Vec<Item>, bool) {
    let (mut page, mut bytes) = (Vec::new(), 0);
    let all = found.len();
    for item in found {
        bytes += size(&item);
        page.push(item);
        if limit == Some(page.len()) || bytes > PAGE {
            let is_limit = limit == Some(page.len());
            let more = page.len() < all;
            return (page, is_limit || more);
        }
    }
    (page, false)
}

//! A table: its schema, its items, its indexes, and what a reader may see of it who does not insist on the truth.

use std::collections::BTreeMap;

use super::{
    value::{Item, Value, size},
    wire::Fail,
};

/// The largest item.
const ITEM: usize = 400 * 1024;
/// The largest partition key.
const HASH_KEY: usize = 2048;
/// The largest sort key.
const RANGE_KEY: usize = 1024;

/// The key of a table or an index: the partition's attribute and the sort key's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// The attribute of the partition.
    pub hash: String,
    /// The attribute that orders a partition.
    pub range: String,
}

/// An index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// Its key.
    pub keys: Keys,
}

/// A table's items, by partition and sort key.
pub type Items = BTreeMap<(String, String), Item>;

/// A table.
#[derive(Debug, Clone)]
pub struct Table {
    /// Its key, both strings.
    pub keys: Keys,
    /// Its indexes, which name keys only.
    pub indexes: Vec<Index>,
    /// The type of each attribute that a key has.
    pub types: BTreeMap<String, String>,
    /// The attribute by which items expire.
    pub expires: Option<String>,
    /// What is there.
    pub items: Items,
    /// What was there when the readers of indexes began to lag; nothing while they do not.
    pub(super) seen: Option<Items>,
}

impl Table {
    /// The key of an item, or of what was given as one.
    pub(super) fn key(&self, item: &Item) -> Result<(String, String), Fail> {
        let part = |name: &str, most: usize| match item.get(name) {
            Some(Value::S(text)) if text.is_empty() => Err(Fail::invalid(format!(
                "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: {name}"
            ))),
            Some(Value::S(text)) if text.len() > most => Err(Fail::invalid(format!(
                "One or more parameter values were invalid: Size of key {name} has exceeded the maximum size limit of {most} bytes"
            ))),
            Some(Value::S(text)) => Ok(text.clone()),
            Some(other) => Err(Fail::invalid(format!(
                "One or more parameter values were invalid: Type mismatch for key {name} expected: S actual: {}",
                other.kind()
            ))),
            None => Err(Fail::invalid(format!(
                "One or more parameter values were invalid: Missing the key {name} in the item"
            ))),
        };
        Ok((
            part(&self.keys.hash, HASH_KEY)?,
            part(&self.keys.range, RANGE_KEY)?,
        ))
    }

    /// A key that was given must be nothing else.
    pub(super) fn whole_key(&self, key: &Item) -> Result<(String, String), Fail> {
        if key.len() != 2 {
            return Err(Fail::invalid(
                "The provided key element does not match the schema",
            ));
        }
        self.key(key)
    }

    /// Refuses an item that cannot be stored.
    pub(super) fn fits(&self, item: &Item) -> Result<(), Fail> {
        self.key(item)?;
        if size(item) > ITEM {
            return Err(Fail::invalid(
                "Item size has exceeded the maximum allowed size",
            ));
        }
        for (name, wanted) in &self.types {
            if let Some(value) = item.get(name)
                && value.kind() != wanted
            {
                return Err(Fail::invalid(format!(
                    "One or more parameter values were invalid: Type mismatch for Index Key {name} Expected: {wanted} Actual: {}",
                    value.kind()
                )));
            }
        }
        Ok(())
    }

    /// What somebody sees who reads; the truth only when he insists on it.
    pub(super) fn view(&self, consistent: bool) -> &Items {
        match &self.seen {
            Some(seen) if !consistent => seen,
            _ => &self.items,
        }
    }

    /// Write units of an index when an item is replaced.
    pub(super) fn index_units(&self, before: Option<&Item>, after: Option<&Item>) -> u64 {
        let of_one = |index: &Index| {
            let entry = |item: Option<&Item>| -> Option<Item> {
                let item = item?;
                let mut entry = Item::new();
                for name in [
                    &index.keys.hash,
                    &index.keys.range,
                    &self.keys.hash,
                    &self.keys.range,
                ] {
                    entry.insert(name.clone(), item.get(name)?.clone());
                }
                Some(entry)
            };
            match (entry(before), entry(after)) {
                (None, None) => 0,
                (Some(old), None) => units(size(&old), 1024),
                (None, Some(new)) => units(size(&new), 1024),
                (Some(old), Some(new)) if old == new => 0,
                // The entry moves: one is removed, and one is put.
                (Some(old), Some(new)) => units(size(&old), 1024) + units(size(&new), 1024),
            }
        };
        self.indexes.iter().map(of_one).sum()
    }

    /// Write units when an item is replaced.
    pub(super) fn write_units(before: Option<&Item>, after: Option<&Item>) -> u64 {
        let larger = before.map_or(0, size).max(after.map_or(0, size));
        units(larger, 1024)
    }
}

/// So many units, each of so many bytes, and one at least.
pub(super) fn units(bytes: usize, each: usize) -> u64 {
    u64::try_from(bytes.div_ceil(each).max(1)).unwrap_or(u64::MAX)
}

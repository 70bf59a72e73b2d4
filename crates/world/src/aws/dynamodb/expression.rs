//! Expressions, really read: conditions, conditions on keys, and updates.
//!
//! Stricter than DynamoDB in one thing: every attribute goes by a placeholder, so that no reserved word is met by chance.

mod reader;
#[cfg(test)]
mod tests;

use std::{
    cell::RefCell,
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use serde_json::Value as Json;

use super::{
    value::{Item, Value},
    wire::Fail,
};
use reader::Reader;

/// The names and values that expressions of one request use. Each must be used.
#[derive(Debug)]
pub(super) struct Words {
    names: BTreeMap<String, String>,
    values: BTreeMap<String, Value>,
    used: RefCell<BTreeSet<String>>,
}

impl Words {
    pub(super) fn read(names: Option<&Json>, values: Option<&Json>) -> Result<Self, Fail> {
        let mut words = Words {
            names: BTreeMap::new(),
            values: BTreeMap::new(),
            used: RefCell::new(BTreeSet::new()),
        };
        let empty = |what: &str| Fail::invalid(format!("{what} must not be empty"));
        if let Some(names) = names {
            let names = names.as_object().filter(|names| !names.is_empty());
            for (name, is) in names.ok_or_else(|| empty("ExpressionAttributeNames"))? {
                let is = is.as_str().unwrap_or_default().to_owned();
                if !name.starts_with('#') || is.is_empty() {
                    return Err(Fail::invalid(format!(
                        "ExpressionAttributeNames contains invalid key: Syntax error; key: \"{name}\""
                    )));
                }
                words.names.insert(name.clone(), is);
            }
        }
        if let Some(values) = values {
            let values = values.as_object().filter(|values| !values.is_empty());
            for (name, is) in values.ok_or_else(|| empty("ExpressionAttributeValues"))? {
                if !name.starts_with(':') {
                    return Err(Fail::invalid(format!(
                        "ExpressionAttributeValues contains invalid key: Syntax error; key: \"{name}\""
                    )));
                }
                words.values.insert(name.clone(), Value::read(is)?);
            }
        }
        Ok(words)
    }

    /// Refuses names and values that no expression used.
    pub(super) fn all_used(&self) -> Result<(), Fail> {
        let used = self.used.borrow();
        let unused = |all: Vec<&String>, what: &str| {
            let one = all.into_iter().find(|name| !used.contains(*name));
            one.map(|name| {
                Fail::invalid(format!(
                    "Value provided in {what} unused in expressions: keys: {{{name}}}"
                ))
            })
        };
        let name = unused(self.names.keys().collect(), "ExpressionAttributeNames");
        let value = unused(self.values.keys().collect(), "ExpressionAttributeValues");
        name.or(value).map_or(Ok(()), Err)
    }

    fn name(&self, placeholder: &str) -> Result<String, Fail> {
        self.used.borrow_mut().insert(placeholder.to_owned());
        self.names.get(placeholder).cloned().ok_or_else(|| {
            Fail::invalid(format!(
                "Invalid expression: An expression attribute name used in the document path is not defined; attribute name: {placeholder}"
            ))
        })
    }

    fn value(&self, placeholder: &str) -> Result<Value, Fail> {
        self.used.borrow_mut().insert(placeholder.to_owned());
        self.values.get(placeholder).cloned().ok_or_else(|| {
            Fail::invalid(format!(
                "Invalid expression: An expression attribute value used in expression is not defined; attribute value: {placeholder}"
            ))
        })
    }
}

/// What is compared or written.
#[derive(Debug, Clone, PartialEq)]
enum Operand {
    Attribute(String),
    Value(Value),
    /// The attribute, or this where there is none.
    Else(String, Box<Operand>),
    Sum(Box<Operand>, Box<Operand>),
}

/// What must hold of an item.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    Not(Box<Condition>),
    Exists(String),
    Absent(String),
    Begins(String, Value),
    Between(String, Value, Value),
    Compare(String, &'static str, Value),
}

impl Condition {
    pub(super) fn read(text: &str, words: &Words) -> Result<Self, Fail> {
        let mut reader = Reader::new(text, words)?;
        let condition = reader.or()?;
        reader.end()?;
        Ok(condition)
    }

    /// Whether it holds; of nothing, no comparison does.
    pub(super) fn holds(&self, item: &Item) -> bool {
        match self {
            Condition::And(a, b) => a.holds(item) && b.holds(item),
            Condition::Or(a, b) => a.holds(item) || b.holds(item),
            Condition::Not(a) => !a.holds(item),
            Condition::Exists(name) => item.contains_key(name),
            Condition::Absent(name) => !item.contains_key(name),
            Condition::Begins(name, start) => match (item.get(name), start) {
                (Some(Value::S(text)), Value::S(start)) => text.starts_with(start.as_str()),
                _ => false,
            },
            Condition::Between(name, from, to) => {
                let at = |other: &Value| item.get(name).and_then(|value| value.compare(other));
                at(from).is_some_and(Ordering::is_ge) && at(to).is_some_and(Ordering::is_le)
            }
            Condition::Compare(name, how, with) => {
                let Some(value) = item.get(name) else {
                    return false;
                };
                match *how {
                    "=" => value == with,
                    "<>" => value != with,
                    _ => value.compare(with).is_some_and(|order| match *how {
                        "<" => order.is_lt(),
                        "<=" => order.is_le(),
                        ">" => order.is_gt(),
                        _ => order.is_ge(),
                    }),
                }
            }
        }
    }

    /// What a condition on keys says of them: an equality of the partition, and one thing of the sort key.
    pub(super) fn of_keys(&self, hash: &str, range: &str) -> Result<Value, Fail> {
        let unsupported = || Fail::invalid("Query key condition not supported");
        match self {
            Condition::Compare(name, "=", value) if name == hash => Ok(value.clone()),
            Condition::And(first, second) => {
                let of_range = match &**second {
                    Condition::Compare(name, how, _) => name == range && *how != "<>",
                    Condition::Begins(name, _) | Condition::Between(name, _, _) => name == range,
                    Condition::And(..)
                    | Condition::Or(..)
                    | Condition::Not(_)
                    | Condition::Exists(_)
                    | Condition::Absent(_) => false,
                };
                match (&**first, of_range) {
                    (Condition::Compare(name, "=", value), true) if name == hash => {
                        Ok(value.clone())
                    }
                    _ => Err(unsupported()),
                }
            }
            Condition::Compare(..)
            | Condition::Or(..)
            | Condition::Not(_)
            | Condition::Exists(_)
            | Condition::Absent(_)
            | Condition::Begins(..)
            | Condition::Between(..) => Err(unsupported()),
        }
    }
}

/// What an update does.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Update {
    set: Vec<(String, Operand)>,
    remove: Vec<String>,
    add: Vec<(String, Value)>,
}

impl Update {
    pub(super) fn read(text: &str, words: &Words) -> Result<Self, Fail> {
        let mut reader = Reader::new(text, words)?;
        let mut update = Update::default();
        let mut seen = BTreeSet::new();
        while let Some(clause) = reader.word() {
            if !seen.insert(clause.clone()) {
                return Err(Fail::invalid(format!(
                    "Invalid UpdateExpression: The \"{clause}\" section can only be used once in an update expression;"
                )));
            }
            loop {
                let name = reader.attribute()?;
                match clause.as_str() {
                    "SET" => {
                        reader.sign("=")?;
                        let operand = reader.operand()?;
                        update.set.push((name, operand));
                    }
                    "REMOVE" => update.remove.push(name),
                    "ADD" => {
                        let value = reader.value()?;
                        update.add.push((name, value));
                    }
                    _ => return Err(reader.wrong()),
                }
                if !reader.takes(",") {
                    break;
                }
            }
        }
        reader.end()?;
        update.once_each()?;
        Ok(update)
    }

    fn once_each(&self) -> Result<(), Fail> {
        let mut seen = BTreeSet::new();
        match self.names().find(|name| !seen.insert((*name).clone())) {
            None => Ok(()),
            Some(name) => Err(Fail::invalid(format!(
                "Invalid UpdateExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [{name}], path two: [{name}]"
            ))),
        }
    }

    /// The attributes that it changes.
    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        let set = self.set.iter().map(|(name, _)| name);
        let add = self.add.iter().map(|(name, _)| name);
        set.chain(&self.remove).chain(add)
    }

    /// The item as it is then; every operand means the item as it was.
    pub(super) fn apply(&self, before: &Item) -> Result<Item, Fail> {
        let mut after = before.clone();
        for (name, operand) in &self.set {
            after.insert(name.clone(), operand.of(before)?);
        }
        for name in &self.remove {
            after.remove(name);
        }
        for (name, value) in &self.add {
            let sum = match (before.get(name), value) {
                (None, Value::N(more)) => *more,
                (Some(Value::N(there)), Value::N(more)) => there + more,
                _ => {
                    return Err(Fail::invalid(
                        "An operand in the update expression has an incorrect data type",
                    ));
                }
            };
            after.insert(name.clone(), Value::N(sum));
        }
        Ok(after)
    }
}

impl Operand {
    fn of(&self, item: &Item) -> Result<Value, Fail> {
        match self {
            Operand::Value(value) => Ok(value.clone()),
            Operand::Attribute(name) => item.get(name).cloned().ok_or_else(|| {
                Fail::invalid("The provided expression refers to an attribute that does not exist in the item")
            }),
            Operand::Else(name, other) => match item.get(name) {
                Some(value) => Ok(value.clone()),
                None => other.of(item),
            },
            Operand::Sum(a, b) => match (a.of(item)?, b.of(item)?) {
                (Value::N(a), Value::N(b)) => Ok(Value::N(a + b)),
                _ => Err(Fail::invalid(
                    "An operand in the update expression has an incorrect data type",
                )),
            },
        }
    }
}

//! What is written together, and the conditions that it is written under.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, Put, TransactWriteItem, Update,
};

use super::{
    calls::unbuilt,
    items::{Item, digits},
    trouble::Trouble,
};

/// Actions of one transaction, as DynamoDB limits it.
const MOST: usize = 100;

/// What must hold of an item, with the names and values of its expression. Every name goes by a placeholder, since DynamoDB
/// reserves hundreds of words.
#[derive(Debug, Clone, Default)]
pub(super) struct Condition {
    expression: String,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Condition {
    /// None at all.
    pub(super) fn none() -> Self {
        Condition::default()
    }

    /// This expression; `#name` stands for the attribute of that name.
    pub(super) fn of(expression: &str) -> Self {
        Condition {
            expression: expression.to_owned(),
            ..Condition::default()
        }
        .naming(expression)
    }

    /// There is no item.
    pub(super) fn absent() -> Self {
        Condition::of("attribute_not_exists(#pk)")
    }

    /// There is an item.
    pub(super) fn present() -> Self {
        Condition::of("attribute_exists(#pk)")
    }

    /// There is no item, or one that counts as gone.
    pub(super) fn absent_or_expired(horizon: u64) -> Self {
        Condition::of("attribute_not_exists(#pk) OR #expires <= :horizon")
            .value(":horizon", digits(horizon))
    }

    /// The item is as it was read; `None` for no item.
    pub(super) fn unchanged(name: &str, before: Option<&Item>) -> Self {
        match before {
            None => Condition::absent(),
            Some(item) => match item.get(name) {
                Some(value) => {
                    Condition::of(&format!("#{name} = :before")).value(":before", value.clone())
                }
                None => Condition::of(&format!(
                    "attribute_exists(#pk) AND attribute_not_exists(#{name})"
                )),
            },
        }
    }

    /// A value that the expression, or that of the update, names.
    #[must_use]
    pub(super) fn value(mut self, name: &str, value: AttributeValue) -> Self {
        self.values.insert(name.to_owned(), value);
        self
    }

    /// The placeholders of the update's expression, too.
    #[must_use]
    pub(super) fn naming(mut self, expression: &str) -> Self {
        for part in expression.split('#').skip(1) {
            let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let name = &part[..end.unwrap_or(part.len())];
            self.names.insert(format!("#{name}"), name.to_owned());
        }
        self
    }

    pub(super) fn expression(&self) -> Option<String> {
        (!self.expression.is_empty()).then(|| self.expression.clone())
    }

    pub(super) fn names(&self) -> Option<HashMap<String, String>> {
        (!self.names.is_empty()).then(|| self.names.clone())
    }

    pub(super) fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        (!self.values.is_empty()).then(|| self.values.clone())
    }
}

#[derive(Debug, Clone)]
enum Action {
    Put(Item),
    Delete(Item),
    Check(Item),
    Update(Item, String),
}

/// What is written together, or not at all.
#[derive(Debug, Clone, Default)]
pub(super) struct Transaction(Vec<(String, Action, Condition)>);

impl Transaction {
    /// Puts an item. Answers the place of the action, by which an unmet condition is named.
    pub(super) fn put(&mut self, table: &str, item: Item, condition: Condition) -> usize {
        self.add(table, Action::Put(item), condition)
    }

    /// Removes an item.
    pub(super) fn delete(&mut self, table: &str, key: Item, condition: Condition) -> usize {
        self.add(table, Action::Delete(key), condition)
    }

    /// Changes an item as the expression says; the condition carries its names and values.
    pub(super) fn update(
        &mut self,
        table: &str,
        key: Item,
        expression: &str,
        condition: Condition,
    ) -> usize {
        let condition = condition.naming(expression);
        self.add(table, Action::Update(key, expression.to_owned()), condition)
    }

    /// Only looks whether the condition holds.
    pub(super) fn check(&mut self, table: &str, key: Item, condition: Condition) -> usize {
        self.add(table, Action::Check(key), condition)
    }

    /// The one put that it consists of: table, item and condition. Itself, when it is anything else.
    pub(super) fn one_put(mut self) -> Result<(String, Item, Condition), Self> {
        match self.0.pop() {
            Some((table, Action::Put(item), condition)) if self.0.is_empty() => {
                Ok((table, item, condition))
            }
            last => {
                self.0.extend(last);
                Err(self)
            }
        }
    }

    fn add(&mut self, table: &str, action: Action, condition: Condition) -> usize {
        self.0.push((table.to_owned(), action, condition));
        self.0.len() - 1
    }

    /// As DynamoDB takes them.
    pub(super) fn actions(self) -> Result<Vec<TransactWriteItem>, Trouble> {
        if self.0.len() > MOST {
            return Err(Trouble::Rejected(format!(
                "{} records were to be written together, and DynamoDB takes {MOST}",
                self.0.len()
            )));
        }
        let actions = self.0.into_iter();
        actions
            .map(|(table, action, condition)| built(table, action, &condition))
            .collect()
    }
}

fn built(table: String, action: Action, under: &Condition) -> Result<TransactWriteItem, Trouble> {
    let built = TransactWriteItem::builder();
    Ok(match action {
        Action::Put(item) => {
            let put = Put::builder().table_name(table).set_item(Some(item));
            let put = put
                .set_condition_expression(under.expression())
                .set_expression_attribute_names(under.names())
                .set_expression_attribute_values(under.values());
            built.put(put.build().map_err(unbuilt)?)
        }
        Action::Delete(key) => {
            let delete = Delete::builder().table_name(table).set_key(Some(key));
            let delete = delete
                .set_condition_expression(under.expression())
                .set_expression_attribute_names(under.names())
                .set_expression_attribute_values(under.values());
            built.delete(delete.build().map_err(unbuilt)?)
        }
        Action::Update(key, expression) => {
            let update = Update::builder().table_name(table).set_key(Some(key));
            let update = update
                .update_expression(expression)
                .set_condition_expression(under.expression())
                .set_expression_attribute_names(under.names())
                .set_expression_attribute_values(under.values());
            built.update(update.build().map_err(unbuilt)?)
        }
        Action::Check(key) => {
            let check = ConditionCheck::builder()
                .table_name(table)
                .set_key(Some(key));
            let check = check
                .set_condition_expression(under.expression())
                .set_expression_attribute_names(under.names())
                .set_expression_attribute_values(under.values());
            built.condition_check(check.build().map_err(unbuilt)?)
        }
    }
    .build())
}

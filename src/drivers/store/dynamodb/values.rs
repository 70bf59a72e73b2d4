//! Secrets (as envelopes) and plain variables, in a table of their own.

use nestling_domain::{
    app::VariableName,
    ids::{AppId, Class},
    record::Value,
};

use super::{
    DynamoDb, apps,
    items::{decode, item, keep, record},
    keys,
    queries::Query,
    transaction::{Condition, Transaction},
    trouble::Trouble,
};

fn key(class: Class, name: &VariableName) -> String {
    format!("{}{}", keys::values(class), name.as_str())
}

pub(super) async fn put(store: &DynamoDb, value: &Value) -> Result<(), Trouble> {
    let pk = keys::app(&value.app);
    let put = record((&pk, &key(value.class, &value.name)), "a value", value)?;
    let mut all = Transaction::default();
    let removed = item(keys::REMOVED, &pk);
    all.check(store.records(), removed, Condition::absent());
    all.put(store.values_table(), put, Condition::none());
    match store.write(all).await {
        Err(Trouble::Unmet(_)) => {
            apps::must_not_be_removed(store, &value.app).await?;
            Err(Trouble::Conflict(format!("app {}", value.app)))
        }
        outcome => outcome,
    }
}

pub(super) async fn of_app(
    store: &DynamoDb,
    app: &AppId,
    class: Class,
) -> Result<Vec<Value>, Trouble> {
    let query = Query::prefix(keys::app(app), &keys::values(class));
    let mut values = Vec::new();
    store
        .each(store.values_table(), &query, None, |item| {
            keep(decode(&item), &mut values);
            true
        })
        .await?;
    Ok(values)
}

/// Looks first, since an answer that is lost would not be told from one that there was none.
pub(super) async fn delete(
    store: &DynamoDb,
    app: &AppId,
    class: Class,
    name: &VariableName,
) -> Result<bool, Trouble> {
    let (pk, sk) = (keys::app(app), key(class, name));
    let table = store.values_table();
    if store.get(table, &pk, &sk).await?.is_none() {
        return Ok(false);
    }
    store.delete(table, item(pk, sk)).await?;
    Ok(true)
}

/// Removes all values of an app that is removed, so that nobody puts any meanwhile.
pub(super) async fn delete_all(store: &DynamoDb, app: &AppId) -> Result<(), Trouble> {
    let table = store.values_table();
    let keys = store.keys_in(table, &keys::app(app)).await?;
    store.delete_each(table, keys).await
}

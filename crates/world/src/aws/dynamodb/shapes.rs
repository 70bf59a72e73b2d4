//! Operations on tables themselves: made, described, and told what expires.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{
    state::State,
    table::{Index, Items, Keys, Table},
    wire::{Fail, parse},
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Create {
    table_name: String,
    billing_mode: String,
    deletion_protection_enabled: Option<bool>,
    attribute_definitions: Vec<Definition>,
    key_schema: Vec<Key>,
    #[serde(default)]
    global_secondary_indexes: Vec<IndexOf>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Definition {
    attribute_name: String,
    attribute_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Key {
    attribute_name: String,
    key_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct IndexOf {
    index_name: String,
    key_schema: Vec<Key>,
    projection: Projection,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Projection {
    projection_type: String,
}

pub(super) fn create(state: &mut State, body: &Json) -> Result<Json, Fail> {
    let asked: Create = parse(body)?;
    if state.tables.contains_key(&asked.table_name) {
        return Err(Fail::new(
            "ResourceInUseException",
            format!("Table already exists: {}", asked.table_name),
        ));
    }
    let _ = asked.deletion_protection_enabled;
    if asked.billing_mode != "PAY_PER_REQUEST" {
        return Err(Fail::invalid("the model knows only PAY_PER_REQUEST"));
    }
    let keys = keys_of(&asked.key_schema)?;
    let mut indexes = Vec::new();
    for index in &asked.global_secondary_indexes {
        if index.projection.projection_type != "KEYS_ONLY" {
            return Err(Fail::invalid(
                "the model knows only the projection KEYS_ONLY",
            ));
        }
        indexes.push(Index {
            name: index.index_name.clone(),
            keys: keys_of(&index.key_schema)?,
        });
    }
    let types: BTreeMap<String, String> = asked
        .attribute_definitions
        .into_iter()
        .map(|one| (one.attribute_name, one.attribute_type))
        .collect();
    let mut used: Vec<&String> = vec![&keys.hash, &keys.range];
    for index in &indexes {
        used.extend([&index.keys.hash, &index.keys.range]);
    }
    if used.len() != types.len() || used.iter().any(|name| !types.contains_key(*name)) {
        return Err(Fail::invalid(
            "One or more parameter values were invalid: Some AttributeDefinitions are not used, or some keys are not defined",
        ));
    }
    let table = Table {
        keys,
        indexes,
        types,
        expires: None,
        items: Items::new(),
        seen: None,
    };
    let description = describe_table(&asked.table_name, &table);
    state.tables.insert(asked.table_name, table);
    Ok(json!({ "TableDescription": description }))
}

fn keys_of(schema: &[Key]) -> Result<Keys, Fail> {
    let of = |kind: &str| {
        let key = schema.iter().find(|key| key.key_type == kind);
        key.map(|key| key.attribute_name.clone())
            .ok_or_else(|| Fail::invalid("the model knows only keys of two attributes"))
    };
    Ok(Keys {
        hash: of("HASH")?,
        range: of("RANGE")?,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Named {
    table_name: String,
}

pub(super) fn describe(state: &State, body: &Json) -> Result<Json, Fail> {
    let asked: Named = parse(body)?;
    let table = state.table(&asked.table_name)?;
    Ok(json!({ "Table": describe_table(&asked.table_name, table) }))
}

fn describe_table(name: &str, table: &Table) -> Json {
    let schema = |keys: &Keys| {
        json!([
            { "AttributeName": keys.hash, "KeyType": "HASH" },
            { "AttributeName": keys.range, "KeyType": "RANGE" },
        ])
    };
    let types = table.types.iter();
    let types: Vec<Json> = types
        .map(|(name, is)| json!({ "AttributeName": name, "AttributeType": is }))
        .collect();
    let mut description = json!({
        "TableName": name,
        "TableStatus": "ACTIVE",
        "KeySchema": schema(&table.keys),
        "AttributeDefinitions": types,
        "BillingModeSummary": { "BillingMode": "PAY_PER_REQUEST" },
        "ItemCount": table.items.len(),
    });
    if !table.indexes.is_empty() {
        let indexes = table.indexes.iter().map(|index| {
            json!({
                "IndexName": index.name,
                "KeySchema": schema(&index.keys),
                "Projection": { "ProjectionType": "KEYS_ONLY" },
                "IndexStatus": "ACTIVE",
            })
        });
        description["GlobalSecondaryIndexes"] = indexes.collect::<Vec<_>>().into();
    }
    description
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct LetExpire {
    table_name: String,
    time_to_live_specification: Specification,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Specification {
    enabled: bool,
    attribute_name: String,
}

pub(super) fn let_expire(state: &mut State, body: &Json) -> Result<Json, Fail> {
    let asked: LetExpire = parse(body)?;
    let by = asked.time_to_live_specification;
    let name = asked.table_name;
    let table = state.tables.get_mut(&name);
    let table = table.ok_or_else(|| Fail::no_table(&name))?;
    if by.enabled && table.expires.is_some() {
        return Err(Fail::invalid("TimeToLive is already enabled"));
    }
    table.expires = by.enabled.then(|| by.attribute_name.clone());
    Ok(json!({
        "TimeToLiveSpecification": { "Enabled": by.enabled, "AttributeName": by.attribute_name }
    }))
}

pub(super) fn describe_expiry(state: &State, body: &Json) -> Result<Json, Fail> {
    let asked: Named = parse(body)?;
    let table = state.table(&asked.table_name)?;
    let description = match &table.expires {
        Some(name) => json!({ "TimeToLiveStatus": "ENABLED", "AttributeName": name }),
        None => json!({ "TimeToLiveStatus": "DISABLED" }),
    };
    Ok(json!({ "TimeToLiveDescription": description }))
}

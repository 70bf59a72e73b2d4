//! The two tables: what they must be like, whether they are, and how they are made.

use std::time::Duration;

use aws_sdk_dynamodb::{
    error::{BuildError, ProvideErrorMetadata as _},
    types::{
        AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType,
        Projection, ProjectionType, ScalarAttributeType, TableDescription, TableStatus,
        TimeToLiveSpecification, TimeToLiveStatus,
    },
};
use tokio::time::{Instant, sleep};

use super::{
    DynamoDb,
    items::{EXPIRES, PK, SK},
    trouble::{Trouble, Verdict, for_people},
};

/// The index of the environments that owe or await something, by when they are due.
pub(super) const DUE_INDEX: &str = "due";
/// In which part of it; not there when nothing is due.
pub(super) const DUE_PART: &str = "due_part";
/// When it is due, in milliseconds.
pub(super) const DUE_AT: &str = "due_at";

/// How often it is looked whether a table is ready; it takes some ten seconds.
const LOOK: Duration = Duration::from_millis(500);
/// The longest a table may take to be ready.
const READY: Duration = Duration::from_mins(3);

/// Why the tables cannot be looked at or made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TableError(String);

impl From<Trouble> for TableError {
    fn from(trouble: Trouble) -> Self {
        TableError(trouble.to_string())
    }
}

impl From<BuildError> for TableError {
    fn from(error: BuildError) -> Self {
        super::calls::unbuilt(error).into()
    }
}

/// What a look at the tables found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// They are as they must be.
    Right,
    /// The store works, and what has expired stays and is paid for.
    Keeps(String),
    /// The store cannot work.
    Wrong(String),
}

/// One table as it must be: whether it has the index.
#[derive(Debug, Clone, Copy)]
struct Plan<'a> {
    name: &'a str,
    has_index: bool,
}

impl DynamoDb {
    fn plans(&self) -> [Plan<'_>; 2] {
        [
            Plan {
                name: self.records(),
                has_index: true,
            },
            Plan {
                name: self.values_table(),
                has_index: false,
            },
        ]
    }

    /// Looks whether both tables are there and as they must be, and changes nothing.
    pub async fn shape(&self) -> Result<Shape, TableError> {
        let mut keeps = None;
        for plan in self.plans() {
            let Some(table) = self.describe(plan.name).await? else {
                return Ok(Shape::Wrong(format!(
                    "there is no table {} in {}: make it with `nestling tables create`, or name the right one in store.dynamodb",
                    plan.name, self.0.region
                )));
            };
            if let Some(fault) = fault(plan, &table) {
                return Ok(Shape::Wrong(format!(
                    "the table {} is of another shape: {fault}; name another in store.dynamodb, and make it with `nestling tables create`",
                    plan.name
                )));
            }
            if plan.has_index && !self.expires(plan.name).await? {
                keeps = Some(format!(
                    "the table {} removes nothing that has expired: set its time to live to the attribute {EXPIRES:?}; `nestling tables create` does that",
                    plan.name
                ));
            }
        }
        Ok(keeps.map_or(Shape::Right, Shape::Keeps))
    }

    /// Makes what is missing, and waits until it can be used. Answers what was done, in words; what is there stays as it is.
    pub async fn create_tables(&self) -> Result<Vec<String>, TableError> {
        let mut done = Vec::new();
        for plan in self.plans() {
            if self.describe(plan.name).await?.is_none() {
                self.create(plan).await?;
                done.push(format!("made the table {} in {}", plan.name, self.0.region));
            }
            self.ready(plan).await?;
            if plan.has_index && !self.expires(plan.name).await? {
                self.let_expire(plan.name).await?;
                done.push(format!(
                    "the table {} removes what has expired by its attribute {EXPIRES:?}",
                    plan.name
                ));
            }
        }
        Ok(done)
    }

    async fn describe(&self, table: &str) -> Result<Option<TableDescription>, Trouble> {
        let request = self.0.client.describe_table().table_name(table);
        let asked = format!("dynamodb:DescribeTable of {table}");
        let answer = self
            .ask(
                &asked,
                || request.clone().send(),
                |error| {
                    let is_gone = error.code() == Some("ResourceNotFoundException");
                    let gone = is_gone.then_some(Verdict::Final(Trouble::Unmet(0)));
                    gone.or_else(|| for_people(&asked, error))
                },
            )
            .await;
        match answer {
            Ok(answer) => Ok(answer.table),
            Err(Trouble::Unmet(_)) => Ok(None),
            Err(other) => Err(other),
        }
    }

    async fn create(&self, plan: Plan<'_>) -> Result<(), TableError> {
        let mut request = self.0.client.create_table().table_name(plan.name);
        request = request
            .billing_mode(BillingMode::PayPerRequest)
            .deletion_protection_enabled(true)
            .attribute_definitions(attribute(PK, &ScalarAttributeType::S)?)
            .attribute_definitions(attribute(SK, &ScalarAttributeType::S)?)
            .key_schema(key(PK, KeyType::Hash)?)
            .key_schema(key(SK, KeyType::Range)?);
        if plan.has_index {
            let keys_only = Projection::builder()
                .projection_type(ProjectionType::KeysOnly)
                .build();
            let index = GlobalSecondaryIndex::builder()
                .index_name(DUE_INDEX)
                .key_schema(key(DUE_PART, KeyType::Hash)?)
                .key_schema(key(DUE_AT, KeyType::Range)?)
                .projection(keys_only)
                .build()?;
            request = request
                .attribute_definitions(attribute(DUE_PART, &ScalarAttributeType::S)?)
                .attribute_definitions(attribute(DUE_AT, &ScalarAttributeType::N)?)
                .global_secondary_indexes(index);
        }
        let asked = format!("dynamodb:CreateTable of {}", plan.name);
        let made = self
            .ask(
                &asked,
                || request.clone().send(),
                |error| {
                    // A try before, or somebody else, was quicker.
                    let is_there = error.code() == Some("ResourceInUseException");
                    is_there.then_some(Verdict::Final(Trouble::Unmet(0)))
                },
            )
            .await;
        match made {
            Ok(_) | Err(Trouble::Unmet(_)) => Ok(()),
            Err(other) => Err(other.into()),
        }
    }

    async fn ready(&self, plan: Plan<'_>) -> Result<(), TableError> {
        let until = Instant::now() + READY;
        while Instant::now() < until {
            let table = self.describe(plan.name).await?;
            if table.is_some_and(|table| table.table_status == Some(TableStatus::Active)) {
                return Ok(());
            }
            sleep(LOOK).await;
        }
        Err(TableError(format!(
            "the table {} was not ready within {} s: look at it in the console of AWS, and run this again",
            plan.name,
            READY.as_secs()
        )))
    }

    async fn expires(&self, table: &str) -> Result<bool, Trouble> {
        let request = self.0.client.describe_time_to_live().table_name(table);
        let asked = format!("dynamodb:DescribeTimeToLive of {table}");
        let answer = self
            .ask(&asked, || request.clone().send(), |_| None)
            .await?;
        let Some(set) = answer.time_to_live_description else {
            return Ok(false);
        };
        let is_on = matches!(
            set.time_to_live_status,
            Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)
        );
        Ok(is_on && set.attribute_name.as_deref() == Some(EXPIRES))
    }

    async fn let_expire(&self, table: &str) -> Result<(), TableError> {
        let by = TimeToLiveSpecification::builder()
            .enabled(true)
            .attribute_name(EXPIRES)
            .build()?;
        let request = self.0.client.update_time_to_live().table_name(table);
        let request = request.time_to_live_specification(by);
        let asked = format!("dynamodb:UpdateTimeToLive of {table}");
        self.ask(&asked, || request.clone().send(), |_| None)
            .await?;
        Ok(())
    }
}

fn attribute(name: &str, is: &ScalarAttributeType) -> Result<AttributeDefinition, BuildError> {
    AttributeDefinition::builder()
        .attribute_name(name)
        .attribute_type(is.clone())
        .build()
}

fn key(name: &str, is: KeyType) -> Result<KeySchemaElement, BuildError> {
    KeySchemaElement::builder()
        .attribute_name(name)
        .key_type(is)
        .build()
}

/// What is not as it must be, in words.
fn fault(plan: Plan<'_>, table: &TableDescription) -> Option<String> {
    let status = table.table_status();
    if !matches!(status, Some(TableStatus::Active | TableStatus::Updating)) {
        let status = status.map_or("unknown", TableStatus::as_str);
        return Some(format!("its status is {status}, not ACTIVE"));
    }
    let is_of = |name: &str, wanted: &ScalarAttributeType| {
        let mut defined = table.attribute_definitions().iter();
        defined.any(|known| known.attribute_name() == name && known.attribute_type() == wanted)
    };
    let text = ScalarAttributeType::S;
    if !is_key(table.key_schema(), PK, SK) || !is_of(PK, &text) || !is_of(SK, &text) {
        return Some(format!(
            "its key must be {PK:?} (partition) and {SK:?} (sort), both strings"
        ));
    }
    if !plan.has_index {
        return None;
    }
    let mut indexes = table.global_secondary_indexes().iter();
    let index = indexes.find(|index| index.index_name() == Some(DUE_INDEX));
    let is_right = index.is_some_and(|index| is_key(index.key_schema(), DUE_PART, DUE_AT))
        && is_of(DUE_PART, &text)
        && is_of(DUE_AT, &ScalarAttributeType::N);
    (!is_right).then(|| {
        format!(
            "it needs the global secondary index {DUE_INDEX:?} with the key {DUE_PART:?} (partition, a string) and {DUE_AT:?} (sort, a number)"
        )
    })
}

fn is_key(schema: &[KeySchemaElement], hash: &str, range: &str) -> bool {
    let has = |name: &str, is: KeyType| {
        let mut keys = schema.iter();
        keys.any(|key| key.attribute_name() == name && *key.key_type() == is)
    };
    schema.len() == 2 && has(hash, KeyType::Hash) && has(range, KeyType::Range)
}

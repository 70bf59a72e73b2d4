//! Deployments, events, and how far each consumer of events has read.
//!
//! What happened with one save is two items: one in the list of all events, for consumers, and one in the partition of the
//! environment, for people.

use nestling_domain::{
    ids::{EnvironmentId, Generation, Timestamp, Version},
    lifecycle::Happened,
    record::{DeploymentRecord, EventNumber, EventRecord},
};
use std::collections::BTreeMap;

use super::{
    DynamoDb,
    items::{
        BODY, EXPIRES, Item, PK, SK, With, decode_text, digits, encode, encode_any, item, keep,
        number, record, text, word,
    },
    keys,
    queries::{Query, Span},
    transaction::{Condition, Transaction},
    trouble::Trouble,
    upkeep::{EVENTS, HISTORY, expiry},
};
use crate::drivers::store::Save;

/// The numbers of the first and the last event of an item.
const FIRST: &str = "first";
const LAST: &str = "last";
const ENVIRONMENT: &str = "environment";
const VERSION: &str = "version";
/// When it happened, in milliseconds.
pub(super) const AT: &str = "at";
const BY: &str = "by";
/// How far a consumer has read.
const READ: &str = "read";
/// Items that are looked at at once for their age: mostly the first is too young.
const PRUNED_AT_ONCE: usize = 25;
/// How many events are asked for at once, whatever a caller wants.
const AT_ONCE: usize = 500;

/// The events of a save, numbered from `first` on.
pub(super) fn records(save: &Save, first: u64) -> Vec<EventRecord> {
    let environment = &save.environment;
    let numbered = (first..).zip(&save.happened);
    numbered
        .map(|(number, what)| EventRecord {
            number: EventNumber(number),
            environment: environment.id.clone(),
            version: environment.version,
            at: environment.updated_at,
            by: save.by.clone(),
            what: what.clone(),
        })
        .collect()
}

/// Adds the deployments and events of a save to what is written together.
pub(super) fn write(
    store: &DynamoDb,
    all: &mut Transaction,
    save: &Save,
    events: &[EventRecord],
) -> Result<(), Trouble> {
    write_deployments(store, all, save)?;
    let (Some(first), Some(last)) = (events.first(), events.last()) else {
        return Ok(());
    };
    let id = &save.environment.id;
    let bodies = save
        .happened
        .iter()
        .map(|what| encode_any("an event", what));
    let bodies: Vec<String> = bodies.collect::<Result<_, _>>()?;
    let body = encode("what happened", &bodies)?;
    let whole = |item: Item| {
        item.with(FIRST, digits(first.number.0))
            .with(LAST, digits(last.number.0))
            .with(ENVIRONMENT, text(&id.0))
            .with(VERSION, digits(first.version.0))
            .with(AT, digits(first.at.0))
            .with(BY, text(&first.by))
            .with(BODY, text(&body))
    };
    let listed = item(part_of(last.number.0), keys::listed_event(last.number, id));
    all.put(store.records(), whole(listed), Condition::none());
    let of_environment = item(keys::environment(id), keys::event(first.number.0));
    let of_environment = whole(of_environment).with(EXPIRES, expiry(first.at, EVENTS));
    all.put(store.records(), of_environment, Condition::none());
    Ok(())
}

/// The part of the list of events where a number is: neighbours lie apart.
fn part_of(number: u64) -> String {
    let part = u32::try_from(number % u64::from(keys::PARTS));
    keys::part(keys::EVENTS, part.unwrap_or_default())
}

/// The deployments, and the end of those that a new one makes one too many.
fn write_deployments(store: &DynamoDb, all: &mut Transaction, save: &Save) -> Result<(), Trouble> {
    let pk = keys::environment(&save.environment.id);
    let by_generation = save.deployments.iter();
    let mut records: BTreeMap<u32, &DeploymentRecord> = by_generation
        .map(|record| (record.generation.0, record))
        .collect();
    let Some(newest) = records.keys().next_back().copied() else {
        return Ok(());
    };
    let gone = |generation: u32| generation.checked_sub(HISTORY).filter(|old| *old > 0);
    // One that was never written before has entered its first phase only.
    let new = records.values().filter(|record| record.phases.len() <= 1);
    let gone: Vec<u32> = new.filter_map(|record| gone(record.generation.0)).collect();
    records.retain(|generation, _| generation.saturating_add(HISTORY) > newest);
    for (generation, record_of) in &records {
        let sk = keys::deployment(Generation(*generation));
        let put = record((&pk, &sk), "a deployment", record_of)?;
        all.put(store.records(), put, Condition::none());
    }
    for old in gone.into_iter().filter(|old| !records.contains_key(old)) {
        let key = item(&pk, keys::deployment(Generation(old)));
        all.delete(store.records(), key, Condition::none());
    }
    Ok(())
}

pub(super) async fn deployments(
    store: &DynamoDb,
    id: &EnvironmentId,
    below: Option<Generation>,
    limit: usize,
) -> Result<Vec<DeploymentRecord>, Trouble> {
    let below = below.map_or(u32::MAX, |below| below.0);
    let Some(newest) = below.checked_sub(1) else {
        return Ok(Vec::new());
    };
    let query = Query {
        pk: keys::environment(id),
        span: Span::Between(
            keys::deployment(Generation(0)),
            keys::deployment(Generation(newest)),
        ),
        backwards: true,
    };
    store.partition(&query, limit).await
}

pub(super) async fn deployment(
    store: &DynamoDb,
    id: &EnvironmentId,
    generation: Generation,
) -> Result<Option<DeploymentRecord>, Trouble> {
    store
        .record(&keys::environment(id), &keys::deployment(generation))
        .await
}

pub(super) async fn events(
    store: &DynamoDb,
    after: EventNumber,
    limit: usize,
) -> Result<Vec<EventRecord>, Trouble> {
    // Before the list is read, so that what is given meanwhile is above it.
    let up_to = store.0.sequence.read_up_to();
    let (mut records, mut after) = (Vec::new(), after);
    // Events of kinds that this version does not know are skipped, and a page full of them is not the end.
    while records.len() < limit {
        let from = format!("{:020}", after.0.saturating_add(1));
        let at_once = (limit - records.len()).min(AT_ONCE);
        let items = store
            .query_parts(keys::EVENTS, Span::After(from), false, at_once)
            .await?;
        for item in &items {
            if up_to.is_some_and(|up_to| number(item, LAST).unwrap_or_default() >= up_to) {
                records.truncate(limit);
                return Ok(records);
            }
            let read = of_item(item);
            records.extend(read.into_iter().filter(|event| event.number > after));
            after = after.max(EventNumber(number(item, LAST).unwrap_or_default()));
        }
        if items.len() < at_once {
            break;
        }
    }
    records.truncate(limit);
    Ok(records)
}

pub(super) async fn events_of(
    store: &DynamoDb,
    id: &EnvironmentId,
    before: Option<EventNumber>,
    limit: usize,
) -> Result<Vec<EventRecord>, Trouble> {
    let before = before.map_or(u64::MAX, |before| before.0);
    let query = Query {
        pk: keys::environment(id),
        span: Span::Between(keys::event(0), keys::event(before.saturating_sub(1))),
        backwards: true,
    };
    let mut records = Vec::new();
    store
        .each(store.records(), &query, Some(limit.min(AT_ONCE)), |item| {
            if !store.is_expired(&item) {
                let read = of_item(&item).into_iter().rev();
                records.extend(read.filter(|event| event.number.0 < before));
            }
            records.len() < limit
        })
        .await?;
    records.truncate(limit);
    Ok(records)
}

/// The events of one item that can be read, in order.
fn of_item(item: &Item) -> Vec<EventRecord> {
    let mut records = Vec::new();
    let bodies = match decode_text::<Vec<String>>(item, word(item, BODY)) {
        Ok(bodies) => bodies,
        Err(trouble) => {
            tracing::warn!("skipped a record: {trouble}");
            return records;
        }
    };
    let first = number(item, FIRST).unwrap_or_default();
    for (at, body) in (first..).zip(bodies) {
        let event = decode_text::<Happened>(item, &body).map(|what| EventRecord {
            number: EventNumber(at),
            environment: EnvironmentId(word(item, ENVIRONMENT).to_owned()),
            version: Version(number(item, VERSION).unwrap_or_default()),
            at: Timestamp(number(item, AT).unwrap_or_default()),
            by: word(item, BY).to_owned(),
            what,
        });
        keep(event, &mut records);
    }
    records
}

/// The key in the list of all events of what an item of this environment tells; `None` for an item of another kind.
pub(super) fn listed_with(one: &Item, id: &EnvironmentId) -> Option<Item> {
    if !word(one, SK).starts_with(keys::EVENTS_OF) {
        return None;
    }
    let last = number(one, LAST)?;
    Some(item(
        part_of(last),
        keys::listed_event(EventNumber(last), id),
    ))
}

pub(super) async fn cursor(store: &DynamoDb, consumer: &str) -> Result<EventNumber, Trouble> {
    let item = store.get(store.records(), keys::CURSORS, consumer).await?;
    let read = item.and_then(|item| number(&item, READ));
    Ok(EventNumber(read.unwrap_or_default()))
}

pub(super) async fn advance(
    store: &DynamoDb,
    consumer: &str,
    to: EventNumber,
) -> Result<(), Trouble> {
    let expression = "SET #read = :to";
    let forward = Condition::of("attribute_not_exists(#pk) OR #read < :to")
        .naming(expression)
        .value(":to", digits(to.0));
    let key = item(keys::CURSORS, consumer);
    match store.update(key, expression, forward).await {
        Ok(_) | Err(Trouble::Unmet(_)) => Ok(()),
        Err(other) => Err(other),
    }
}

/// The lowest number that a consumer has read to; without any there is none that could miss something.
async fn read_by_all(store: &DynamoDb) -> Result<u64, Trouble> {
    let cursors = store.query(&Query::all(keys::CURSORS), usize::MAX).await?;
    let read = cursors.iter().filter_map(|cursor| number(cursor, READ));
    Ok(read.min().unwrap_or(u64::MAX))
}

/// Removes from the list of all events what is older than `before` and was read by every consumer.
pub(super) async fn prune(store: &DynamoDb, before: Timestamp) -> Result<(), Trouble> {
    let read = read_by_all(store).await?;
    for part in 0..keys::PARTS {
        let query = Query::all(keys::part(keys::EVENTS, part));
        let mut old = Vec::new();
        store
            .each(store.records(), &query, Some(PRUNED_AT_ONCE), |one| {
                let is_old = number(&one, AT).is_some_and(|at| at < before.0)
                    && number(&one, LAST).is_some_and(|last| last <= read);
                if is_old {
                    old.push(item(word(&one, PK), word(&one, SK)));
                }
                // In the order of their numbers they are nearly in that of time.
                is_old
            })
            .await?;
        store.delete_each(store.records(), old).await?;
    }
    Ok(())
}

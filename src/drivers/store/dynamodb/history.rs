//! Deployments, events, and how far each consumer of events has read.
//!
//! What happened with one save is an item in the list of all events, for consumers. For people it is kept in the record of the
//! environment, and moves to an item in its partition, with what was told before, once the record would cost more with it. A
//! deployment that has not ended is kept in the record, too.

use nestling_domain::{
    ids::{EnvironmentId, Generation, Timestamp, Version},
    lifecycle::Happened,
    record::{DeploymentRecord, EventNumber, EventRecord},
};
use std::collections::{BTreeMap, BTreeSet};

use super::{
    DynamoDb,
    items::{
        BODY, EXPIRES, Item, PK, SK, With, body, decode_text, digits, encode, encode_any, item,
        keep, number, pack, text, word,
    },
    kept::{Kept, Told, lines},
    keys,
    queries::{Query, Span},
    transaction::{Condition, Transaction},
    trouble::Trouble,
    upkeep::{EVENTS, HISTORY, expiry, second},
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
/// Deployments that the record of an environment keeps at most: the one that serves and the one on its way.
const OPEN: usize = 2;
/// A larger deployment has an item of its own at once: every save writes again what the record keeps.
const LARGEST_KEPT: usize = 4 << 10;
/// More of what was told moves to an item of its own, however well it packs: every reader of the record unpacks it.
const MOST_TOLD: usize = 16 << 10;

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

/// Adds the events of a save to the list for consumers, and to what the record keeps for people.
pub(super) fn write_events(
    store: &DynamoDb,
    all: &mut Transaction,
    save: &Save,
    events: &[EventRecord],
    kept: &mut Kept,
) -> Result<(), Trouble> {
    let (Some(first), Some(last)) = (events.first(), events.last()) else {
        return Ok(());
    };
    let id = &save.environment.id;
    let bodies = save
        .happened
        .iter()
        .map(|what| encode_any("an event", what));
    let bodies: Vec<String> = bodies.collect::<Result<_, _>>()?;
    let listed = listed(last.number.0, id)
        .with(FIRST, digits(first.number.0))
        .with(LAST, digits(last.number.0))
        .with(ENVIRONMENT, text(&id.0))
        .with(VERSION, digits(first.version.0))
        .with(AT, digits(first.at.0))
        .with(BY, text(&first.by))
        .with(BODY, text(encode("what happened", &bodies)?));
    all.put(store.records(), listed, Condition::none());
    kept.told.extend(Told::of(events)?);
    Ok(())
}

/// Whether what was told may stay in the record, as far as its size goes.
pub(super) fn may_stay(told: &[Told]) -> bool {
    told.iter().map(Told::bytes).sum::<usize>() <= MOST_TOLD
}

/// Moves what the record keeps of what was told to an item of its own, in the partition of the environment.
pub(super) fn write_told(
    store: &DynamoDb,
    all: &mut Transaction,
    id: &EnvironmentId,
    kept: &mut Kept,
) -> Result<(), Trouble> {
    let told = std::mem::take(&mut kept.told);
    let (Some(first), Some(last)) = (told.first(), told.last()) else {
        return Ok(());
    };
    let moved = item(keys::environment(id), keys::event(first.first))
        .with(BODY, pack(&lines(&told)?)?)
        .with(EXPIRES, expiry(Timestamp(last.at), EVENTS));
    all.put(store.records(), moved, Condition::none());
    Ok(())
}

/// The part of the list of events where a number is: neighbours lie apart.
fn part_of(number: u64) -> String {
    let part = u32::try_from(number % u64::from(keys::PARTS));
    keys::part(keys::EVENTS, part.unwrap_or_default())
}

/// Keeps the deployments of a save in the record until they end, and then in items of their own; and ends those that a new one
/// makes one too many.
pub(super) fn write_deployments(
    store: &DynamoDb,
    all: &mut Transaction,
    save: &Save,
    kept: &mut Kept,
) -> Result<(), Trouble> {
    let mut own: BTreeMap<u32, String> = BTreeMap::new();
    let mut gone: BTreeSet<u32> = BTreeSet::new();
    for record in &save.deployments {
        let generation = record.generation.0;
        let json = encode("a deployment", record)?;
        own.remove(&generation);
        kept.deployments.remove(&generation);
        if record.ended_at.is_none() && json.len() <= LARGEST_KEPT {
            kept.deployments.insert(generation, json);
        } else {
            own.insert(generation, json);
        }
        if record.generation > kept.newest {
            gone.extend(generation.checked_sub(HISTORY).filter(|old| *old > 0));
        }
    }
    while kept.deployments.len() > OPEN {
        own.extend(kept.deployments.pop_first());
    }
    let saved = own.keys().chain(kept.deployments.keys()).copied();
    let newest = saved.chain([kept.newest.0]).max().unwrap_or_default();
    let stays = |generation: u32| generation.saturating_add(HISTORY) > newest;
    own.retain(|generation, _| stays(*generation));
    kept.deployments.retain(|generation, _| stays(*generation));
    let pk = keys::environment(&save.environment.id);
    for (generation, json) in &own {
        let put = item(&pk, keys::deployment(Generation(*generation))).with(BODY, pack(json)?);
        all.put(store.records(), put, Condition::none());
    }
    for old in gone {
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
    let kept = Kept::of(store, id).await?.records(id);
    let own: Vec<DeploymentRecord> = store.partition(&query, limit).await?;
    let own = own.into_iter();
    let mut all: BTreeMap<u32, DeploymentRecord> =
        own.map(|record| (record.generation.0, record)).collect();
    all.extend(
        kept.into_iter()
            .filter(|(generation, _)| *generation < below),
    );
    Ok(all.into_values().rev().take(limit).collect())
}

pub(super) async fn deployment(
    store: &DynamoDb,
    id: &EnvironmentId,
    generation: Generation,
) -> Result<Option<DeploymentRecord>, Trouble> {
    let mut kept = Kept::of(store, id).await?.records(id);
    if let Some(record) = kept.remove(&generation.0) {
        return Ok(Some(record));
    }
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
    let kept = Kept::of(store, id).await?;
    // What the record keeps is newer than all that has moved from it.
    let moved = kept
        .told
        .first()
        .map_or(before, |told| told.first.min(before));
    let mut records: Vec<EventRecord> = Vec::new();
    for told in &kept.told {
        if second(Timestamp(told.at), EVENTS) > store.horizon() {
            records.extend(told.events(id));
        }
    }
    records.retain(|event| event.number.0 < before);
    records.reverse();
    if records.len() >= limit {
        records.truncate(limit);
        return Ok(records);
    }
    let query = Query {
        pk: keys::environment(id),
        span: Span::Between(keys::event(0), keys::event(moved.saturating_sub(1))),
        backwards: true,
    };
    store
        .each(store.records(), &query, Some(limit.min(AT_ONCE)), |item| {
            if !store.is_expired(&item) {
                let read = of_environment(&item, id).into_iter().rev();
                records.extend(read.filter(|event| event.number.0 < moved));
            }
            records.len() < limit
        })
        .await?;
    records.truncate(limit);
    Ok(records)
}

/// The events of one item of an environment: of many saves, or of one where an earlier version wrote it.
fn of_environment(item: &Item, id: &EnvironmentId) -> Vec<EventRecord> {
    match number(item, LAST) {
        Some(_) => of_item(item),
        None => told_in(item)
            .iter()
            .flat_map(|told| told.events(id))
            .collect(),
    }
}

/// What an item of many saves holds.
fn told_in(item: &Item) -> Vec<Told> {
    match body(item) {
        Ok(lines) => Kept::of_lines(item, &lines).told,
        Err(trouble) => {
            tracing::warn!("skipped a record: {trouble}");
            Vec::new()
        }
    }
}

/// The events of one save that can be read, in order.
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

/// The keys in the list of all events of what an item of this environment tells; none for an item of another kind.
pub(super) fn listed_with(one: &Item, id: &EnvironmentId) -> Vec<Item> {
    let told = if word(one, SK) == word(one, PK) {
        Kept::read(one).unwrap_or_default().told
    } else if !word(one, SK).starts_with(keys::EVENTS_OF) {
        Vec::new()
    } else if let Some(last) = number(one, LAST) {
        return vec![listed(last, id)];
    } else {
        told_in(one)
    };
    told.iter().map(|told| listed(told.last(), id)).collect()
}

/// The key of a save's events in the list of all.
fn listed(last: u64, id: &EnvironmentId) -> Item {
    item(part_of(last), keys::listed_event(EventNumber(last), id))
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

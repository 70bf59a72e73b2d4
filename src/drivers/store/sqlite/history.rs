//! Deployments, events, and how far each consumer of events has read.

use nestling_domain::{
    environment::Environment,
    ids::{EnvironmentId, Generation, Timestamp, Version},
    record::{DeploymentRecord, EventNumber, EventRecord},
};
use rusqlite::{Connection, OptionalExtension as _, Params, Row, params};

use super::{
    rows::{Stored, decode, integer, keep, natural, one, several},
    trouble::Trouble,
};

/// Generations and event numbers are below this: what a list without an upper bound begins under.
const NO_BOUND: i64 = i64::MAX;

pub(super) fn put_deployment(
    database: &Connection,
    record: &DeploymentRecord,
    body: &str,
) -> Result<(), Trouble> {
    let sql = "INSERT INTO deployments (environment, generation, body) VALUES (?1, ?2, ?3)
        ON CONFLICT (environment, generation) DO UPDATE SET body = excluded.body";
    database.prepare_cached(sql)?.execute(params![
        record.environment.0,
        record.generation.0,
        body
    ])?;
    Ok(())
}

pub(super) fn deployments(
    database: &Connection,
    id: &EnvironmentId,
    below: Option<Generation>,
    limit: usize,
) -> Result<Vec<DeploymentRecord>, Trouble> {
    let below = below.map_or(NO_BOUND, |generation| i64::from(generation.0));
    let sql = "SELECT environment || ' ' || generation, body FROM deployments
        WHERE environment = ?1 AND generation < ?2 ORDER BY generation DESC";
    Ok(several(database, "deployments", sql, params![id.0, below], limit)?.0)
}

pub(super) fn deployment(
    database: &Connection,
    id: &EnvironmentId,
    generation: Generation,
) -> Result<Option<DeploymentRecord>, Trouble> {
    let sql = "SELECT environment || ' ' || generation, body FROM deployments
        WHERE environment = ?1 AND generation = ?2";
    one(database, "deployments", sql, params![id.0, generation.0])
}

/// Appends an event and answers its number.
pub(super) fn append_event(
    database: &Connection,
    environment: &Environment,
    by: &str,
    body: &str,
) -> Result<EventNumber, Trouble> {
    let sql = "INSERT INTO events (environment, version, at, by, body) VALUES (?1, ?2, ?3, ?4, ?5)";
    database.prepare_cached(sql)?.execute(params![
        environment.id.0,
        integer(environment.version.0),
        integer(environment.updated_at.0),
        by,
        body
    ])?;
    Ok(EventNumber(natural(database.last_insert_rowid())))
}

pub(super) fn events(
    database: &Connection,
    after: EventNumber,
    limit: usize,
) -> Result<Vec<EventRecord>, Trouble> {
    let sql = "SELECT number, environment, version, at, by, body FROM events WHERE number > ?1 ORDER BY number";
    read_events(database, sql, [integer(after.0)], limit)
}

pub(super) fn events_of(
    database: &Connection,
    id: &EnvironmentId,
    before: Option<EventNumber>,
    limit: usize,
) -> Result<Vec<EventRecord>, Trouble> {
    let before = before.map_or(NO_BOUND, |number| integer(number.0));
    let sql = "SELECT number, environment, version, at, by, body FROM events
        WHERE environment = ?1 AND number < ?2 ORDER BY number DESC";
    read_events(database, sql, params![id.0, before], limit)
}

fn read_events(
    database: &Connection,
    sql: &str,
    parameters: impl Params,
    limit: usize,
) -> Result<Vec<EventRecord>, Trouble> {
    let mut statement = database.prepare_cached(sql)?;
    let mut rows = statement.query(parameters)?;
    let mut items = Vec::new();
    // Events of kinds that this version does not know are skipped, and a page full of them is not the end.
    while items.len() < limit
        && let Some(row) = rows.next()?
    {
        keep(event(row), &mut items)?;
    }
    Ok(items)
}

fn event(row: &Row<'_>) -> Result<EventRecord, Trouble> {
    let number: i64 = row.get(0)?;
    let stored = Stored {
        key: number.to_string(),
        body: row.get(5)?,
    };
    Ok(EventRecord {
        number: EventNumber(natural(number)),
        environment: EnvironmentId(row.get(1)?),
        version: Version(natural(row.get(2)?)),
        at: Timestamp(natural(row.get(3)?)),
        by: row.get(4)?,
        what: decode("events", &stored)?,
    })
}

pub(super) fn cursor(database: &Connection, consumer: &str) -> Result<EventNumber, Trouble> {
    let sql = "SELECT number FROM cursors WHERE consumer = ?1";
    let number = database
        .prepare_cached(sql)?
        .query_row([consumer], |row| row.get(0))
        .optional()?;
    Ok(EventNumber(number.map_or(0, natural)))
}

pub(super) fn advance(
    database: &Connection,
    consumer: &str,
    to: EventNumber,
) -> Result<(), Trouble> {
    let sql = "INSERT INTO cursors (consumer, number) VALUES (?1, ?2)
        ON CONFLICT (consumer) DO UPDATE SET number = max(number, excluded.number)";
    database
        .prepare_cached(sql)?
        .execute(params![consumer, integer(to.0)])?;
    Ok(())
}

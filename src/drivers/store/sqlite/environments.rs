//! Environments: three almost identical records each, written together under a condition on the version.

use nestling_domain::{
    environment::Environment,
    ids::{AppId, EnvironmentId, InputId, RepositoryId, Timestamp, Version},
    record::EventRecord,
};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    apps, history, keys,
    rows::{all, encode, integer, natural, one, rows, several},
    trouble::Trouble,
};
use crate::drivers::store::{Page, Save};

/// A decision as it is written, made ready before it waits for the writer.
pub(super) struct Prepared {
    save: Save,
    body: String,
    events: Vec<String>,
    deployments: Vec<String>,
}

impl Prepared {
    /// Checks what a caller may get wrong, and turns records into text.
    pub(super) fn new(save: Save) -> Result<Self, Trouble> {
        let id = &save.environment.id;
        let due = save.expected.map_or(0, |version| version.0) + 1;
        if save.environment.version != Version(due) {
            return Err(Trouble::Rejected(format!(
                "environment {id} was to be saved as version {}, and the next one is {due}",
                save.environment.version.0
            )));
        }
        if let Some(stray) = save
            .deployments
            .iter()
            .find(|record| record.environment != *id)
        {
            return Err(Trouble::Rejected(format!(
                "a deployment of environment {} was to be saved with environment {id}",
                stray.environment
            )));
        }
        let events = save.happened.iter().map(|what| encode("an event", what));
        let deployments = save
            .deployments
            .iter()
            .map(|record| encode("a deployment", record));
        Ok(Prepared {
            body: encode("an environment", &save.environment)?,
            events: events.collect::<Result<_, _>>()?,
            deployments: deployments.collect::<Result<_, _>>()?,
            save,
        })
    }
}

/// Writes one decision, all of it or nothing.
pub(super) fn save(
    database: &Connection,
    prepared: &Prepared,
) -> Result<Vec<EventRecord>, Trouble> {
    let Prepared { save, body, .. } = prepared;
    let environment = &save.environment;
    let old_branch = meet_version(database, environment, save.expected)?;
    if save.expected.is_none() {
        apps::must_not_be_removed(database, &environment.app)?;
    }
    answer_input(database, environment, save.input.as_ref())?;
    write_records(database, save, body, old_branch.as_deref())?;
    for (record, body) in save.deployments.iter().zip(&prepared.deployments) {
        history::put_deployment(database, record, body)?;
    }
    let events = save.happened.iter().zip(&prepared.events);
    events
        .map(|(what, body)| {
            let record = EventRecord {
                number: history::append_event(database, environment, &save.by, body)?,
                environment: environment.id.clone(),
                version: environment.version,
                at: environment.updated_at,
                by: save.by.clone(),
                what: what.clone(),
            };
            Ok(record)
        })
        .collect()
}

/// Refuses unless the version there is the one expected; answers the key of the record by branch.
fn meet_version(
    database: &Connection,
    environment: &Environment,
    expected: Option<Version>,
) -> Result<Option<String>, Trouble> {
    let pk = keys::environment(&environment.id);
    let sql = "SELECT version, branch_key FROM records WHERE pk = ?1 AND sk = ?1";
    let there: Option<(i64, Option<String>)> = database
        .prepare_cached(sql)?
        .query_row([&pk], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let version = there
        .as_ref()
        .map(|(version, _)| Version(natural(*version)));
    if version != expected {
        return Err(Trouble::Conflict(format!("environment {}", environment.id)));
    }
    Ok(there.and_then(|(_, branch_key)| branch_key))
}

/// Keeps the answer to the input. One that was answered meanwhile means: reload, and give that answer.
fn answer_input(
    database: &Connection,
    environment: &Environment,
    input: Option<&(InputId, String)>,
) -> Result<(), Trouble> {
    let Some((input, answer)) = input else {
        return Ok(());
    };
    let sql = "INSERT INTO inputs (environment, input, answer, at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
    let written = database.prepare_cached(sql)?.execute(params![
        environment.id.0,
        input.0,
        answer,
        integer(environment.updated_at.0)
    ])?;
    if written == 0 {
        return Err(Trouble::Conflict(format!(
            "the answer to input {} of environment {}",
            input.0, environment.id
        )));
    }
    Ok(())
}

fn write_records(
    database: &Connection,
    save: &Save,
    body: &str,
    old_branch: Option<&str>,
) -> Result<(), Trouble> {
    let environment = &save.environment;
    let id = keys::environment(&environment.id);
    let app = keys::app(&environment.app);
    let branch = keys::by_branch(environment);
    let life = &environment.lifecycle;
    let machines = !life.world.machines.is_empty()
        || life.world.draining.is_some()
        || life.serving().is_some();
    let pull_request = environment
        .kind
        .pull_request()
        .map(|number| keys::pull_request_of(environment.repository, number));
    let by_app = keys::by_app(environment);
    let sql = "INSERT INTO records
        (pk, sk, version, body, due_at, machines, pull_request, app, app_key, branch_key)
        VALUES (?1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
        ON CONFLICT (pk, sk) DO UPDATE SET version = excluded.version, body = excluded.body,
        due_at = excluded.due_at, machines = excluded.machines, pull_request = excluded.pull_request,
        app = excluded.app, app_key = excluded.app_key, branch_key = excluded.branch_key";
    database.prepare_cached(sql)?.execute(params![
        id,
        integer(environment.version.0),
        body,
        save.due_at.map(|at| integer(at.0)),
        machines,
        pull_request,
        app,
        by_app,
        branch
    ])?;
    put(database, &app, &by_app, body)?;
    put(database, &app, &branch, body)?;
    match old_branch {
        Some(old) if old != branch => remove(database, &app, old),
        _ => Ok(()),
    }
}

/// Writes a record of the single table, replacing what is there.
pub(super) fn put(database: &Connection, pk: &str, sk: &str, body: &str) -> Result<(), Trouble> {
    let sql = "INSERT INTO records (pk, sk, body) VALUES (?1, ?2, ?3)
        ON CONFLICT (pk, sk) DO UPDATE SET body = excluded.body";
    database.prepare_cached(sql)?.execute([pk, sk, body])?;
    Ok(())
}

/// Removes a record of the single table.
pub(super) fn remove(database: &Connection, pk: &str, sk: &str) -> Result<(), Trouble> {
    let sql = "DELETE FROM records WHERE pk = ?1 AND sk = ?2";
    database.prepare_cached(sql)?.execute([pk, sk])?;
    Ok(())
}

/// One record of the single table.
pub(super) fn get<T: serde::de::DeserializeOwned>(
    database: &Connection,
    pk: &str,
    sk: &str,
) -> Result<Option<T>, Trouble> {
    let sql = "SELECT pk || ' ' || sk, body FROM records WHERE pk = ?1 AND sk = ?2";
    one(database, "records", sql, [pk, sk])
}

/// The records of a partition whose sort keys begin with `prefix`, which ends in `#`; in key order.
pub(super) fn partition<T: serde::de::DeserializeOwned>(
    database: &Connection,
    pk: &str,
    prefix: &str,
) -> Result<Vec<T>, Trouble> {
    let sql = "SELECT pk || ' ' || sk, body FROM records WHERE pk = ?1 AND sk >= ?2 AND sk < ?3 ORDER BY sk";
    all(database, "records", sql, [pk, prefix, &keys::after(prefix)])
}

pub(super) fn by_id(
    database: &Connection,
    id: &EnvironmentId,
) -> Result<Option<Environment>, Trouble> {
    let pk = keys::environment(id);
    get(database, &pk, &pk)
}

pub(super) fn answered(
    database: &Connection,
    id: &EnvironmentId,
    input: &InputId,
) -> Result<Option<String>, Trouble> {
    let sql = "SELECT answer FROM inputs WHERE environment = ?1 AND input = ?2";
    let mut statement = database.prepare_cached(sql)?;
    Ok(statement
        .query_row([&id.0, &input.0], |row| row.get(0))
        .optional()?)
}

pub(super) fn of_app(database: &Connection, app: &AppId) -> Result<Vec<Environment>, Trouble> {
    partition(database, &keys::app(app), "ENVIRONMENT#")
}

pub(super) fn of_branch(
    database: &Connection,
    app: &AppId,
    branch: &str,
) -> Result<Vec<Environment>, Trouble> {
    partition(database, &keys::app(app), &keys::of_branch(branch))
}

pub(super) fn of_pull_request(
    database: &Connection,
    repository: RepositoryId,
    number: u32,
) -> Result<Vec<Environment>, Trouble> {
    let sql = "SELECT pk, body FROM records WHERE pull_request = ?1 ORDER BY pk";
    all(
        database,
        "records",
        sql,
        [keys::pull_request_of(repository, number)],
    )
}

pub(super) fn due(
    database: &Connection,
    until: Timestamp,
    limit: usize,
) -> Result<Vec<EnvironmentId>, Trouble> {
    let sql = "SELECT pk FROM records WHERE due_at IS NOT NULL AND due_at <= ?1 ORDER BY due_at, pk LIMIT ?2";
    let mut statement = database.prepare_cached(sql)?;
    let ids = statement.query_map([integer(until.0), rows(limit)], |row| {
        Ok(keys::environment_of(&row.get::<_, String>(0)?))
    })?;
    Ok(ids.collect::<Result<_, _>>()?)
}

pub(super) fn with_machines(
    database: &Connection,
    after: Option<&str>,
    limit: usize,
) -> Result<Page<Environment>, Trouble> {
    let sql = "SELECT pk, body FROM records WHERE machines = 1 AND pk > ?1 ORDER BY pk";
    page(database, sql, [page_start(after)], limit)
}

pub(super) fn by_page(
    database: &Connection,
    after: Option<&str>,
    limit: usize,
) -> Result<Page<Environment>, Trouble> {
    let sql = "SELECT pk, body FROM records WHERE pk > ?1 AND pk < ?2 ORDER BY pk";
    page(
        database,
        sql,
        [page_start(after), keys::ENVIRONMENTS.1.to_owned()],
        limit,
    )
}

fn page_start(after: Option<&str>) -> String {
    keys::environment(&EnvironmentId(after.unwrap_or_default().to_owned()))
}

fn page(
    database: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
    limit: usize,
) -> Result<Page<Environment>, Trouble> {
    let (items, last) = several(database, "records", sql, parameters, limit)?;
    Ok(Page {
        items,
        next: last.map(|pk| keys::environment_of(&pk).0),
    })
}

/// Removes everything that is kept of an environment, also when its record can no longer be read.
pub(super) fn put_visits(
    database: &Connection,
    visits: &[(EnvironmentId, Timestamp)],
) -> Result<(), Trouble> {
    for (id, at) in visits {
        let body = encode("a visit", at)?;
        let key = keys::visit(id);
        put(database, &key, &key, &body)?;
    }
    Ok(())
}

pub(super) fn visit(
    database: &Connection,
    id: &EnvironmentId,
) -> Result<Option<Timestamp>, Trouble> {
    let key = keys::visit(id);
    get(database, &key, &key)
}

pub(super) fn forget(database: &Connection, id: &EnvironmentId) -> Result<(), Trouble> {
    let pk = keys::environment(id);
    for sql in [
        "DELETE FROM records WHERE (pk, sk) IN
            (SELECT app, app_key FROM records WHERE pk = ?1 AND sk = ?1)",
        "DELETE FROM records WHERE (pk, sk) IN
            (SELECT app, branch_key FROM records WHERE pk = ?1 AND sk = ?1)",
        "DELETE FROM records WHERE pk = ?1 AND sk = ?1",
    ] {
        database.prepare_cached(sql)?.execute([&pk])?;
    }
    let visit = keys::visit(id);
    remove(database, &visit, &visit)?;
    for sql in [
        "DELETE FROM deployments WHERE environment = ?1",
        "DELETE FROM events WHERE environment = ?1",
        "DELETE FROM inputs WHERE environment = ?1",
    ] {
        database.prepare_cached(sql)?.execute([&id.0])?;
    }
    Ok(())
}

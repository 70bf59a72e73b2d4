//! Age limits, and whether the store can write.

use std::time::Duration;

use nestling_domain::ids::Timestamp;
use rusqlite::{Connection, params};

use super::{
    Sqlite, apps,
    rows::{integer, rows},
    trouble::Trouble,
};
use crate::drivers::store::StoreError;

/// A settled delivery: GitHub itself lets people redeliver for 3 days; a month serves whoever asks why.
const DELIVERIES: Duration = Duration::from_hours(30 * 24);
/// An event that all consumers have read: a quarter of audit log.
const EVENTS: Duration = Duration::from_hours(90 * 24);
/// An answered input: longer than anybody repeats one (GitHub 3 days, an idempotency key 1 day).
const INPUTS: Duration = Duration::from_hours(7 * 24);
/// A deleted app's slug: links and cookies of the old app have died out by then.
const SLUGS: Duration = Duration::from_hours(30 * 24);
/// Deployments that an environment keeps in its history.
const HISTORY: usize = 50;
/// Rows removed per transaction: a few milliseconds, so that upkeep never holds up a save.
const CHUNK: usize = 500;

/// Removes what is older than its limit, a little at a time.
pub(super) async fn prune(store: &Sqlite, now: Timestamp) -> Result<(), StoreError> {
    let before = |age: Duration| {
        integer(
            now.0
                .saturating_sub(u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
        )
    };
    let sweeps = [
        (
            "DELETE FROM deliveries WHERE number IN
                (SELECT number FROM deliveries WHERE at < ?1 AND state IS NOT NULL ORDER BY at LIMIT ?2)",
            before(DELIVERIES),
        ),
        // Without any cursor there is no consumer that could miss something.
        (
            "DELETE FROM events WHERE number IN
                (SELECT number FROM events WHERE at < ?1
                 AND number <= coalesce((SELECT min(number) FROM cursors), 9223372036854775807)
                 ORDER BY number LIMIT ?2)",
            before(EVENTS),
        ),
        (
            "DELETE FROM inputs WHERE (environment, input) IN
                (SELECT environment, input FROM inputs WHERE at < ?1 ORDER BY at LIMIT ?2)",
            before(INPUTS),
        ),
    ];
    for (sql, limit) in sweeps {
        while store
            .write(move |database| sweep(database, sql, limit))
            .await?
            == CHUNK
        {}
    }
    trim_history(store).await?;
    let released = Timestamp(u64::try_from(before(SLUGS)).unwrap_or_default());
    store
        .write(move |database| apps::free_slugs(database, released))
        .await
}

fn sweep(database: &Connection, sql: &str, before: i64) -> Result<usize, Trouble> {
    Ok(database
        .prepare_cached(sql)?
        .execute(params![before, rows(CHUNK)])?)
}

/// Who has too long a history is found by a reader; the writer only removes.
async fn trim_history(store: &Sqlite) -> Result<(), StoreError> {
    let long = store
        .read(|database| {
            let sql =
                "SELECT environment FROM deployments GROUP BY environment HAVING count(*) > ?1";
            let mut statement = database.prepare_cached(sql)?;
            let ids = statement.query_map([rows(HISTORY)], |row| row.get::<_, String>(0))?;
            Ok(ids.collect::<Result<Vec<_>, _>>()?)
        })
        .await?;
    for id in long {
        store
            .write(move |database| {
                let sql = "DELETE FROM deployments WHERE environment = ?1 AND generation <=
                    (SELECT generation FROM deployments WHERE environment = ?1
                     ORDER BY generation DESC LIMIT 1 OFFSET ?2)";
                Ok(database
                    .prepare_cached(sql)?
                    .execute(params![id, rows(HISTORY)])?)
            })
            .await?;
    }
    Ok(())
}

/// Proves that the store can write by writing.
pub(super) fn check(database: &Connection) -> Result<(), Trouble> {
    let sql = "UPDATE health SET checks = checks + 1 WHERE id = 1";
    match database.prepare_cached(sql)?.execute([])? {
        1 => Ok(()),
        _ => Err(Trouble::Rejected(
            "the database has lost the row that checks write".to_owned(),
        )),
    }
}

//! The schema, step by step: forward only, one transaction per step, so that a kill between two steps leaves
//! a database at the first of them and the next start goes on from there.

use rusqlite::Connection;

use super::opening::APPLICATION_ID;

/// Step n leads to schema n, counted from 1. A released step is never changed; a new one is appended.
const STEPS: [&str; 1] = [include_str!("0001.sql")];

/// The newest schema that this program knows.
pub(super) fn newest() -> i64 {
    i64::try_from(STEPS.len()).unwrap_or(i64::MAX)
}

/// Brings the database to the newest schema.
pub(super) fn run(database: &mut Connection) -> rusqlite::Result<()> {
    run_steps(database, &STEPS)
}

fn run_steps(database: &mut Connection, steps: &[&str]) -> rusqlite::Result<()> {
    let done: i64 = database.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let done = usize::try_from(done).unwrap_or_default();
    for (number, step) in (1_i64..).zip(steps).skip(done) {
        let transaction = database.transaction()?;
        transaction.execute_batch(step)?;
        // Both live in the file's header and are part of the transaction.
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", number)?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_fails_leaves_the_schema_at_the_step_before_and_is_resumed() {
        let mut database = Connection::open_in_memory().unwrap();
        let good = "CREATE TABLE one (a)";
        run_steps(
            &mut database,
            &[good, "CREATE TABLE two (a); CREATE TABLE one (a)"],
        )
        .unwrap_err();
        let tables = |database: &Connection| -> i64 {
            database
                .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
                .unwrap()
        };
        let version = |database: &Connection| -> i64 {
            database
                .pragma_query_value(None, "user_version", |row| row.get(0))
                .unwrap()
        };
        assert_eq!(
            (tables(&database), version(&database)),
            (1, 1),
            "half a step stayed"
        );

        run_steps(&mut database, &[good, "CREATE TABLE two (a)"]).unwrap();
        assert_eq!((tables(&database), version(&database)), (2, 2));
        run_steps(&mut database, &[good, "CREATE TABLE two (a)"]).unwrap();
        assert_eq!(
            (tables(&database), version(&database)),
            (2, 2),
            "a step ran twice"
        );
    }
}

//! From rows to words of the domain and back. A record that cannot be read is named, never a panic, and never
//! hides its neighbours.

use rusqlite::{Connection, Params, Row};
use serde::{Serialize, de::DeserializeOwned};

use super::trouble::Trouble;

/// A row's key, for people, and what is stored there.
pub(super) struct Stored {
    pub(super) key: String,
    pub(super) body: String,
}

/// As SQLite keeps whole numbers; moments beyond its range are as good as never.
pub(super) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A whole number of ours from SQLite's.
pub(super) fn natural(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// How many rows a caller wants, as SQLite takes it.
pub(super) fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// The text of a record.
pub(super) fn encode<T: Serialize>(what: &str, value: &T) -> Result<String, Trouble> {
    serde_json::to_string(value)
        .map_err(|error| Trouble::Rejected(format!("{what} cannot be written as JSON: {error}")))
}

/// The record that a text holds.
pub(super) fn decode<T: DeserializeOwned>(table: &str, stored: &Stored) -> Result<T, Trouble> {
    serde_json::from_str(&stored.body).map_err(|error| {
        // Only where and what kind: the parser's own words may quote what is stored, a variable's value say.
        let kind = match error.classify() {
            serde_json::error::Category::Data => "a field is missing or not of its kind",
            serde_json::error::Category::Eof => "it ends too early",
            serde_json::error::Category::Syntax | serde_json::error::Category::Io => "it is not JSON",
        };
        Trouble::Rejected(format!(
            "the record {} of table {table} cannot be read: {kind}, at line {} column {}; restore it from a backup, or remove that row",
            stored.key,
            error.line(),
            error.column()
        ))
    })
}

/// One record, of a query whose columns are key and body.
pub(super) fn one<T: DeserializeOwned>(
    database: &Connection,
    table: &str,
    sql: &str,
    parameters: impl Params,
) -> Result<Option<T>, Trouble> {
    let mut statement = database.prepare_cached(sql)?;
    let mut rows = statement.query(parameters)?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    decode(table, &stored(row)?).map(Some)
}

/// The first `limit` records that can be read, of a query whose columns are key and body. The others are
/// skipped with a warning. Also answers the key of the last row that was looked at, when there are more.
pub(super) fn several<T: DeserializeOwned>(
    database: &Connection,
    table: &str,
    sql: &str,
    parameters: impl Params,
    limit: usize,
) -> Result<(Vec<T>, Option<String>), Trouble> {
    let mut statement = database.prepare_cached(sql)?;
    let mut rows = statement.query(parameters)?;
    let mut items = Vec::new();
    let mut last = None;
    // No LIMIT in the SQL: a page full of records that cannot be read must not look like the end.
    while items.len() < limit {
        let Some(row) = rows.next()? else {
            return Ok((items, None));
        };
        let stored = stored(row)?;
        keep(decode(table, &stored), &mut items)?;
        last = Some(stored.key);
    }
    let more = rows.next()?.is_some();
    Ok((items, last.filter(|_| more)))
}

/// All records that can be read, see [`several`].
pub(super) fn all<T: DeserializeOwned>(
    database: &Connection,
    table: &str,
    sql: &str,
    parameters: impl Params,
) -> Result<Vec<T>, Trouble> {
    Ok(several(database, table, sql, parameters, usize::MAX)?.0)
}

/// Keeps what could be read, and warns of what could not.
pub(super) fn keep<T>(read: Result<T, Trouble>, items: &mut Vec<T>) -> Result<(), Trouble> {
    match read {
        Ok(item) => items.push(item),
        Err(Trouble::Rejected(why)) => tracing::warn!("skipped a record: {why}"),
        Err(trouble) => return Err(trouble),
    }
    Ok(())
}

/// Key and body, the first two columns.
pub(super) fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    Ok(Stored {
        key: row.get(0)?,
        body: row.get(1)?,
    })
}

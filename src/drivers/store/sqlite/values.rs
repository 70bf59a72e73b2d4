//! Secrets (as envelopes) and plain variables, in a table of their own.

use nestling_domain::{
    app::VariableName,
    ids::{AppId, Class},
    record::Value,
};
use rusqlite::Connection;

use super::{
    apps,
    rows::{all, encode},
    trouble::Trouble,
};

pub(super) fn put(database: &Connection, value: &Value) -> Result<(), Trouble> {
    apps::must_not_be_removed(database, &value.app)?;
    let body = encode("a value", value)?;
    let sql = "INSERT INTO app_values (app, class, name, body) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (app, class, name) DO UPDATE SET body = excluded.body";
    database.prepare_cached(sql)?.execute([
        &value.app.0,
        value.class.name(),
        value.name.as_str(),
        &body,
    ])?;
    Ok(())
}

pub(super) fn of_app(
    database: &Connection,
    app: &AppId,
    class: Class,
) -> Result<Vec<Value>, Trouble> {
    let sql = "SELECT app || ' ' || class || ' ' || name, body FROM app_values
        WHERE app = ?1 AND class = ?2 ORDER BY name";
    all(database, "app_values", sql, [&app.0, class.name()])
}

pub(super) fn delete(
    database: &Connection,
    app: &AppId,
    class: Class,
    name: &VariableName,
) -> Result<bool, Trouble> {
    let sql = "DELETE FROM app_values WHERE app = ?1 AND class = ?2 AND name = ?3";
    let gone = database
        .prepare_cached(sql)?
        .execute([&app.0, class.name(), name.as_str()])?;
    Ok(gone > 0)
}

/// Removes all values of an app.
pub(super) fn delete_all(database: &Connection, app: &AppId) -> Result<(), Trouble> {
    let sql = "DELETE FROM app_values WHERE app = ?1";
    database.prepare_cached(sql)?.execute([&app.0])?;
    Ok(())
}

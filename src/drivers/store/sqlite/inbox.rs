//! The inbox: what the forge told us, kept before it is acknowledged.

use nestling_domain::record::{Delivery, DeliveryState};
use rusqlite::{Connection, params};

use super::{
    rows::{Stored, decode, encode, integer, keep, several, stored},
    trouble::Trouble,
};

pub(super) fn receive(database: &Connection, delivery: &Delivery) -> Result<bool, Trouble> {
    let body = encode("a delivery", delivery)?;
    let sql =
        "INSERT INTO deliveries (id, at, body) VALUES (?1, ?2, ?3) ON CONFLICT (id) DO NOTHING";
    let written = database.prepare_cached(sql)?.execute(params![
        delivery.id,
        integer(delivery.at.0),
        body
    ])?;
    Ok(written > 0)
}

pub(super) fn pending(database: &Connection, limit: usize) -> Result<Vec<Delivery>, Trouble> {
    let sql = "SELECT id, body FROM deliveries WHERE state IS NULL ORDER BY at, number";
    Ok(several(database, "deliveries", sql, [], limit)?.0)
}

pub(super) fn settle(
    database: &Connection,
    id: &str,
    state: &DeliveryState,
) -> Result<(), Trouble> {
    let state = match state {
        DeliveryState::Pending => None,
        done @ DeliveryState::Done { .. } => Some(encode("a delivery's state", done)?),
    };
    let sql = "UPDATE deliveries SET state = ?2 WHERE id = ?1";
    let written = database.prepare_cached(sql)?.execute(params![id, state])?;
    if written == 0 {
        return Err(Trouble::Rejected(format!("there is no delivery {id:?}")));
    }
    Ok(())
}

pub(super) fn newest(
    database: &Connection,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<(Delivery, DeliveryState)>, Trouble> {
    // Not by the moment alone: many come in one millisecond.
    let sql = "SELECT id, body, state FROM deliveries
        WHERE ?1 IS NULL OR (at, number) < (SELECT at, number FROM deliveries WHERE id = ?1)
        ORDER BY at DESC, number DESC";
    let mut statement = database.prepare_cached(sql)?;
    let mut rows = statement.query([after])?;
    let mut items = Vec::new();
    while items.len() < limit
        && let Some(row) = rows.next()?
    {
        let delivery = stored(row)?;
        let state: Option<String> = row.get(2)?;
        keep(both(delivery, state), &mut items)?;
    }
    Ok(items)
}

fn both(delivery: Stored, state: Option<String>) -> Result<(Delivery, DeliveryState), Trouble> {
    let read = decode("deliveries", &delivery)?;
    let state = match state {
        None => DeliveryState::Pending,
        Some(body) => decode("deliveries", &Stored { body, ..delivery })?,
    };
    Ok((read, state))
}

//! The inbox: what the forge told us, kept before it is acknowledged.
//!
//! A delivery is one record by its id, and is named in two lists: of all, and of those that are pending. A large body is kept in
//! pieces beside it, written in the same transaction.

use nestling_domain::record::{Delivery, DeliveryState};

use super::{
    DynamoDb,
    items::{
        BODY, EXPIRES, ID, Item, PK, SK, With, decode_text, digits, encode, encode_any, item, keep,
        number, text, word,
    },
    keys,
    queries::{Query, Span},
    transaction::{Condition, Transaction},
    trouble::Trouble,
    upkeep::{DELIVERIES, LISTED, expiry},
};

/// Bodies up to this size are in the record itself: every later write of a record costs its whole size.
const INLINE: usize = 64 << 10;
/// A larger body is cut into pieces of this size.
const PIECE: usize = 256 << 10;
/// The largest body: with everything else that is written with it, a transaction stays below its 4 MB.
const LARGEST: usize = 3 << 20;

/// Deliveries that are asked for at once, whatever a caller wants.
const AT_ONCE: usize = 500;

/// Where it stands in the list of all, and of those that are pending.
const LISTED_AS: &str = "listed";
/// When it came, in milliseconds.
const AT: &str = "at";
/// What became of it, as JSON; not there while it is pending.
const STATE: &str = "state";
/// So many pieces hold its body.
const PIECES: &str = "pieces";

pub(super) async fn receive(store: &DynamoDb, delivery: &Delivery) -> Result<bool, Trouble> {
    // Most repeats are found here, and cost a tenth.
    if is_there(store, &delivery.id).await? {
        return Ok(false);
    }
    let mut all = Transaction::default();
    write(store, &mut all, delivery).await?;
    match store.write(all).await {
        Ok(()) => Ok(true),
        Err(Trouble::Unmet(_)) => Ok(false),
        Err(other) => Err(other),
    }
}

pub(super) async fn is_there(store: &DynamoDb, id: &str) -> Result<bool, Trouble> {
    Ok(there(store, id).await?.is_some())
}

async fn there(store: &DynamoDb, id: &str) -> Result<Option<Item>, Trouble> {
    let pk = keys::delivery(id);
    let item = store.get(store.records(), &pk, &pk).await?;
    Ok(item.filter(|item| !store.is_expired(item)))
}

/// Adds a delivery that is not there to what is written together.
pub(super) async fn write(
    store: &DynamoDb,
    all: &mut Transaction,
    delivery: &Delivery,
) -> Result<(), Trouble> {
    let table = store.records();
    let body = encode_any("a delivery", delivery)?;
    if body.len() > LARGEST {
        return Err(Trouble::Rejected(format!(
            "delivery {:?} has {} KiB and the store takes {} KiB: nothing was written",
            delivery.id,
            body.len() >> 10,
            LARGEST >> 10
        )));
    }
    let pk = keys::delivery(&delivery.id);
    let number = store.number().await?;
    let listed = keys::listed_delivery(delivery.at, number, &delivery.id);
    let record = item(&pk, &pk)
        .with(ID, text(&delivery.id))
        .with(AT, digits(delivery.at.0))
        .with(LISTED_AS, text(&listed));
    let record = if body.len() <= INLINE {
        record.with(BODY, text(body))
    } else {
        let pieces = pieces_of(&body);
        for (place, piece) in pieces.iter().enumerate() {
            let piece = item(keys::pieces(&pk), format!("{place:04}"))
                .with(BODY, text(*piece))
                .with(EXPIRES, expiry(delivery.at, LISTED));
            all.put(table, piece, Condition::none());
        }
        record.with(
            PIECES,
            digits(u64::try_from(pieces.len()).unwrap_or_default()),
        )
    };
    let new = Condition::absent_or_expired(store.horizon());
    all.put(table, record, new);
    let named =
        |list| item(keys::part_of(list, &delivery.id), &listed).with(ID, text(&delivery.id));
    let in_all = named(keys::DELIVERIES).with(EXPIRES, expiry(delivery.at, LISTED));
    all.put(table, in_all, Condition::none());
    all.put(table, named(keys::PENDING), Condition::none());
    Ok(())
}

/// Cut where a letter ends.
fn pieces_of(body: &str) -> Vec<&str> {
    let (mut pieces, mut rest) = (Vec::new(), body);
    while rest.len() > PIECE {
        let (piece, more) = rest.split_at(rest.floor_char_boundary(PIECE));
        pieces.push(piece);
        rest = more;
    }
    pieces.push(rest);
    pieces
}

pub(super) async fn pending(store: &DynamoDb, limit: usize) -> Result<Vec<Delivery>, Trouble> {
    let mut deliveries = Vec::new();
    let mut after: Option<String> = None;
    while deliveries.len() < limit {
        let span = after.take().map_or(Span::All, Span::After);
        let wanted = limit - deliveries.len();
        let named = store
            .query_parts(keys::PENDING, span, false, wanted)
            .await?;
        for item in records(store, &named).await? {
            keep(read(store, &item).await, &mut deliveries);
        }
        if named.len() < wanted {
            break;
        }
        after = named.last().map(|one| word(one, SK).to_owned());
    }
    Ok(deliveries)
}

/// The records that a list names. One that has gone, or came again later, is not meant.
async fn records(store: &DynamoDb, named: &[Item]) -> Result<Vec<Item>, Trouble> {
    let keys = named.iter().map(|one| {
        let pk = keys::delivery(word(one, ID));
        (pk.clone(), pk)
    });
    let keys: Vec<_> = keys.collect();
    let found = store.get_all(store.records(), &keys).await?;
    let places: std::collections::HashSet<&str> = named.iter().map(|one| word(one, SK)).collect();
    let meant = found
        .into_iter()
        .filter(|item| places.contains(word(item, LISTED_AS)) && !store.is_expired(item));
    Ok(meant.collect())
}

async fn read(store: &DynamoDb, item: &Item) -> Result<Delivery, Trouble> {
    let Some(count) = number(item, PIECES) else {
        return decode_text(item, word(item, BODY));
    };
    let pieces = Query::all(keys::pieces(word(item, PK)));
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let pieces = store.query(&pieces, count).await?;
    let body: String = pieces.iter().map(|piece| word(piece, BODY)).collect();
    decode_text(item, &body)
}

pub(super) async fn settle(
    store: &DynamoDb,
    id: &str,
    state: &DeliveryState,
) -> Result<(), Trouble> {
    let gone = || Trouble::Rejected(format!("there is no delivery {id:?}"));
    let there = there(store, id).await?.ok_or_else(gone)?;
    let table = store.records();
    let listed = word(&there, LISTED_AS);
    let pending = item(keys::part_of(keys::PENDING, id), listed);
    let key = item(word(&there, PK), word(&there, SK));
    let mut all = Transaction::default();
    let update = match state {
        DeliveryState::Pending => {
            all.put(table, pending.with(ID, text(id)), Condition::none());
            all.update(table, key, "REMOVE #state, #expires", Condition::present())
        }
        done @ DeliveryState::Done { .. } => {
            all.delete(table, pending, Condition::none());
            let at = nestling_domain::ids::Timestamp(number(&there, AT).unwrap_or_default());
            let set = Condition::present()
                .value(":state", text(encode("a delivery's state", done)?))
                .value(":expires", expiry(at, DELIVERIES));
            all.update(table, key, "SET #state = :state, #expires = :expires", set)
        }
    };
    match store.write(all).await {
        Err(Trouble::Unmet(place)) if place == update => Err(gone()),
        outcome => outcome,
    }
}

pub(super) async fn newest(
    store: &DynamoDb,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<(Delivery, DeliveryState)>, Trouble> {
    let mut before = match after {
        None => None,
        Some(id) => match there(store, id).await? {
            None => return Ok(Vec::new()),
            Some(item) => Some(word(&item, LISTED_AS).to_owned()),
        },
    };
    let mut listed = Vec::new();
    while listed.len() < limit {
        let span = before.take().map_or(Span::All, Span::Before);
        // A page of what is shown; more is asked for while it is wanted.
        let wanted = (limit - listed.len()).min(AT_ONCE);
        let named = store
            .query_parts(keys::DELIVERIES, span, true, wanted)
            .await?;
        for item in records(store, &named).await? {
            let both = read(store, &item).await;
            let both = both.and_then(|delivery| Ok((delivery, state_of(&item)?)));
            keep(both, &mut listed);
        }
        if named.len() < wanted {
            break;
        }
        before = named.last().map(|one| word(one, SK).to_owned());
    }
    Ok(listed)
}

fn state_of(item: &Item) -> Result<DeliveryState, Trouble> {
    match word(item, STATE) {
        "" => Ok(DeliveryState::Pending),
        state => decode_text(item, state),
    }
}

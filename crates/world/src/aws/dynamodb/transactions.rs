//! `TransactWriteItems`: all of it or nothing, and once for each token.

use std::{collections::BTreeSet, time::Instant};

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{
    state::{Place, Spent, State, TOKEN},
    value::size,
    wire::{Fail, Reason, parse},
    writing::{Asked, Change, Kind, Write},
};

/// The most actions.
const ACTIONS: usize = 100;
/// The most that all items together hold.
const BYTES: usize = 4 << 20;
/// The longest token.
const TOKEN_LENGTH: usize = 36;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Transaction {
    transact_items: Vec<Action>,
    client_request_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Action {
    put: Option<Asked>,
    delete: Option<Asked>,
    update: Option<Asked>,
    condition_check: Option<Asked>,
}

/// A transaction that holds its items.
#[derive(Debug)]
pub(super) struct Begun {
    writes: Vec<Write>,
    places: BTreeSet<Place>,
    token: Option<String>,
}

/// Begins one: its items are held until it ends. `None` where the token says that it is done already.
pub(super) fn begin(state: &mut State, body: &Json) -> Result<Option<Begun>, Fail> {
    let asked: Transaction = parse(body)?;
    let token = asked.client_request_token;
    if token
        .as_ref()
        .is_some_and(|token| token.is_empty() || token.len() > TOKEN_LENGTH)
    {
        return Err(Fail::invalid(
            "1 validation error detected: Value at 'clientRequestToken' failed to satisfy constraint: Member must have length less than or equal to 36",
        ));
    }
    let actions = body["TransactItems"].to_string();
    if is_done(state, token.as_deref(), &actions)? {
        return Ok(None);
    }
    let count = asked.transact_items.len();
    if count == 0 || count > ACTIONS {
        return Err(Fail::invalid(
            "Member must have length less than or equal to 100",
        ));
    }
    let writes = asked
        .transact_items
        .iter()
        .map(|action| write_of(state, action));
    let writes: Vec<Write> = writes.collect::<Result<_, _>>()?;
    let places: BTreeSet<Place> = writes.iter().map(|write| write.place.clone()).collect();
    if places.len() != count {
        return Err(Fail::invalid(
            "Transaction request cannot include multiple operations on one item",
        ));
    }
    let bytes: usize = writes.iter().map(|write| bytes_of(state, write)).sum();
    if bytes > BYTES {
        return Err(Fail::invalid(
            "Collection size of the items in the transaction exceeds the limit of 4 MB",
        ));
    }
    if !state.held.is_disjoint(&places) {
        let reasons = writes.iter().map(|write| {
            if state.held.contains(&write.place) {
                Reason::Conflict
            } else {
                Reason::None
            }
        });
        return Err(Fail::cancelled(reasons.collect()));
    }
    state.held.extend(places.iter().cloned());
    if let Some(token) = &token {
        let spent = Spent {
            actions,
            since: Instant::now(),
            is_done: false,
        };
        state.tokens.insert(token.clone(), spent);
    }
    Ok(Some(Begun {
        writes,
        places,
        token,
    }))
}

/// Whether a transaction of this token was done.
fn is_done(state: &mut State, token: Option<&str>, actions: &str) -> Result<bool, Fail> {
    state
        .tokens
        .retain(|_, spent| spent.since.elapsed() < TOKEN);
    let Some(spent) = token.and_then(|token| state.tokens.get(token)) else {
        return Ok(false);
    };
    if spent.actions != actions {
        return Err(Fail::new(
            "IdempotentParameterMismatchException",
            "The request uses the same client token as a previous, but non-identical request",
        ));
    }
    if !spent.is_done {
        return Err(Fail::new(
            "TransactionInProgressException",
            "The transaction with the given request token is already in progress.",
        ));
    }
    Ok(true)
}

fn write_of(state: &State, action: &Action) -> Result<Write, Fail> {
    let all = [
        (&action.put, Kind::Put),
        (&action.delete, Kind::Delete),
        (&action.update, Kind::Update),
        (&action.condition_check, Kind::Check),
    ];
    let mut given = all
        .into_iter()
        .filter_map(|(asked, kind)| Some((asked.as_ref()?, kind)));
    match (given.next(), given.next()) {
        (Some((asked, kind)), None) => asked.write(state, kind),
        _ => Err(Fail::invalid(
            "TransactItems can only contain one of Check, Put, Update or Delete",
        )),
    }
}

fn bytes_of(state: &State, write: &Write) -> usize {
    match &write.change {
        Change::Put(item) => size(item),
        Change::Delete | Change::Update(_) | Change::Nothing => {
            let table = state.tables.get(&write.place.0);
            let there = table.and_then(|table| table.items.get(&write.place.1));
            there.map_or(0, size)
        }
    }
}

/// Ends one: looks at all conditions, then does everything or nothing.
pub(super) fn end(state: &mut State, begun: Begun) -> Result<Json, Fail> {
    for place in &begun.places {
        state.held.remove(place);
    }
    let outcome = decide(state, &begun.writes);
    if let Some(token) = begun.token {
        match &outcome {
            Ok(_) => {
                if let Some(spent) = state.tokens.get_mut(&token) {
                    spent.is_done = true;
                }
            }
            // What was cancelled may be asked again.
            Err(_) => {
                state.tokens.remove(&token);
            }
        }
    }
    outcome
}

fn decide(state: &mut State, writes: &[Write]) -> Result<Json, Fail> {
    let (mut reasons, mut afters) = (Vec::new(), Vec::new());
    for write in writes {
        let after = write.after(state);
        reasons.push(match (&after, write.may(state)) {
            (_, false) => Reason::Unmet,
            (Err(fail), true) => Reason::Invalid(fail.body()["message"].to_string()),
            (Ok(_), true) => Reason::None,
        });
        afters.push(after);
    }
    if reasons.iter().any(|reason| *reason != Reason::None) {
        // A cancelled transaction is paid for, too.
        state.writes += 2 * u64::try_from(writes.len()).unwrap_or_default();
        return Err(Fail::cancelled(reasons));
    }
    for (write, after) in writes.iter().zip(afters) {
        state.replace(&write.place, after?, 2);
    }
    Ok(json!({}))
}

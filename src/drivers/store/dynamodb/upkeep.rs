//! Age limits, and whether the store can write.
//!
//! DynamoDB removes what has an `expires`, for nothing, and within days; until then it counts as gone from the moment on that
//! was last given to `prune`. Only events are removed by us: whether a consumer has read them is not a matter of time.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use nestling_domain::ids::Timestamp;

use super::{
    DynamoDb, history,
    items::{digits, item},
    keys,
    transaction::Condition,
    trouble::Trouble,
};

/// A settled delivery: GitHub itself lets people redeliver for 3 days; a month serves whoever asks why.
pub(super) const DELIVERIES: Duration = Duration::from_hours(30 * 24);
/// What names a delivery in the list of all, and the pieces of a large one: longer than any delivery is kept or pending.
pub(super) const LISTED: Duration = Duration::from_hours(2 * 365 * 24);
/// An event: a quarter of audit log.
pub(super) const EVENTS: Duration = Duration::from_hours(90 * 24);
/// An answered input: longer than anybody repeats one (GitHub 3 days, an idempotency key 1 day).
pub(super) const INPUTS: Duration = Duration::from_hours(7 * 24);
/// A deleted app's slug: links and cookies of the old app have died out by then.
pub(super) const SLUGS: Duration = Duration::from_hours(30 * 24);
/// Deployments that an environment keeps in its history. The one too many goes with the save that adds one.
pub(super) const HISTORY: u32 = 50;

/// The second from which on something counts as gone.
pub(super) fn second(at: Timestamp, age: Duration) -> u64 {
    at.plus(age).0.div_ceil(1000)
}

/// The same, for an item.
pub(super) fn expiry(at: Timestamp, age: Duration) -> AttributeValue {
    digits(second(at, age))
}

/// Removes what is older than its limit.
pub(super) async fn prune(store: &DynamoDb, now: Timestamp) -> Result<(), Trouble> {
    store.expire(now);
    let age = u64::try_from(EVENTS.as_millis()).unwrap_or(u64::MAX);
    history::prune(store, Timestamp(now.0.saturating_sub(age))).await
}

/// Proves that the store can write by writing, and that both tables can be read.
pub(super) async fn check(store: &DynamoDb) -> Result<(), Trouble> {
    let expression = "ADD #checks :one";
    let one = Condition::none()
        .naming(expression)
        .value(":one", digits(1));
    let key = item(keys::HEALTH, keys::HEALTH);
    store.update(key, expression, one).await?;
    let values = store.values_table();
    store.get(values, keys::HEALTH, keys::HEALTH).await?;
    Ok(())
}

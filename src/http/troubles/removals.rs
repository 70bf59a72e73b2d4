//! Removals that have not come to their end, as people and metrics are told of them.

use std::time::Duration;

use nestling_domain::{environment::Environment, ids::Timestamp};

use crate::drivers::store::{Store, StoreError};

/// How many of those that owe something are looked at: whoever asks waits for a read of each. Of more, the earliest are.
const LOOKED_AT: usize = 1_000;
/// Whatever is stuck is tried again sooner than this.
const SOON: Duration = Duration::from_mins(2);

/// The environments of which something should be gone by `now`, and is not.
pub async fn stuck(store: &dyn Store, now: Timestamp) -> Result<Vec<Environment>, StoreError> {
    let mut stuck = Vec::new();
    for id in store.due(now.plus(SOON), LOOKED_AT).await? {
        let record = store.environment(&id).await?;
        stuck.extend(record.filter(|record| record.lifecycle.stuck(now).is_some()));
    }
    Ok(stuck)
}

//! What an environment holds in memory: a cache of its records.

use std::sync::Arc;

use nestling_domain::{environment::Environment as Record, history::History, ids::EnvironmentId};

use crate::drivers::store::{Store, StoreError};

/// How many history records are read: the two that a state can name, and a few for their neighbours.
const HISTORY: usize = 6;

/// What is a cache of the store: forgotten whenever an outcome is unknown.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) record: Option<Arc<Record>>,
    /// Only while a deployment is on its way: thousands of environments just serve, and their history is read when
    /// something happens to them.
    pub(super) history: Option<Arc<History>>,
}

pub(super) async fn read(store: &dyn Store, id: &EnvironmentId) -> Result<Memory, StoreError> {
    Ok(Memory {
        record: store.environment(id).await?.map(Arc::new),
        history: None,
    })
}

pub(super) async fn read_history(
    store: &dyn Store,
    id: &EnvironmentId,
) -> Result<Arc<History>, StoreError> {
    let newest = store.deployments(id, None, HISTORY).await?;
    Ok(Arc::new(History::of(newest)))
}

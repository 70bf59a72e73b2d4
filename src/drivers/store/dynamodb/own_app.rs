//! The GitHub App that was made on the dashboard: one record.

use nestling_domain::record::OwnApp;

use super::{DynamoDb, items::record, keys::OWN_APP, trouble::Trouble};

pub(super) async fn one(store: &DynamoDb) -> Result<Option<OwnApp>, Trouble> {
    store.record(OWN_APP.0, OWN_APP.1).await
}

pub(super) async fn put(store: &DynamoDb, app: &OwnApp) -> Result<(), Trouble> {
    let item = record(OWN_APP, "the GitHub App", app)?;
    store.put(store.records(), item).await
}

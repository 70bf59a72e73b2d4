//! Where records live, as the configuration chooses: for the server, for `nestling check`, and for `nestling tables`.

use std::sync::Arc;

use tracing::{info, warn};

use super::standing;
use crate::{
    config::{Config, StoreDriver},
    drivers::{
        aws::Account,
        data_dir::DataDir,
        store::{
            Store,
            dynamodb::{DynamoDb, Owner, Settings, Shape, Spans},
            sqlite::Sqlite,
        },
    },
};

/// The tables of DynamoDB, if records live there. Nothing is asked yet.
pub(super) async fn dynamodb(config: &Config) -> anyhow::Result<Option<DynamoDb>> {
    match config.store.driver {
        StoreDriver::Sqlite => Ok(None),
        StoreDriver::DynamoDb => {
            let account = Account::open(&config.aws.region, &config.aws.endpoint_url).await?;
            Ok(tables_in(config, &account))
        }
    }
}

/// The same, in an account that is open.
pub(super) fn tables_in(config: &Config, account: &Account) -> Option<DynamoDb> {
    let tables = &config.store.dynamodb;
    let settings = Settings::new(&tables.records_table, &tables.values_table);
    match config.store.driver {
        StoreDriver::Sqlite => None,
        StoreDriver::DynamoDb => Some(DynamoDb::open(account, settings)),
    }
}

/// The store of a server, opened, and what makes of several servers on it one that acts; the folder's lock does that for SQLite.
/// Tables that are missing or of another shape end the start: a person has to mend that.
pub(super) async fn open(
    config: &Config,
    data: &DataDir,
) -> anyhow::Result<(Arc<dyn Store>, Option<Owner>)> {
    let Some(store) = dynamodb(config).await? else {
        return Ok((Arc::new(Sqlite::open(&data.database())?), None));
    };
    match store.shape().await? {
        Shape::Right => {}
        Shape::Keeps(why) => warn!("{why}"),
        Shape::Wrong(why) => anyhow::bail!("records cannot be kept: {why}"),
    }
    let tables = &config.store.dynamodb;
    info!(
        "records are in the tables {} and {}",
        tables.records_table, tables.values_table
    );
    let home = standing::home(data.path())?;
    let owner = store.owner(&standing::name()?, &home, Spans::default());
    Ok((Arc::new(store), Some(owner)))
}

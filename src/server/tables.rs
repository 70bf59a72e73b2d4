//! `nestling tables`: the tables of DynamoDB, made or looked at.

use anyhow::bail;

use super::store;
use crate::{
    config::Config,
    drivers::store::dynamodb::{DynamoDb, Shape},
};

/// Makes what is missing; answers what was done, a line for each thing.
pub async fn create(config: &Config) -> anyhow::Result<Vec<String>> {
    let tables = tables(config).await?;
    let mut done = tables.create_tables().await?;
    let found = look(&tables).await?;
    done.push(found);
    Ok(done)
}

/// Looks at them, and changes nothing.
pub async fn check(config: &Config) -> anyhow::Result<Vec<String>> {
    let tables = tables(config).await?;
    Ok(vec![look(&tables).await?])
}

async fn tables(config: &Config) -> anyhow::Result<DynamoDb> {
    match store::dynamodb(config).await? {
        Some(tables) => Ok(tables),
        None => bail!(
            "store.driver is \"sqlite\", which has no tables to make: set it to \"dynamodb\" in the configuration, and give that with --config"
        ),
    }
}

async fn look(tables: &DynamoDb) -> anyhow::Result<String> {
    match tables.shape().await? {
        Shape::Right => Ok("the tables are as they must be".to_owned()),
        Shape::Keeps(why) => Ok(why),
        Shape::Wrong(why) => bail!("{why}"),
    }
}

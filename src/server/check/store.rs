//! Whether records have where to live, when that is not the data folder.

use super::{Finding, Verdict, finding};
use crate::{
    config::Config,
    drivers::store::{
        Store as _,
        dynamodb::{DynamoDb, Shape},
    },
};

/// Asks DynamoDB.
pub(super) async fn tables(config: &Config, tables: &DynamoDb) -> Finding {
    const WHAT: &str = "tables";
    let says = match tables.shape().await {
        Err(error) => return finding(WHAT, Verdict::Missing, error.to_string()),
        Ok(Shape::Wrong(why)) => return finding(WHAT, Verdict::Missing, why),
        Ok(Shape::Keeps(why)) => Some(why),
        Ok(Shape::Right) => None,
    };
    // It writes one record, as the server does all the time.
    if let Err(error) = tables.check().await {
        return finding(WHAT, Verdict::Missing, error.to_string());
    }
    let names = &config.store.dynamodb;
    if let Some(why) = says {
        return finding(WHAT, Verdict::Poor, why);
    }
    let says = format!(
        "{} and {} are as they must be, and can be written",
        names.records_table, names.values_table
    );
    finding(WHAT, Verdict::Ok, says)
}

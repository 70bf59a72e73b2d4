//! Whether records have where to live, when that is not the data folder.

use super::{super::store, Finding, Verdict, finding};
use crate::{
    config::Config,
    drivers::store::{Store as _, dynamodb::Shape},
};

const WHAT: &str = "tables";

/// Asks DynamoDB; nothing when records live in the data folder.
pub(super) async fn findings(config: &Config) -> Option<Finding> {
    let tables = match store::dynamodb(config).await {
        Ok(tables) => tables?,
        Err(error) => return Some(finding(WHAT, Verdict::Missing, error.to_string())),
    };
    let says = match tables.shape().await {
        Err(error) => return Some(finding(WHAT, Verdict::Missing, error.to_string())),
        Ok(Shape::Wrong(why)) => return Some(finding(WHAT, Verdict::Missing, why)),
        Ok(Shape::Keeps(why)) => Some(why),
        Ok(Shape::Right) => None,
    };
    // It writes one record, as the server does all the time.
    if let Err(error) = tables.check().await {
        return Some(finding(WHAT, Verdict::Missing, error.to_string()));
    }
    let names = &config.store.dynamodb;
    if let Some(why) = says {
        return Some(finding(WHAT, Verdict::Poor, why));
    }
    let says = format!(
        "{} and {} are as they must be, and can be written",
        names.records_table, names.values_table
    );
    Some(finding(WHAT, Verdict::Ok, says))
}

//! The store in two tables of DynamoDB: one for all records, one for values (ADR 34).
//!
//! What belongs together is written by one `TransactWriteItems`, with conditions that say what it was decided on, and with
//! a token: a request whose answer was lost is asked again under the same token, so that it is done once. What is decided on is
//! read from the tables themselves, strongly consistent; the one index only finds candidates. A record of an environment that is
//! written alone is a conditional put that names its writer.

mod apps;
mod calls;
mod environments;
mod history;
mod inbox;
mod items;
mod kept;
mod keys;
mod own_app;
mod owner;
mod packed;
mod pull_requests;
mod queries;
mod record;
mod sequence;
mod slugs;
mod store;
mod tables;
mod transaction;
mod trouble;
mod upkeep;
mod values;

#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_sdk_dynamodb::{Client, config::retry::RetryConfig};
use nestling_domain::ids::Timestamp;

use crate::drivers::aws::{self, Account};
use items::Item;
use owner::Permit;
use sequence::Sequence;

pub use owner::{Owner, Spans, Standing};
pub use tables::{Shape, TableError};

/// Where the records are, and how long is waited for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The table of all records but values.
    pub records: String,
    /// The table of secrets and variables.
    pub values: String,
    /// The longest one try may take: a transaction takes some ten milliseconds.
    pub one_try: Duration,
    /// The longest all tries of one request may take together; after it the outcome counts as unknown.
    pub all_tries: Duration,
}

impl Settings {
    /// The usual times, with tables of these names.
    pub fn new(records: &str, values: &str) -> Self {
        Settings {
            records: records.to_owned(),
            values: values.to_owned(),
            one_try: Duration::from_secs(3),
            // As long as SQLite may take: whoever waits for a save counts on it.
            all_tries: Duration::from_secs(10),
        }
    }
}

/// The DynamoDB driver. Clones share what is known.
#[derive(Clone)]
pub struct DynamoDb(Arc<Inner>);

impl fmt::Debug for DynamoDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DynamoDb").field(&self.0.settings).finish()
    }
}

struct Inner {
    client: Client,
    region: String,
    settings: Settings,
    sequence: Sequence,
    permit: Permit,
    /// What expires at or before this moment counts as gone: DynamoDB itself takes days to remove it.
    horizon: AtomicU64,
}

impl DynamoDb {
    /// The store in these tables. Nothing is asked yet; see [`DynamoDb::shape`].
    pub fn open(account: &Account, settings: Settings) -> Self {
        let timeouts = aws::timeouts()
            .operation_attempt_timeout(settings.one_try)
            .read_timeout(settings.one_try)
            .operation_timeout(settings.all_tries);
        let config = aws_sdk_dynamodb::config::Builder::from(account.sdk())
            // Only here it is known what may be asked again, and when its outcome is unknown.
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts.build())
            .interceptor(account.clock().clone());
        DynamoDb(Arc::new(Inner {
            client: Client::from_conf(config.build()),
            region: account.region().to_owned(),
            settings,
            sequence: Sequence::default(),
            permit: Permit::default(),
            horizon: AtomicU64::new(0),
        }))
    }

    /// The table of all records but values.
    fn records(&self) -> &str {
        &self.0.settings.records
    }

    /// The table of secrets and variables.
    fn values_table(&self) -> &str {
        &self.0.settings.values
    }

    /// The second at which what expires counts as gone.
    fn horizon(&self) -> u64 {
        self.0.horizon.load(Ordering::Relaxed) / 1000
    }

    /// What has expired by `now` counts as gone from now on.
    fn expire(&self, now: Timestamp) {
        self.0.horizon.fetch_max(now.0, Ordering::Relaxed);
    }

    fn is_expired(&self, item: &Item) -> bool {
        items::number(item, items::EXPIRES).is_some_and(|at| at <= self.horizon())
    }
}

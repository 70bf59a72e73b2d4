//! What every driver on Amazon Web Services stands on: where it is, with which credentials, and how long it may take.
//!
//! Credentials come by the SDK's own chain and never through Nestling's configuration: the environment, a profile, a web
//! identity, the container's or the machine's role. They are renewed while the server runs.

mod clock;
mod failure;
#[cfg(test)]
pub(crate) mod tests;

use std::time::Duration;

use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_sdk_s3::config::{
    retry::RetryConfig, timeout::TimeoutConfig, timeout::TimeoutConfigBuilder,
};

pub use clock::Clock;
pub use failure::{Failure, Kind};

/// The longest a connection may take: within a region it is a millisecond, across the world a third of a second.
pub const CONNECT: Duration = Duration::from_secs(3);
/// The longest one try may take, from the connection to the last byte of the answer's head.
pub const TRY: Duration = Duration::from_secs(10);
/// The longest all tries of one request may take together, with the waits between them.
pub const ALL_TRIES: Duration = Duration::from_secs(30);
/// Tries of one request, the first one included. The SDK waits between them, longer each time and at random, and only
/// while most requests of the last moments went well.
pub const TRIES: u32 = 4;
/// The wait before the second try is this at most.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// No wait between two tries is longer.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// An account in a region, as its services are reached.
#[derive(Debug, Clone)]
pub struct Account {
    sdk: SdkConfig,
    clock: Clock,
}

/// Why there is no account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// Nothing says in which region it is.
    #[error(
        "no region of AWS is set: write aws.region = \"eu-central-1\" or yours into the configuration, or set AWS_REGION"
    )]
    NoRegion,
}

impl Account {
    /// The account of this region and of the credentials that the SDK finds; empty for what the environment says. With an
    /// `endpoint_url` all services are asked there instead of at AWS. Credentials are looked for when they are needed first.
    pub async fn open(region: &str, endpoint_url: &str) -> Result<Self, AccountError> {
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12());
        if !region.is_empty() {
            loader = loader.region(Region::new(region.to_owned()));
        }
        Self::load(loader, endpoint_url).await
    }

    async fn load(mut loader: ConfigLoader, endpoint_url: &str) -> Result<Self, AccountError> {
        if !endpoint_url.is_empty() {
            loader = loader.endpoint_url(endpoint_url);
        }
        let retries = RetryConfig::standard()
            .with_max_attempts(TRIES)
            .with_initial_backoff(FIRST_WAIT)
            .with_max_backoff(LONGEST_WAIT);
        let sdk = loader
            .timeout_config(timeouts().build())
            .retry_config(retries)
            .load()
            .await;
        if sdk.region().is_none() {
            return Err(AccountError::NoRegion);
        }
        let clock = Clock::default();
        Ok(Account { sdk, clock })
    }

    /// What the client of a service is made from.
    pub fn sdk(&self) -> &SdkConfig {
        &self.sdk
    }

    /// The region that is asked.
    pub fn region(&self) -> &str {
        self.sdk.region().map_or("", Region::as_ref)
    }

    /// Whether an address was set that is not AWS's own: an emulator, another vendor, a private way in.
    pub fn is_elsewhere(&self) -> bool {
        self.sdk.endpoint_url().is_some()
    }

    /// How the clock of this machine stands to that of AWS. Each client is given it as an interceptor.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }
}

/// The usual timeouts; a driver whose requests are longer or shorter changes them.
pub fn timeouts() -> TimeoutConfigBuilder {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .read_timeout(TRY)
        .operation_attempt_timeout(TRY)
        .operation_timeout(ALL_TRIES)
}

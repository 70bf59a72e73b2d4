//! Accounts of stories, and what is said of failures.

use aws_sdk_s3::config::Credentials;

use super::*;

/// The account at this address, with credentials that every model takes.
pub(crate) async fn account_at(endpoint_url: &str) -> Account {
    account_by(nestling_world::aws::ACCESS_KEY, endpoint_url).await
}

/// The account that a story has in the emulator for itself.
pub(crate) async fn account_in(emulator: &nestling_world::aws::Emulator) -> Account {
    account_by(emulator.access_key(), &emulator.base()).await
}

async fn account_by(access_key: &str, endpoint_url: &str) -> Account {
    let credentials = Credentials::new(
        access_key,
        nestling_world::aws::SECRET_KEY,
        None,
        None,
        "story",
    );
    let loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .region(Region::from_static("eu-central-1"))
        .credentials_provider(credentials);
    Account::load(loader, endpoint_url).await.unwrap()
}

/// A real account, by the usual variables; `None` unless a story is told on one (`make test-aws`).
pub(crate) async fn real_account() -> Option<Account> {
    std::env::var_os("NESTLING_TEST_AWS")?;
    Some(Account::open("", "").await.unwrap())
}

//! The clock: the one place where time enters.

use std::time::{SystemTime, UNIX_EPOCH};

use nestling_domain::ids::Timestamp;

/// The present moment by the server's own clock.
#[allow(
    clippy::disallowed_methods,
    reason = "this is the one place where time enters"
)]
pub fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

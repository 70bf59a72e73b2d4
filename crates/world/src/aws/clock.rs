//! The clock of AWS, which need not agree with that of this machine.

use std::time::{Duration, SystemTime};

/// The present moment, as a service has it whose clock is so many seconds ahead of that of this machine.
#[allow(clippy::disallowed_methods, reason = "a model's clock is its own")]
pub(super) fn now(ahead: i64) -> SystemTime {
    let apart = Duration::from_secs(ahead.unsigned_abs());
    if ahead < 0 {
        SystemTime::now() - apart
    } else {
        SystemTime::now() + apart
    }
}

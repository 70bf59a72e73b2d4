//! How the clock of this machine stands to that of AWS, as the dates of its answers say.
//!
//! The SDK signs by AWS's clock once it has seen it. Addresses that are signed beforehand are not corrected by it, and
//! people want to be told: so the difference is kept here.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use aws_sdk_s3::config::{
    ConfigBag, Intercept, RuntimeComponents,
    interceptors::BeforeDeserializationInterceptorContextRef,
};
use aws_sdk_s3::error::BoxError;
use nestling_domain::ids::Timestamp;

use crate::drivers::clock::now;

/// Seconds that the clock may be wrong before it is told: a date is of whole seconds, and an answer takes its time.
const TOLERATED: u64 = 60;

/// No answer has come yet.
const UNKNOWN: i64 = i64::MIN;

/// The last difference that was seen.
#[derive(Debug, Clone)]
pub struct Clock(Arc<AtomicI64>);

impl Default for Clock {
    fn default() -> Self {
        Clock(Arc::new(AtomicI64::new(UNKNOWN)))
    }
}

impl Clock {
    /// By how many milliseconds this machine's clock is ahead of AWS's (negative: behind); `None` before the first answer.
    pub fn ahead(&self) -> Option<i64> {
        let ahead = self.0.load(Ordering::Relaxed);
        (ahead != UNKNOWN).then_some(ahead)
    }

    /// What is wrong, in words; `None` while it is right or not known.
    pub fn trouble(&self) -> Option<String> {
        let ahead = self.ahead()? / 1000;
        let side = if ahead > 0 { "ahead of" } else { "behind" };
        (ahead.unsigned_abs() > TOLERATED).then(|| {
            format!(
                "the clock of this machine is {} s {side} that of AWS; set it by the network (timedatectl set-ntp true)",
                ahead.unsigned_abs()
            )
        })
    }

    /// The present moment as AWS has it.
    pub fn theirs(&self) -> Timestamp {
        let ours = now();
        let ahead = self.ahead().unwrap_or_default();
        Timestamp(ours.0.saturating_add_signed(-ahead))
    }

    fn see(&self, date: &str) {
        let Ok(date) = httpdate::parse_http_date(date) else {
            return;
        };
        let theirs = date.duration_since(std::time::UNIX_EPOCH);
        let theirs = i64::try_from(theirs.unwrap_or_default().as_millis()).unwrap_or(i64::MAX);
        let ours = i64::try_from(now().0).unwrap_or(i64::MAX);
        self.0.store(ours.saturating_sub(theirs), Ordering::Relaxed);
    }
}

impl Intercept for Clock {
    fn name(&self) -> &'static str {
        "Clock"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(date) = context.response().headers().get("date") {
            self.see(date);
        }
        Ok(())
    }
}

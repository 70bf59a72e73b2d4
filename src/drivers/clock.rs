//! The clock: the one place where time enters.

use std::time::{SystemTime, UNIX_EPOCH};

use nestling_domain::ids::Timestamp;

/// The present moment by the server's own clock.
#[allow(
    clippy::disallowed_methods,
    reason = "this is the one place where time enters"
)]
pub fn now() -> Timestamp {
    #[cfg(test)]
    if let Some(simulated) = simulated::now() {
        return simulated;
    }
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Time of the simulation, on the thread that it runs on.
#[cfg(test)]
pub(crate) mod simulated {
    use std::cell::Cell;

    use nestling_domain::ids::Timestamp;
    use tokio::time::Instant;

    #[derive(Clone, Copy)]
    enum Moment {
        Stands(Timestamp),
        Runs { from: Timestamp, since: Instant },
    }

    thread_local! {
        static MOMENT: Cell<Option<Moment>> = const { Cell::new(None) };
    }

    /// No time passes from this moment on.
    pub(crate) fn stand(at: Timestamp) {
        MOMENT.set(Some(Moment::Stands(at)));
    }

    /// Time passes from this moment on, as it does in the runtime that this is called in.
    pub(crate) fn run(from: Timestamp) {
        let since = Instant::now();
        MOMENT.set(Some(Moment::Runs { from, since }));
    }

    pub(super) fn now() -> Option<Timestamp> {
        Some(match MOMENT.get()? {
            Moment::Stands(at) => at,
            Moment::Runs { from, since } => {
                from.plus(Instant::now().saturating_duration_since(since))
            }
        })
    }
}

//! Webhooks that did not get through: GitHub is led here, and asked to deliver them once more.

use std::{
    collections::BTreeSet,
    sync::{MutexGuard, PoisonError, atomic::Ordering},
};

use nestling_domain::{github::Log, ids::Timestamp};
use tracing::{info, warn};

use super::Desk;
use crate::drivers::{
    github::GitHubError::{self, Absent, Refused},
    store::StoreError,
};

/// How far back the inbox is read for what came: what is older is asked for once more, which changes nothing.
const INBOX_READ_BACK: usize = 10_000;

impl Desk {
    /// Has GitHub send webhooks to where the server is reached, if it does not yet. A failure is logged, and tried again with
    /// [`recover`](Desk::recover): until then listings find what happens.
    pub(super) async fn lead_webhooks_here(&self) {
        let Some(wanted) = self.places.hook.as_ref().filter(|_| self.client.is_app()) else {
            return;
        };
        let led = async {
            if self.client.hook_address().await? != *wanted {
                self.client.set_hook_address(wanted).await?;
                info!("GitHub sends webhooks to {wanted} from now on");
            }
            Ok::<_, GitHubError>(())
        };
        match led.await {
            Ok(()) => self.led.store(true, Ordering::Relaxed),
            Err(error) => warn!("webhooks may go elsewhere than to {wanted}: {error}"),
        }
    }

    /// Asks GitHub to deliver once more what did not get through. Answers whether to look again soon what came of it.
    pub(super) async fn recover(&self, now: Timestamp) -> bool {
        if !self.client.is_app() {
            return false;
        }
        if !self.led.load(Ordering::Relaxed) {
            self.lead_webhooks_here().await;
        }
        if let Err(error) = self.read_log(now).await {
            warn!("{error}");
            return false;
        }
        let lost = self.log().again(now);
        if let Err(error) = self.drop_received(&lost).await {
            warn!("the inbox could not be read: {error}");
            return false;
        }
        let lost = self.log().again(now);
        for attempt in &lost {
            let outcome = self.client.deliver_again(*attempt).await;
            let mut log = self.log();
            match outcome {
                Ok(()) => {
                    info!("webhook {attempt} did not get through: asked for it once more");
                    log.was_asked(*attempt, now);
                }
                Err(error) => {
                    warn!("{error}");
                    let (Refused { .. } | Absent { .. }) = error else {
                        continue;
                    };
                    // It is too old.
                    log.is_over(*attempt);
                }
            }
        }
        let log = self.log();
        let not_heard = log.unheard(now);
        // Where GitHub cannot reach the server it is polled.
        let is_awaited = self.places.hook.is_some();
        self.not_heard.say(not_heard.filter(|_| is_awaited));
        !lost.is_empty() || log.is_silent()
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what is new in GitHub's log of webhooks.
    async fn read_log(&self, now: Timestamp) -> Result<(), GitHubError> {
        let known = self.log().read_to();
        let attempts = self.client.attempts(known).await?;
        self.log().learn(&attempts, now);
        Ok(())
    }

    /// Asks no more for webhooks that are in the inbox: GitHub may not have heard our answer, and after a restart nobody remembers which were asked for.
    async fn drop_received(&self, lost: &[u64]) -> Result<(), StoreError> {
        if lost.is_empty() {
            return Ok(());
        }
        let received = self.store.deliveries(None, INBOX_READ_BACK).await?;
        let received: BTreeSet<String> = received.into_iter().map(|(one, _)| one.id).collect();
        let mut log = self.log();
        for attempt in lost {
            let came = log
                .delivery(*attempt)
                .is_some_and(|id| received.contains(id));
            if came {
                log.is_over(*attempt);
            }
        }
        Ok(())
    }
}

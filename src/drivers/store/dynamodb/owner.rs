//! Which server acts: one record, renewed by beats, and taken over when it beats no more (ADR 34).
//!
//! Clocks of two machines are never compared: whoever waits counts, by its own clock, how long the beat it saw has not changed. Who
//! acts counts from before it asked, so that it stops sooner than another may begin. A renewal whose answer is lost is none.

use std::{sync::Mutex, time::Duration};

use nestling_domain::text::clean;
use tokio::time::timeout;

use super::{
    DynamoDb,
    items::{Item, With, digits, item, number, text, word},
    keys::OWNER,
    transaction::{Condition, Transaction},
    trouble::Trouble,
};
use crate::drivers::store::StoreError;

/// Who acts: a name that no other start of a server has.
const NAME: &str = "name";
/// Which data folder it has; only one server at a time can have that.
const HOME: &str = "home";
/// Counts those who acted.
const EPOCH: &str = "epoch";
/// Counts the renewals.
const BEAT: &str = "beat";
/// There once its owner has left in order.
const LEFT: &str = "left";
/// The longest name that is shown.
const LONGEST: usize = 100;

/// How long what lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spans {
    /// A beat that has not changed for so long is of a server that is gone.
    pub gone: Duration,
    /// How often it beats.
    pub beat: Duration,
    /// Who acts stops so long before another may begin.
    pub margin: Duration,
}

impl Default for Spans {
    /// Three beats may be missed.
    fn default() -> Self {
        Spans {
            gone: Duration::from_secs(15),
            beat: Duration::from_secs(3),
            margin: Duration::from_secs(4),
        }
    }
}

/// How a server stands to the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It acts, as the so many-th.
    Acts(u64),
    /// Another one acts.
    Waits(String),
}

/// Whether this store may write.
#[derive(Debug, Default)]
pub(super) struct Permit(Mutex<May>);

#[derive(Debug, Default, Clone, Copy)]
enum May {
    /// It is no server's (the doctor's, a story's).
    #[default]
    Always,
    /// By the clock that also runs while the machine sleeps.
    Until(Duration),
    /// Another server acts, or may.
    Never,
}

impl Permit {
    /// Whether a write may be begun now.
    pub(super) fn check(&self) -> Result<(), Trouble> {
        match *self.lock() {
            May::Always => Ok(()),
            May::Until(end) if since_boot() < end => Ok(()),
            May::Until(_) | May::Never => Err(Trouble::Unknown(
                "this server may not write: another one acts on these tables, or may begin to"
                    .to_owned(),
            )),
        }
    }

    fn set(&self, until: Option<Duration>) {
        *self.lock() = until.map_or(May::Never, May::Until);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, May> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// One server that wants to act.
#[derive(Debug)]
pub struct Owner {
    store: DynamoDb,
    name: String,
    home: String,
    spans: Spans,
    /// The epoch and beat of another that was seen last, and when first.
    seen: Option<((u64, u64), Duration)>,
    /// The epoch in which it acts.
    epoch: Option<u64>,
}

impl DynamoDb {
    /// From now on this store writes only while its server acts, which begins by [`Owner::round`]. `name` must be of this start alone, and
    /// `home` of its data folder, whose lock it holds: an earlier server of that folder is gone.
    pub fn owner(&self, name: &str, home: &str, spans: Spans) -> Owner {
        self.0.permit.set(None);
        Owner {
            store: self.clone(),
            name: name.to_owned(),
            home: home.to_owned(),
            spans,
            seen: None,
            epoch: None,
        }
    }
}

impl Owner {
    /// How often to make a round.
    pub fn beat(&self) -> Duration {
        self.spans.beat
    }

    /// Renews, or looks whether it is its turn. An error leaves everything as it was: it may be that nothing was renewed.
    pub async fn round(&mut self) -> Result<Standing, StoreError> {
        let began = since_boot();
        let round = timeout(self.spans.gone, self.turn());
        let standing = match round.await {
            Ok(standing) => standing?,
            Err(_) => return Err(StoreError::Unknown("DynamoDB gives no answer".to_owned())),
        };
        if let Standing::Acts(_) = standing {
            let lasts = self.spans.gone.saturating_sub(self.spans.margin);
            self.store.0.permit.set(Some(began + lasts));
        } else {
            self.store.0.permit.set(None);
        }
        Ok(standing)
    }

    /// Leaves, so that another begins at once. Whoever still writes is refused from now on.
    pub async fn leave(mut self) -> Result<(), StoreError> {
        self.store.0.permit.set(None);
        let Some(epoch) = self.epoch.take() else {
            return Ok(());
        };
        let expression = "SET #left = :yes";
        let mine = self.is_mine(epoch).naming(expression);
        let mine = mine.value(":yes", text("yes"));
        match self.store.beat(expression, mine).await {
            Ok(_) | Err(Trouble::Unmet(_)) => Ok(()),
            Err(other) => Err(other.into()),
        }
    }

    fn is_mine(&self, epoch: u64) -> Condition {
        Condition::of("#name = :name AND #epoch = :epoch")
            .value(":name", text(&self.name))
            .value(":epoch", digits(epoch))
    }

    async fn turn(&mut self) -> Result<Standing, Trouble> {
        if let Some(epoch) = self.epoch {
            let expression = "ADD #beat :one";
            let renew = self.is_mine(epoch).naming(expression);
            match self
                .store
                .beat(expression, renew.value(":one", digits(1)))
                .await
            {
                Ok(_) => return Ok(Standing::Acts(epoch)),
                Err(Trouble::Unmet(_)) => self.epoch = None,
                Err(other) => return Err(other),
            }
        }
        let there = self.store.get(self.store.records(), OWNER, OWNER).await?;
        let Some(there) = there else {
            return self.take(None).await;
        };
        // Taken by a request of ours whose answer was lost.
        if word(&there, NAME) == self.name && word(&there, LEFT).is_empty() {
            self.epoch = number(&there, EPOCH);
            return Ok(Standing::Acts(self.epoch.unwrap_or_default()));
        }
        let beat = (
            number(&there, EPOCH).unwrap_or_default(),
            number(&there, BEAT).unwrap_or_default(),
        );
        let now = since_boot();
        let since = match self.seen {
            Some((seen, since)) if seen == beat => since,
            _ => now,
        };
        self.seen = Some((beat, since));
        let is_gone = now.saturating_sub(since) >= self.spans.gone;
        let was_here = word(&there, HOME) == self.home;
        if is_gone || was_here || !word(&there, LEFT).is_empty() {
            return self.take(Some(there)).await;
        }
        Ok(Standing::Waits(clean(word(&there, NAME), LONGEST)))
    }

    /// Becomes the next one, unless somebody was quicker.
    async fn take(&mut self, there: Option<Item>) -> Result<Standing, Trouble> {
        let before = there.as_ref();
        let epoch = before
            .and_then(|item| number(item, EPOCH))
            .unwrap_or_default();
        let taken = item(OWNER, OWNER)
            .with(NAME, text(&self.name))
            .with(HOME, text(&self.home))
            .with(EPOCH, digits(epoch + 1))
            .with(BEAT, digits(0));
        let condition = match before {
            None => Condition::absent(),
            Some(item) => Condition::of("#epoch = :epoch AND #beat = :beat")
                .value(":epoch", digits(epoch))
                .value(":beat", digits(number(item, BEAT).unwrap_or_default())),
        };
        let mut all = Transaction::default();
        all.put(self.store.records(), taken, condition);
        match self.store.write_as_owner(all).await {
            Ok(()) => {
                self.epoch = Some(epoch + 1);
                Ok(Standing::Acts(epoch + 1))
            }
            Err(Trouble::Unmet(_)) => Ok(Standing::Waits("another server".to_owned())),
            Err(other) => Err(other),
        }
    }
}

/// Time that also passes while the machine sleeps.
fn since_boot() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or_default())
}

//! What is remembered of a subject while it is written about.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};

use crate::messages::forge::ForgeError;

/// How long words about something under way wait after a write: a quick deployment is told in two writes of the comment,
/// and a slow phase is read half as long after it began as an effect may last.
const CALM: Duration = Duration::from_secs(5);
/// How long something that GitHub refuses is not tried again, the first time and each time after: what a person has to put right takes minutes.
const RESTS: [Duration; 5] = [
    Duration::from_mins(1),
    Duration::from_mins(2),
    Duration::from_mins(4),
    Duration::from_mins(8),
    Duration::from_mins(10),
];

/// How often the comment of a pull request is made again that somebody deletes: once by mistake, and once more.
const MADE_AGAIN_MOST: usize = 3;
/// Within what time.
const MADE_AGAIN_WITHIN: Duration = Duration::from_hours(1);
/// How many deleted comments are kept in mind until the next pass.
const DELETED_MOST: usize = 100;

/// Who announced something hears here what came of it.
pub(super) type Teller = oneshot::Sender<Result<(), ForgeError>>;

/// A pull request, or the default branch of a repository, while there is something to write about it.
#[derive(Default)]
pub(super) struct Page {
    at_work: Cell<bool>,
    asked: RefCell<Vec<Teller>>,
    more: Notify,
    wrote: Cell<Option<Instant>>,
    refused: RefCell<HashMap<String, Refused>>,
    /// Comments that somebody deleted; ours may be among them.
    deleted: RefCell<BTreeSet<u64>>,
    /// When our comment was made again after somebody had deleted it.
    made_again: RefCell<Vec<Instant>>,
}

/// What GitHub refused, how often in a row, and until when it is not tried again.
struct Refused {
    until: Instant,
    times: usize,
    refusal: Refusal,
    /// Whether an announcement is owed until it is shown.
    matters: bool,
}

/// That GitHub would refuse something again, until a person puts something right.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    /// Why, for people.
    pub(super) words: String,
    /// Whether GitHub does not even know what it is about, or does not show it to us.
    pub(super) absent: bool,
}

impl Page {
    /// Asks for a pass; whether somebody has to begin to work.
    pub(super) fn ask(&self, teller: Teller) -> bool {
        self.asked.borrow_mut().push(teller);
        self.more.notify_one();
        !self.at_work.replace(true)
    }

    /// Those for whom the next pass is; `None` when there is none, and the work ends.
    pub(super) fn next_pass(&self) -> Option<Vec<Teller>> {
        let asked = self.asked.take();
        self.at_work.set(!asked.is_empty());
        (!asked.is_empty()).then_some(asked)
    }

    /// Waits until words about something under way may be written, or more is asked. Answers those who ask; `None` when
    /// there is nothing to wait for.
    pub(super) async fn calm(&self) -> Option<Vec<Teller>> {
        let until = self.wrote.get()? + CALM;
        if until <= Instant::now() {
            return None;
        }
        tokio::select! {
            // Whoever asks is answered in either case; without chance a simulated run is the same each time.
            biased;
            () = tokio::time::sleep_until(until) => {}
            () = self.more.notified() => {}
        }
        Some(self.asked.take())
    }

    /// Something was written just now.
    pub(super) fn wrote(&self) {
        self.wrote.set(Some(Instant::now()));
    }

    /// GitHub refuses this; whether it `matters`, an announcement is owed until it is shown.
    pub(super) fn refuse(&self, target: String, refusal: Refusal, matters: bool) {
        let mut refused = self.refused.borrow_mut();
        let times = refused.get(&target).map_or(0, |before| before.times);
        let rest = RESTS[times.min(RESTS.len() - 1)];
        let again = Refused {
            until: Instant::now() + rest,
            times: times + 1,
            refusal,
            matters,
        };
        refused.insert(target, again);
    }

    /// GitHub took this.
    pub(super) fn took(&self, target: &str) {
        self.refused.borrow_mut().remove(target);
    }

    /// GitHub may hear all of it by now.
    pub(super) fn forget_refusals(&self) {
        self.refused.borrow_mut().clear();
    }

    /// Somebody deleted this comment.
    pub(super) fn is_deleted(&self, comment: u64) {
        let mut deleted = self.deleted.borrow_mut();
        if deleted.len() < DELETED_MOST {
            deleted.insert(comment);
        }
    }

    /// Whether our comment, which has this number, is to be made again because somebody deleted it. Whoever deletes it over and
    /// over has his way until something changes.
    pub(super) fn makes_again(&self, ours: u64) -> bool {
        if !self.deleted.take().contains(&ours) {
            return false;
        }
        let now = Instant::now();
        let mut made = self.made_again.borrow_mut();
        made.retain(|at| *at + MADE_AGAIN_WITHIN > now);
        if made.len() >= MADE_AGAIN_MOST {
            return false;
        }
        made.push(now);
        true
    }

    /// How GitHub has refused this lately.
    pub(super) fn refused(&self, target: &str) -> Option<Refusal> {
        let refused = self.refused.borrow();
        let refused = refused.get(target)?;
        (refused.until > Instant::now()).then(|| refused.refusal.clone())
    }

    /// Whether GitHub has refused lately what people wait for.
    pub(super) fn refuses(&self) -> bool {
        let now = Instant::now();
        let refused = self.refused.borrow();
        refused
            .values()
            .any(|refused| refused.matters && refused.until > now)
    }

    /// Whether what is remembered here may still matter.
    pub(super) fn is_of_use(&self) -> bool {
        let now = Instant::now();
        let mut refused = self.refused.borrow_mut();
        let longest = RESTS[RESTS.len() - 1];
        refused.retain(|_, refused| refused.until + longest > now);
        let calm = self.wrote.get().is_some_and(|wrote| wrote + CALM > now);
        let mut made = self.made_again.borrow_mut();
        made.retain(|at| *at + MADE_AGAIN_WITHIN > now);
        self.at_work.get() || calm || !refused.is_empty() || !made.is_empty()
    }
}

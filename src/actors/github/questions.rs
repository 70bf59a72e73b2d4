//! What environments ask, however slowly GitHub answers.
//!
//! A question is three or four requests, one after the other, and whoever asks waits 10 s for it. GitHub may need nearly as long
//! for each of them. So a question goes on when nobody waits for it any more, and whoever asks it again waits for the rest of it.
//! It is begun by the number that its environment gave it, after the hint that made it ask: so nothing that it learns is older
//! than that hint. A newer number is another question, and ends this one.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use nestling_domain::{
    ids::{EnvironmentId, Kind},
    lifecycle::Found,
};
use tokio::{
    task::AbortHandle,
    time::{Instant, timeout},
};

use super::Desk;
use crate::messages::forge::{ForgeError, Head, Question};

/// How long a question may take in all. A pull request of 3,000 files is thirty requests more, at 8 s each four minutes.
const LONGEST: Duration = Duration::from_mins(5);
/// How long an answer waits for whoever asked: they ask again within seconds, or have no use for it any more.
const KEPT: Duration = Duration::from_secs(30);

type Answer = Result<Found, ForgeError>;

/// The newest question of each environment, until its answer is told.
#[derive(Default)]
pub(super) struct Questions {
    open: Mutex<HashMap<EnvironmentId, Open>>,
}

struct Open {
    number: u32,
    told: Told,
    work: AbortHandle,
}

/// The answer to a question and when it came, for all who wait, in the order in which they came; nothing where it was ended, or
/// panicked.
type Told = Shared<BoxFuture<'static, Option<(Instant, Answer)>>>;

impl Desk {
    /// What is true now; to an environment by what it has asked already.
    pub(super) async fn answer(self: Arc<Self>, head: Head) -> Answer {
        match head.question {
            None => self.found(&head).await,
            Some(question) => self.answer_question(head, question).await,
        }
    }

    async fn answer_question(self: Arc<Self>, head: Head, question: Question) -> Answer {
        let environment = EnvironmentId::derive(&head.app, head.kind);
        let told = self.begun(&environment, head, question.number);
        // A tenth is left for saying so.
        let within = question.within * 9 / 10;
        let Ok(told) = timeout(within, told).await else {
            return Err(ForgeError::Failed(format!(
                "GitHub has not answered within {} s",
                within.as_secs()
            )));
        };
        if told.is_none() && !self.questions.has(&environment, question.number) {
            return Err(ForgeError::Failed(
                "a newer question took its place".to_owned(),
            ));
        }
        self.questions.forget(&environment, question.number);
        let failed = || Err(ForgeError::Failed("a bug, which is in the log".to_owned()));
        told.map_or_else(failed, |(_, answer)| answer)
    }

    /// The question of this number, begun just now or before.
    fn begun(self: &Arc<Self>, environment: &EnvironmentId, head: Head, number: u32) -> Told {
        let mut open = self.questions.open();
        if let Some(known) = open.get(environment).filter(|known| known.serves(number)) {
            return known.told.clone();
        }
        let desk = self.clone();
        let work = actix::spawn(async move {
            let found = timeout(LONGEST, desk.found(&head)).await;
            let late = |_| {
                let minutes = LONGEST.as_secs() / 60;
                Err(ForgeError::Failed(format!(
                    "GitHub has not answered within {minutes} minutes"
                )))
            };
            (Instant::now(), found.unwrap_or_else(late))
        });
        let stop = work.abort_handle();
        let told = work.map(Result::ok).boxed().shared();
        let asked = Open {
            number,
            told: told.clone(),
            work: stop,
        };
        if let Some(before) = open.insert(environment.clone(), asked) {
            before.work.abort();
        }
        told
    }

    /// Asks GitHub.
    async fn found(self: &Arc<Self>, head: &Head) -> Answer {
        let found = self.head(head).await;
        if let (Kind::Production, Ok(Found::Open(commit))) = (head.kind, &found) {
            let desk = self.clone();
            actix::spawn(desk.prepare(head.repository, commit.id.clone()));
        }
        found
    }
}

impl Questions {
    /// Whether this is the question that is open.
    fn has(&self, environment: &EnvironmentId, number: u32) -> bool {
        let open = self.open();
        open.get(environment).is_some_and(|one| one.serves(number))
    }

    /// Its answer was told, or it has none: asked again, GitHub is asked again.
    fn forget(&self, environment: &EnvironmentId, number: u32) {
        let mut open = self.open();
        if open
            .get(environment)
            .is_some_and(|one| one.number == number)
        {
            open.remove(environment);
        }
    }

    /// Forgets answers that nobody has fetched.
    pub(super) fn tidy(&self) {
        self.open().retain(|_, one| one.serves(one.number));
    }

    fn open(&self) -> std::sync::MutexGuard<'_, HashMap<EnvironmentId, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Whether it is this question, and is under way or was answered just now.
    fn serves(&self, number: u32) -> bool {
        let is_fresh = match self.told.clone().now_or_never() {
            Some(Some((at, _))) => at.elapsed() < KEPT,
            Some(None) => false,
            None => true,
        };
        self.number == number && is_fresh
    }
}

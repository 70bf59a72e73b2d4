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

use nestling_domain::{
    ids::{EnvironmentId, Kind},
    lifecycle::Found,
};
use tokio::{
    sync::watch,
    task::JoinHandle,
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
    /// Its answer, and when that came.
    answer: watch::Receiver<Option<(Instant, Answer)>>,
    work: JoinHandle<()>,
}

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
        let mut answer = self.begun(&environment, head, question.number);
        // A tenth is left for saying so.
        let within = question.within * 9 / 10;
        let told = timeout(within, answer.wait_for(Option::is_some)).await;
        let told = match told {
            Ok(Ok(told)) => told.clone().map(|(_, answer)| answer),
            Ok(Err(_)) if !self.questions.has(&environment, question.number) => {
                return Err(ForgeError::Failed(
                    "a newer question took its place".to_owned(),
                ));
            }
            // It panicked.
            Ok(Err(_)) => None,
            Err(_) => {
                return Err(ForgeError::Failed(format!(
                    "GitHub has not answered within {} s",
                    within.as_secs()
                )));
            }
        };
        self.questions.forget(&environment, question.number);
        let failed = || Err(ForgeError::Failed("a bug, which is in the log".to_owned()));
        told.unwrap_or_else(failed)
    }

    /// The question of this number, begun just now or before.
    fn begun(
        self: &Arc<Self>,
        environment: &EnvironmentId,
        head: Head,
        number: u32,
    ) -> watch::Receiver<Option<(Instant, Answer)>> {
        let mut open = self.questions.open();
        if let Some(known) = open.get(environment).filter(|known| known.serves(number)) {
            return known.answer.clone();
        }
        let (teller, answer) = watch::channel(None);
        let desk = self.clone();
        let work = actix::spawn(async move {
            let found = timeout(LONGEST, desk.found(&head)).await;
            let late = |_| {
                let minutes = LONGEST.as_secs() / 60;
                Err(ForgeError::Failed(format!(
                    "GitHub has not answered within {minutes} minutes"
                )))
            };
            // Whoever asked may be gone.
            let _ = teller.send(Some((Instant::now(), found.unwrap_or_else(late))));
        });
        let told = answer.clone();
        let asked = Open {
            number,
            answer,
            work,
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
        let answered = self.answer.borrow().as_ref().map(|(at, _)| *at);
        let is_fresh = match answered {
            Some(at) => at.elapsed() < KEPT,
            None => !self.work.is_finished(),
        };
        self.number == number && is_fresh
    }
}

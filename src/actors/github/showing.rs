//! Shows on GitHub what the records say: the comment of a pull request, check runs and deployments (ADR 23).
//!
//! - An announcement is answered by a *pass* that read the records after it came. At most one pass per pull request is
//!   under way; what is announced meanwhile is answered by the next one.
//! - Only differences are written, each of them on its own: the comment's trouble is not the check run's.
//! - What nobody has to read at once, the words about something under way, waits for more to be told.

mod page;
mod pass;
mod pen;
#[cfg(test)]
mod tests;

use std::{
    cell::RefCell,
    collections::{BTreeSet, HashMap},
    panic::AssertUnwindSafe,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use actix::prelude::*;
use futures::FutureExt as _;
use nestling_domain::{
    announcement::Seal,
    github::shown::Budget,
    ids::{Kind, RepositoryId},
};
use tokio::sync::oneshot;
use tracing::{error, warn};

use crate::{
    drivers::{
        blobs::Blobs,
        clock,
        github::GitHub,
        store::{Store, StoreError},
    },
    http::Addresses,
    messages::{
        admission,
        forge::{Announce, CommentDeleted, ForgeError, NotShown, ShowAgain, Unshown},
    },
};
use page::Page;

/// Before each further try to show what nobody owes: a limit of GitHub's lasts a minute, and one of its failures a few.
const AGAIN: [Duration; 4] = [
    Duration::from_mins(1),
    Duration::from_mins(2),
    Duration::from_mins(5),
    Duration::from_mins(10),
];

/// What something is shown about: a pull request, or the default branch.
type Subject = (RepositoryId, Kind);

/// What is needed to show something.
struct Tools {
    github: Arc<GitHub>,
    store: Arc<dyn Store>,
    blobs: Arc<dyn Blobs>,
    admission: admission::Handle,
    addresses: Addresses,
    seal: Arc<dyn Seal>,
    /// By installation.
    budgets: RefCell<HashMap<u64, Budget>>,
    not_shown: NotShown,
}

impl Tools {
    /// Says what came of a pass, if that was a refusal, or what was refused before is shown now. What is tried again within a minute
    /// was not refused.
    fn say(&self, subject: Subject, page: &Page, outcome: &Result<(), ForgeError>) {
        let mut all = self.not_shown.said().unwrap_or_default();
        let place = all
            .iter()
            .position(|one| (one.repository, one.kind) == subject);
        let before = place.map(|place| all.swap_remove(place));
        let reason = match outcome {
            Ok(()) => None,
            Err(ForgeError::Rejected(reason)) => Some(reason.clone()),
            Err(ForgeError::Failed(reason)) if page.refuses() => Some(reason.clone()),
            Err(ForgeError::Failed(_)) => before.as_ref().map(|before| before.reason.clone()),
        };
        let now = clock::now();
        all.extend(reason.map(|reason| Unshown {
            repository: subject.0,
            kind: subject.1,
            reason,
            since: before.map_or(now, |before| before.since),
            last: now,
        }));
        self.not_shown.say(Some(all));
    }
}

/// The actor.
pub struct Showing {
    tools: Rc<Tools>,
    pages: HashMap<Subject, Rc<Page>>,
}

impl Showing {
    /// Shows through `github` what `store` and `blobs` hold; `admission` knows the queue, and `addresses` where pages and
    /// previews are; `seal` opens logs to those who read there.
    pub fn new(
        github: Arc<GitHub>,
        (store, blobs): (Arc<dyn Store>, Arc<dyn Blobs>),
        admission: admission::Handle,
        addresses: Addresses,
        seal: Arc<dyn Seal>,
    ) -> Self {
        let tools = Tools {
            github,
            store,
            blobs,
            admission,
            addresses,
            seal,
            budgets: RefCell::default(),
            not_shown: NotShown::default(),
        };
        Showing {
            tools: Rc::new(tools),
            pages: HashMap::new(),
        }
    }

    /// What GitHub refuses to show.
    pub fn not_shown(&self) -> NotShown {
        self.tools.not_shown.clone()
    }
}

impl Actor for Showing {
    type Context = Context<Self>;
}

impl Supervised for Showing {
    fn restarting(&mut self, _: &mut Self::Context) {
        // The passes that were under way have ended with what it was before.
        self.pages.clear();
    }
}

impl Showing {
    /// Shows a subject once more, and again while that fails: nobody who owes it is told of it.
    fn show_again(&mut self, subject: Subject, tries: usize, ctx: &mut Context<Self>) {
        let told = self.ask(subject, ctx).into_actor(self);
        ctx.spawn(told.map(move |outcome, _, ctx| {
            let wait = AGAIN.get(tries).filter(|_| outcome.is_err());
            if let Some(wait) = wait {
                ctx.run_later(*wait, move |actor, ctx| {
                    actor.show_again(subject, tries + 1, ctx);
                });
            }
        }));
    }

    fn page(&mut self, subject: Subject) -> Rc<Page> {
        self.pages.retain(|_, page| page.is_of_use());
        self.pages.entry(subject).or_default().clone()
    }

    /// Asks for a pass.
    fn ask(
        &mut self,
        subject: Subject,
        ctx: &mut Context<Self>,
    ) -> impl Future<Output = Result<(), ForgeError>> + use<> {
        let page = self.page(subject);
        let (teller, told) = oneshot::channel();
        if page.ask(teller) {
            let work = work(self.tools.clone(), subject, page);
            ctx.spawn(work.into_actor(self));
        }
        async move {
            let gone = || ForgeError::Failed("the server ended before it was shown".to_owned());
            told.await.unwrap_or_else(|_| Err(gone()))
        }
    }
}

impl Handler<CommentDeleted> for Showing {
    type Result = ();

    fn handle(&mut self, deleted: CommentDeleted, ctx: &mut Self::Context) {
        let subject = (deleted.repository, Kind::Preview(deleted.number));
        self.page(subject).is_deleted(deleted.comment);
        self.show_again(subject, 0, ctx);
    }
}

impl Handler<ShowAgain> for Showing {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(
        &mut self,
        ShowAgain { repository }: ShowAgain,
        _: &mut Self::Context,
    ) -> Self::Result {
        for (_, page) in self.pages.iter().filter(|(known, _)| known.0 == repository) {
            page.forget_refusals();
        }
        let tools = self.tools.clone();
        let subjects = async move { subjects(&tools, repository).await };
        Box::pin(
            subjects
                .into_actor(self)
                .map(|subjects, actor, ctx| match subjects {
                    Ok(subjects) => {
                        for subject in subjects {
                            actor.show_again(subject, 0, ctx);
                        }
                    }
                    Err(error) => {
                        warn!("what was missed is shown with the next change only: {error}");
                    }
                }),
        )
    }
}

/// Everything of a repository that is shown, or was.
async fn subjects(
    tools: &Tools,
    repository: RepositoryId,
) -> Result<BTreeSet<Subject>, StoreError> {
    let mut subjects = BTreeSet::new();
    for app in tools.store.apps_of_repository(repository).await? {
        let all = tools.store.environments_of_app(&app.id).await?;
        subjects.extend(all.into_iter().map(|one| (repository, one.kind)));
    }
    Ok(subjects)
}

/// Its version is not looked at: versions of several environments do not compare, and the records are read anew.
impl Handler<Announce> for Showing {
    type Result = ResponseFuture<Result<(), ForgeError>>;

    fn handle(&mut self, announce: Announce, ctx: &mut Self::Context) -> Self::Result {
        Box::pin(self.ask((announce.repository, announce.kind), ctx))
    }
}

/// One pass after the other, until nobody asks for one.
async fn work(tools: Rc<Tools>, subject: Subject, page: Rc<Page>) {
    while let Some(mut tellers) = page.next_pass() {
        let pass = AssertUnwindSafe(pass::pass(&tools, subject, &page, &mut tellers));
        let outcome = pass.catch_unwind().await.unwrap_or_else(|_| {
            let (repository, kind) = (subject.0, subject.1.name());
            error!("a pass for {kind} of repository {repository} panicked");
            Err(ForgeError::Failed("a bug, which is in the log".to_owned()))
        });
        tools.say(subject, &page, &outcome);
        for teller in tellers {
            // Who asked may have gone on to a newer edition.
            let _ = teller.send(outcome.clone());
        }
    }
}

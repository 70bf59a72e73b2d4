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

use std::{cell::RefCell, collections::HashMap, panic::AssertUnwindSafe, rc::Rc, sync::Arc};

use actix::prelude::*;
use futures::FutureExt as _;
use nestling_domain::{
    announcement::Seal,
    github::shown::Budget,
    ids::{Kind, RepositoryId},
};
use tokio::sync::oneshot;
use tracing::error;

use crate::{
    drivers::{blobs::Blobs, github::GitHub, store::Store},
    http::Addresses,
    messages::{
        admission,
        forge::{Announce, ForgeError},
    },
};
use page::Page;

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
        };
        Showing {
            tools: Rc::new(tools),
            pages: HashMap::new(),
        }
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

/// Its version is not looked at: versions of several environments do not compare, and the records are read anew.
impl Handler<Announce> for Showing {
    type Result = ResponseFuture<Result<(), ForgeError>>;

    fn handle(&mut self, announce: Announce, ctx: &mut Self::Context) -> Self::Result {
        self.pages.retain(|_, page| page.is_of_use());
        let subject = (announce.repository, announce.kind);
        let page = self.pages.entry(subject).or_default().clone();
        let (teller, told) = oneshot::channel();
        if page.ask(teller) {
            let work = work(self.tools.clone(), subject, page);
            ctx.spawn(work.into_actor(self));
        }
        Box::pin(async move {
            let gone = || ForgeError::Failed("the server ended before it was shown".to_owned());
            told.await.unwrap_or_else(|_| Err(gone()))
        })
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
        for teller in tellers {
            // Who asked may have gone on to a newer edition.
            let _ = teller.send(outcome.clone());
        }
    }
}

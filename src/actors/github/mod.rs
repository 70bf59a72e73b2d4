//! GitHub as the forge: answers what environments ask of a forge, through the App's client and a mirror per repository.
//!
//! - What is true is asked of GitHub each time; webhooks and listings only say when to ask.
//! - A pull request runs when policy lets it ([`head`]); the policy is read from the default branch, never from a head.
//! - A repository is gone when GitHub says so twice, and not when it cannot be asked ([`place`]).
//! - Source comes from a mirror of ours ([`source`]), fetched with a token that reads this one repository.

mod ending;
mod head;
mod hearing;
mod listing;
mod lost;
pub mod making;
mod people;
mod place;
mod questions;
pub mod showing;
mod source;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap},
    io,
    path::PathBuf,
    sync::{Arc, Mutex, atomic::AtomicBool},
    time::Duration,
};

use actix::prelude::*;
use nestling_domain::{
    github::Log,
    ids::{AppId, Commit, RepositoryId},
    lifecycle::Found,
    record::PullRequest,
};
use tokio::time::Instant;

use listing::Scope;
use questions::Questions;

use crate::{
    actors::trees::not_stored,
    drivers::{
        clock,
        git::Git,
        github::{GitHub, GitHubError},
        store::Store,
    },
    messages::forge::{
        AppsAt, Arrived, FindApps, ForgeError, FoundApps, Head, HeldBack, LookAround, LookAt,
        MayWrite, NotHeard, Pack, See, StartWaiting,
    },
};

/// How often GitHub is asked for all that the App covers, whatever webhooks said.
const LIST: Duration = Duration::from_mins(15);
/// After which times a listing that did not see everything looks again at what it lacks; after that the next listing does.
/// Together they reach up to it, so that GitHub's bad minutes cost a pull request no quarter of an hour.
const LIST_AGAIN: [Duration; 4] = [
    Duration::from_mins(1),
    Duration::from_mins(2),
    Duration::from_mins(4),
    Duration::from_mins(7),
];
/// How often it is asked where it cannot tell anything. A repository costs three requests, of 5,000 an hour; one whose answer
/// is the last one costs none.
const POLL: Duration = Duration::from_secs(30);
/// How often GitHub is asked which webhooks did not get through.
const RECOVER: Duration = Duration::from_mins(1);
/// The same while some that were asked for are on their way, or none gets through.
const RECOVER_AGAIN: Duration = Duration::from_secs(15);
/// How often mirrors and bundles are tidied.
const TIDY: Duration = Duration::from_hours(1);

/// Where things are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The data folder, with mirrors and bundles.
    pub data: PathBuf,
    /// Where repositories are cloned from, without a slash at the end.
    pub web: String,
    /// Where GitHub is to send webhooks; `None` when it cannot reach the server, which looks more often then.
    pub hook: Option<String>,
}

/// What everything here is done with.
pub(super) struct Desk {
    store: Arc<dyn Store>,
    client: Arc<GitHub>,
    git: Git,
    places: Places,
    /// Whoever works the inbox.
    arrived: Recipient<Arrived>,
    /// Held while a repository's mirror is written.
    mirrors: Mutex<HashMap<RepositoryId, Arc<tokio::sync::Mutex<()>>>>,
    /// Repositories that were found gone once, and when.
    gone: Mutex<HashMap<RepositoryId, Instant>>,
    /// The commit of the default branch whose word about apps was taken last.
    described: Mutex<HashMap<RepositoryId, Commit>>,
    /// What is known of GitHub's log of webhooks.
    log: Mutex<Log>,
    /// What of it people are told.
    not_heard: NotHeard,
    /// What environments ask.
    questions: Questions,
    /// Pull requests that a look found gone, and that wait for another look.
    held: Mutex<BTreeSet<(RepositoryId, u32)>>,
    /// The same, for people.
    held_back: HeldBack,
    /// Since when comments of a repository are to be read, where GitHub cannot tell of them.
    heard: Mutex<HashMap<RepositoryId, String>>,
    /// Whether GitHub is known to send webhooks here.
    led: AtomicBool,
    /// Whether no process is to be started: see [`GitHubForge::without_git`].
    #[cfg(test)]
    gitless: bool,
}

/// The actor.
pub struct GitHubForge {
    desk: Arc<Desk>,
    list_again: Vec<Duration>,
}

impl GitHubForge {
    /// The forge behind this client. `arrived` is told whenever there is something in the inbox. An error when the data folder
    /// cannot be written to.
    pub fn new(
        store: Arc<dyn Store>,
        client: Arc<GitHub>,
        places: Places,
        arrived: Recipient<Arrived>,
    ) -> io::Result<Self> {
        let git = Git::new(&places.data)?;
        let desk = Desk {
            store,
            client,
            git,
            places,
            arrived,
            mirrors: Mutex::default(),
            gone: Mutex::default(),
            described: Mutex::default(),
            log: Mutex::default(),
            not_heard: NotHeard::default(),
            questions: Questions::default(),
            held: Mutex::default(),
            held_back: HeldBack::default(),
            heard: Mutex::default(),
            led: AtomicBool::default(),
            #[cfg(test)]
            gitless: false,
        };
        // Where GitHub is polled the next listing is as near.
        let list_again = desk.places.hook.as_ref().map(|_| LIST_AGAIN.to_vec());
        Ok(GitHubForge {
            desk: Arc::new(desk),
            list_again: list_again.unwrap_or_default(),
        })
    }

    /// Looks at this, and again at what could not be seen, which it was tried so often.
    fn list(&mut self, scope: Scope, tries: usize, ctx: &mut Context<Self>) {
        let desk = self.desk.clone();
        let listed = async move { desk.list(scope).await }.into_actor(self);
        ctx.spawn(listed.map(move |unseen, actor, ctx| actor.look_again(unseen, tries, ctx)));
    }

    /// Asks for webhooks that did not get through, now and from time to time.
    fn recover(&mut self, ctx: &mut Context<Self>) {
        let desk = self.desk.clone();
        let recovered = async move { desk.recover(clock::now()).await }.into_actor(self);
        ctx.spawn(recovered.map(|awaits, _, ctx| {
            let wait = if awaits { RECOVER_AGAIN } else { RECOVER };
            ctx.run_later(wait, Self::recover);
        }));
    }

    fn look_again(&mut self, unseen: Option<Scope>, tries: usize, ctx: &mut Context<Self>) {
        if let (Some(unseen), Some(wait)) = (unseen, self.list_again.get(tries)) {
            ctx.run_later(*wait, move |actor, ctx| actor.list(unseen, tries + 1, ctx));
        }
    }

    /// What its looks have found gone and not ended yet.
    pub fn held_back(&self) -> HeldBack {
        self.desk.held_back.clone()
    }

    /// The webhooks that do not get through.
    pub fn not_heard(&self) -> NotHeard {
        self.desk.not_heard.clone()
    }

    /// For simulated time, in which no process runs: what commits say about apps is not read, and nothing is packed.
    #[cfg(test)]
    pub(crate) fn without_git(mut self) -> Self {
        if let Some(desk) = Arc::get_mut(&mut self.desk) {
            desk.gitless = true;
        }
        self
    }
}

impl Actor for GitHubForge {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let list = |actor: &mut Self, ctx: &mut Context<Self>| actor.list(Scope::All, 0, ctx);
        list(self, ctx);
        let hook = self.desk.places.hook.is_some();
        ctx.run_interval(if hook { LIST } else { POLL }, list);
        self.recover(ctx);
        ctx.run_interval(TIDY, |actor, ctx| {
            let desk = actor.desk.clone();
            desk.questions.tidy();
            ctx.spawn(async move { desk.tidy().await }.into_actor(actor));
        });
    }
}

impl Supervised for GitHubForge {}

impl Handler<Head> for GitHubForge {
    type Result = ResponseFuture<Result<Found, ForgeError>>;

    fn handle(&mut self, head: Head, _: &mut Self::Context) -> Self::Result {
        let desk = self.desk.clone();
        Box::pin(desk.answer(head))
    }
}

impl Handler<Pack> for GitHubForge {
    type Result = ResponseFuture<Result<PathBuf, ForgeError>>;

    fn handle(&mut self, pack: Pack, _: &mut Self::Context) -> Self::Result {
        let desk = self.desk.clone();
        Box::pin(async move { desk.pack(&pack).await })
    }
}

/// The apps of a repository are those that people confirmed, whichever of them a commit holds: production has all of them, so
/// that a head without one breaks it, and its preview says so.
impl Handler<AppsAt> for GitHubForge {
    type Result = ResponseFuture<Result<Vec<AppId>, ForgeError>>;

    fn handle(&mut self, asked: AppsAt, _: &mut Self::Context) -> Self::Result {
        let desk = self.desk.clone();
        Box::pin(async move {
            let apps = desk.store.apps_of_repository(asked.repository).await;
            let apps = apps.map_err(not_stored)?;
            Ok(apps.into_iter().map(|app| app.id).collect())
        })
    }
}

impl Handler<FindApps> for GitHubForge {
    type Result = ResponseFuture<Result<FoundApps, ForgeError>>;

    fn handle(&mut self, asked: FindApps, _: &mut Self::Context) -> Self::Result {
        let desk = self.desk.clone();
        Box::pin(async move { desk.find_apps(asked.repository).await })
    }
}

impl Handler<StartWaiting> for GitHubForge {
    type Result = ResponseFuture<Result<(), ForgeError>>;

    fn handle(&mut self, start: StartWaiting, _: &mut Self::Context) -> Self::Result {
        let desk = self.desk.clone();
        Box::pin(async move { desk.start_waiting(start).await })
    }
}

impl Handler<MayWrite> for GitHubForge {
    type Result = ResponseFuture<Result<bool, ForgeError>>;

    fn handle(&mut self, asked: MayWrite, _: &mut Self::Context) -> Self::Result {
        let desk = self.desk.clone();
        Box::pin(async move { desk.may_write(asked.repository, &asked.login).await })
    }
}

impl Handler<See> for GitHubForge {
    type Result = ResponseFuture<Result<Option<PullRequest>, ForgeError>>;

    fn handle(&mut self, asked: See, _: &mut Self::Context) -> Self::Result {
        let desk = self.desk.clone();
        Box::pin(async move {
            let seen = desk.pull_request(asked.repository, asked.number).await?;
            Ok(seen.map(|seen| seen.row))
        })
    }
}

impl Handler<LookAt> for GitHubForge {
    type Result = ();

    fn handle(&mut self, LookAt(repositories): LookAt, ctx: &mut Self::Context) {
        self.list(Scope::Some(repositories), 0, ctx);
    }
}

/// Also once the server has become an App, which is the first time that there is anything to look at.
impl Handler<LookAround> for GitHubForge {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, _: LookAround, _: &mut Self::Context) -> Self::Result {
        let desk = self.desk.clone();
        let listed = async move {
            desk.lead_webhooks_here().await;
            desk.list(Scope::All).await
        };
        let listed = listed.into_actor(self);
        Box::pin(listed.map(|unseen, actor, ctx| actor.look_again(unseen, 0, ctx)))
    }
}

/// What GitHub did not answer may be answered next time.
#[allow(
    clippy::needless_pass_by_value,
    reason = "errors are handed to it by value"
)]
fn not_answered(error: GitHubError) -> ForgeError {
    ForgeError::Failed(error.to_string())
}

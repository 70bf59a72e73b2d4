//! Intake: turns deliveries of the inbox into events for environments. A delivery is done only when every
//! environment that it concerns has saved.

mod checks;
mod commands;
mod orders;
#[cfg(test)]
mod tests;
mod webhook;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

use actix::prelude::*;
use nestling_domain::{
    app::{App, RemovedApp},
    github::Strangers,
    hint::Hint,
    ids::{AppId, Commit, EnvironmentId, InputId, Kind, RepositoryId},
    lifecycle::{Event, Trigger},
    record::{Delivery, DeliveryState, Fact, PullRequestStatus},
};
use tracing::{info, warn};

use crate::{
    drivers::store::{Store, StoreError},
    messages::{
        environment::{Apply, Birth, NotApplied},
        environments::Handle,
        forge::{AppsAt, Arrived, ForgeError, People},
        live::Touch,
    },
};

/// Deliveries taken up in one round.
const BATCH: usize = 100;
/// How many deliveries that must wait are passed over for those behind them.
const MOST_WAITING: usize = 10_000;
/// How often the inbox is looked at although nobody said that something arrived.
const ROUND: Duration = Duration::from_secs(5);

/// Works the inbox off, one delivery after the other.
pub struct Intake {
    desk: Desk,
    working: bool,
    again: bool,
    /// How many deliveries had to wait in the last round.
    waiting: usize,
}

/// What a delivery is worked off with.
#[derive(Clone)]
struct Desk {
    store: Arc<dyn Store>,
    environments: Handle,
    apps_at: Recipient<AppsAt>,
    /// Those who write comments, where the forge has such.
    people: Option<People>,
    live: Recipient<Touch>,
    /// How often people were answered who may not write, by installation.
    strangers: Arc<Mutex<HashMap<Option<u64>, Strangers>>>,
}

impl Intake {
    /// The actor on this inbox.
    pub fn new(
        store: Arc<dyn Store>,
        environments: Handle,
        (apps_at, people): (Recipient<AppsAt>, Option<People>),
        live: Recipient<Touch>,
    ) -> Self {
        Intake {
            desk: Desk {
                store,
                environments,
                apps_at,
                people,
                live,
                strangers: Arc::default(),
            },
            working: false,
            again: false,
            waiting: 0,
        }
    }

    fn work(&mut self, ctx: &mut Context<Self>) {
        if self.working {
            self.again = true;
            return;
        }
        self.working = true;
        let desk = self.desk.clone();
        // Those that wait are tried again, and the next round reaches beyond them.
        let limit = BATCH + 2 * self.waiting.min(MOST_WAITING);
        let round = async move { desk.round(limit).await };
        ctx.spawn(round.into_actor(self).map(|(more, waiting), actor, ctx| {
            actor.working = false;
            actor.waiting = waiting;
            let again = std::mem::take(&mut actor.again);
            if more || again {
                actor.work(ctx);
            }
        }));
    }
}

/// Why a delivery is not done yet.
#[derive(Debug, thiserror::Error)]
enum Waits {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Environment(#[from] NotApplied),
    #[error(transparent)]
    Forge(#[from] ForgeError),
    #[error("the forge is restarting: {0}")]
    Mailbox(#[from] MailboxError),
    #[error("the previews of pull request {0} are on their way")]
    Unborn(u32),
}

impl Desk {
    /// One round of so many deliveries; whether there may be more at once, and how many must wait.
    async fn round(&self, limit: usize) -> (bool, usize) {
        let pending = match self.store.pending(limit).await {
            Ok(pending) => pending,
            Err(error) => {
                warn!("could not read the inbox: {error}");
                return (false, 0);
            }
        };
        let full = pending.len() == limit;
        let (mut done, mut waiting) = (Vec::new(), 0);
        for delivery in &pending {
            match self.deliver(delivery).await {
                Ok(decisions) => done.push(self.settle(delivery, decisions)),
                Err(error) => {
                    waiting += 1;
                    warn!("delivery {} must wait: {error}", delivery.id);
                }
            }
        }
        // All at once: the store writes them in one go, and most webhooks cause nothing else. A repeat gets the first answer.
        let settled = futures::future::join_all(done).await.contains(&true);
        if settled {
            let topic = super::live::EVERYTHING.to_owned();
            self.live.do_send(Touch { topic });
        }
        (full && settled, waiting)
    }

    async fn settle(&self, delivery: &Delivery, decisions: BTreeMap<String, String>) -> bool {
        let id = &delivery.id;
        info!(delivery = %id, "delivery {id} is done: {decisions:?}");
        let done = DeliveryState::Done { decisions };
        let settled = self.store.settle(id, &done).await;
        if let Err(error) = &settled {
            warn!("could not settle delivery {id}: {error}");
        }
        settled.is_ok()
    }

    /// Hands a delivery to every environment it concerns; per environment what came of it, in words.
    async fn deliver(&self, delivery: &Delivery) -> Result<BTreeMap<String, String>, Waits> {
        let (told, mut decisions) = match (&delivery.fact, delivery.repository) {
            (Fact::Production { branch, commit }, Some(repository)) => {
                let hint = Hint::of_production(branch, Some(commit));
                self.for_all_apps(repository, &hint).await?
            }
            (Fact::Missing { branch }, Some(repository)) => {
                let hint = Hint {
                    trigger: Trigger::Refresh,
                    creates: false,
                    ..Hint::of_production(branch, None)
                };
                self.for_all_apps(repository, &hint).await?
            }
            (
                Fact::PullRequest {
                    number,
                    branch,
                    title,
                    commit,
                    trigger,
                },
                Some(repository),
            ) => {
                let hint = Hint {
                    kind: Kind::Preview(*number),
                    branch: branch.clone(),
                    title: title.clone(),
                    commit: commit.clone(),
                    trigger: *trigger,
                    // Only an opened, reopened or pushed pull request makes an environment; a close finds one or none.
                    creates: matches!(trigger, Trigger::Push | Trigger::Reopen | Trigger::Start),
                };
                self.for_all_apps(repository, &hint).await?
            }
            (
                Fact::Preview {
                    app,
                    number,
                    branch,
                    title,
                },
                _,
            ) => {
                let hint = Hint {
                    kind: Kind::Preview(*number),
                    branch: branch.clone(),
                    title: title.clone(),
                    commit: None,
                    trigger: Trigger::Start,
                    creates: true,
                };
                self.for_one_app(app, hint).await?
            }
            (
                Fact::Returned {
                    app,
                    branch,
                    commit,
                },
                _,
            ) => self.for_all_of(app, branch, commit.as_ref()).await?,
            (Fact::Webhook { webhook, .. }, _) => self.of_webhook(webhook, delivery).await?,
            (Fact::Unreadable { event, why }, _) => only(event, format!("ignored: {why}")),
            (Fact::Production { .. } | Fact::Missing { .. } | Fact::PullRequest { .. }, None) => {
                only("a branch", "ignored: it names no repository")
            }
        };
        let telling = told
            .into_iter()
            .map(|(hint, app)| self.tell(hint, app, delivery));
        // All at once: the store writes what waits in one go.
        for decision in futures::future::join_all(telling).await {
            decisions.extend([decision?]);
        }
        Ok(decisions)
    }

    /// What the environment of each app of a repository is told, and why some are told nothing.
    async fn for_all_apps(&self, repository: RepositoryId, hint: &Hint) -> Result<ToTell, Waits> {
        let held = self
            .held((repository, hint.kind), hint.commit.as_ref())
            .await?;
        let apps = self.store.apps_of_repository(repository).await?;
        let mut decisions = BTreeMap::new();
        let mut removed = self.store.removed_apps().await?;
        removed.retain(|one| one.app.repository == repository);
        for RemovedApp { app, .. } in &removed {
            decisions.insert(
                name_of(app, hint.kind),
                "nothing: a person removed the app".to_owned(),
            );
        }
        if apps.is_empty() && removed.is_empty() {
            decisions.insert(
                format!("repository {repository}"),
                "nothing: no app was found in it".to_owned(),
            );
        }
        let mut told = Vec::new();
        for app in apps {
            let hint = self
                .unless_absent(hint.clone(), &app, held.as_ref())
                .await?;
            told.push((hint, app));
        }
        Ok((told, decisions))
    }

    /// What the environments of an app are told that a person brought back: production, and each open pull request. No
    /// commit is announced: whatever the forge says is right.
    async fn for_all_of(
        &self,
        app: &AppId,
        branch: &str,
        commit: Option<&Commit>,
    ) -> Result<ToTell, Waits> {
        let Some(app) = self.store.app(app).await? else {
            let gone = "nothing: a person removed it again".to_owned();
            return Ok((Vec::new(), BTreeMap::from([(format!("app {app}"), gone)])));
        };
        let production = EnvironmentId::derive(&app.id, Kind::Production);
        let known = self.store.environment(&production).await?.is_some();
        let hint = Hint {
            kind: Kind::Production,
            branch: branch.to_owned(),
            title: branch.to_owned(),
            commit: None,
            trigger: Trigger::Reopen,
            creates: known || commit.is_some(),
        };
        let mut told = vec![(hint, app.clone())];
        let mut pull_requests = self.store.pull_requests(app.repository).await?;
        pull_requests.retain(|one| one.status == PullRequestStatus::Open);
        for one in pull_requests {
            let hint = Hint {
                kind: Kind::Preview(one.number),
                branch: one.branch,
                title: one.title,
                commit: None,
                trigger: Trigger::Reopen,
                creates: true,
            };
            let head = one.head.map(|head| head.id);
            let held = self
                .held((app.repository, hint.kind), head.as_ref())
                .await?;
            let hint = self.unless_absent(hint, &app, held.as_ref()).await?;
            told.push((hint, app.clone()));
        }
        Ok((told, BTreeMap::new()))
    }

    /// A hint about a commit that does not hold the app makes no environment, unless the commit should hold it.
    async fn unless_absent(
        &self,
        mut hint: Hint,
        app: &App,
        held: Option<&Vec<AppId>>,
    ) -> Result<Hint, Waits> {
        hint.creates &= match held {
            Some(held) if !held.contains(&app.id) => self.misses(&hint, app).await?,
            Some(_) | None => true,
        };
        Ok(hint)
    }

    /// The apps that a commit holds; `None` when none is named, or when the forge has it no more: then each environment
    /// finds out by itself.
    async fn held(
        &self,
        (repository, kind): (RepositoryId, Kind),
        commit: Option<&Commit>,
    ) -> Result<Option<Vec<AppId>>, Waits> {
        let Some(commit) = commit.cloned() else {
            return Ok(None);
        };
        let asked = AppsAt {
            repository,
            kind,
            commit,
        };
        match self.apps_at.send(asked).await {
            Ok(Ok(held)) => Ok(Some(held)),
            Ok(Err(ForgeError::Rejected(_))) => Ok(None),
            Ok(Err(error @ ForgeError::Failed(_))) => Err(error.into()),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether a commit that does not hold an app should: its pull request breaks what production has, and its preview
    /// says so. An app that only another branch has is no concern of it.
    async fn misses(&self, hint: &Hint, app: &App) -> Result<bool, Waits> {
        let production = EnvironmentId::derive(&app.id, Kind::Production);
        let known = self.store.environment(&production).await?;
        Ok(hint.kind != Kind::Production && known.is_some())
    }

    /// Hands a delivery to the environment of one app: its name, and what came of it.
    async fn tell(
        &self,
        hint: Hint,
        app: App,
        delivery: &Delivery,
    ) -> Result<(String, String), Waits> {
        let name = name_of(&app, hint.kind);
        let id = EnvironmentId::derive(&app.id, hint.kind);
        let absent = match &hint.commit {
            Some(commit) if !hint.creates => format!("commit {} does not hold it", commit.short()),
            Some(_) | None => "this creates none".to_owned(),
        };
        let birth = Arc::new(birth(&hint, app));
        let apply = Apply {
            event: Event::Hint {
                commit: hint.commit,
                trigger: hint.trigger,
            },
            by: told_by(&delivery.fact).to_owned(),
            input: Some(InputId(delivery.id.clone())),
            birth: Some(birth),
        };
        let decision = match self.environments.apply(id, apply).await {
            Ok(applied) => applied.decision,
            Err(NotApplied::Unknown(_)) => {
                format!("nothing: there is no such environment, and {absent}")
            }
            // Parked: shown, and taken up by the look that its release brings.
            Err(parked @ NotApplied::Quarantined { .. }) => parked.to_string(),
            Err(NotApplied::Refused(reason)) => format!("refused: {reason}"),
            Err(later @ (NotApplied::Busy(_) | NotApplied::Uncertain(_))) => {
                return Err(later.into());
            }
        };
        Ok((name, decision))
    }
}

/// What environments are told, and per name why one is told nothing.
type ToTell = (Vec<(Hint, App)>, BTreeMap<String, String>);

fn name_of(app: &App, kind: Kind) -> String {
    format!("{}/{}/{}", app.owner, app.slug, kind.name())
}

/// No environment is told anything: about what, and why.
fn only(about: &str, why: impl Into<String>) -> ToTell {
    (Vec::new(), BTreeMap::from([(about.to_owned(), why.into())]))
}

/// Who tells it, for people.
fn told_by(fact: &Fact) -> &'static str {
    match fact {
        Fact::Production { .. }
        | Fact::Missing { .. }
        | Fact::PullRequest { .. }
        | Fact::Preview { .. }
        | Fact::Returned { .. } => "push",
        Fact::Webhook { .. } | Fact::Unreadable { .. } => "github",
    }
}

fn birth(hint: &Hint, app: App) -> Birth {
    Birth {
        app,
        kind: hint.kind,
        title: hint.title.clone(),
        branch: hint.branch.clone(),
        makes: hint.creates,
    }
}

impl Actor for Intake {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let desk = self.desk.clone();
        ctx.spawn(async move { desk.answer_again().await }.into_actor(self));
        self.work(ctx);
        ctx.run_interval(ROUND, Self::work);
    }
}

impl Handler<Arrived> for Intake {
    type Result = ();

    fn handle(&mut self, _: Arrived, ctx: &mut Self::Context) {
        // Also when a repository is in trouble, or well again: nothing else would tell the pages.
        self.desk.live.do_send(Touch {
            topic: super::live::EVERYTHING.to_owned(),
        });
        self.work(ctx);
    }
}

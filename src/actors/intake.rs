//! Intake: turns deliveries of the inbox into events for environments. A delivery is done only when every
//! environment that it concerns has saved.

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use actix::prelude::*;
use nestling_domain::{
    app::App,
    ids::{AppId, Commit, EnvironmentId, InputId, Kind},
    lifecycle::{Event, Trigger},
    record::{Delivery, DeliveryState, Fact},
};
use tracing::{info, warn};

use crate::{
    drivers::store::{Store, StoreError},
    messages::{
        environment::{Apply, Birth, NotApplied},
        environments::Handle,
        forge::{AppsAt, Arrived, ForgeError},
        live::Touch,
    },
};

/// Deliveries taken up in one round.
const BATCH: usize = 100;
/// How often the inbox is looked at although nobody said that something arrived.
const ROUND: Duration = Duration::from_secs(5);

/// Works the inbox off, one delivery after the other.
pub struct Intake {
    desk: Desk,
    working: bool,
    again: bool,
}

/// What a delivery is worked off with.
#[derive(Clone)]
struct Desk {
    store: Arc<dyn Store>,
    environments: Handle,
    apps_at: Recipient<AppsAt>,
    live: Recipient<Touch>,
}

impl Intake {
    /// The actor on this inbox.
    pub fn new(
        store: Arc<dyn Store>,
        environments: Handle,
        apps_at: Recipient<AppsAt>,
        live: Recipient<Touch>,
    ) -> Self {
        Intake {
            desk: Desk {
                store,
                environments,
                apps_at,
                live,
            },
            working: false,
            again: false,
        }
    }

    fn work(&mut self, ctx: &mut Context<Self>) {
        if self.working {
            self.again = true;
            return;
        }
        self.working = true;
        let desk = self.desk.clone();
        let round = async move { desk.round().await };
        ctx.spawn(round.into_actor(self).map(|more, actor, ctx| {
            actor.working = false;
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
}

impl Desk {
    /// One round; whether there may be more at once.
    async fn round(&self) -> bool {
        let pending = match self.store.pending(BATCH).await {
            Ok(pending) => pending,
            Err(error) => {
                warn!("could not read the inbox: {error}");
                return false;
            }
        };
        let full = pending.len() == BATCH;
        let mut settled = false;
        for delivery in pending {
            match self.deliver(&delivery).await {
                Ok(decisions) => settled |= self.settle(&delivery, decisions).await,
                Err(error) => warn!("delivery {} must wait: {error}", delivery.id),
            }
        }
        if settled {
            let topic = super::live::EVERYTHING.to_owned();
            self.live.do_send(Touch { topic });
        }
        full && settled
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
        let mut decisions = BTreeMap::new();
        let held = self.held(delivery).await?;
        let apps = self.store.apps_of_repository(delivery.repository).await?;
        if apps.is_empty() {
            decisions.insert(
                format!("repository {}", delivery.repository),
                "nothing: no app was found in it".to_owned(),
            );
        }
        let mut told = Vec::new();
        for app in apps {
            let mut hint = Hint::of(&delivery.fact);
            hint.creates &= match &held {
                Some(held) if !held.contains(&app.id) => self.misses(&hint, &app).await?,
                Some(_) | None => true,
            };
            told.push(self.tell(hint, app, &delivery.id));
        }
        // All at once: the store writes what waits in one go.
        for decision in futures::future::join_all(told).await {
            decisions.extend([decision?]);
        }
        Ok(decisions)
    }

    /// The apps that the commit of a delivery holds; `None` when it names none, or when the forge has it no more:
    /// then each environment finds out by itself.
    async fn held(&self, delivery: &Delivery) -> Result<Option<Vec<AppId>>, Waits> {
        let Some(commit) = Hint::of(&delivery.fact).commit else {
            return Ok(None);
        };
        let asked = AppsAt {
            repository: delivery.repository,
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
    async fn misses(&self, hint: &Hint<'_>, app: &App) -> Result<bool, Waits> {
        let production = EnvironmentId::derive(&app.id, Kind::Production);
        let known = self.store.environment(&production).await?;
        Ok(hint.kind != Kind::Production && known.is_some())
    }

    /// Hands a delivery to the environment of one app: its name, and what came of it.
    async fn tell(
        &self,
        hint: Hint<'_>,
        app: App,
        delivery: &str,
    ) -> Result<(String, String), Waits> {
        let name = format!("{}/{}/{}", app.owner, app.slug, hint.kind.name());
        let id = EnvironmentId::derive(&app.id, hint.kind);
        let absent = match &hint.commit {
            Some(commit) if !hint.creates => format!("commit {} does not hold it", commit.short()),
            Some(_) | None => "this creates none".to_owned(),
        };
        let birth = (hint.creates).then(|| Arc::new(hint.birth(app)));
        let apply = Apply {
            event: Event::Hint {
                commit: hint.commit,
                trigger: hint.trigger,
            },
            by: "push".to_owned(),
            input: Some(InputId(delivery.to_owned())),
            birth,
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

/// What a fact means for one environment.
struct Hint<'a> {
    kind: Kind,
    branch: Option<&'a str>,
    title: Option<&'a str>,
    commit: Option<Commit>,
    trigger: Trigger,
    creates: bool,
}

impl<'a> Hint<'a> {
    fn of(fact: &'a Fact) -> Self {
        match fact {
            Fact::Production { branch, commit } => Hint {
                kind: Kind::Production,
                branch: Some(branch),
                title: None,
                commit: Some(commit.clone()),
                trigger: Trigger::Push,
                creates: true,
            },
            Fact::PullRequest {
                number,
                branch,
                title,
                commit,
                trigger,
            } => Hint {
                kind: Kind::Preview(*number),
                branch: Some(branch),
                title: Some(title),
                commit: commit.clone(),
                trigger: *trigger,
                // Only an opened, reopened or pushed pull request makes an environment; a close finds one or none.
                creates: matches!(trigger, Trigger::Push | Trigger::Reopen | Trigger::Start),
            },
        }
    }

    fn birth(&self, app: App) -> Birth {
        let branch = self.branch.unwrap_or_default().to_owned();
        Birth {
            app,
            kind: self.kind,
            title: self.title.unwrap_or(&branch).to_owned(),
            branch,
        }
    }
}

impl Actor for Intake {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
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

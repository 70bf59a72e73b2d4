//! Intake: turns deliveries of the inbox into events for environments. A delivery is done only when every
//! environment that it concerns has saved.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use actix::prelude::*;
use nestling_domain::{
    app::App,
    ids::{Commit, EnvironmentId, InputId, Kind},
    lifecycle::{Event, Trigger},
    record::{Delivery, DeliveryState, Fact},
};
use tracing::{info, warn};

use crate::{
    drivers::store::{Store, StoreError},
    messages::{
        environment::{Apply, Birth, NotApplied},
        environments::Handle,
        forge::Arrived,
        live::Touch,
    },
};

/// Deliveries taken up in one round.
const BATCH: usize = 100;
/// How often the inbox is looked at although nobody said that something arrived.
const ROUND: Duration = Duration::from_secs(5);

/// Works the inbox off, one delivery after the other.
pub struct Intake {
    store: Arc<dyn Store>,
    environments: Handle,
    live: Recipient<Touch>,
    working: bool,
    again: bool,
}

impl Intake {
    /// The actor on this inbox.
    pub fn new(store: Arc<dyn Store>, environments: Handle, live: Recipient<Touch>) -> Self {
        Intake {
            store,
            environments,
            live,
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
        let (store, environments) = (self.store.clone(), self.environments.clone());
        let live = self.live.clone();
        let round = async move { round(&*store, &environments, &live).await };
        ctx.spawn(round.into_actor(self).map(|more, actor, ctx| {
            actor.working = false;
            let again = std::mem::take(&mut actor.again);
            if more || again {
                actor.work(ctx);
            }
        }));
    }
}

/// One round; whether there may be more at once.
async fn round(store: &dyn Store, environments: &Handle, live: &Recipient<Touch>) -> bool {
    let pending = match store.pending(BATCH).await {
        Ok(pending) => pending,
        Err(error) => {
            warn!("could not read the inbox: {error}");
            return false;
        }
    };
    let full = pending.len() == BATCH;
    let mut settled = false;
    for delivery in pending {
        match deliver(store, environments, &delivery).await {
            Ok(decisions) => {
                info!(delivery = %delivery.id, "delivery {} is done: {decisions:?}", delivery.id);
                match store
                    .settle(&delivery.id, &DeliveryState::Done { decisions })
                    .await
                {
                    Ok(()) => settled = true,
                    Err(error) => warn!("could not settle delivery {}: {error}", delivery.id),
                }
            }
            Err(error) => warn!("delivery {} must wait: {error}", delivery.id),
        }
    }
    if settled {
        live.do_send(Touch {
            topic: super::live::EVERYTHING.to_owned(),
        });
    }
    full && settled
}

/// Why a delivery is not done yet.
#[derive(Debug, thiserror::Error)]
enum Waits {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Environment(#[from] NotApplied),
}

/// Hands a delivery to every environment it concerns; per environment what came of it, in words.
async fn deliver(
    store: &dyn Store,
    environments: &Handle,
    delivery: &Delivery,
) -> Result<BTreeMap<String, String>, Waits> {
    let mut decisions = BTreeMap::new();
    let apps = store.apps_of_repository(delivery.repository).await?;
    if apps.is_empty() {
        decisions.insert(
            format!("repository {}", delivery.repository),
            "nothing: no app was found in it".to_owned(),
        );
    }
    for app in apps {
        let hint = Hint::of(&delivery.fact);
        let id = EnvironmentId::derive(&app.id, hint.kind);
        let birth = (hint.creates).then(|| Arc::new(hint.birth(app.clone())));
        let apply = Apply {
            event: Event::Hint {
                commit: hint.commit,
                trigger: hint.trigger,
            },
            by: "push".to_owned(),
            input: Some(InputId(delivery.id.clone())),
            birth,
        };
        let decision = match environments.apply(id.clone(), apply).await {
            Ok(applied) => applied.decision,
            Err(NotApplied::Unknown(_)) => {
                "nothing: there is no such environment, and this creates none".to_owned()
            }
            // Parked: shown, and taken up by the look that its release brings.
            Err(parked @ NotApplied::Quarantined { .. }) => parked.to_string(),
            Err(NotApplied::Refused(reason)) => format!("refused: {reason}"),
            Err(later @ (NotApplied::Busy(_) | NotApplied::Uncertain(_))) => {
                return Err(later.into());
            }
        };
        decisions.insert(
            format!("{}/{}/{}", app.owner, app.slug, hint.kind.name()),
            decision,
        );
    }
    Ok(decisions)
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
        self.live.do_send(Touch {
            topic: super::live::EVERYTHING.to_owned(),
        });
        self.work(ctx);
    }
}

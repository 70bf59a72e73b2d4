//! Apps: what people order of an app as a whole. It removes, brings back and describes.
//!
//! *Removed* is recorded first, and is what everything follows from: the store refuses new environments of the app, its
//! environments hear no hint, and the forge does not record it again. Then each environment gets its order to close. That
//! debt is paid again at every start and every [`ROUND`], until all of them are closed, whatever was lost in between.

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use actix::prelude::*;
use nestling_domain::{
    app::{App, RemovedApp},
    discovery::FoundApp,
    environment::Environment,
    ids::{AppId, RepositoryId},
    label::Slug,
    lifecycle::{Command, Event},
    record::{Delivery, Fact},
};
use tracing::{info, warn};

use crate::{
    drivers::{
        clock,
        store::{Store, StoreError},
    },
    messages::{
        apps::{Describe, Handle, NotDone, Record, Recorded, Removal, Remove},
        environment::Apply,
        environments,
        forge::{Arrived, FindApps, ForgeError, FoundApps},
        live::Touch,
    },
};

/// How often the environments of removed apps are looked at: an order that was lost is a rare thing.
const ROUND: Duration = Duration::from_secs(30);
/// The longest that one environment may take to close, by its record: one save. The next round asks again.
const PATIENCE: Duration = Duration::from_secs(10);

/// Keeps the apps.
#[derive(Clone)]
pub struct Apps {
    store: Arc<dyn Store>,
    environments: environments::Handle,
    forge: Recipient<FindApps>,
    /// Whoever works the inbox.
    arrived: Recipient<Arrived>,
    live: Recipient<Touch>,
}

impl Apps {
    /// The actor among these neighbours.
    pub fn new(
        store: Arc<dyn Store>,
        environments: environments::Handle,
        forge: Recipient<FindApps>,
        arrived: Recipient<Arrived>,
        live: Recipient<Touch>,
    ) -> Self {
        Apps {
            store,
            environments,
            forge,
            arrived,
            live,
        }
    }

    /// The way for everybody else to reach it.
    pub fn handle(address: &Addr<Self>) -> Handle {
        Handle {
            remove: address.clone().recipient(),
            record: address.clone().recipient(),
            describe: address.clone().recipient(),
        }
    }

    async fn remove(&self, Remove { app, by }: Remove) -> Result<Removal, NotDone> {
        let Some(app) = self.store.app(&app).await? else {
            return Err(NotDone::Unknown(app));
        };
        self.store.delete_app(&app.id, clock::now()).await?;
        info!(app.id = %app.id, "{by} removed {}/{}", app.owner, app.slug);
        // It is removed from here on: what fails now is made up for by the next round.
        let closing = match self.close(&app, &by).await {
            Ok(closing) => closing,
            Err(error) => {
                warn!(app.id = %app.id, "could not close the environments of {}/{} yet: {error}", app.owner, app.slug);
                Vec::new()
            }
        };
        self.touch(&app);
        Ok(Removal { app, closing })
    }

    /// Orders all environments of a removed app to close; answers those that were not closed.
    async fn close(&self, app: &App, by: &str) -> Result<Vec<String>, StoreError> {
        let mut open = self.store.environments_of_app(&app.id).await?;
        open.retain(|environment| !environment.lifecycle.is_closed());
        let orders = open
            .iter()
            .map(|environment| self.close_one(environment, by));
        futures::future::join_all(orders).await;
        Ok(open.iter().map(Environment::name).collect())
    }

    async fn close_one(&self, environment: &Environment, by: &str) {
        let apply = Apply {
            event: Event::Command(Command::Delete),
            by: by.to_owned(),
            input: None,
            birth: None,
        };
        let order = self.environments.apply(environment.id.clone(), apply);
        let why = match tokio::time::timeout(PATIENCE, order).await {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {PATIENCE:?}"),
        };
        warn!(environment.id = %environment.id, "could not close {} yet: {why}", environment.name());
    }

    async fn round(&self) {
        let removed = match self.store.removed_apps().await {
            Ok(removed) => removed,
            Err(error) => return warn!("could not read which apps are removed: {error}"),
        };
        for RemovedApp { app, .. } in removed {
            if let Err(error) = self.close(&app, "nestling").await {
                warn!(app.id = %app.id, "could not read the environments of {}/{}: {error}", app.owner, app.slug);
            }
        }
    }

    async fn record(&self, Record { repository, root }: Record) -> Result<Recorded, NotDone> {
        let id = AppId::derive(repository, &root);
        let known = self.store.app(&id).await?.is_some();
        // The forge's look records what it finds and nobody removed.
        let found = self.forge.send(FindApps { repository }).await;
        let found = found.map_err(|error| {
            ForgeError::Failed(format!("the forge is restarting, ask again: {error}"))
        })??;
        if let Some(removed) = self.store.removed_app(&id).await? {
            let app = self.bring_back(removed, &found).await?;
            return Ok(Recorded { app, is_new: true });
        }
        if let Some(app) = self.store.app(&id).await? {
            return Ok(Recorded {
                app,
                is_new: !known,
            });
        }
        let Some(there) = found.discovery.apps.iter().find(|there| there.root == root) else {
            let why = found.discovery.why_not(&root, &found.place);
            return Err(NotDone::NotFound(why));
        };
        let app = self.create(repository, there, &found).await?;
        Ok(Recorded { app, is_new: true })
    }

    /// Records an app that a person confirms, and then tells its environments: production, and every open pull request.
    async fn create(
        &self,
        repository: RepositoryId,
        there: &FoundApp,
        found: &FoundApps,
    ) -> Result<App, NotDone> {
        let recorded = self.store.repository(repository).await?;
        let recorded = recorded.ok_or_else(|| {
            NotDone::NotFound(format!("repository {repository} is not recorded any more"))
        })?;
        let now = clock::now();
        let app = App {
            id: AppId::derive(repository, &there.root),
            owner: recorded.owner,
            slug: Slug::of(&there.name),
            repository,
            root: there.root.clone(),
            kind: there.kind,
            description: String::new(),
            health: there.health.clone(),
            policy: there.policy.clone().unwrap_or_default(),
            created_at: now,
        };
        let app = self.store.put_app(&app).await?;
        let delivery = Delivery {
            id: format!("new-{}-{}", app.id, now.0),
            at: now,
            repository: Some(repository),
            fact: Fact::Returned {
                app: app.id.clone(),
                branch: found.branch.clone(),
                commit: Some(found.commit.clone()),
            },
        };
        self.store.receive(&delivery).await?;
        info!(app.id = %app.id, "{}/{} was recorded: {}", app.owner, app.slug, found.place);
        self.arrived.do_send(Arrived);
        self.touch(&app);
        Ok(app)
    }

    /// The app as it was, and as its folder says now when the default branch holds it.
    async fn bring_back(&self, removed: RemovedApp, found: &FoundApps) -> Result<App, StoreError> {
        let RemovedApp { app, removed_at } = removed;
        let mut apps = found.discovery.apps.iter();
        let there = apps.find(|there| there.root == app.root);
        let delivery = Delivery {
            // One for each time that it was removed, however often it is asked back.
            id: format!("return-{}-{}", app.id, removed_at.0),
            at: clock::now(),
            repository: Some(app.repository),
            fact: Fact::Returned {
                app: app.id.clone(),
                branch: found.branch.clone(),
                commit: there.map(|_| found.commit.clone()),
            },
        };
        let app = match there {
            Some(there) => App {
                kind: there.kind,
                health: there.health.clone(),
                policy: there.policy.clone().unwrap_or_else(|| app.policy.clone()),
                ..app
            },
            None => app,
        };
        let app = self.store.bring_back(&app, &delivery).await?;
        info!(app.id = %app.id, "{}/{} was brought back", app.owner, app.slug);
        self.arrived.do_send(Arrived);
        self.touch(&app);
        Ok(app)
    }

    async fn describe(&self, Describe { app, description }: Describe) -> Result<App, NotDone> {
        let described = self.store.describe_app(&app, &description).await?;
        let described = described.ok_or(NotDone::Unknown(app))?;
        self.touch(&described);
        Ok(described)
    }

    /// Tells whoever watches the app, or everything, to look again.
    fn touch(&self, app: &App) {
        let topic = format!("{}/{}", app.owner, app.slug);
        self.live.do_send(Touch { topic });
    }
}

impl Actor for Apps {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let round = |actor: &mut Self, ctx: &mut Context<Self>| {
            let apps = actor.clone();
            // Nothing else meanwhile: an app that is brought back must not be closed by a round that began before.
            ctx.wait(async move { apps.round().await }.into_actor(actor));
        };
        round(self, ctx);
        ctx.run_interval(ROUND, round);
    }
}

/// One order after the other, for the same reason.
impl Handler<Remove> for Apps {
    type Result = AtomicResponse<Self, Result<Removal, NotDone>>;

    fn handle(&mut self, order: Remove, _: &mut Self::Context) -> Self::Result {
        let apps = self.clone();
        let work = async move { apps.remove(order).await };
        AtomicResponse::new(Box::pin(work.into_actor(self)))
    }
}

impl Handler<Record> for Apps {
    type Result = AtomicResponse<Self, Result<Recorded, NotDone>>;

    fn handle(&mut self, order: Record, _: &mut Self::Context) -> Self::Result {
        let apps = self.clone();
        let work = async move { apps.record(order).await };
        AtomicResponse::new(Box::pin(work.into_actor(self)))
    }
}

impl Handler<Describe> for Apps {
    type Result = AtomicResponse<Self, Result<App, NotDone>>;

    fn handle(&mut self, order: Describe, _: &mut Self::Context) -> Self::Result {
        let apps = self.clone();
        let work = async move { apps.describe(order).await };
        AtomicResponse::new(Box::pin(work.into_actor(self)))
    }
}

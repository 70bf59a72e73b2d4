//! Rest: previews that nobody visits sleep, those that nobody pushes to end, and whoever waits for a place is told when it is
//! his turn. Never production. What is decided here is policy; what comes of it, each environment decides.

#[cfg(test)]
mod tests;

use std::{
    cell::RefCell,
    collections::{BTreeSet, HashMap},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use actix::prelude::*;
use nestling_domain::{
    app::App,
    deployment::Cause,
    environment::Environment,
    ids::{AppId, EnvironmentId, Kind, RepositoryId, Timestamp},
    lifecycle::{Command, Event, State, Trigger, Why},
    places::Stand,
    policy::Policy,
};
use tracing::{info, warn};

use crate::{
    drivers::{
        clock,
        store::{Store, StoreError},
    },
    messages::{
        admission::{self, Freed, Pass, Turns},
        environment::Apply,
        environments,
        routes::Routes,
    },
};

/// How often everything is looked at. A place that is given back is told of at once; a limit that was raised, so late.
const ROUND: Duration = Duration::from_mins(1);
/// Environments read at once.
const PAGE: usize = 500;
/// How much later a visit must be than the one that is remembered to be remembered, too: a preview that is used all day costs
/// a few writes, and a server that dies forgets less than the shortest wait for sleep.
const REMEMBERED: Duration = Duration::from_mins(30);
/// Deployments that are read to find the last push: as many as are kept.
const HISTORY: usize = 50;

/// Looks at previews, again and again.
#[derive(Clone)]
pub struct Rest {
    store: Arc<dyn Store>,
    environments: environments::Handle,
    admission: admission::Handle,
    routes: Routes,
    /// The visits that this server has remembered in the store.
    remembered: Rc<RefCell<HashMap<EnvironmentId, Timestamp>>>,
}

impl Rest {
    /// The actor among these neighbours.
    pub fn new(
        store: Arc<dyn Store>,
        environments: environments::Handle,
        admission: admission::Handle,
        routes: Routes,
    ) -> Self {
        Rest {
            store,
            environments,
            admission,
            routes,
            remembered: Rc::default(),
        }
    }

    /// Looks at all previews once.
    async fn round(&self, now: Timestamp) -> Result<(), StoreError> {
        let apps = self.store.apps().await?;
        let apps: HashMap<AppId, App> = apps.into_iter().map(|app| (app.id.clone(), app)).collect();
        let (mut waited_for, mut visits) = (BTreeSet::new(), Vec::new());
        let mut after = None;
        loop {
            let page = self.store.environments(after.as_deref(), PAGE).await?;
            for environment in page.items {
                let Some(app) = apps.get(&environment.app) else {
                    continue;
                };
                if environment.kind != Kind::Production && !environment.lifecycle.is_closed() {
                    visits.extend(self.new_visit(&environment.id, now));
                    self.look_at(&environment, &app.policy, now).await?;
                    if matches!(Stand::of(&environment.lifecycle), Stand::Waits(_)) {
                        waited_for.insert(environment.app);
                    }
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        if !visits.is_empty() {
            self.store.put_visits(&visits).await?;
            self.remembered.borrow_mut().extend(visits);
        }
        for app in waited_for {
            self.call(app).await;
        }
        Ok(())
    }

    /// Tells whoever waits for places of an app that it is his turn, as far as there are any. Whether he still may run is asked of
    /// the forge then, and his place is taken with that answer.
    async fn call(&self, app: AppId) {
        let turns = match self.admission.turns.send(Turns(app.clone())).await {
            Ok(Ok(turns)) => turns,
            Ok(Err(error)) => return warn!("nobody is told of a free place: {error}"),
            Err(gone) => return warn!("nobody is told of a free place: {gone}"),
        };
        for id in turns {
            let hint = Event::Hint {
                commit: None,
                trigger: Trigger::Refresh,
            };
            let by = "a place is free";
            let apply = Apply {
                event: hint,
                by: by.to_owned(),
                input: None,
                birth: None,
            };
            match self.environments.apply(id.clone(), apply).await {
                Ok(applied) => {
                    info!(environment.id = %id, "{}: {by}: {}", applied.environment.name(), applied.decision);
                }
                Err(error) => {
                    warn!(environment.id = %id, "{id} gets no place: {error}");
                    self.admission.pass.do_send(Pass {
                        environment: id,
                        app: app.clone(),
                    });
                }
            }
        }
    }

    /// Calls those whose turn it is, whenever a place is given back.
    async fn call_for_ever(self) {
        while let Ok(freed) = self.admission.freed.send(Freed).await {
            for app in freed {
                self.call(app).await;
            }
        }
    }

    /// A visit that is to be remembered, so that the next server counts from it.
    fn new_visit(&self, id: &EnvironmentId, now: Timestamp) -> Option<(EnvironmentId, Timestamp)> {
        let visited = self.routes.visited(id, now)?;
        let remembered = self.remembered.borrow().get(id).copied();
        let is_new = remembered.is_none_or(|before| visited.since(before) >= REMEMBERED);
        is_new.then(|| (id.clone(), visited))
    }

    async fn look_at(
        &self,
        environment: &Environment,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (running, since) = match &environment.lifecycle.state {
            State::Running { serving, .. } => (true, serving.since),
            State::Stopped {
                why: Why::Idle,
                since,
                ..
            } => (false, *since),
            State::Creating { .. } | State::Restarting { .. } | State::Stopped { .. } => {
                return Ok(());
            }
        };
        if let Some(reason) = self.aged(environment, policy, now).await? {
            let end = Event::Command(Command::Suspend(reason));
            self.tell(environment, end, "age").await;
            return Ok(());
        }
        let visited = self.routes.visited(&environment.id, now);
        let last = visited.unwrap_or_default().max(since);
        if !running || !policy.sleeps(now.since(last)) {
            return Ok(());
        }
        // Of most nothing need be read.
        let before = self.store.visit(&environment.id).await?;
        if policy.sleeps(now.since(before.unwrap_or_default().max(last))) {
            let sleep = Event::Command(Command::Sleep);
            self.tell(environment, sleep, "nobody's visit").await;
        }
        Ok(())
    }

    /// Why a preview ends by its age, if so. Branches of local repositories have an age of their own, see
    /// [`nestling_domain::local_forge`].
    async fn aged(
        &self,
        environment: &Environment,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        // Nobody pushed before it was there: of most nothing need be read.
        let may_have_aged = policy.has_aged(now.since(environment.created_at), &[], false);
        if !may_have_aged || self.is_local(environment.repository).await? {
            return Ok(None);
        }
        let Some(number) = environment.kind.pull_request() else {
            return Ok(None);
        };
        let history = self
            .store
            .deployments(&environment.id, None, HISTORY)
            .await?;
        let by_people = |cause: &Cause| {
            matches!(
                cause,
                Cause::Push | Cause::Redeploy | Cause::Start | Cause::Reopened
            )
        };
        let last = history.iter().find(|record| by_people(&record.cause));
        let last = last.map_or(environment.created_at, |record| record.created_at);
        let row = self
            .store
            .pull_request(environment.repository, number)
            .await?;
        let (labels, kept) = row.map_or((Vec::new(), false), |row| (row.labels, row.orders.kept));
        let has_aged = policy.has_aged(now.since(last), &labels, kept);
        Ok(has_aged.then(|| {
            format!(
                "nobody pushed to it for {} days: a push or a start brings it back, and with the comment `/keep` no age ends it again",
                policy.ends_after_days
            )
        }))
    }

    async fn is_local(&self, repository: RepositoryId) -> Result<bool, StoreError> {
        let found = self.store.repository(repository).await?;
        Ok(found.is_none_or(|found| found.path.is_some()))
    }

    async fn tell(&self, environment: &Environment, event: Event, by: &str) {
        let apply = Apply {
            event,
            by: by.to_owned(),
            input: None,
            birth: None,
        };
        match self.environments.apply(environment.id.clone(), apply).await {
            Ok(applied) => {
                info!(environment.id = %environment.id, "{}: {by}: {}", environment.name(), applied.decision);
            }
            // The next round finds it again.
            Err(error) => {
                warn!(environment.id = %environment.id, "{}: {error}", environment.name());
            }
        }
    }
}

impl Actor for Rest {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let calls = self.clone();
        ctx.spawn(async move { calls.call_for_ever().await }.into_actor(self));
        ctx.run_interval(ROUND, |actor, ctx| {
            let rest = actor.clone();
            let round = async move {
                if let Err(error) = rest.round(clock::now()).await {
                    warn!("previews could not be looked at: {error}");
                }
            };
            ctx.spawn(round.into_actor(actor));
        });
    }
}

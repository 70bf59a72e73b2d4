//! Rest: previews that nobody visits sleep, those that nobody pushes to end, and a place that became free is given to one that
//! waits for it. Never production. What is decided here is policy; what comes of it, each environment decides.

#[cfg(test)]
mod tests;

use std::{cell::RefCell, collections::HashMap, rc::Rc, sync::Arc, time::Duration};

use actix::prelude::*;
use nestling_domain::{
    app::App,
    deployment::Cause,
    environment::Environment,
    ids::{AppId, EnvironmentId, Kind, RepositoryId, Timestamp},
    lifecycle::{Command, Event, State, Trigger, Why},
    policy::Policy,
};
use tracing::{info, warn};

use crate::{
    drivers::{
        clock,
        store::{Store, StoreError},
    },
    messages::{environment::Apply, environments, routes::Routes},
};

/// How often everything is looked at: a free place waits at most so long.
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
    routes: Routes,
    /// The visits that this server has remembered in the store.
    remembered: Rc<RefCell<HashMap<EnvironmentId, Timestamp>>>,
}

impl Rest {
    /// The actor among these neighbours.
    pub fn new(store: Arc<dyn Store>, environments: environments::Handle, routes: Routes) -> Self {
        Rest {
            store,
            environments,
            routes,
            remembered: Rc::default(),
        }
    }

    /// Looks at all previews once.
    async fn round(&self, now: Timestamp) -> Result<(), StoreError> {
        let apps = self.store.apps().await?;
        let apps: HashMap<AppId, App> = apps.into_iter().map(|app| (app.id.clone(), app)).collect();
        let (mut places, mut visits) = (Places::default(), Vec::new());
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
                    places.count(environment);
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
        for environment in places.given(|app| apps.get(app).map(|app| &app.policy)) {
            let hint = Event::Hint {
                commit: None,
                trigger: Trigger::Refresh,
            };
            self.tell(&environment, hint, "a place is free").await;
        }
        Ok(())
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
                "nobody pushed to it for {} days: start it again, or let no age end it with the comment `/keep`",
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

/// Who holds a place among the previews of each app, and who waits for one.
#[derive(Default)]
struct Places {
    held: HashMap<AppId, usize>,
    waiting: Vec<Environment>,
}

impl Places {
    fn count(&mut self, environment: Environment) {
        match &environment.lifecycle.state {
            State::Stopped {
                why: Why::Waits(waits),
                ..
            } if waits.place => self.waiting.push(environment),
            State::Stopped { .. } | State::Creating { next: None, .. } => {}
            State::Creating { .. } | State::Running { .. } | State::Restarting { .. } => {
                *self.held.entry(environment.app).or_default() += 1;
            }
        }
    }

    /// Those that get a place, the longest waiting first.
    fn given<'a>(mut self, policy: impl Fn(&AppId) -> Option<&'a Policy>) -> Vec<Environment> {
        let since = |environment: &Environment| match environment.lifecycle.state {
            State::Stopped { since, .. } => since,
            State::Creating { .. } | State::Running { .. } | State::Restarting { .. } => {
                Timestamp::default()
            }
        };
        self.waiting.sort_by_key(since);
        let mut given = Vec::new();
        for environment in self.waiting {
            let most = policy(&environment.app).map_or(0, |policy| policy.previews);
            let held = self.held.entry(environment.app.clone()).or_default();
            if *held < usize::try_from(most).unwrap_or(usize::MAX) {
                *held += 1;
                given.push(environment);
            }
        }
        given
    }
}

impl Actor for Rest {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
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

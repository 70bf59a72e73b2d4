//! The real store, with a disk that is slow, says nothing, or is changed by somebody else, and a server that ends around it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use nestling_domain::{
    app::{App, RemovedApp, Repository, VariableName},
    environment::Environment,
    github::shown::Ledger,
    ids::{
        AppId, Class, EnvironmentId, Generation, InputId, Kind, RepositoryId, Timestamp, Version,
    },
    label::Slug,
    lifecycle::State,
    orders::Order,
    record::{
        Delivery, DeliveryState, DeploymentRecord, EventNumber, EventRecord, OwnApp, PullRequest,
        Value,
    },
};

use super::{bugs::Bug, crashes::When, oracles, saves, script, world::World};
use crate::drivers::store::{Page, Save, Store, StoreError};

/// The store of one life.
pub(super) struct Doubtful(pub(super) Arc<World>);

type Outcome<T> = Result<T, StoreError>;

/// Methods that do what the real store does, in a server that has not ended: those that read, and those that write.
macro_rules! store {
    ($(async fn $read:ident(&self $(, $with:ident: $kind:ty)*) -> $answer:ty;)*
    { $(async fn $write:ident(&self $(, $what:ident: $type:ty)*) -> $result:ty;)* } { $($special:item)* }) => {
        #[async_trait]
        impl Store for Doubtful {
            $(async fn $read(&self $(, $with: $kind)*) -> Outcome<$answer> {
                self.0.alive().await;
                self.0.store.$read($($with),*).await
            })*
            $(async fn $write(&self $(, $what: $type)*) -> Outcome<$result> {
                self.0.seam(stringify!($write), When::Before).await;
                let result = self.0.store.$write($($what),*).await;
                self.0.seam(stringify!($write), When::After).await;
                result
            })*
            $($special)*
        }
    };
}

store! {
    async fn environments_of_app(&self, app: &AppId) -> Vec<Environment>;
    async fn environments_of_branch(&self, app: &AppId, branch: &str) -> Vec<Environment>;
    async fn environments_of_pull_request(&self, repository: RepositoryId, number: u32) -> Vec<Environment>;
    async fn due(&self, until: Timestamp, limit: usize) -> Vec<EnvironmentId>;
    async fn with_machines(&self, after: Option<&str>, limit: usize) -> Page<Environment>;
    async fn environments(&self, after: Option<&str>, limit: usize) -> Page<Environment>;
    async fn put_visits(&self, visits: &[(EnvironmentId, Timestamp)]) -> ();
    async fn visit(&self, id: &EnvironmentId) -> Option<Timestamp>;
    async fn deployments(&self, id: &EnvironmentId, below: Option<Generation>, limit: usize) -> Vec<DeploymentRecord>;
    async fn deployment(&self, id: &EnvironmentId, generation: Generation) -> Option<DeploymentRecord>;
    async fn events(&self, after: EventNumber, limit: usize) -> Vec<EventRecord>;
    async fn events_of(&self, id: &EnvironmentId, before: Option<EventNumber>, limit: usize) -> Vec<EventRecord>;
    async fn cursor(&self, consumer: &str) -> EventNumber;
    async fn repository(&self, id: RepositoryId) -> Option<Repository>;
    async fn repositories(&self) -> Vec<Repository>;
    async fn app(&self, id: &AppId) -> Option<App>;
    async fn app_by_slug(&self, owner: &str, slug: &Slug) -> Option<App>;
    async fn apps(&self) -> Vec<App>;
    async fn apps_of_repository(&self, repository: RepositoryId) -> Vec<App>;
    async fn removed_apps(&self) -> Vec<RemovedApp>;
    async fn removed_app(&self, id: &AppId) -> Option<RemovedApp>;
    async fn pull_request(&self, repository: RepositoryId, number: u32) -> Option<PullRequest>;
    async fn pull_requests(&self, repository: RepositoryId) -> Vec<PullRequest>;
    async fn shown(&self, repository: RepositoryId, kind: Kind) -> Option<Ledger>;
    async fn own_app(&self) -> Option<OwnApp>;
    async fn values(&self, app: &AppId, class: Class) -> Vec<Value>;
    async fn deliveries(&self, after: Option<&str>, limit: usize) -> Vec<(Delivery, DeliveryState)>;
    async fn check(&self) -> ();
    {
        async fn forget_environment(&self, id: &EnvironmentId) -> ();
        async fn advance(&self, consumer: &str, to: EventNumber) -> ();
        async fn put_repository(&self, repository: &Repository) -> ();
        async fn put_app(&self, app: &App) -> App;
        async fn describe_app(&self, id: &AppId, description: &str) -> Option<App>;
        async fn delete_app(&self, id: &AppId, now: Timestamp) -> ();
        async fn bring_back(&self, app: &App, delivery: &Delivery) -> App;
        async fn number_pull_request(&self, repository: RepositoryId, branch: &str) -> PullRequest;
        async fn put_pull_request(&self, pull_request: &PullRequest) -> ();
        async fn order(&self, repository: RepositoryId, number: u32, order: &Order) -> Option<PullRequest>;
        async fn put_own_app(&self, app: &OwnApp) -> ();
        async fn put_value(&self, value: &Value) -> ();
        async fn delete_value(&self, app: &AppId, class: Class, name: &VariableName) -> bool;
        async fn receive(&self, delivery: &Delivery) -> bool;
        async fn prune(&self, now: Timestamp) -> ();
    }
    {
        async fn save(&self, save: Save) -> Outcome<Vec<EventRecord>> {
            self.saved(save).await
        }

        async fn environment(&self, id: &EnvironmentId) -> Outcome<Option<Environment>> {
            self.0.alive().await;
            if self.0.goes_wrong(5) {
                return Err(StoreError::Unknown("the disk says nothing".to_owned()));
            }
            let mut found = self.0.store.environment(id).await?;
            if self.0.has(Bug::GenerationReused)
                && let Some(record) = &mut found
                && let State::Stopped { .. } = record.lifecycle.state
            {
                let generation = &mut record.lifecycle.generation;
                generation.0 = generation.0.saturating_sub(1);
            }
            Ok(found)
        }

        async fn answered(&self, id: &EnvironmentId, input: &InputId) -> Outcome<Option<String>> {
            self.0.alive().await;
            self.0.known().put.insert(input.0.clone());
            let before = self.0.store.answered(id, input).await?;
            Ok(before.filter(|_| !self.0.has(Bug::AppliedTwice)))
        }

        async fn put_shown(&self, repository: RepositoryId, kind: Kind, ledger: &Ledger) -> Outcome<()> {
            self.0.seam("put_shown", When::Before).await;
            self.0.store.put_shown(repository, kind, ledger).await?;
            self.0.known().shown.insert(kind, ledger.clone());
            self.0.seam("put_shown", When::After).await;
            Ok(())
        }

        async fn pending(&self, limit: usize) -> Outcome<Vec<Delivery>> {
            self.0.alive().await;
            let pending = self.0.store.pending(limit).await?;
            if self.0.has(Bug::SettledFirst) {
                for one in &pending {
                    let decisions = [(one.id.clone(), "noted".to_owned())].into();
                    let done = DeliveryState::Done { decisions };
                    self.settle(&one.id, &done).await?;
                }
            }
            Ok(pending)
        }

        async fn settle(&self, id: &str, state: &DeliveryState) -> Outcome<()> {
            self.0.seam("settle", When::Before).await;
            oracles::settles(&self.0, id, state);
            self.0.store.settle(id, state).await?;
            self.0.seam("settle", When::After).await;
            Ok(())
        }
    }
}

impl Doubtful {
    async fn saved(&self, mut save: Save) -> Outcome<Vec<EventRecord>> {
        let world = &self.0;
        let id = save.environment.id.clone();
        let before = world.known().records.get(&id).cloned();
        let class = saves::class(&world.known(), before.as_ref(), &save);
        let state = before
            .as_ref()
            .map_or("none", |before| before.lifecycle.state_name());
        world.boundary_in(state, class, When::Before).await;
        if world.goes_wrong(200) {
            tokio::time::sleep(Duration::from_millis(1)).await;
            world.alive().await;
        }
        if world.goes_wrong(8) {
            return Err(StoreError::Unknown("the disk says nothing".to_owned()));
        }
        if let Some(before) = before.as_ref().filter(|_| world.goes_wrong(8)) {
            self.somebody_else(before).await;
        }
        if world.has(Bug::ForgottenFirst)
            && matches!(save.environment.lifecycle.state, State::Stopped { .. })
        {
            save.environment.lifecycle.world.machines.clear();
        }
        if world.has(Bug::AcknowledgedUnwritten) && world.dice().happens(20) {
            return Ok(Vec::new());
        }
        let events = self.write(&mut save).await?;
        world
            .known()
            .records
            .insert(id.clone(), save.environment.clone());
        script::may_meet(world, &save.environment);
        oracles::saved(world, before.as_ref(), &save, class);
        world.boundary_in(state, class, When::After).await;
        if world.goes_wrong(8) {
            return Err(StoreError::Unknown("its answer is lost".to_owned()));
        }
        Ok(events)
    }

    async fn write(&self, save: &mut Save) -> Outcome<Vec<EventRecord>> {
        let world = &self.0;
        let saved = world.store.save(save.clone()).await;
        if world.has(Bug::ConflictIgnored)
            && let Err(StoreError::Conflict(_)) = &saved
        {
            let now = world.known().records[&save.environment.id].version;
            save.expected = Some(now);
            save.environment.version = Version(now.0 + 1);
            return world.store.save(save.clone()).await;
        }
        saved
    }

    /// Somebody else changes the record in this very moment: another edition is to be shown.
    async fn somebody_else(&self, before: &Environment) {
        let mut environment = before.clone();
        environment.version = Version(before.version.0 + 1);
        environment.lifecycle.world.edition += 1;
        let save = Save {
            due_at: environment.lifecycle.due_at(),
            expected: Some(before.version),
            input: None,
            happened: Vec::new(),
            by: "somebody else".to_owned(),
            deployments: Vec::new(),
            environment: environment.clone(),
        };
        if self.0.store.save(save).await.is_ok() {
            self.0
                .tell(format!("somebody else changes {}", environment.kind.name()));
            let id = environment.id.clone();
            self.0.known().records.insert(id, environment);
        }
    }
}

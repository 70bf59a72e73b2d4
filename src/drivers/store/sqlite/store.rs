//! The store's methods, each one piece of work for a reader or the writer.

use async_trait::async_trait;
use nestling_domain::{
    app::{App, RemovedApp, Repository, VariableName},
    environment::Environment,
    github::shown::Ledger,
    ids::{AppId, Class, EnvironmentId, Generation, InputId, Kind, RepositoryId, Timestamp},
    label::Slug,
    orders::Order,
    record::{
        Delivery, DeliveryState, DeploymentRecord, EventNumber, EventRecord, OwnApp, PullRequest,
        Value,
    },
};

use super::{
    Sqlite, apps,
    environments::{self, Prepared},
    history, inbox, own_app, pull_requests, upkeep, values,
};
use crate::drivers::store::{Page, Save, Store, StoreError};

#[async_trait]
impl Store for Sqlite {
    // --- environments: three keyed records (by id; by app; by app and branch), one transaction

    async fn save(&self, save: Save) -> Result<Vec<EventRecord>, StoreError> {
        let prepared = Prepared::new(save).map_err(|trouble| self.outcome(&trouble))?;
        self.write(move |database| environments::save(database, &prepared))
            .await
    }

    async fn environment(&self, id: &EnvironmentId) -> Result<Option<Environment>, StoreError> {
        let id = id.clone();
        self.read(move |database| environments::by_id(database, &id))
            .await
    }

    async fn answered(
        &self,
        id: &EnvironmentId,
        input: &InputId,
    ) -> Result<Option<String>, StoreError> {
        let id = id.clone();
        let input = input.clone();
        self.read(move |database| environments::answered(database, &id, &input))
            .await
    }

    async fn environments_of_app(&self, app: &AppId) -> Result<Vec<Environment>, StoreError> {
        let app = app.clone();
        self.read(move |database| environments::of_app(database, &app))
            .await
    }

    async fn environments_of_branch(
        &self,
        app: &AppId,
        branch: &str,
    ) -> Result<Vec<Environment>, StoreError> {
        let app = app.clone();
        let branch = branch.to_owned();
        self.read(move |database| environments::of_branch(database, &app, &branch))
            .await
    }

    async fn environments_of_pull_request(
        &self,
        repository: RepositoryId,
        number: u32,
    ) -> Result<Vec<Environment>, StoreError> {
        self.read(move |database| environments::of_pull_request(database, repository, number))
            .await
    }

    async fn due(&self, until: Timestamp, limit: usize) -> Result<Vec<EnvironmentId>, StoreError> {
        self.read(move |database| environments::due(database, until, limit))
            .await
    }

    async fn with_machines(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Environment>, StoreError> {
        let after = after.map(str::to_owned);
        self.read(move |database| environments::with_machines(database, after.as_deref(), limit))
            .await
    }

    async fn environments(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Environment>, StoreError> {
        let after = after.map(str::to_owned);
        self.read(move |database| environments::by_page(database, after.as_deref(), limit))
            .await
    }

    async fn put_visits(&self, visits: &[(EnvironmentId, Timestamp)]) -> Result<(), StoreError> {
        let visits = visits.to_vec();
        self.write(move |database| environments::put_visits(database, &visits))
            .await
    }

    async fn visit(&self, id: &EnvironmentId) -> Result<Option<Timestamp>, StoreError> {
        let id = id.clone();
        self.read(move |database| environments::visit(database, &id))
            .await
    }

    async fn forget_environment(&self, id: &EnvironmentId) -> Result<(), StoreError> {
        let id = id.clone();
        self.write(move |database| environments::forget(database, &id))
            .await
    }

    // --- history and events

    async fn deployments(
        &self,
        id: &EnvironmentId,
        below: Option<Generation>,
        limit: usize,
    ) -> Result<Vec<DeploymentRecord>, StoreError> {
        let id = id.clone();
        self.read(move |database| history::deployments(database, &id, below, limit))
            .await
    }

    async fn deployment(
        &self,
        id: &EnvironmentId,
        generation: Generation,
    ) -> Result<Option<DeploymentRecord>, StoreError> {
        let id = id.clone();
        self.read(move |database| history::deployment(database, &id, generation))
            .await
    }

    async fn events(
        &self,
        after: EventNumber,
        limit: usize,
    ) -> Result<Vec<EventRecord>, StoreError> {
        self.read(move |database| history::events(database, after, limit))
            .await
    }

    async fn events_of(
        &self,
        id: &EnvironmentId,
        before: Option<EventNumber>,
        limit: usize,
    ) -> Result<Vec<EventRecord>, StoreError> {
        let id = id.clone();
        self.read(move |database| history::events_of(database, &id, before, limit))
            .await
    }

    async fn cursor(&self, consumer: &str) -> Result<EventNumber, StoreError> {
        let consumer = consumer.to_owned();
        self.read(move |database| history::cursor(database, &consumer))
            .await
    }

    async fn advance(&self, consumer: &str, to: EventNumber) -> Result<(), StoreError> {
        let consumer = consumer.to_owned();
        self.write(move |database| history::advance(database, &consumer, to))
            .await
    }

    // --- repositories, apps, pull requests

    async fn put_repository(&self, repository: &Repository) -> Result<(), StoreError> {
        let repository = repository.clone();
        self.write(move |database| apps::put_repository(database, &repository))
            .await
    }

    async fn repository(&self, id: RepositoryId) -> Result<Option<Repository>, StoreError> {
        self.read(move |database| apps::repository(database, id))
            .await
    }

    async fn repositories(&self) -> Result<Vec<Repository>, StoreError> {
        self.read(apps::repositories).await
    }

    async fn put_app(&self, app: &App) -> Result<App, StoreError> {
        let app = app.clone();
        self.write(move |database| apps::put_app(database, &app))
            .await
    }

    async fn app(&self, id: &AppId) -> Result<Option<App>, StoreError> {
        let id = id.clone();
        self.read(move |database| apps::by_id(database, &id)).await
    }

    async fn app_by_slug(&self, owner: &str, slug: &Slug) -> Result<Option<App>, StoreError> {
        let owner = owner.to_owned();
        let slug = slug.clone();
        self.read(move |database| apps::by_slug(database, &owner, &slug))
            .await
    }

    async fn apps(&self) -> Result<Vec<App>, StoreError> {
        self.read(apps::all_apps).await
    }

    async fn apps_of_repository(&self, repository: RepositoryId) -> Result<Vec<App>, StoreError> {
        self.read(move |database| apps::of_repository(database, repository))
            .await
    }

    async fn describe_app(&self, id: &AppId, description: &str) -> Result<Option<App>, StoreError> {
        let id = id.clone();
        let description = description.to_owned();
        self.write(move |database| apps::describe(database, &id, &description))
            .await
    }

    async fn removed_apps(&self) -> Result<Vec<RemovedApp>, StoreError> {
        self.read(apps::all_removed).await
    }

    async fn removed_app(&self, id: &AppId) -> Result<Option<RemovedApp>, StoreError> {
        let id = id.clone();
        self.read(move |database| apps::removed(database, &id))
            .await
    }

    async fn bring_back(&self, app: &App, delivery: &Delivery) -> Result<App, StoreError> {
        let app = app.clone();
        let delivery = delivery.clone();
        self.write(move |database| apps::bring_back(database, &app, &delivery))
            .await
    }

    async fn delete_app(&self, id: &AppId, now: Timestamp) -> Result<(), StoreError> {
        let id = id.clone();
        self.write(move |database| apps::delete(database, &id, now))
            .await
    }

    async fn number_pull_request(
        &self,
        repository: RepositoryId,
        branch: &str,
    ) -> Result<PullRequest, StoreError> {
        let branch = branch.to_owned();
        self.write(move |database| pull_requests::number(database, repository, &branch))
            .await
    }

    async fn put_pull_request(&self, pull_request: &PullRequest) -> Result<(), StoreError> {
        let pull_request = pull_request.clone();
        self.write(move |database| pull_requests::put_pull_request(database, &pull_request))
            .await
    }

    async fn order(
        &self,
        repository: RepositoryId,
        number: u32,
        order: &Order,
    ) -> Result<Option<PullRequest>, StoreError> {
        let order = order.clone();
        let write =
            move |database: &_| pull_requests::order(database, (repository, number), &order);
        self.write(write).await
    }

    async fn pull_request(
        &self,
        repository: RepositoryId,
        number: u32,
    ) -> Result<Option<PullRequest>, StoreError> {
        self.read(move |database| pull_requests::one(database, repository, number))
            .await
    }

    async fn pull_requests(
        &self,
        repository: RepositoryId,
    ) -> Result<Vec<PullRequest>, StoreError> {
        self.read(move |database| pull_requests::of_repository(database, repository))
            .await
    }

    async fn shown(
        &self,
        repository: RepositoryId,
        kind: Kind,
    ) -> Result<Option<Ledger>, StoreError> {
        self.read(move |database| pull_requests::shown(database, repository, kind))
            .await
    }

    async fn put_shown(
        &self,
        repository: RepositoryId,
        kind: Kind,
        ledger: &Ledger,
    ) -> Result<(), StoreError> {
        let ledger = ledger.clone();
        self.write(move |database| pull_requests::put_shown(database, (repository, kind), &ledger))
            .await
    }

    // --- secrets and variables

    async fn put_value(&self, value: &Value) -> Result<(), StoreError> {
        let value = value.clone();
        self.write(move |database| values::put(database, &value))
            .await
    }

    async fn values(&self, app: &AppId, class: Class) -> Result<Vec<Value>, StoreError> {
        let app = app.clone();
        self.read(move |database| values::of_app(database, &app, class))
            .await
    }

    async fn delete_value(
        &self,
        app: &AppId,
        class: Class,
        name: &VariableName,
    ) -> Result<bool, StoreError> {
        let app = app.clone();
        let name = name.clone();
        self.write(move |database| values::delete(database, &app, class, &name))
            .await
    }

    // --- the server at GitHub

    async fn own_app(&self) -> Result<Option<OwnApp>, StoreError> {
        self.read(own_app::one).await
    }

    async fn put_own_app(&self, app: &OwnApp) -> Result<(), StoreError> {
        let app = app.clone();
        self.write(move |database| own_app::put(database, &app))
            .await
    }

    // --- inbox

    async fn receive(&self, delivery: &Delivery) -> Result<bool, StoreError> {
        let delivery = delivery.clone();
        self.write(move |database| inbox::receive(database, &delivery))
            .await
    }

    async fn pending(&self, limit: usize) -> Result<Vec<Delivery>, StoreError> {
        self.read(move |database| inbox::pending(database, limit))
            .await
    }

    async fn settle(&self, id: &str, state: &DeliveryState) -> Result<(), StoreError> {
        let id = id.to_owned();
        let state = state.clone();
        self.write(move |database| inbox::settle(database, &id, &state))
            .await
    }

    async fn deliveries(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(Delivery, DeliveryState)>, StoreError> {
        let after = after.map(str::to_owned);
        self.read(move |database| inbox::newest(database, after.as_deref(), limit))
            .await
    }

    // --- upkeep

    async fn prune(&self, now: Timestamp) -> Result<(), StoreError> {
        upkeep::prune(self, now).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.write(upkeep::check).await
    }
}

//! The store's methods.

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
    DynamoDb, apps, environments, history, inbox, keys, own_app, pull_requests, upkeep, values,
};
use crate::drivers::store::{Page, Save, Store, StoreError};

#[async_trait]
impl Store for DynamoDb {
    // --- environments: three keyed records (by id; by app; by app and branch), one transaction

    async fn save(&self, save: Save) -> Result<Vec<EventRecord>, StoreError> {
        Ok(environments::save(self, save).await?)
    }

    async fn environment(&self, id: &EnvironmentId) -> Result<Option<Environment>, StoreError> {
        Ok(environments::by_id(self, id).await?)
    }

    async fn answered(
        &self,
        id: &EnvironmentId,
        input: &InputId,
    ) -> Result<Option<String>, StoreError> {
        Ok(environments::answered(self, id, input).await?)
    }

    async fn environments_of_app(&self, app: &AppId) -> Result<Vec<Environment>, StoreError> {
        Ok(environments::of_app(self, app).await?)
    }

    async fn environments_of_branch(
        &self,
        app: &AppId,
        branch: &str,
    ) -> Result<Vec<Environment>, StoreError> {
        Ok(environments::of_branch(self, app, branch).await?)
    }

    async fn environments_of_pull_request(
        &self,
        repository: RepositoryId,
        number: u32,
    ) -> Result<Vec<Environment>, StoreError> {
        Ok(environments::of_pull_request(self, repository, number).await?)
    }

    async fn due(&self, until: Timestamp, limit: usize) -> Result<Vec<EnvironmentId>, StoreError> {
        Ok(environments::due(self, until, limit).await?)
    }

    async fn with_machines(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Environment>, StoreError> {
        Ok(environments::page(self, keys::MACHINES, after, limit).await?)
    }

    async fn environments(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Environment>, StoreError> {
        Ok(environments::page(self, keys::ENVIRONMENTS, after, limit).await?)
    }

    async fn put_visits(&self, visits: &[(EnvironmentId, Timestamp)]) -> Result<(), StoreError> {
        Ok(environments::put_visits(self, visits).await?)
    }

    async fn visit(&self, id: &EnvironmentId) -> Result<Option<Timestamp>, StoreError> {
        Ok(environments::visit(self, id).await?)
    }

    async fn forget_environment(&self, id: &EnvironmentId) -> Result<(), StoreError> {
        Ok(environments::forget(self, id).await?)
    }

    // --- history and events

    async fn deployments(
        &self,
        id: &EnvironmentId,
        below: Option<Generation>,
        limit: usize,
    ) -> Result<Vec<DeploymentRecord>, StoreError> {
        Ok(history::deployments(self, id, below, limit).await?)
    }

    async fn deployment(
        &self,
        id: &EnvironmentId,
        generation: Generation,
    ) -> Result<Option<DeploymentRecord>, StoreError> {
        Ok(history::deployment(self, id, generation).await?)
    }

    async fn events(
        &self,
        after: EventNumber,
        limit: usize,
    ) -> Result<Vec<EventRecord>, StoreError> {
        Ok(history::events(self, after, limit).await?)
    }

    async fn events_of(
        &self,
        id: &EnvironmentId,
        before: Option<EventNumber>,
        limit: usize,
    ) -> Result<Vec<EventRecord>, StoreError> {
        Ok(history::events_of(self, id, before, limit).await?)
    }

    async fn cursor(&self, consumer: &str) -> Result<EventNumber, StoreError> {
        Ok(history::cursor(self, consumer).await?)
    }

    async fn advance(&self, consumer: &str, to: EventNumber) -> Result<(), StoreError> {
        Ok(history::advance(self, consumer, to).await?)
    }

    // --- repositories, apps, pull requests

    async fn put_repository(&self, repository: &Repository) -> Result<(), StoreError> {
        Ok(apps::put_repository(self, repository).await?)
    }

    async fn repository(&self, id: RepositoryId) -> Result<Option<Repository>, StoreError> {
        Ok(apps::repository(self, id).await?)
    }

    async fn repositories(&self) -> Result<Vec<Repository>, StoreError> {
        Ok(apps::repositories(self).await?)
    }

    async fn put_app(&self, app: &App) -> Result<App, StoreError> {
        Ok(apps::put_app(self, app).await?)
    }

    async fn app(&self, id: &AppId) -> Result<Option<App>, StoreError> {
        Ok(apps::by_id(self, id).await?)
    }

    async fn app_by_slug(&self, owner: &str, slug: &Slug) -> Result<Option<App>, StoreError> {
        Ok(apps::by_slug(self, owner, slug).await?)
    }

    async fn apps(&self) -> Result<Vec<App>, StoreError> {
        Ok(apps::all_apps(self).await?)
    }

    async fn apps_of_repository(&self, repository: RepositoryId) -> Result<Vec<App>, StoreError> {
        Ok(apps::of_repository(self, repository).await?)
    }

    async fn describe_app(&self, id: &AppId, description: &str) -> Result<Option<App>, StoreError> {
        Ok(apps::describe(self, id, description).await?)
    }

    async fn removed_apps(&self) -> Result<Vec<RemovedApp>, StoreError> {
        Ok(apps::all_removed(self).await?)
    }

    async fn removed_app(&self, id: &AppId) -> Result<Option<RemovedApp>, StoreError> {
        Ok(apps::removed(self, id).await?)
    }

    async fn bring_back(&self, app: &App, delivery: &Delivery) -> Result<App, StoreError> {
        Ok(apps::bring_back(self, app, delivery).await?)
    }

    async fn delete_app(&self, id: &AppId, now: Timestamp) -> Result<(), StoreError> {
        Ok(apps::delete(self, id, now).await?)
    }

    async fn number_pull_request(
        &self,
        repository: RepositoryId,
        branch: &str,
    ) -> Result<PullRequest, StoreError> {
        Ok(pull_requests::number(self, repository, branch).await?)
    }

    async fn put_pull_request(&self, pull_request: &PullRequest) -> Result<(), StoreError> {
        Ok(pull_requests::put(self, pull_request).await?)
    }

    async fn order(
        &self,
        repository: RepositoryId,
        number: u32,
        order: &Order,
    ) -> Result<Option<PullRequest>, StoreError> {
        Ok(pull_requests::order(self, (repository, number), order).await?)
    }

    async fn pull_request(
        &self,
        repository: RepositoryId,
        number: u32,
    ) -> Result<Option<PullRequest>, StoreError> {
        Ok(pull_requests::one(self, repository, number).await?)
    }

    async fn pull_requests(
        &self,
        repository: RepositoryId,
    ) -> Result<Vec<PullRequest>, StoreError> {
        Ok(pull_requests::of_repository(self, repository).await?)
    }

    async fn shown(
        &self,
        repository: RepositoryId,
        kind: Kind,
    ) -> Result<Option<Ledger>, StoreError> {
        Ok(pull_requests::shown(self, repository, kind).await?)
    }

    async fn put_shown(
        &self,
        repository: RepositoryId,
        kind: Kind,
        ledger: &Ledger,
    ) -> Result<(), StoreError> {
        Ok(pull_requests::put_shown(self, (repository, kind), ledger).await?)
    }

    // --- secrets and variables

    async fn put_value(&self, value: &Value) -> Result<(), StoreError> {
        Ok(values::put(self, value).await?)
    }

    async fn values(&self, app: &AppId, class: Class) -> Result<Vec<Value>, StoreError> {
        Ok(values::of_app(self, app, class).await?)
    }

    async fn delete_value(
        &self,
        app: &AppId,
        class: Class,
        name: &VariableName,
    ) -> Result<bool, StoreError> {
        Ok(values::delete(self, app, class, name).await?)
    }

    // --- the server at GitHub

    async fn own_app(&self) -> Result<Option<OwnApp>, StoreError> {
        Ok(own_app::one(self).await?)
    }

    async fn put_own_app(&self, app: &OwnApp) -> Result<(), StoreError> {
        Ok(own_app::put(self, app).await?)
    }

    // --- inbox

    async fn receive(&self, delivery: &Delivery) -> Result<bool, StoreError> {
        Ok(inbox::receive(self, delivery).await?)
    }

    async fn pending(&self, limit: usize) -> Result<Vec<Delivery>, StoreError> {
        Ok(inbox::pending(self, limit).await?)
    }

    async fn settle(&self, id: &str, state: &DeliveryState) -> Result<(), StoreError> {
        Ok(inbox::settle(self, id, state).await?)
    }

    async fn deliveries(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(Delivery, DeliveryState)>, StoreError> {
        Ok(inbox::newest(self, after, limit).await?)
    }

    // --- upkeep

    async fn prune(&self, now: Timestamp) -> Result<(), StoreError> {
        Ok(upkeep::prune(self, now).await?)
    }

    async fn check(&self) -> Result<(), StoreError> {
        Ok(upkeep::check(self).await?)
    }
}

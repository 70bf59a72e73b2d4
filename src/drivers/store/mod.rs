//! The store, in words of the domain. Every driver passes the same conformance suite.

pub mod dynamodb;
pub mod sqlite;

#[cfg(test)]
pub(crate) mod conformance;

use async_trait::async_trait;
use nestling_domain::{
    app::{App, RemovedApp, Repository, VariableName},
    environment::Environment,
    github::shown::Ledger,
    ids::{
        AppId, Class, EnvironmentId, Generation, InputId, Kind, RepositoryId, Timestamp, Version,
    },
    label::Slug,
    lifecycle::Happened,
    orders::Order,
    record::{
        Delivery, DeliveryState, DeploymentRecord, EventNumber, EventRecord, OwnApp, PullRequest,
        Value,
    },
};

/// Why the store did not do what was asked; the variant tells the caller what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The record has another version than expected: reload and decide again. Nothing was written.
    #[error("{0} was changed by somebody else")]
    Conflict(String),
    /// Known not to have happened, and it would not happen next time either.
    #[error("the store refused: {0}")]
    Rejected(String),
    /// It may or may not have happened: forget what is held in memory and reload.
    #[error("the outcome in the store is unknown: {0}")]
    Unknown(String),
}

/// One decision of an environment: everything that is written together, or not at all.
#[derive(Debug, Clone)]
pub struct Save {
    /// The new record; its version is one more than `expected` (1 when there was none).
    pub environment: Environment,
    /// The version that it replaces; `None` when there must be none yet.
    pub expected: Option<Version>,
    /// When the environment must be looked at next; `None` when it owes and awaits nothing.
    pub due_at: Option<Timestamp>,
    /// The input that caused it, with the answer that a repeat of that input gets.
    pub input: Option<(InputId, String)>,
    /// What happened, in order.
    pub happened: Vec<Happened>,
    /// Who or what caused it, for people.
    pub by: String,
    /// The history records that changed.
    pub deployments: Vec<DeploymentRecord>,
}

/// A page of a longer list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, in the order that the method says.
    pub items: Vec<T>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<String>,
}

/// Where records live. All methods are safe to call from any thread.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    // --- environments: three keyed records (by id; by app; by app and branch), one transaction

    /// Writes one decision under its version condition. Events get their numbers here. The first save of an
    /// environment is refused when its app is removed.
    async fn save(&self, save: Save) -> Result<Vec<EventRecord>, StoreError>;
    /// Reads one environment.
    async fn environment(&self, id: &EnvironmentId) -> Result<Option<Environment>, StoreError>;
    /// The answer that this input got before, if it was seen.
    async fn answered(
        &self,
        id: &EnvironmentId,
        input: &InputId,
    ) -> Result<Option<String>, StoreError>;
    /// All environments of an app, production first, then by number.
    async fn environments_of_app(&self, app: &AppId) -> Result<Vec<Environment>, StoreError>;
    /// The environments of an app that track this branch.
    async fn environments_of_branch(
        &self,
        app: &AppId,
        branch: &str,
    ) -> Result<Vec<Environment>, StoreError>;
    /// The environments of all apps for one pull request.
    async fn environments_of_pull_request(
        &self,
        repository: RepositoryId,
        number: u32,
    ) -> Result<Vec<Environment>, StoreError>;
    /// Environments that are due at or before `until`, earliest first.
    async fn due(&self, until: Timestamp, limit: usize) -> Result<Vec<EnvironmentId>, StoreError>;
    /// Environments that may have a machine or a route, i.e. whose record names a machine; by id, a page at a time.
    async fn with_machines(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Environment>, StoreError>;
    /// Every environment, by id, a page at a time.
    async fn environments(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Environment>, StoreError>;
    /// Remembers when somebody visited these environments last, in place of what was remembered before.
    async fn put_visits(&self, visits: &[(EnvironmentId, Timestamp)]) -> Result<(), StoreError>;
    /// When somebody visited an environment last, as far as it was remembered.
    async fn visit(&self, id: &EnvironmentId) -> Result<Option<Timestamp>, StoreError>;
    /// Removes the record, the history and the events of an environment that has nothing left outside.
    async fn forget_environment(&self, id: &EnvironmentId) -> Result<(), StoreError>;

    // --- history and events

    /// The deployments of an environment, newest first, of generations below `below`.
    async fn deployments(
        &self,
        id: &EnvironmentId,
        below: Option<Generation>,
        limit: usize,
    ) -> Result<Vec<DeploymentRecord>, StoreError>;
    /// One deployment.
    async fn deployment(
        &self,
        id: &EnvironmentId,
        generation: Generation,
    ) -> Result<Option<DeploymentRecord>, StoreError>;
    /// Events after `after`, oldest first.
    async fn events(
        &self,
        after: EventNumber,
        limit: usize,
    ) -> Result<Vec<EventRecord>, StoreError>;
    /// Events of one environment before `before`, newest first.
    async fn events_of(
        &self,
        id: &EnvironmentId,
        before: Option<EventNumber>,
        limit: usize,
    ) -> Result<Vec<EventRecord>, StoreError>;
    /// Where this consumer has read to.
    async fn cursor(&self, consumer: &str) -> Result<EventNumber, StoreError>;
    /// Moves a consumer's cursor forward; a lower number is ignored.
    async fn advance(&self, consumer: &str, to: EventNumber) -> Result<(), StoreError>;

    // --- repositories, apps, pull requests

    /// Records a repository, or replaces what is known about it.
    async fn put_repository(&self, repository: &Repository) -> Result<(), StoreError>;
    /// Reads one repository.
    async fn repository(&self, id: RepositoryId) -> Result<Option<Repository>, StoreError>;
    /// All repositories, by id.
    async fn repositories(&self) -> Result<Vec<Repository>, StoreError>;
    /// Records an app and claims its slug: when another app holds it, the app gets that slug with a suffix,
    /// for ever. An app that is there already keeps its slug and its description. Refuses an app that is removed.
    /// Answers what is recorded.
    async fn put_app(&self, app: &App) -> Result<App, StoreError>;
    /// Reads one app.
    async fn app(&self, id: &AppId) -> Result<Option<App>, StoreError>;
    /// Reads one app by owner and slug.
    async fn app_by_slug(&self, owner: &str, slug: &Slug) -> Result<Option<App>, StoreError>;
    /// All apps, by owner and slug.
    async fn apps(&self) -> Result<Vec<App>, StoreError>;
    /// The apps of a repository, by folder.
    async fn apps_of_repository(&self, repository: RepositoryId) -> Result<Vec<App>, StoreError>;
    /// Replaces what people say about an app. Answers what is recorded; `None` when there is no such app.
    async fn describe_app(&self, id: &AppId, description: &str) -> Result<Option<App>, StoreError>;
    /// Removes an app, with its secrets and variables, and remembers that it is removed. Its environments stay. Its slug
    /// stays taken for 30 days from `now`.
    async fn delete_app(&self, id: &AppId, now: Timestamp) -> Result<(), StoreError>;
    /// The apps that are removed, by owner and slug.
    async fn removed_apps(&self) -> Result<Vec<RemovedApp>, StoreError>;
    /// Whether this app is removed, and as what it was.
    async fn removed_app(&self, id: &AppId) -> Result<Option<RemovedApp>, StoreError>;
    /// Records an app that is removed as one that is there, and receives the delivery that tells so: both, or neither.
    /// It gets the slug that it had while that is free. Refuses an app that is not removed. Answers what is recorded.
    async fn bring_back(&self, app: &App, delivery: &Delivery) -> Result<App, StoreError>;
    /// The pull request of this branch; a branch that has none yet gets the next number of the repository.
    async fn number_pull_request(
        &self,
        repository: RepositoryId,
        branch: &str,
    ) -> Result<PullRequest, StoreError>;
    /// Replaces what the forge says about a pull request. What people ordered about it stays as it is recorded; of a new
    /// record it is taken.
    async fn put_pull_request(&self, pull_request: &PullRequest) -> Result<(), StoreError>;
    /// Remembers what somebody orders about a pull request. Answers what is recorded; `None` when there is no such record.
    async fn order(
        &self,
        repository: RepositoryId,
        number: u32,
        order: &Order,
    ) -> Result<Option<PullRequest>, StoreError>;
    /// Reads one pull request.
    async fn pull_request(
        &self,
        repository: RepositoryId,
        number: u32,
    ) -> Result<Option<PullRequest>, StoreError>;
    /// The pull requests of a repository, highest number first.
    async fn pull_requests(&self, repository: RepositoryId)
    -> Result<Vec<PullRequest>, StoreError>;

    /// What GitHub shows of production or of a pull request, as far as is known; `None` when nothing is.
    async fn shown(
        &self,
        repository: RepositoryId,
        kind: Kind,
    ) -> Result<Option<Ledger>, StoreError>;
    /// Replaces what is known about what GitHub shows.
    async fn put_shown(
        &self,
        repository: RepositoryId,
        kind: Kind,
        ledger: &Ledger,
    ) -> Result<(), StoreError>;

    // --- secrets and variables

    /// Records a value, replacing the one of that name. Refuses one of an app that is removed.
    async fn put_value(&self, value: &Value) -> Result<(), StoreError>;
    /// The values of an app for one kind of environment, by name.
    async fn values(&self, app: &AppId, class: Class) -> Result<Vec<Value>, StoreError>;
    /// Removes a value; whether there was one.
    async fn delete_value(
        &self,
        app: &AppId,
        class: Class,
        name: &VariableName,
    ) -> Result<bool, StoreError>;

    // --- the server at GitHub

    /// The GitHub App that was made on the dashboard, if one was.
    async fn own_app(&self) -> Result<Option<OwnApp>, StoreError>;
    /// Records the GitHub App that was made on the dashboard, in place of one that was made before.
    async fn put_own_app(&self, app: &OwnApp) -> Result<(), StoreError>;

    // --- inbox

    /// Records a delivery; `false` when one with that id is there already.
    async fn receive(&self, delivery: &Delivery) -> Result<bool, StoreError>;
    /// Deliveries that are pending, oldest first.
    async fn pending(&self, limit: usize) -> Result<Vec<Delivery>, StoreError>;
    /// Marks what became of a delivery.
    async fn settle(&self, id: &str, state: &DeliveryState) -> Result<(), StoreError>;
    /// Deliveries with what became of them, newest first; those that follow the one with the id `after` in that order, and
    /// none when there is no such delivery.
    async fn deliveries(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(Delivery, DeliveryState)>, StoreError>;

    // --- upkeep

    /// Removes what is older than its age limit: settled deliveries, events that all consumers have read,
    /// history beyond the newest 50 deployments of an environment, answered inputs, slugs past their 30 days.
    async fn prune(&self, now: Timestamp) -> Result<(), StoreError>;
    /// Whether the store answers and can write.
    async fn check(&self) -> Result<(), StoreError>;
}

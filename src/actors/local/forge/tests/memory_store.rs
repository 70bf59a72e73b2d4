//! The few methods of a store that the local forge uses, in memory, until the embedded driver stands.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use nestling_domain::{
    app::{App, Repository, VariableName},
    environment::Environment,
    ids::{AppId, Class, EnvironmentId, Generation, InputId, RepositoryId, Timestamp},
    label::Slug,
    record::*,
};

use crate::drivers::store::{Page, Save, Store, StoreError};

#[derive(Default)]
pub(super) struct MemoryStore {
    pub(super) tables: Mutex<Tables>,
    /// While set, every write fails with an unknown outcome.
    pub(super) broken: AtomicBool,
}

#[derive(Default)]
pub(super) struct Tables {
    pub(super) repositories: BTreeMap<RepositoryId, Repository>,
    pub(super) apps: BTreeMap<AppId, App>,
    pub(super) pull_requests: BTreeMap<(RepositoryId, u32), PullRequest>,
    pub(super) deliveries: Vec<Delivery>,
}

impl MemoryStore {
    fn write(&self) -> Result<std::sync::MutexGuard<'_, Tables>, StoreError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(StoreError::Unknown("the disk is away".to_owned()));
        }
        Ok(self.tables.lock().unwrap())
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn environment(&self, _: &EnvironmentId) -> Result<Option<Environment>, StoreError> {
        Ok(None)
    }
    async fn put_repository(&self, repository: &Repository) -> Result<(), StoreError> {
        self.write()?
            .repositories
            .insert(repository.id, repository.clone());
        Ok(())
    }
    async fn repository(&self, id: RepositoryId) -> Result<Option<Repository>, StoreError> {
        Ok(self.tables.lock().unwrap().repositories.get(&id).cloned())
    }
    async fn repositories(&self) -> Result<Vec<Repository>, StoreError> {
        Ok(self
            .tables
            .lock()
            .unwrap()
            .repositories
            .values()
            .cloned()
            .collect())
    }
    async fn put_app(&self, app: &App) -> Result<App, StoreError> {
        self.write()?.apps.insert(app.id.clone(), app.clone());
        Ok(app.clone())
    }
    async fn app(&self, id: &AppId) -> Result<Option<App>, StoreError> {
        Ok(self.tables.lock().unwrap().apps.get(id).cloned())
    }
    async fn apps_of_repository(&self, repository: RepositoryId) -> Result<Vec<App>, StoreError> {
        let tables = self.tables.lock().unwrap();
        Ok(tables
            .apps
            .values()
            .filter(|app| app.repository == repository)
            .cloned()
            .collect())
    }
    async fn number_pull_request(
        &self,
        repository: RepositoryId,
        branch: &str,
    ) -> Result<PullRequest, StoreError> {
        let mut tables = self.write()?;
        let of_repository = tables
            .pull_requests
            .values()
            .filter(|row| row.repository == repository);
        let rows: Vec<&PullRequest> = of_repository.collect();
        if let Some(row) = rows.iter().find(|row| row.branch == branch) {
            return Ok((*row).clone());
        }
        let row = PullRequest {
            repository,
            number: u32::try_from(rows.len()).unwrap() + 1,
            branch: branch.to_owned(),
            title: String::new(),
            status: PullRequestStatus::Open,
            head: None,
        };
        tables
            .pull_requests
            .insert((repository, row.number), row.clone());
        Ok(row)
    }
    async fn put_pull_request(&self, row: &PullRequest) -> Result<(), StoreError> {
        self.write()?
            .pull_requests
            .insert((row.repository, row.number), row.clone());
        Ok(())
    }
    async fn pull_requests(
        &self,
        repository: RepositoryId,
    ) -> Result<Vec<PullRequest>, StoreError> {
        let tables = self.tables.lock().unwrap();
        Ok(tables
            .pull_requests
            .values()
            .rev()
            .filter(|row| row.repository == repository)
            .cloned()
            .collect())
    }
    async fn receive(&self, delivery: &Delivery) -> Result<bool, StoreError> {
        let mut tables = self.write()?;
        let known = tables
            .deliveries
            .iter()
            .any(|known| known.id == delivery.id);
        if !known {
            tables.deliveries.push(delivery.clone());
        }
        Ok(!known)
    }
    async fn deliveries(
        &self,
        _: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<(Delivery, DeliveryState)>, StoreError> {
        let tables = self.tables.lock().unwrap();
        let newest = tables.deliveries.iter().rev().take(limit).cloned();
        Ok(newest
            .map(|delivery| (delivery, DeliveryState::Pending))
            .collect())
    }

    async fn save(&self, _: Save) -> Result<Vec<EventRecord>, StoreError> {
        unimplemented!()
    }
    async fn answered(&self, _: &EnvironmentId, _: &InputId) -> Result<Option<String>, StoreError> {
        unimplemented!()
    }
    async fn environments_of_app(&self, _: &AppId) -> Result<Vec<Environment>, StoreError> {
        unimplemented!()
    }
    async fn environments_of_branch(
        &self,
        _: &AppId,
        _: &str,
    ) -> Result<Vec<Environment>, StoreError> {
        unimplemented!()
    }
    async fn environments_of_pull_request(
        &self,
        _: RepositoryId,
        _: u32,
    ) -> Result<Vec<Environment>, StoreError> {
        unimplemented!()
    }
    async fn due(&self, _: Timestamp, _: usize) -> Result<Vec<EnvironmentId>, StoreError> {
        unimplemented!()
    }
    async fn with_machines(
        &self,
        _: Option<&str>,
        _: usize,
    ) -> Result<Page<Environment>, StoreError> {
        unimplemented!()
    }
    async fn environments(
        &self,
        _: Option<&str>,
        _: usize,
    ) -> Result<Page<Environment>, StoreError> {
        unimplemented!()
    }
    async fn forget_environment(&self, _: &EnvironmentId) -> Result<(), StoreError> {
        unimplemented!()
    }
    async fn deployments(
        &self,
        _: &EnvironmentId,
        _: Option<Generation>,
        _: usize,
    ) -> Result<Vec<DeploymentRecord>, StoreError> {
        unimplemented!()
    }
    async fn deployment(
        &self,
        _: &EnvironmentId,
        _: Generation,
    ) -> Result<Option<DeploymentRecord>, StoreError> {
        unimplemented!()
    }
    async fn events(&self, _: EventNumber, _: usize) -> Result<Vec<EventRecord>, StoreError> {
        unimplemented!()
    }
    async fn events_of(
        &self,
        _: &EnvironmentId,
        _: Option<EventNumber>,
        _: usize,
    ) -> Result<Vec<EventRecord>, StoreError> {
        unimplemented!()
    }
    async fn cursor(&self, _: &str) -> Result<EventNumber, StoreError> {
        unimplemented!()
    }
    async fn advance(&self, _: &str, _: EventNumber) -> Result<(), StoreError> {
        unimplemented!()
    }
    async fn app_by_slug(&self, _: &str, _: &Slug) -> Result<Option<App>, StoreError> {
        unimplemented!()
    }
    async fn apps(&self) -> Result<Vec<App>, StoreError> {
        unimplemented!()
    }
    async fn delete_app(&self, _: &AppId, _: Timestamp) -> Result<(), StoreError> {
        unimplemented!()
    }
    async fn pull_request(
        &self,
        _: RepositoryId,
        _: u32,
    ) -> Result<Option<PullRequest>, StoreError> {
        unimplemented!()
    }
    async fn put_value(&self, _: &Value) -> Result<(), StoreError> {
        unimplemented!()
    }
    async fn values(&self, _: &AppId, _: Class) -> Result<Vec<Value>, StoreError> {
        unimplemented!()
    }
    async fn delete_value(
        &self,
        _: &AppId,
        _: Class,
        _: &VariableName,
    ) -> Result<bool, StoreError> {
        unimplemented!()
    }
    async fn pending(&self, _: usize) -> Result<Vec<Delivery>, StoreError> {
        unimplemented!()
    }
    async fn settle(&self, _: &str, _: &DeliveryState) -> Result<(), StoreError> {
        unimplemented!()
    }
    async fn prune(&self, _: Timestamp) -> Result<(), StoreError> {
        unimplemented!()
    }
    async fn check(&self) -> Result<(), StoreError> {
        unimplemented!()
    }
}

//! What people are shown of environments, read from the records: pages and GitHub share it.

use actix::MailboxError;
use nestling_domain::{
    announcement::{Announcement, LeftOut, Section, tested},
    deployment::Tests,
    environment::Environment,
    ids::{EnvironmentId, Generation, Kind, RepositoryId},
    orders::Answer,
};
use nestling_protocol::test::{ARTIFACT, Results};

use crate::{
    actors::logging::blob_key,
    drivers::{
        blobs::{BlobError, Blobs},
        store::{Store, StoreError},
    },
    messages::admission::{self, Look, Queue},
};

/// Deployments that are searched for the newest tests.
pub(crate) const RECENT: usize = 20;

/// Where it is read from.
pub(crate) struct Records<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) blobs: &'a dyn Blobs,
    pub(crate) admission: &'a admission::Handle,
}

/// Why it could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotRead {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Blobs(#[from] BlobError),
    #[error("a part of the server is restarting: {0}")]
    Queue(#[from] MailboxError),
}

/// The environments that are shown together, with what they show.
pub(crate) struct Together {
    pub(crate) environments: Vec<(Environment, Option<Results>)>,
    /// Those whose app a person has removed.
    removed: Vec<Environment>,
    queue: Queue,
    /// What came of the last comments that ordered something.
    answers: Vec<Answer>,
}

impl Records<'_> {
    /// What a pull request shows: the environments of all apps of its repository.
    pub(crate) async fn of_pull_request(
        &self,
        repository: RepositoryId,
        number: u32,
    ) -> Result<Together, NotRead> {
        let store = self.store;
        let environments = store
            .environments_of_pull_request(repository, number)
            .await?;
        let removed = store.removed_apps().await?;
        let (mut all, mut left_out) = (Vec::new(), Vec::new());
        for environment in environments {
            if removed.iter().any(|one| one.app.id == environment.app) {
                left_out.push(environment);
            } else {
                let results = self.newest_results(&environment).await?;
                all.push((environment, results));
            }
        }
        let row = store.pull_request(repository, number).await?;
        Ok(Together {
            environments: all,
            removed: left_out,
            queue: self.queue().await?,
            answers: row.map_or_else(Vec::new, |row| row.orders.answers().cloned().collect()),
        })
    }

    /// What the default branch shows; without single tests.
    pub(crate) async fn of_production(
        &self,
        repository: RepositoryId,
    ) -> Result<Together, NotRead> {
        let mut all = Vec::new();
        for app in self.store.apps_of_repository(repository).await? {
            let id = EnvironmentId::derive(&app.id, Kind::Production);
            let environment = self.store.environment(&id).await?;
            all.extend(environment.map(|environment| (environment, None)));
        }
        let mut removed = Vec::new();
        let mut apps = self.store.removed_apps().await?;
        apps.retain(|one| one.app.repository == repository);
        for one in apps {
            let id = EnvironmentId::derive(&one.app.id, Kind::Production);
            removed.extend(self.store.environment(&id).await?);
        }
        Ok(Together {
            environments: all,
            removed,
            queue: self.queue().await?,
            answers: Vec::new(),
        })
    }

    /// The newest deployment whose tests are over, of those that the record or the history names.
    pub(crate) async fn newest_tested(
        &self,
        environment: &Environment,
    ) -> Result<Option<(Generation, Tests)>, NotRead> {
        if let Some(deployment) = tested(&environment.lifecycle) {
            return Ok(Some((deployment.generation, deployment.tests.clone())));
        }
        let recent = self.store.deployments(&environment.id, None, RECENT);
        let mut recent = recent.await?.into_iter();
        let over = recent.find(|record| record.tests != Tests::Pending);
        Ok(over.map(|record| (record.generation, record.tests)))
    }

    /// Each test of the newest deployment whose tests are over.
    pub(crate) async fn newest_results(
        &self,
        environment: &Environment,
    ) -> Result<Option<Results>, NotRead> {
        match self.newest_tested(environment).await? {
            Some((generation, _)) => self.results(environment, generation).await,
            None => Ok(None),
        }
    }

    /// Each test of one deployment, where its machine has left them.
    pub(crate) async fn results(
        &self,
        environment: &Environment,
        generation: Generation,
    ) -> Result<Option<Results>, NotRead> {
        let key = blob_key(&environment.id, generation, ARTIFACT);
        let bytes = self.blobs.get(&key).await?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Who builds and who waits.
    pub(crate) async fn queue(&self) -> Result<Queue, NotRead> {
        Ok(self.admission.look.send(Look).await?)
    }
}

impl Together {
    /// What the environments hand in, in the order to be shown.
    pub(crate) fn sections(&self) -> Vec<Section<'_>> {
        let all = self.environments.iter();
        let sections = all.map(|(environment, results)| Section {
            environment,
            results: results.as_ref(),
            ahead: self.queue.ahead(&environment.id),
        });
        sections.collect()
    }

    /// Those that are wanted no more.
    pub(crate) fn left_out(&self) -> Vec<LeftOut<'_>> {
        self.removed.iter().map(left_out).collect()
    }

    /// What the pull request of these environments shows.
    pub(crate) fn announcement(&self, repository: RepositoryId, number: u32) -> Announcement<'_> {
        Announcement {
            repository,
            number,
            sections: self.sections(),
            left_out: self.left_out(),
            answers: self.answers.iter().collect(),
        }
    }
}

fn left_out(environment: &Environment) -> LeftOut<'_> {
    LeftOut {
        environment,
        reason: "a person removed this app from Nestling",
    }
}

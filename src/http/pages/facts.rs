//! What pages are made of, read from the records.

use nestling_domain::{
    announcement::{Announcement, Section, Site, tested},
    app::{App, RemovedApp, Repository},
    deployment::Tests,
    environment::Environment,
    ids::{AppId, Class, Generation},
    record::PullRequest,
};
use nestling_protocol::test::{ARTIFACT, Results};

use super::NoPage;
use crate::{
    actors::logging::blob_key,
    http::{Services, dashboard::apps::RepositoryFacts, problem::Problem},
    messages::{
        admission::{Look, Queue},
        secrets::{List, Listed},
    },
};

/// Deployments that the overview and the choice of logs show, and that are searched for tests.
pub(super) const RECENT: usize = 20;
/// Why a repository shows no app.
const NOTHING_FOUND: &str = "no app was found in it: an app is a folder with a main.w, a package.json that has a start or build script, an index.html, or a nestling.toml with [start] run";

/// Everything that the first page shows.
pub(super) struct Known {
    repositories: Vec<Repository>,
    apps: Vec<(App, Vec<Environment>)>,
    removed: Vec<RemovedApp>,
    pull_requests: Vec<PullRequest>,
}

impl Known {
    pub(super) async fn read(services: &Services) -> Result<Self, NoPage> {
        let store = &services.store;
        let repositories = store.repositories().await?;
        let mut apps = Vec::new();
        for app in store.apps().await? {
            let environments = store.environments_of_app(&app.id).await?;
            apps.push((app, environments));
        }
        let mut pull_requests = Vec::new();
        for repository in &repositories {
            pull_requests.extend(store.pull_requests(repository.id).await?);
        }
        Ok(Known {
            repositories,
            apps,
            removed: store.removed_apps().await?,
            pull_requests,
        })
    }

    /// What of it belongs to this owner.
    pub(super) fn of_owner(mut self, owner: &str) -> Self {
        self.repositories.retain(|one| one.owner == owner);
        self
    }

    pub(super) fn is_empty(&self) -> bool {
        self.repositories.is_empty()
    }

    /// What is shown, one repository after another.
    pub(super) fn facts(&self) -> Vec<RepositoryFacts<'_>> {
        let facts = |repository| self.facts_of(repository);
        self.repositories.iter().map(facts).collect()
    }

    fn facts_of<'a>(&'a self, repository: &'a Repository) -> RepositoryFacts<'a> {
        let apps = self.apps.iter();
        let apps = apps.filter(|(app, _)| app.repository == repository.id);
        let pull_requests = self.pull_requests.iter();
        let removed = self.removed.iter();
        RepositoryFacts {
            repository,
            apps: apps
                .map(|(app, environments)| (app, environments.iter().collect()))
                .collect(),
            removed: removed
                .filter(|one| one.app.repository == repository.id)
                .collect(),
            pull_requests: pull_requests
                .filter(|one| one.repository == repository.id)
                .collect(),
            nothing_found: Some(NOTHING_FOUND),
        }
    }
}

/// What the pull request shows, composed of the records of all apps of its repository; `None` for production.
pub(super) async fn announcement(
    services: &Services,
    environment: &Environment,
) -> Result<Option<String>, NoPage> {
    let Some(number) = environment.kind.pull_request() else {
        return Ok(None);
    };
    let repository = environment.repository;
    let store = &services.store;
    let mut environments = store
        .environments_of_pull_request(repository, number)
        .await?;
    let removed = store.removed_apps().await?;
    environments.retain(|one| removed.iter().all(|removed| removed.app.id != one.app));
    let queue = queue(services).await?;
    let mut all = Vec::new();
    for environment in environments {
        let results = newest_results(services, &environment).await?;
        all.push((environment, results));
    }
    let announcement = Announcement {
        repository,
        number,
        sections: all.iter().map(|one| section(one, &queue)).collect(),
        left_out: Vec::new(),
        waiting: None,
    };
    let dashboard = services.addresses.dashboard();
    let site = Site {
        dashboard: &dashboard,
        scheme: &services.addresses.scheme,
        preview_domain: &services.addresses.preview_domain,
    };
    Ok(Some(announcement.markdown(&site)))
}

fn section<'a>(
    (environment, results): &'a (Environment, Option<Results>),
    queue: &Queue,
) -> Section<'a> {
    Section {
        environment,
        results: results.as_ref(),
        ahead: queue.ahead(&environment.id),
        skipped: None,
    }
}

/// The newest deployment whose tests are over, of those that the record or the history names.
pub(super) async fn newest_tested(
    services: &Services,
    environment: &Environment,
) -> Result<Option<(Generation, Tests)>, NoPage> {
    if let Some(deployment) = tested(&environment.lifecycle) {
        return Ok(Some((deployment.generation, deployment.tests.clone())));
    }
    let recent = services
        .store
        .deployments(&environment.id, None, RECENT)
        .await?;
    let over = recent
        .into_iter()
        .find(|record| record.tests != Tests::Pending);
    Ok(over.map(|record| (record.generation, record.tests)))
}

/// Each test of the newest deployment whose tests are over.
pub(super) async fn newest_results(
    services: &Services,
    environment: &Environment,
) -> Result<Option<Results>, NoPage> {
    match newest_tested(services, environment).await? {
        Some((generation, _)) => results(services, environment, generation).await,
        None => Ok(None),
    }
}

/// Each test of one deployment, where its machine has left them.
pub(super) async fn results(
    services: &Services,
    environment: &Environment,
    generation: Generation,
) -> Result<Option<Results>, NoPage> {
    let key = blob_key(&environment.id, generation, ARTIFACT);
    let bytes = services.blobs.get(&key).await?;
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// The names of secrets and variables of an app for one class of environments.
pub(super) async fn listed(
    services: &Services,
    app: &AppId,
    class: Class,
) -> Result<Vec<Listed>, NoPage> {
    let list = List {
        app: app.clone(),
        class,
    };
    Ok(services.secrets.list.send(list).await??)
}

pub(super) async fn repository(services: &Services, app: &App) -> Result<Repository, NoPage> {
    let found = services.store.repository(app.repository).await?;
    Ok(found.ok_or_else(|| {
        Problem::not_found(format!(
            "the repository of {}/{} is not known any more",
            app.owner, app.slug
        ))
    })?)
}

pub(super) async fn queue(services: &Services) -> Result<Queue, NoPage> {
    Ok(services.admission.look.send(Look).await?)
}

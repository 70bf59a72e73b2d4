//! What pages are made of, read from the records.

use nestling_domain::{
    app::{App, RemovedApp, Repository},
    environment::Environment,
    ids::{AppId, Class},
    record::PullRequest,
};

use super::NoPage;
use crate::{
    http::{Services, dashboard::apps::RepositoryFacts, problem::Problem},
    messages::secrets::{List, Listed},
    records::Records,
};

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

/// Where what people are shown is read from.
pub(super) fn records(services: &Services) -> Records<'_> {
    Records {
        store: &*services.store,
        blobs: &*services.blobs,
        admission: &services.admission,
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
    let together = records(services)
        .of_pull_request(repository, number)
        .await?;
    let dashboard = services.addresses.dashboard();
    let site = services.addresses.site(&dashboard);
    let announcement = together.announcement(repository, number);
    Ok(Some(announcement.markdown(&site)))
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

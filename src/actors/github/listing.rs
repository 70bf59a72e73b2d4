//! All that the App covers, listed whatever webhooks said: what was missed while nobody listened is found here.

use std::collections::BTreeSet;

use nestling_domain::{
    app::{App, Repository},
    github::{Listed, Open, gone, missed},
    ids::RepositoryId,
    policy,
    record::{Delivery, Fact, PullRequest as Row},
};
use tracing::{info, warn};

use super::{
    Desk,
    ending::Seen,
    head::branch_shown,
    not_answered, not_stored,
    place::{Asked, place},
};
use crate::{
    drivers::{clock, github::PullRequest},
    messages::forge::{Arrived, ForgeError},
};

/// What is to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope {
    /// All that the App covers.
    All,
    /// These repositories: the rest was seen.
    Some(BTreeSet<RepositoryId>),
}

/// The labels that change what becomes of a pull request.
fn labels_read(labels: &[String]) -> BTreeSet<String> {
    let read = labels.iter().filter(|label| policy::is_read(label));
    read.map(|label| label.to_ascii_lowercase()).collect()
}

/// Whether anything is another than when it was recorded by which policy decides.
fn is_edited(row: &Row, one: &PullRequest) -> bool {
    // What was recorded before base and draft were says nothing of either.
    let base = row
        .base
        .as_ref()
        .is_some_and(|base| *base != one.base || row.draft != one.draft);
    base || row.title != one.title || labels_read(&row.labels) != labels_read(&one.labels)
}

impl Desk {
    /// Looks at every installation, then at every repository that has an app, or at some of them. What fails is logged; answers
    /// what is to be looked at again for it, if anything.
    pub(super) async fn list(&self, scope: Scope) -> Option<Scope> {
        if !self.client.is_app() {
            return None;
        }
        let all = scope == Scope::All;
        let listed = !all || self.list_installations().await;
        let repositories = match self.store.repositories().await {
            Ok(repositories) => repositories,
            Err(error) => {
                warn!("the repositories could not be read: {error}");
                return Some(scope);
            }
        };
        let mut unseen = BTreeSet::new();
        let mut seen = Seen::default();
        for repository in repositories {
            if matches!(&scope, Scope::Some(some) if !some.contains(&repository.id)) {
                continue;
            }
            if let Err(error) = self.look_and_hear(repository.id, &mut seen).await {
                warn!(repository.id = %repository.id, "{}/{}: {error}", repository.owner, repository.name);
                unseen.insert(repository.id);
            }
        }
        unseen.extend(self.end(seen).await);
        if !listed {
            return Some(Scope::All);
        }
        (!unseen.is_empty()).then_some(Scope::Some(unseen))
    }

    /// Records what every installation covers; whether all of it was seen.
    async fn list_installations(&self) -> bool {
        let installations = match self.client.installations().await {
            Ok(installations) => installations,
            Err(error) => {
                warn!("{error}");
                return false;
            }
        };
        let mut listed = true;
        for installation in installations.iter().filter(|one| !one.suspended) {
            if let Err(error) = self.list_repositories(installation.id).await {
                warn!("installation {}: {error}", installation.id);
                listed = false;
            }
        }
        listed
    }

    /// Records the repositories that an installation covers. One that it lacks is not forgotten: its environments find out
    /// themselves.
    async fn list_repositories(&self, installation: u64) -> Result<(), ForgeError> {
        let listed = self
            .client
            .repositories(installation)
            .await
            .map_err(not_answered)?;
        for one in listed {
            let known = self.store.repository(one.id).await.map_err(not_stored)?;
            let now = Repository {
                id: one.id,
                owner: one.owner,
                name: one.name,
                path: None,
                installation: Some(installation),
                default_branch: one.default_branch,
                // What is wrong with its apps was said when their commit was read.
                trouble: known.as_ref().and_then(|known| known.trouble.clone()),
                left: false,
                suspended: false,
            };
            if known.as_ref() != Some(&now) {
                info!(repository.id = %now.id, "the App is installed on {}/{}", now.owner, now.name);
                self.store.put_repository(&now).await.map_err(not_stored)?;
            }
        }
        Ok(())
    }

    /// Looks at a repository that has apps, and where GitHub cannot tell of comments reads those, too.
    async fn look_and_hear(&self, id: RepositoryId, seen: &mut Seen) -> Result<(), ForgeError> {
        let apps = self.store.apps_of_repository(id).await;
        let apps = apps.map_err(not_stored)?;
        if apps.is_empty() {
            return Ok(());
        }
        self.look_at(id, apps, seen).await?;
        if self.places.hook.is_some() {
            return Ok(());
        }
        self.hear(id).await
    }

    /// Compares a repository with the environments of its apps, and tells them what they have not heard. What is gone is `seen`
    /// to be.
    async fn look_at(
        &self,
        id: RepositoryId,
        apps: Vec<App>,
        seen: &mut Seen,
    ) -> Result<(), ForgeError> {
        let listed = self
            .ask(id, async |place, _| {
                self.client.open_pull_requests(place).await.map(Some)
            })
            .await?;
        let there = !matches!(listed, Asked::Gone);
        let (open, repository) = match listed {
            Asked::Answered(open, repository) => (open, repository),
            // Its environments ask themselves, and close.
            Asked::Nothing(repository) => (Vec::new(), repository),
            Asked::Gone => (Vec::new(), self.recorded(id).await?),
        };
        let head = match place(&repository).filter(|_| there) {
            Some(place) if !open.is_empty() || !repository.default_branch.is_empty() => {
                let head = self.client.branch(&place, &repository.default_branch).await;
                head.ok().flatten()
            }
            _ => None,
        };
        // Also where no push deploys production: its policy is read from there.
        if let Some(head) = &head {
            self.take_in_once(id, &head.id).await?;
        }
        let mut environments = Vec::new();
        for app in &apps {
            let found = self
                .store
                .environments_of_app(&app.id)
                .await
                .map_err(not_stored)?;
            environments.extend(found);
        }
        let rows = self.store.pull_requests(id).await.map_err(not_stored)?;
        let changed = |one: &PullRequest| {
            let row = rows.iter().find(|row| row.number == one.number);
            row.is_some_and(|row| is_edited(row, one))
        };
        let open: Vec<Open> = open
            .iter()
            .map(|one| Open {
                number: one.number,
                branch: branch_shown(one),
                title: one.title.clone(),
                head: one.head.clone(),
                changed: changed(one),
            })
            .collect();
        let listed = Listed {
            there,
            branch: &repository.default_branch,
            head: head.as_ref().map(|head| &head.id),
            open: &open,
        };
        seen.at(id, &environments, gone(id, &environments, &listed));
        let apps: Vec<_> = apps.into_iter().map(|app| app.id).collect();
        let facts = missed(&apps, &environments, &listed);
        if !facts.is_empty() {
            info!(repository.id = %id, "a look at {}/{} found {} news", repository.owner, repository.name, facts.len());
        }
        self.tell(id, "listed", facts).await
    }

    /// Puts what a look found into the inbox.
    pub(super) async fn tell(
        &self,
        id: RepositoryId,
        found: &str,
        facts: Vec<Fact>,
    ) -> Result<(), ForgeError> {
        if facts.is_empty() {
            return Ok(());
        }
        let now = clock::now();
        for (place, fact) in facts.into_iter().enumerate() {
            let delivery = Delivery {
                id: format!("{found}-{id}-{}-{place}", now.0),
                at: now,
                repository: Some(id),
                fact,
            };
            self.store.receive(&delivery).await.map_err(not_stored)?;
        }
        self.arrived.do_send(Arrived);
        Ok(())
    }
}

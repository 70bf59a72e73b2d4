//! All that the App covers, listed whatever webhooks said: what was missed while nobody listened is found here. And webhooks
//! that did not get through, which GitHub is asked to deliver once more.

use std::{
    collections::BTreeSet,
    sync::{PoisonError, atomic::Ordering},
};

use nestling_domain::{
    app::{App, Repository},
    github::{FailedAttempt, Listed, Open, again, gone, missed},
    ids::RepositoryId,
    policy,
    record::{Delivery, Fact},
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
    drivers::{
        clock,
        github::{GitHubError, PullRequest},
        store::StoreError,
    },
    messages::forge::{Arrived, ForgeError},
};

/// How far back the inbox is read for what came: what is older is asked for once more, which changes nothing.
const INBOX_READ_BACK: usize = 10_000;

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
            row.is_some_and(|row| {
                row.title != one.title || labels_read(&row.labels) != labels_read(&one.labels)
            })
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

    /// Has GitHub send webhooks to where the server is reached, if it does not yet. A failure is logged, and tried again with
    /// [`recover`](Desk::recover): until then listings find what happens.
    pub(super) async fn lead_webhooks_here(&self) {
        let Some(wanted) = self.places.hook.as_ref().filter(|_| self.client.is_app()) else {
            return;
        };
        let led = async {
            if self.client.hook_address().await? != *wanted {
                self.client.set_hook_address(wanted).await?;
                info!("GitHub sends webhooks to {wanted} from now on");
            }
            Ok::<_, GitHubError>(())
        };
        match led.await {
            Ok(()) => self.led.store(true, Ordering::Relaxed),
            Err(error) => warn!("webhooks may go elsewhere than to {wanted}: {error}"),
        }
    }

    /// Asks GitHub to deliver once more what did not get through.
    pub(super) async fn recover(&self) {
        if !self.client.is_app() {
            return;
        }
        if !self.led.load(Ordering::Relaxed) {
            self.lead_webhooks_here().await;
        }
        let failed = match self.client.failed_attempts().await {
            Ok(failed) => failed,
            Err(error) => return warn!("{error}"),
        };
        let attempts: Vec<FailedAttempt> = failed
            .into_iter()
            .map(|one| FailedAttempt {
                id: one.id,
                guid: one.guid,
                status: one.status_code,
            })
            .collect();
        let lost = {
            let mut asked = self
                .asked_again
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            // What the log has no more need not be remembered.
            asked.retain(|id| attempts.iter().any(|attempt| attempt.id == *id));
            again(&attempts, &asked)
        };
        let lost = match self.not_received(&attempts, lost).await {
            Ok(lost) => lost,
            Err(error) => return warn!("the inbox could not be read: {error}"),
        };
        for attempt in lost {
            match self.client.deliver_again(attempt).await {
                Ok(()) => info!("webhook {attempt} did not get through: asked for it once more"),
                Err(error) => {
                    warn!("{error}");
                    continue;
                }
            }
            let mut asked = self
                .asked_again
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            asked.insert(attempt);
        }
    }

    /// Those attempts whose webhook did not come by another one: after a restart nobody remembers which were asked for.
    async fn not_received(
        &self,
        attempts: &[FailedAttempt],
        lost: Vec<u64>,
    ) -> Result<Vec<u64>, StoreError> {
        if lost.is_empty() {
            return Ok(lost);
        }
        let received = self.store.deliveries(None, INBOX_READ_BACK).await?;
        let received: BTreeSet<String> = received.into_iter().map(|(one, _)| one.id).collect();
        let came = |id: &u64| {
            let mut of_it = attempts.iter().filter(|attempt| attempt.id == *id);
            of_it.any(|attempt| received.contains(&attempt.guid))
        };
        Ok(lost.into_iter().filter(|id| !came(id)).collect())
    }
}

//! Where a repository is reached now, and whether it is gone.
//!
//! Names and installations change, and GitHub answers 404 for what we may not see as for what is not there. So whatever is not
//! found is looked for once more at the repository itself, by its number: what has moved is recorded, and a repository that no
//! installation of the App covers is gone when that was seen twice: [`TWICE`] apart where a webhook told of it, and
//! [`UNTOLD`] apart where nobody did, because then it is GitHub that may be wrong.

use std::{sync::PoisonError, time::Duration};

use nestling_domain::{app::Repository, ids::RepositoryId};
use tokio::time::Instant;
use tracing::info;

use super::{Desk, not_answered, not_stored};
use crate::{
    drivers::github::{self, GitHubError, Place},
    messages::forge::ForgeError,
};

/// How far apart GitHub must say twice that a repository is gone: everything that runs for it is removed then.
const TWICE: Duration = Duration::from_secs(10);

/// The same where nothing told of it: what GitHub shows to the App is empty now and then, for as long as one of its failures lasts.
const UNTOLD: Duration = Duration::from_mins(10);

/// What came of a question about a repository.
pub(super) enum Asked<T> {
    /// It was answered; the repository as it is recorded now.
    Answered(T, Repository),
    /// There is no such thing in the repository, which is there.
    Nothing(Repository),
    /// The repository is gone, or the App is not installed there any more.
    Gone,
}

impl Desk {
    /// The record of a repository.
    pub(super) async fn recorded(&self, id: RepositoryId) -> Result<Repository, ForgeError> {
        let recorded = self.store.repository(id).await.map_err(not_stored)?;
        recorded.ok_or_else(|| {
            ForgeError::Rejected(format!(
                "repository {id} is not recorded here: is the App installed on it?"
            ))
        })
    }

    /// Asks something of a repository where it is reached now. An answer of nothing is believed only when the repository
    /// itself answers.
    pub(super) async fn ask<T, A>(&self, id: RepositoryId, ask: A) -> Result<Asked<T>, ForgeError>
    where
        A: AsyncFn(&Place, &Repository) -> Result<Option<T>, GitHubError>,
    {
        let mut repository = self.recorded(id).await?;
        if let Some(place) = place(&repository) {
            match ask(&place, &repository).await {
                Ok(Some(answer)) => {
                    let repository = self.is_there(repository).await?;
                    return Ok(Asked::Answered(answer, repository));
                }
                // Also when its installation is not known any more, which is a refusal.
                Ok(None)
                | Err(GitHubError::Absent { .. } | GitHubError::Refused { status: 404, .. }) => {}
                Err(error) => return Err(not_answered(error)),
            }
        }
        let Some(found) = self.find(&repository).await? else {
            return self.is_gone_for_good(&repository).map(|()| Asked::Gone);
        };
        self.forget_gone(id);
        if found != repository {
            info!(repository.id = %id, "{}/{} is {}/{} now", repository.owner, repository.name, found.owner, found.name);
            self.store
                .put_repository(&found)
                .await
                .map_err(not_stored)?;
        }
        repository = found;
        let Some(place) = place(&repository) else {
            return Ok(Asked::Nothing(repository));
        };
        let answer = ask(&place, &repository).await.map_err(not_answered)?;
        Ok(match answer {
            Some(answer) => Asked::Answered(answer, repository),
            None => Asked::Nothing(repository),
        })
    }

    /// It answers, whatever was told or seen before.
    async fn is_there(&self, repository: Repository) -> Result<Repository, ForgeError> {
        self.forget_gone(repository.id);
        if !repository.left && !repository.suspended {
            return Ok(repository);
        }
        let there = Repository {
            left: false,
            suspended: false,
            ..repository
        };
        self.store
            .put_repository(&there)
            .await
            .map_err(not_stored)?;
        Ok(there)
    }

    /// The repository as GitHub shows it now; `None` when the App is not installed on it, by whatever name.
    async fn find(&self, known: &Repository) -> Result<Option<Repository>, ForgeError> {
        let (owner, name) = (&known.owner, &known.name);
        let installation = self.client.installation_of(owner, name).await;
        if let Some(installation) = installation.map_err(not_answered)? {
            let place = Place {
                installation,
                repository: known.id,
                owner: owner.clone(),
                name: name.clone(),
            };
            let found = self.client.repository(&place).await.map_err(not_answered)?;
            // Another one may have its name now, and be where this one is not.
            if let Some(found) = found {
                return Ok(Some(moved(known, found, installation)));
            }
        }
        self.find_by_number(known).await
    }

    /// Looks for a repository among all that the App covers.
    async fn find_by_number(&self, known: &Repository) -> Result<Option<Repository>, ForgeError> {
        for installation in self.client.installations().await.map_err(not_answered)? {
            if installation.suspended {
                if known.installation == Some(installation.id) {
                    return Err(ForgeError::Failed(format!(
                        "the App is suspended at {}: what runs goes on, and nothing new does until its owner lets it go on",
                        known.owner
                    )));
                }
                continue;
            }
            let covered = self.client.repositories(installation.id).await;
            let mut covered = covered.map_err(not_answered)?.into_iter();
            if let Some(found) = covered.find(|one| one.id == known.id) {
                return Ok(Some(moved(known, found, installation.id)));
            }
        }
        Ok(None)
    }

    /// Believes that a repository is gone when it was seen so before, long enough ago.
    fn is_gone_for_good(&self, repository: &Repository) -> Result<(), ForgeError> {
        let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        let since = gone.entry(repository.id).or_insert_with(Instant::now);
        let enough = if repository.left { TWICE } else { UNTOLD };
        if since.elapsed() >= enough {
            return Ok(());
        }
        Err(ForgeError::Failed(format!(
            "GitHub shows no {}/{} to the App: it is gone when that is still so {} s after it was first seen",
            repository.owner,
            repository.name,
            enough.as_secs()
        )))
    }

    fn forget_gone(&self, id: RepositoryId) {
        let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        gone.remove(&id);
    }
}

/// Where a repository is reached; `None` while its installation is not known.
pub(super) fn place(repository: &Repository) -> Option<Place> {
    repository.installation.map(|installation| Place {
        installation,
        repository: repository.id,
        owner: repository.owner.clone(),
        name: repository.name.clone(),
    })
}

/// A repository as it is called now.
fn moved(known: &Repository, found: github::Repository, installation: u64) -> Repository {
    Repository {
        owner: found.owner,
        name: found.name,
        default_branch: found.default_branch,
        installation: Some(installation),
        left: false,
        suspended: false,
        ..known.clone()
    }
}

//! The source of a commit, and what the default branch holds: from a mirror of ours per repository.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
};

use nestling_domain::{
    app::{App, Repository},
    discovery::Discovery,
    ids::{Commit, Kind, RepositoryId},
};
use tracing::{info, warn};

use super::{
    Desk, not_answered, not_stored,
    place::{Asked, place},
};
use crate::{
    actors::trees,
    drivers::{
        clock,
        git::{Beside, GitError, Remote, prune_bundles, unused_mirrors, use_mirror},
    },
    messages::forge::{ForgeError, FoundApps, Pack},
};

impl Desk {
    /// A bundle of this commit: packed once, from our mirror.
    pub(super) async fn pack(&self, asked: &Pack) -> Result<PathBuf, ForgeError> {
        let commit = &asked.commit;
        let bundle = self
            .places
            .data
            .join(trees::BUNDLES)
            .join(format!("{commit}.bundle"));
        if self.git.is_packed(&bundle).await {
            return Ok(bundle);
        }
        let repository = self.recorded(asked.repository).await?;
        let alone = self.alone(repository.id);
        let _one = alone.lock().await;
        let mirror = self.fetched(&repository, asked.kind, commit).await?;
        if let Err(error) = use_mirror(&mirror, clock::now()) {
            warn!("could not mark {} as used: {error}", mirror.display());
        }
        let failed = |error| not_packed(&repository, commit, &error);
        let tree = self.git.tree(&mirror, commit).await.map_err(failed)?;
        let large = self.git.large_files(&mirror, &tree.files).await;
        if !large.map_err(failed)?.is_empty() {
            return Err(ForgeError::Rejected(format!(
                "commit {} of {}/{} keeps files in Git LFS, which are not fetched from GitHub yet: keep in the repository what the app needs",
                commit.short(),
                repository.owner,
                repository.name
            )));
        }
        // Submodules are left to the machine, which gets those that anybody may read.
        let beside = Beside::default();
        let packed = self.git.pack(&mirror, commit, &beside, &bundle).await;
        packed.map_err(failed)?;
        Ok(bundle)
    }

    /// What the default branch holds now. The repository is looked at anew, with its open pull requests: whoever asks is about
    /// to record an app.
    pub(super) async fn find_apps(&self, id: RepositoryId) -> Result<FoundApps, ForgeError> {
        let answer = self
            .ask(id, async |place, _| self.client.repository(place).await)
            .await?;
        let (Asked::Answered(_, recorded) | Asked::Nothing(recorded)) = &answer else {
            return Err(ForgeError::Rejected(format!(
                "repository {id} is gone, or the App is not installed on it"
            )));
        };
        let mut repository = recorded.clone();
        if let Asked::Answered(found, _) = answer {
            repository.owner = found.owner;
            repository.name = found.name;
            repository.default_branch = found.default_branch;
            self.store
                .put_repository(&repository)
                .await
                .map_err(not_stored)?;
        }
        let Some(place) = place(&repository) else {
            return Err(ForgeError::Failed(
                "its installation is not known".to_owned(),
            ));
        };
        let branch = repository.default_branch.clone();
        let head = self
            .client
            .branch(&place, &branch)
            .await
            .map_err(not_answered)?;
        let head = head.ok_or_else(|| {
            ForgeError::Failed(format!(
                "branch `{branch}` of {place} has no commit yet: push one, then ask again"
            ))
        })?;
        for one in self
            .client
            .open_pull_requests(&place)
            .await
            .map_err(not_answered)?
        {
            self.see(&repository, &one, None).await?;
        }
        let discovery = self.discover(&repository, &head.id).await?;
        Ok(FoundApps {
            place: format!("branch `{branch}` of {place}"),
            branch,
            commit: head.id,
            discovery: Arc::new(discovery),
        })
    }

    /// What follows a new head of the default branch: what it says about apps is taken, and its source is packed.
    pub(super) async fn prepare(self: Arc<Self>, id: RepositoryId, commit: Commit) {
        #[cfg(test)]
        if self.gitless {
            return;
        }
        if let Err(error) = self.take_in_once(id, &commit).await {
            return warn!(repository.id = %id, "could not read what commit {} says about its apps: {error}", commit.short());
        }
        let pack = Pack {
            repository: id,
            kind: Kind::Production,
            commit: commit.clone(),
        };
        // Whoever asks for it hears what is wrong with it.
        let _ = self.pack(&pack).await;
    }

    /// Takes what a commit of the default branch says about apps, unless that was done.
    pub(super) async fn take_in_once(
        &self,
        id: RepositoryId,
        commit: &Commit,
    ) -> Result<(), ForgeError> {
        #[cfg(test)]
        if self.gitless {
            return Ok(());
        }
        let described = || {
            self.described
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if described().get(&id) == Some(commit) {
            return Ok(());
        }
        self.take_in(id, commit).await?;
        described().insert(id, commit.clone());
        Ok(())
    }

    /// Removes bundles and mirrors that nobody used for long, no mirror while it is packed from.
    pub(super) async fn tidy(&self) {
        let (bundles, mirrors) = (
            self.places.data.join(trees::BUNDLES),
            self.places.data.join(trees::MIRRORS),
        );
        let look = move || {
            let now = clock::now();
            // A folder that is not there yet holds nothing that could be too much.
            if bundles.exists() {
                prune_bundles(&bundles, now)?;
            }
            if mirrors.exists() {
                unused_mirrors(&mirrors, now)
            } else {
                Ok(Vec::new())
            }
        };
        let looked = tokio::task::spawn_blocking(look).await;
        let unused = match looked
            .map_err(std::io::Error::other)
            .and_then(|looked| looked)
        {
            Ok(unused) => unused,
            Err(error) => return warn!("could not prune bundles and mirrors: {error}"),
        };
        for mirror in unused {
            let name = mirror.file_stem().and_then(|name| name.to_str());
            let Some(id) = name.and_then(|name| name.parse().ok()) else {
                continue;
            };
            let alone = self.alone(RepositoryId(id));
            let _one = alone.lock().await;
            match tokio::fs::remove_dir_all(&mirror).await {
                Ok(()) => info!("removed {}, which was not used for long", mirror.display()),
                Err(error) => warn!("could not remove {}: {error}", mirror.display()),
            }
        }
    }

    /// Takes what a commit of the default branch says about apps that are recorded: their kind, their health, their policy.
    /// What is wrong with it stands on the page; what was known before holds until then.
    async fn take_in(&self, id: RepositoryId, commit: &Commit) -> Result<(), ForgeError> {
        let repository = self.recorded(id).await?;
        let found = self.discover(&repository, commit).await?;
        let Repository {
            owner,
            name,
            default_branch,
            ..
        } = &repository;
        let place = format!("branch `{default_branch}` of {owner}/{name}");
        self.say_trouble(id, found.trouble(&place)).await?;
        for app in self
            .store
            .apps_of_repository(id)
            .await
            .map_err(not_stored)?
        {
            let Some(there) = found.apps.iter().find(|there| there.root == app.root) else {
                continue;
            };
            let now = App {
                kind: there.kind,
                health: there.health.clone(),
                policy: there.policy.clone().unwrap_or_else(|| app.policy.clone()),
                ..app.clone()
            };
            if now != app {
                info!(app.id = %app.id, "{}/{} is described anew by commit {}", app.owner, app.slug, commit.short());
                self.store.put_app(&now).await.map_err(not_stored)?;
            }
        }
        Ok(())
    }

    async fn say_trouble(
        &self,
        id: RepositoryId,
        trouble: Option<String>,
    ) -> Result<(), ForgeError> {
        let repository = self.recorded(id).await?;
        if repository.trouble == trouble {
            return Ok(());
        }
        if let Some(trouble) = &trouble {
            warn!(repository.id = %id, "{trouble}");
        }
        let now = Repository {
            trouble,
            ..repository
        };
        self.store.put_repository(&now).await.map_err(not_stored)
    }

    async fn discover(
        &self,
        repository: &Repository,
        commit: &Commit,
    ) -> Result<Discovery, ForgeError> {
        let alone = self.alone(repository.id);
        let _one = alone.lock().await;
        let mirror = self.fetched(repository, Kind::Production, commit).await?;
        let failed = |error| not_packed(repository, commit, &error);
        let files = trees::files(&self.git, &mirror, commit)
            .await
            .map_err(failed)?;
        let seen = trees::Seen::of(&files);
        let found = trees::find(&self.git, &mirror, &repository.name, files, &seen).await;
        found.map_err(ForgeError::Failed)
    }

    /// The mirror of a repository, with this commit in it. To be called by one at a time per repository.
    async fn fetched(
        &self,
        repository: &Repository,
        kind: Kind,
        commit: &Commit,
    ) -> Result<PathBuf, ForgeError> {
        let mirror = self.mirror(repository.id);
        let failed = |error| not_packed(repository, commit, &error);
        if self.git.has_commit(&mirror, commit).await.map_err(failed)? {
            return Ok(mirror);
        }
        self.fetch(repository, kind, &mirror).await?;
        if self.git.has_commit(&mirror, commit).await.map_err(failed)? {
            return Ok(mirror);
        }
        Err(ForgeError::Rejected(format!(
            "commit {} of {}/{}: {} does not lead to it any more: it was rewritten before it was copied; deploy a newer one",
            commit.short(),
            repository.owner,
            repository.name,
            match kind {
                Kind::Production => format!("branch `{}`", repository.default_branch),
                Kind::Preview(number) => format!("pull request {number}"),
            }
        )))
    }

    async fn fetch(
        &self,
        repository: &Repository,
        kind: Kind,
        mirror: &Path,
    ) -> Result<(), ForgeError> {
        let Some(place) = place(repository) else {
            return Err(ForgeError::Failed(
                "its installation is not known".to_owned(),
            ));
        };
        let token = self
            .client
            .source_token(place.installation, repository.id)
            .await;
        let token = token.map_err(not_answered)?;
        let url = format!("{}/{}/{}.git", self.places.web, place.owner, place.name);
        let remote = Remote {
            url: &url,
            token: token.expose(),
        };
        // The head of a fork, too, is a ref of the repository that it wants into.
        let name = match kind {
            Kind::Production => format!("refs/heads/{}", repository.default_branch),
            Kind::Preview(number) => format!("refs/pull/{number}/head"),
        };
        let fetched = self.git.fetch_ref(remote, &name, mirror).await;
        fetched.map_err(|error| ForgeError::Failed(format!("{name} of {place}: {error}")))
    }

    fn alone(&self, id: RepositoryId) -> Arc<tokio::sync::Mutex<()>> {
        let mut mirrors = self.mirrors.lock().unwrap_or_else(PoisonError::into_inner);
        mirrors.entry(id).or_default().clone()
    }

    fn mirror(&self, id: RepositoryId) -> PathBuf {
        self.places
            .data
            .join(trees::MIRRORS)
            .join(format!("{id}.git"))
    }
}

fn not_packed(repository: &Repository, commit: &Commit, error: &GitError) -> ForgeError {
    ForgeError::Failed(format!(
        "commit {} of {}/{}: {error}",
        commit.short(),
        repository.owner,
        repository.name
    ))
}

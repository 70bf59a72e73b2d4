//! The source of a commit for a runner.

use std::path::{Path, PathBuf};

use nestling_domain::ids::Commit;
use tracing::{debug, warn};

use super::watched::Watched;
use crate::{
    actors::trees::{BUNDLES, MIRRORS},
    drivers::{
        clock,
        git::{Beside, GitError, NotOpened, use_mirror},
    },
    messages::forge::ForgeError,
};

/// Why a commit was not packed this time.
#[derive(Debug, thiserror::Error)]
enum NotPacked {
    #[error(transparent)]
    Git(#[from] GitError),
    #[error(transparent)]
    NotOpened(#[from] NotOpened),
    #[error(
        "it is in no branch any more: it was rewritten before it was copied; deploy a newer one"
    )]
    Rewritten,
}

impl NotPacked {
    /// Whether trying again in a moment ends the same: a person must do something first.
    fn stays(&self) -> bool {
        matches!(
            self,
            NotPacked::Rewritten
                | NotPacked::Git(
                    GitError::LargeFileAbsent { .. }
                        | GitError::LargeFilesTooBig { .. }
                        | GitError::Submodule(_)
                )
        )
    }
}

impl Watched {
    /// A bundle of this commit: packed once, from our mirror, which is brought up to date when it lacks the commit.
    pub(super) async fn pack(&self, commit: &Commit) -> Result<PathBuf, ForgeError> {
        let bundle = self.tools.data.join(BUNDLES);
        let bundle = bundle.join(format!("{commit}.bundle"));
        if self.tools.git.is_packed(&bundle).await {
            return Ok(bundle);
        }
        let _one = self.packing.lock().await;
        let mut packed = self.try_pack(commit, &bundle).await;
        if let Err(NotPacked::Git(GitError::Refused { said, .. })) = &packed
            && self.discard_mirror(commit, said).await
        {
            packed = self.try_pack(commit, &bundle).await;
        }
        packed.map(|()| bundle).map_err(|error| {
            let reason = format!("commit {} of {}: {error}", commit.short(), self.path);
            if error.stays() {
                return ForgeError::Rejected(reason);
            }
            ForgeError::Failed(reason)
        })
    }

    /// Packs a commit that will be asked for in a moment.
    pub(super) async fn pack_ahead(&self, commit: &Commit) {
        match self.pack(commit).await {
            Ok(bundle) => debug!("packed {} ahead", bundle.display()),
            // Whoever asks for it hears it.
            Err(error) => debug!("could not pack {commit} ahead: {error}"),
        }
    }

    /// Tidies the mirror.
    pub(super) async fn tidy(&self) {
        let mirror = self.mirror();
        let _one = self.packing.lock().await;
        if !tokio::fs::try_exists(&mirror).await.unwrap_or(false) {
            return;
        }
        if let Err(error) = self.tools.git.tidy(&mirror).await {
            warn!("could not tidy {}: {error}", mirror.display());
        }
    }

    /// Whether this is the folder of its mirror.
    pub(super) fn is_mirrored_in(&self, folder: &Path) -> bool {
        self.mirror() == folder
    }

    async fn try_pack(&self, commit: &Commit, bundle: &Path) -> Result<(), NotPacked> {
        let git = &self.tools.git;
        let mirror = self.mirror();
        if !git.has_commit(&mirror, commit).await? {
            let opened = git.open(self.path.as_ref()).await?;
            git.mirror(&opened.git_dir, &mirror).await?;
            if !git.has_commit(&mirror, commit).await? {
                return Err(NotPacked::Rewritten);
            }
        }
        if let Err(error) = use_mirror(&mirror, clock::now()) {
            warn!("could not mark {} as used: {error}", mirror.display());
        }
        let tree = git.tree(&mirror, commit).await?;
        let large = git.large_files(&mirror, &tree.files).await?;
        let mut beside = Beside::default();
        if !large.is_empty() || !tree.links.is_empty() {
            let opened = git.open(self.path.as_ref()).await?;
            if !large.is_empty() {
                let copied = git.copy_large_files(&opened.git_dir, &mirror, &large);
                beside.large_files = Some(copied.await?);
            }
            beside.submodules = git.submodules(&opened, &mirror, tree).await?;
        }
        Ok(git.pack(&mirror, commit, &beside, bundle).await?)
    }

    /// Removes a mirror that git cannot use, so that it is made anew; not while it may hold what the repository
    /// itself has lost. Whether it was removed.
    async fn discard_mirror(&self, commit: &Commit, said: &str) -> bool {
        let git = &self.tools.git;
        let Ok(opened) = git.open(self.path.as_ref()).await else {
            return false;
        };
        if !matches!(git.has_commit(&opened.git_dir, commit).await, Ok(true)) {
            return false;
        }
        let mirror = self.mirror();
        warn!(
            "making {} anew, because git cannot use it: {said}",
            mirror.display()
        );
        tokio::fs::remove_dir_all(&mirror).await.is_ok()
    }

    fn mirror(&self) -> PathBuf {
        let mirrors = self.tools.data.join(MIRRORS);
        mirrors.join(format!("{}.git", self.id))
    }
}

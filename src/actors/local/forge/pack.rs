//! The source of a commit for a runner.

use std::path::PathBuf;

use nestling_domain::ids::Commit;
use tracing::{debug, warn};

use super::watched::Watched;
use crate::{drivers::git::GitError, messages::forge::ForgeError};

/// The folder of our own copies, in the data folder.
const MIRRORS: &str = "mirrors";
/// The folder of bundles, in the data folder.
pub(super) const BUNDLES: &str = "bundles";

impl Watched {
    /// A bundle of this commit: packed once, from our mirror, which is brought up to date when it lacks the commit.
    pub(super) async fn pack(&self, commit: &Commit) -> Result<PathBuf, ForgeError> {
        let tools = &self.tools;
        let bundle = tools.data.join(BUNDLES).join(format!("{commit}.bundle"));
        let mirror = self.mirror();
        let failed = |error: GitError| {
            ForgeError::Failed(format!(
                "could not pack {} of {}: {error}",
                commit.short(),
                self.path
            ))
        };
        let _one = self.packing.lock().await;
        if !tools
            .git
            .has_commit(&mirror, commit)
            .await
            .map_err(failed)?
        {
            self.bring_up_to_date(commit).await?;
        }
        tools
            .git
            .pack(&mirror, commit, &bundle)
            .await
            .map_err(failed)?;
        Ok(bundle)
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

    async fn bring_up_to_date(&self, commit: &Commit) -> Result<(), ForgeError> {
        let git = &self.tools.git;
        let opened = git.open(self.path.as_ref()).await;
        let opened = opened.map_err(|error| ForgeError::Failed(error.to_string()))?;
        let failed =
            |error: GitError| ForgeError::Failed(format!("could not copy {}: {error}", self.path));
        let mirror = self.mirror();
        git.mirror(&opened.git_dir, &mirror).await.map_err(failed)?;
        if git.has_commit(&mirror, commit).await.map_err(failed)? {
            return Ok(());
        }
        Err(ForgeError::Rejected(format!(
            "commit {} is in no branch of {} any more: it was rewritten before it was copied; deploy a newer one",
            commit.short(),
            self.path
        )))
    }

    fn mirror(&self) -> PathBuf {
        self.tools
            .data
            .join(MIRRORS)
            .join(format!("{}.git", self.id))
    }
}

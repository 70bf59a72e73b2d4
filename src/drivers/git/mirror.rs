//! Our own copy of a watched repository: commits stay there for a redeploy when the owner has rewritten them,
//! and a bundle is packed without anybody's configuration.

use std::{ffi::OsString, path::Path};

use super::{Git, GitError, call::Call};

impl Git {
    /// Brings the mirror in the folder `mirror` up to date with the branches of the repository at `git_dir`, and
    /// makes it when there is none. The repository is only read. Callers see to it that one mirror is not
    /// brought up to date twice at the same time.
    pub async fn mirror(&self, git_dir: &Path, mirror: &Path) -> Result<(), GitError> {
        if !tokio::fs::try_exists(mirror.join("HEAD"))
            .await
            .unwrap_or(false)
        {
            self.make(git_dir, mirror).await?;
        }
        let args = [
            "--quiet",
            "--prune",
            "--no-tags",
            "--force",
            "--update-shallow",
            "--no-write-fetch-head",
        ];
        let args = args.map(OsString::from).into_iter().chain([
            "--end-of-options".into(),
            git_dir.as_os_str().to_owned(),
            "+refs/heads/*:refs/heads/*".into(),
        ]);
        self.run(Call::at(mirror, "fetch", args).over_files().long())
            .await?;
        Ok(())
    }

    /// Packs loose objects and drops those that nothing names for two weeks, when there are many.
    pub async fn tidy(&self, mirror: &Path) -> Result<(), GitError> {
        // The last `-c` wins: everywhere else nothing is tidied behind our back.
        let args = ["--auto", "--quiet", "--no-detach"];
        let call = Call::at(mirror, "gc", args)
            .options(&["-c", "gc.auto=2000"])
            .long();
        self.run(call).await?;
        Ok(())
    }

    async fn make(&self, git_dir: &Path, mirror: &Path) -> Result<(), GitError> {
        let format = self
            .run(Call::at(git_dir, "rev-parse", ["--show-object-format"]))
            .await?;
        let format = String::from_utf8_lossy(&format);
        let format = format!("--object-format={}", format.trim());
        let args = [
            "--quiet",
            "--bare",
            "--template=",
            &format,
            "--end-of-options",
        ];
        let args = args
            .map(OsString::from)
            .into_iter()
            .chain([mirror.as_os_str().to_owned()]);
        self.run(Call::within(Path::new("/"), "init", args)).await?;
        Ok(())
    }
}

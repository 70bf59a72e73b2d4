//! Our own copy of a watched repository: commits stay there for a redeploy when the owner has rewritten them,
//! and a bundle is packed without anybody's configuration.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Seek as _, Write as _},
    path::Path,
    time::Duration,
};

use rustix::{fs::FlockOperation, io::Errno};
use tokio::time::Instant;
use tracing::warn;

use super::{Git, GitError, call::Call};

/// How long the fetch of a server that was killed is waited for: it goes on without it, as long as one may take.
const HELD: Duration = Duration::from_mins(10);
/// Between two looks whether it has ended.
const HELD_LOOK: Duration = Duration::from_millis(20);

impl Git {
    /// Brings the mirror in the folder `mirror` up to date with the branches of the repository at `git_dir`, and
    /// makes it when there is none. The repository is only read. Callers see to it that one mirror is not
    /// brought up to date twice at the same time by this server; one that was killed may have left a fetch
    /// behind, which is waited for: two of them would take each other's locks away.
    pub async fn mirror(&self, git_dir: &Path, mirror: &Path) -> Result<(), GitError> {
        if !tokio::fs::try_exists(mirror.join("HEAD"))
            .await
            .unwrap_or(false)
        {
            self.make(git_dir, mirror).await?;
        }
        let lock = alone(mirror).await.map_err(broken)?;
        match self.fetch(git_dir, mirror, &lock).await {
            Err(GitError::Refused { said, .. }) if said.contains(".lock") => {
                unlock(mirror).await;
                self.fetch(git_dir, mirror, &lock).await
            }
            // A ref of a name that git does not take spoils the fetch of all of them, not that of the others.
            Err(GitError::Refused { said, .. }) if said.contains("not our ref") => {
                self.fetch_named(git_dir, mirror, &lock).await
            }
            fetched => fetched,
        }
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

    async fn fetch(&self, git_dir: &Path, mirror: &Path, lock: &File) -> Result<(), GitError> {
        let rest = [
            "--end-of-options".into(),
            git_dir.as_os_str().to_owned(),
            "+refs/heads/*:refs/heads/*".into(),
        ];
        self.fetch_with(mirror, rest, Vec::new(), lock).await
    }

    /// Fetches each branch that git can follow by its name.
    async fn fetch_named(
        &self,
        git_dir: &Path,
        mirror: &Path,
        lock: &File,
    ) -> Result<(), GitError> {
        let heads = self.heads(git_dir).await?.heads;
        let named = heads.iter().map(|head| {
            let branch = &head.branch;
            format!("+refs/heads/{branch}:refs/heads/{branch}\n")
        });
        let rest = [
            "--stdin".into(),
            "--end-of-options".into(),
            git_dir.as_os_str().to_owned(),
        ];
        self.fetch_with(mirror, rest, named.collect::<String>().into_bytes(), lock)
            .await
    }

    async fn fetch_with(
        &self,
        mirror: &Path,
        rest: [OsString; 3],
        stdin: Vec<u8>,
        lock: &File,
    ) -> Result<(), GitError> {
        // Git holds the lock, too, for as long as it lives: it is where its input comes from.
        let input = write_input(lock, &stdin).map_err(broken)?;
        let args = [
            "--quiet",
            "--prune",
            "--no-tags",
            "--force",
            "--update-shallow",
            "--no-write-fetch-head",
        ];
        let args = args.map(OsString::from).into_iter().chain(rest);
        let call = Call::at(mirror, "fetch", args).holding(input);
        self.run(call.over_files().long()).await?;
        Ok(())
    }

    async fn make(&self, git_dir: &Path, mirror: &Path) -> Result<(), GitError> {
        let format = self
            .run(Call::at(git_dir, "rev-parse", ["--show-object-format"]))
            .await?;
        let format = String::from_utf8_lossy(&format);
        self.make_mirror(format.trim(), mirror).await
    }

    /// An empty mirror whose objects have names of this format, `sha1` or `sha256`.
    pub(super) async fn make_mirror(&self, format: &str, mirror: &Path) -> Result<(), GitError> {
        let format = format!("--object-format={format}");
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

/// Takes away the locks of a fetch that was killed.
pub(super) async fn unlock(mirror: &Path) {
    let locked = mirror.to_owned();
    let freed = tokio::task::spawn_blocking(move || remove_locks(&locked)).await;
    if let Ok(Err(error)) = freed {
        warn!(
            "could not remove stale locks in {}: {error}",
            mirror.display()
        );
    }
}

pub(super) fn write_input(mut lock: &File, input: &[u8]) -> io::Result<File> {
    lock.set_len(0)?;
    lock.rewind()?;
    lock.write_all(input)?;
    lock.rewind()?;
    lock.try_clone()
}

/// Waits until nobody fetches into this mirror; nobody else does while the answer is held.
pub(super) async fn alone(mirror: &Path) -> io::Result<File> {
    let lock = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(mirror.with_extension("lock"))?;
    let deadline = Instant::now() + HELD;
    while let Err(error) = rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        if error != Errno::WOULDBLOCK || Instant::now() >= deadline {
            return Err(error.into());
        }
        tokio::time::sleep(HELD_LOOK).await;
    }
    Ok(lock)
}

pub(super) fn broken(source: io::Error) -> GitError {
    GitError::Broken {
        what: "fetch".to_owned(),
        source,
    }
}

/// Removes the locks that a fetch left when it was killed. Nobody else writes to a mirror.
fn remove_locks(mirror: &Path) -> io::Result<()> {
    let is_lock = |path: &Path| path.extension() == Some("lock".as_ref());
    let mut folders = vec![mirror.join("refs")];
    for entry in std::fs::read_dir(mirror)? {
        let path = entry?.path();
        if is_lock(&path) {
            std::fs::remove_file(path)?;
        }
    }
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if is_lock(&entry.path()) {
                // No branch has a name that ends so: git forbids it for this very reason.
                std::fs::remove_file(entry.path())?;
            }
        }
    }
    Ok(())
}

//! A commit as one file that a runner can fetch.
//!
//! The file is a git bundle of exactly one commit without its history: `git bundle` cannot leave history out, so
//! the few lines of its header are written here and `git pack-objects` packs the rest. Whoever fetches from it
//! first writes the commit's name into `.git/shallow`, which says that its parents are left out on purpose.
//! Measured on 5,000 commits: 2.8 MB in 27 ms, fetched in 27 ms; with history 9.1 MB in 117 ms and 245 ms.

use std::{
    collections::BTreeSet,
    io::Write as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use nestling_domain::ids::{Commit, Timestamp};
use nestling_protocol::bundle::{LARGE_FILES_REF, SUBMODULES};

use super::{Git, GitError, Submodule, call::Call};

/// The branch by which a bundle names its commit; it is its `HEAD`, too.
pub const BUNDLE_REF: &str = "refs/heads/nestling";
/// How long a bundle is kept after it was last asked for: a redeploy packs it anew in milliseconds.
const BUNDLE_AGE: Duration = Duration::from_hours(7 * 24);
/// How much all bundles may hold together; the ones asked for least recently go first.
const BUNDLES_SIZE: u64 = 2 * 1024 * 1024 * 1024;
/// The end of the name of a bundle that is being written; one that a crash left is removed like any other.
const UNFINISHED: &str = ".part";

/// Numbers the bundles that are being written.
static PARTS: AtomicU64 = AtomicU64::new(0);

/// What a bundle holds beside a commit's own objects.
#[derive(Debug, Default)]
pub struct Beside {
    /// The tree of [`Git::copy_large_files`].
    pub large_files: Option<String>,
    /// What [`Git::submodules`] found.
    pub submodules: Vec<Submodule>,
}

impl Git {
    /// Whether this bundle is there already; then it counts as used now.
    pub async fn is_packed(&self, bundle: &Path) -> bool {
        let used = bundle.to_owned();
        let there = tokio::task::spawn_blocking(move || touch(&used)).await;
        there.unwrap_or(false)
    }

    /// Writes a bundle of `commit`, which the mirror has, to `bundle`: whole, or not at all. One that is there
    /// already is used again.
    pub async fn pack(
        &self,
        mirror: &Path,
        commit: &Commit,
        beside: &Beside,
        bundle: &Path,
    ) -> Result<(), GitError> {
        if self.is_packed(bundle).await {
            return Ok(());
        }
        let broken = |source| GitError::Broken {
            what: "pack-objects".to_owned(),
            source,
        };
        let part = part_of(bundle);
        let (at, header) = (part.clone(), header(commit, beside));
        let begun = tokio::task::spawn_blocking(move || begin(&at, &header)).await;
        let (file, kept) = begun
            .map_err(std::io::Error::other)
            .and_then(|begun| begun)
            .map_err(broken)?;
        let call = Call::at(
            mirror,
            "pack-objects",
            [
                "--revs",
                "--stdout",
                "--shallow",
                "--delta-base-offset",
                "-q",
            ],
        )
        // What the mirror lacks of its history is no concern of this pack.
        .options(&["--shallow-file", ""])
        .stdin(wanted(commit, beside))
        .objects_in(beside.submodules.iter().map(|one| one.objects.as_path()))
        .into_file(file)
        .long();
        let packed = self.run(call).await;
        let (from, to) = (part.clone(), bundle.to_owned());
        let finished = match packed {
            Ok(_) => tokio::task::spawn_blocking(move || {
                kept.sync_all()?;
                std::fs::rename(from, to)
            })
            .await
            .map_err(std::io::Error::other)
            .and_then(|renamed| renamed)
            .map_err(broken),
            Err(error) => Err(error),
        };
        if finished.is_err() {
            let _ = tokio::fs::remove_file(&part).await;
        }
        finished
    }
}

/// Removes bundles that nobody asked for in a long time, and the least recent ones while all are too big.
/// Blocks on the disk.
pub fn prune_bundles(folder: &Path, now: Timestamp) -> std::io::Result<()> {
    prune_to(folder, now, BUNDLES_SIZE)
}

pub(super) fn prune_to(folder: &Path, now: Timestamp, most: u64) -> std::io::Result<()> {
    let mut bundles = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        if about.is_file() {
            bundles.push((about.modified()?, about.len(), entry.path()));
        }
    }
    bundles.sort();
    let mut size: u64 = bundles.iter().map(|(_, size, _)| size).sum();
    let oldest = SystemTime::UNIX_EPOCH + Duration::from_millis(now.0).saturating_sub(BUNDLE_AGE);
    for (used, bytes, path) in bundles {
        if used < oldest || size > most {
            std::fs::remove_file(path)?;
            size = size.saturating_sub(bytes);
        }
    }
    Ok(())
}

/// What goes into the pack, as `pack-objects --revs` reads it.
fn wanted(commit: &Commit, beside: &Beside) -> String {
    let submodules = beside.submodules.iter().map(|one| &one.commit);
    let commits: BTreeSet<&Commit> = submodules.chain([commit]).collect();
    // All that is cut off is said before the first commit is read.
    let cut = commits.iter().map(|commit| format!("--shallow {commit}\n"));
    let whole = commits.iter().map(|commit| format!("{commit}\n"));
    let large = beside.large_files.iter().map(|tree| format!("{tree}\n"));
    cut.chain(whole).chain(large).collect()
}

fn header(commit: &Commit, beside: &Beside) -> String {
    let mut refs = format!("{commit} HEAD\n{commit} {BUNDLE_REF}\n");
    if let Some(tree) = &beside.large_files {
        refs = format!("{refs}{tree} {LARGE_FILES_REF}\n");
    }
    let submodules: BTreeSet<&Commit> = beside.submodules.iter().map(|one| &one.commit).collect();
    for commit in submodules {
        refs = format!("{refs}{commit} {SUBMODULES}{commit}\n");
    }
    refs.push('\n');
    if commit.as_str().len() == 40 {
        format!("# v2 git bundle\n{refs}")
    } else {
        format!("# v3 git bundle\n@object-format=sha256\n{refs}")
    }
}

fn part_of(bundle: &Path) -> PathBuf {
    let mut name = bundle.file_name().unwrap_or_default().to_owned();
    // Two repositories may hold the same commit, and pack it at the same moment.
    name.push(format!(
        "-{}{UNFINISHED}",
        PARTS.fetch_add(1, Ordering::Relaxed)
    ));
    bundle.with_file_name(name)
}

/// Marks a bundle as used now; whether it is there.
fn touch(bundle: &Path) -> bool {
    let Ok(file) = std::fs::File::options().append(true).open(bundle) else {
        return false;
    };
    let now = Duration::from_millis(crate::drivers::clock::now().0);
    file.set_modified(SystemTime::UNIX_EPOCH + now).is_ok()
}

/// Opens the file and writes the header; once for git, once for us.
fn begin(part: &Path, header: &str) -> std::io::Result<(std::fs::File, std::fs::File)> {
    if let Some(folder) = part.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // A server that was killed may have left a git that still writes to a file of this name: to that one alone.
    match std::fs::remove_file(part) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = std::fs::File::create_new(part)?;
    file.write_all(header.as_bytes())?;
    let kept = file.try_clone()?;
    Ok((file, kept))
}

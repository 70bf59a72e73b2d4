//! What every forge of git repositories does alike: where copies of ours lie, which apps a tree holds, and what it answers when
//! the store fails.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::Path,
};

use nestling_domain::discovery::{self, Discovery};

use crate::{
    drivers::{
        git::{File, Git},
        store::StoreError,
    },
    messages::forge::ForgeError,
};

/// The folder of our own copies, in the data folder.
pub(super) const MIRRORS: &str = "mirrors";
/// The folder of bundles, in the data folder.
pub(super) const BUNDLES: &str = "bundles";

/// All that decides which apps a tree holds: the names of its files, and the contents of those that speak of apps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    names: u64,
    read: Vec<File>,
}

impl Seen {
    /// Of these files.
    pub(super) fn of(files: &[File]) -> Self {
        let wanted = discovery::wanted(files.iter().map(|file| file.path.as_str()));
        let wanted: HashSet<&str> = wanted.into_iter().collect();
        let mut names = DefaultHasher::new();
        for file in files {
            file.path.hash(&mut names);
        }
        let read = files.iter().filter(|file| wanted.contains(&*file.path));
        Seen {
            names: names.finish(),
            read: read.cloned().collect(),
        }
    }
}

/// Finds the apps of a tree of `files`, of which these were `seen`, in the git directory that has it; `name` is the
/// repository's. An error in words for people.
pub(super) async fn find(
    git: &Git,
    git_dir: &Path,
    name: &str,
    files: Vec<File>,
    seen: &Seen,
) -> Result<Discovery, String> {
    let name = name.to_owned();
    let read: Vec<&File> = seen.read.iter().collect();
    let contents = git.contents(git_dir, &read).await;
    let contents = contents.map_err(|error| error.to_string())?;
    // Half a million names are too much work between two messages of an actor.
    let discover = move || {
        let paths = files.iter().map(|file| file.path.as_str());
        discovery::discover(&name, paths, &contents)
    };
    tokio::task::spawn_blocking(discover)
        .await
        .map_err(|error| error.to_string())
}

/// A failure of the store, as the forge answers it.
#[allow(
    clippy::needless_pass_by_value,
    reason = "errors are handed to it by value"
)]
pub(super) fn not_stored(error: StoreError) -> ForgeError {
    let told = error.to_string();
    match error {
        StoreError::Rejected(_) => ForgeError::Rejected(told),
        StoreError::Conflict(_) | StoreError::Unknown(_) => ForgeError::Failed(told),
    }
}

//! What every forge of git repositories does alike: where copies of ours lie, which apps a tree holds, and what it answers when
//! the store fails.

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::Path,
};

use nestling_domain::{
    discovery::{self, Discovery, links},
    ids::Commit,
};

use crate::{
    drivers::{
        git::{Content, File, Git, GitError},
        store::StoreError,
    },
    messages::forge::ForgeError,
};

/// The folder of our own copies, in the data folder.
pub(super) const MIRRORS: &str = "mirrors";
/// The folder of bundles, in the data folder.
pub(super) const BUNDLES: &str = "bundles";

/// Symbolic links of one tree that are read: beyond that a tree is no app's.
const MOST_LINKS: usize = 10_000;
/// Of those, links that would make an app and are followed: more than there may be apps.
const MOST_FOLLOWED: usize = 100;

/// The files of a tree by which its apps are found.
#[derive(Debug, Clone)]
pub(super) struct Files {
    /// The regular ones, and under the names of links that may make an app what they lead to.
    files: Vec<File>,
    /// Links that lead to no file of the tree, and why.
    refused: Vec<(String, String)>,
}

/// All that decides which apps a tree holds: the names of its files, and the contents of those that speak of apps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    names: u64,
    read: Vec<File>,
}

impl Seen {
    /// Of these files.
    pub(super) fn of(Files { files, refused }: &Files) -> Self {
        let wanted = discovery::wanted(files.iter().map(|file| file.path.as_str()));
        let wanted: HashSet<&str> = wanted.into_iter().collect();
        let mut names = DefaultHasher::new();
        for file in files {
            file.path.hash(&mut names);
        }
        refused.hash(&mut names);
        let read = files.iter().filter(|file| wanted.contains(&*file.path));
        Seen {
            names: names.finish(),
            read: read.cloned().collect(),
        }
    }
}

/// The files of a commit, read from the git directory that has it.
pub(super) async fn files(git: &Git, git_dir: &Path, commit: &Commit) -> Result<Files, GitError> {
    let tree = git.tree(git_dir, commit).await?;
    if !tree.symbolic.iter().any(|link| links::decides(&link.path)) {
        return Ok(Files {
            files: tree.files,
            refused: Vec::new(),
        });
    }
    let read: Vec<&File> = tree.symbolic.iter().take(MOST_LINKS).collect();
    let said = git.contents(git_dir, &read).await?;
    // Half a million names are too much work between two messages of an actor.
    let followed = tokio::task::spawn_blocking(move || follow(tree.files, &said)).await;
    followed.map_err(|error| GitError::Unreadable {
        what: "ls-tree".to_owned(),
        detail: error.to_string(),
    })
}

/// Adds to files what links among them lead to; `said` is what all links of the tree say.
fn follow(mut files: Vec<File>, said: &Content) -> Files {
    let deciding = said.keys().filter(|path| links::decides(path));
    let ways: Vec<(&String, Result<String, String>)> = deciding
        .take(MOST_FOLLOWED)
        .map(|path| (path, links::follow(path, said)))
        .collect();
    let ends: HashSet<&str> = ways
        .iter()
        .filter_map(|(_, way)| way.as_deref().ok())
        .collect();
    let found: HashMap<String, File> = files
        .iter()
        .filter(|file| ends.contains(&*file.path))
        .map(|file| (file.path.clone(), file.clone()))
        .collect();
    let mut refused = Vec::new();
    for (path, way) in ways {
        match way.map(|end| found.get(&end).ok_or(end)) {
            Ok(Ok(file)) => files.push(file.at(path.clone())),
            Ok(Err(end)) => {
                let reason = format!("it is a link to {end}, which is no file of the repository");
                refused.push((path.clone(), reason));
            }
            Err(reason) => refused.push((path.clone(), reason)),
        }
    }
    Files { files, refused }
}

/// Finds the apps of a tree of `files`, of which these were `seen`, in the git directory that has it; `name` is the
/// repository's. An error in words for people.
pub(super) async fn find(
    git: &Git,
    git_dir: &Path,
    name: &str,
    Files { files, refused }: Files,
    seen: &Seen,
) -> Result<Discovery, String> {
    let name = name.to_owned();
    let read: Vec<&File> = seen.read.iter().collect();
    let contents = git.contents(git_dir, &read).await;
    let contents = contents.map_err(|error| error.to_string())?;
    // Half a million names are too much work between two messages of an actor.
    let discover = move || {
        let paths = files.iter().map(|file| file.path.as_str());
        let mut found = discovery::discover(&name, paths, &contents);
        found.add_refused_links(refused);
        found
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

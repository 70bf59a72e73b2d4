//! Submodules that the owner of a repository has checked out there.
//!
//! A machine sees nothing of them, so a bundle carries their commits, too. `.gitmodules` is written by whoever
//! writes the branch: its addresses are never followed here, and a name or path leads to a folder inside the
//! watched repository or nowhere. What may be asked of such a folder is a commit by its full name.

use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
};

use nestling_domain::{ids::Commit, submodule};

use super::{
    Git, GitError, Opened,
    call::{Call, reason},
    tree::{Link, Tree},
};

/// The file that names submodules.
const LIST: &str = ".gitmodules";
/// The most that this file may have: two hundred submodules with long names need a tenth of it.
const LONGEST_LIST: u64 = 256 * 1024;
/// What is read of it.
const KEYS: &str = r"^submodule\..*\.(path|url|update)$";
/// Where git keeps the repositories of submodules, in the one that has them.
const MODULES: &str = "modules";
/// How much of what somebody wrote is shown.
const SHOWN: usize = 200;

/// A submodule whose commit is in a repository of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submodule {
    /// The commit.
    pub commit: Commit,
    /// The folder of that repository's objects.
    pub(super) objects: PathBuf,
}

/// Why submodules can neither be packed nor be left to the machine. None of it heals by itself.
#[derive(Debug, thiserror::Error)]
pub enum SubmoduleError {
    /// Git takes no such name.
    #[error(
        "submodule {path} is called `{name}` in .gitmodules, and git takes no submodule of such a name: call it as its folder"
    )]
    Name {
        /// Where it is in the commit.
        path: String,
        /// Its name.
        name: String,
    },
    /// There is a list, and it is not on it.
    #[error(
        "submodule {path} is not in .gitmodules: add it with `git submodule add`, or remove it with `git rm --cached {path}`"
    )]
    Unlisted {
        /// Where it is in the commit.
        path: String,
    },
    /// It is not there, and no machine can fetch it.
    #[error(
        "submodule {path} (address `{address}`) is not there with its commit {}, and {why}: check this commit out in the repository's folder and run `git submodule update --init --recursive` there, or give the submodule an https address; then redeploy",
        commit.short()
    )]
    Absent {
        /// Where it is in the commit.
        path: String,
        /// Its own commit.
        commit: Commit,
        /// Its address, as `.gitmodules` has it.
        address: String,
        /// What is wrong with the address.
        why: &'static str,
    },
    /// There are more than anybody has.
    #[error(
        "it has more than {} submodules, or more than {} within each other: fetch what is needed of them in the build instead",
        submodule::MOST,
        submodule::MOST_DEEP
    )]
    TooMany,
    /// They are more than each deployment should copy.
    #[error(
        "its submodules have more than {} MiB: fetch what is needed of them in the build instead",
        submodule::MOST_BYTES >> 20
    )]
    TooBig,
    /// Git cannot read the list.
    #[error("{path} cannot be read: {said}; correct it and commit")]
    Unreadable {
        /// The list.
        path: String,
        /// What git says.
        said: String,
    },
}

/// A commit that has submodules, while they are looked for.
struct Owner {
    /// Where it is in the commit that is packed; ends with `/` unless it is that one.
    path: String,
    /// How many have it inside.
    depth: usize,
    /// Where its objects are.
    objects: PathBuf,
    /// The git directory that has its submodules' repositories.
    git_dir: PathBuf,
    tree: Tree,
}

/// What `.gitmodules` says of a submodule.
#[derive(Debug, Default, PartialEq, Eq)]
struct Entry {
    path: Option<String>,
    url: Option<String>,
    update: Option<String>,
}

impl Git {
    /// The submodules of a commit that the repository has itself, with those within them. What is left to the
    /// machine is not among them; an error when one is neither there nor to be had by a machine. `mirror` has the
    /// commit, whose tree this is.
    pub async fn submodules(
        &self,
        repository: &Opened,
        mirror: &Path,
        tree: Tree,
    ) -> Result<Vec<Submodule>, GitError> {
        let mut found = Vec::new();
        let (mut count, mut bytes) = (0, 0_u64);
        let mut owners = vec![Owner {
            path: String::new(),
            depth: 0,
            objects: mirror.to_owned(),
            git_dir: repository.git_dir.clone(),
            tree,
        }];
        while let Some(owner) = owners.pop() {
            for (link, name, entry) in self.listed(&owner).await? {
                count += 1;
                if count > submodule::MOST || owner.depth == submodule::MOST_DEEP {
                    return Err(SubmoduleError::TooMany.into());
                }
                let path = format!("{}{}", owner.path, link.path);
                let held = self.held(repository, &owner, link, &name, &path).await?;
                let Some((git_dir, tree)) = held else {
                    out_of_reach(path, link, entry)?;
                    continue;
                };
                bytes = bytes.saturating_add(tree.bytes);
                if bytes > submodule::MOST_BYTES {
                    return Err(SubmoduleError::TooBig.into());
                }
                found.push(Submodule {
                    commit: link.commit.clone(),
                    objects: git_dir.join("objects"),
                });
                owners.push(Owner {
                    path: format!("{path}/"),
                    depth: owner.depth + 1,
                    objects: git_dir.clone(),
                    git_dir,
                    tree,
                });
            }
        }
        Ok(found)
    }

    /// The submodules of one commit that git would fetch.
    async fn listed<'o>(
        &self,
        owner: &'o Owner,
    ) -> Result<Vec<(&'o Link, String, Entry)>, GitError> {
        let list = owner.tree.files.iter().find(|file| file.path == LIST);
        // Git leaves their folders empty, too, where there is no list.
        let Some(list) = list.filter(|_| !owner.tree.links.is_empty()) else {
            return Ok(Vec::new());
        };
        let unreadable = |said: String| SubmoduleError::Unreadable {
            path: format!("{}{LIST}", owner.path),
            said,
        };
        if list.size > LONGEST_LIST {
            return Err(unreadable(format!("it has more than {LONGEST_LIST} bytes")).into());
        }
        let blob = ["--no-includes", "--blob", &list.object];
        let args = blob.into_iter().chain(["-z", "--get-regexp", KEYS]);
        let ended = self.ask(Call::at(&owner.objects, "config", args)).await?;
        // 1 says that there is no such key, or that the list is broken, of which it complains.
        if !matches!(ended.code, Some(0 | 1)) || !ended.stderr.is_empty() {
            return Err(unreadable(reason(&ended)).into());
        }
        let mut entries = entries(&ended.stdout);
        let mut listed = Vec::new();
        for link in &owner.tree.links {
            let path = || format!("{}{}", owner.path, link.path);
            let named = |entry: &Entry| entry.path.as_ref() == Some(&link.path);
            let name = entries.iter().find(|(_, entry)| named(entry));
            let Some(name) = name.map(|(name, _)| name.clone()) else {
                return Err(SubmoduleError::Unlisted { path: path() }.into());
            };
            if !submodule::is_sound_name(&name) {
                let (path, name) = (path(), shown(&name));
                return Err(SubmoduleError::Name { path, name }.into());
            }
            let entry = entries.remove(&name).unwrap_or_default();
            if entry.update.as_deref() != Some("none") {
                listed.push((link, name, entry));
            }
        }
        Ok(listed)
    }

    /// The git directory inside the watched repository that has this submodule's commit, and what that holds.
    async fn held(
        &self,
        repository: &Opened,
        owner: &Owner,
        link: &Link,
        name: &str,
        path: &str,
    ) -> Result<Option<(PathBuf, Tree)>, GitError> {
        let modern = real_folder(&owner.git_dir, &Path::new(MODULES).join(name));
        // Git before 1.7.8 left it in the work tree, as does who adds a clone that was there already.
        let has_work_tree = repository.path != repository.git_dir;
        let old = has_work_tree
            .then(|| real_folder(&repository.path, &Path::new(path).join(".git")))
            .flatten();
        for git_dir in [modern, old].into_iter().flatten() {
            if real_folder(&git_dir, Path::new("objects")).is_none()
                || !self.has_commit(&git_dir, &link.commit).await?
            {
                continue;
            }
            match self.tree(&git_dir, &link.commit).await {
                // A partial clone has the commit, and fetches its files when they are checked out.
                Ok(tree) if tree.lacks => {}
                Ok(tree) => return Ok(Some((git_dir, tree))),
                Err(GitError::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

/// An error unless a machine can try to fetch it.
fn out_of_reach(path: String, link: &Link, entry: Entry) -> Result<(), SubmoduleError> {
    let address = entry.url.unwrap_or_default();
    match submodule::why_out_of_reach(&address) {
        None => Ok(()),
        Some(why) => Err(SubmoduleError::Absent {
            path: shown(&path),
            commit: link.commit.clone(),
            address: shown(&address),
            why,
        }),
    }
}

/// The entries by name, from `key`, newline, value, zero, and so on. Of two values the last counts, as it does for
/// git.
fn entries(answer: &[u8]) -> BTreeMap<String, Entry> {
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    let texts = answer.split(|byte| *byte == 0);
    for text in texts.filter_map(|text| std::str::from_utf8(text).ok()) {
        let Some((key, value)) = text.split_once('\n') else {
            continue;
        };
        let named = key.strip_prefix("submodule.");
        let Some((name, key)) = named.and_then(|named| named.rsplit_once('.')) else {
            continue;
        };
        let entry = entries.entry(name.to_owned()).or_default();
        let place = match key {
            "path" => &mut entry.path,
            "url" => &mut entry.url,
            _ => &mut entry.update,
        };
        *place = Some(value.to_owned());
    }
    entries
}

/// The folder at this place below `root`, if it is one and no part of the way is a link, or leads up.
fn real_folder(root: &Path, place: &Path) -> Option<PathBuf> {
    let mut at = root.to_owned();
    for part in place.components() {
        let Component::Normal(part) = part else {
            return None;
        };
        at.push(part);
        let about = std::fs::symlink_metadata(&at).ok()?;
        if !about.is_dir() {
            return None;
        }
    }
    Some(at)
}

/// What somebody else wrote, for people.
fn shown(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(plain).take(SHOWN).collect()
}

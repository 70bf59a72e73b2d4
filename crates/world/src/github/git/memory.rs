//! Repositories in memory: all of a model share their objects, as a fork and its parent do on GitHub.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context as _, Result};

use super::{Bare, Change, Commit, Differing, Entry};
use crate::github::{clock::iso, keys::digest};

/// Characters of an id of git.
const ID: usize = 40;

/// Ids of blobs by path.
type Files = BTreeMap<String, String>;

/// All objects, and the refs of every repository.
#[derive(Debug, Default)]
pub(crate) struct Objects(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    commits: BTreeMap<String, Made>,
    trees: BTreeMap<String, Files>,
    blobs: BTreeMap<String, Vec<u8>>,
    refs: BTreeMap<(u64, String), String>,
}

#[derive(Clone, Debug)]
struct Made {
    tree: String,
    parents: Vec<String>,
    author: String,
    at: i64,
    message: String,
}

/// One repository of them.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    objects: Arc<Objects>,
    repository: u64,
}

impl Memory {
    pub(crate) fn new(objects: Arc<Objects>, repository: u64) -> Self {
        Memory {
            objects,
            repository,
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.objects
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self, name: &str) -> (u64, String) {
        (self.repository, name.to_owned())
    }
}

impl Bare for Memory {
    fn folder(&self) -> Option<&Path> {
        None
    }

    fn create(&self, _: &str) -> Result<()> {
        Ok(())
    }

    fn commit(
        &self,
        branch: &str,
        parent: Option<&str>,
        author: &str,
        at: i64,
        message: &str,
        changes: &[Change],
    ) -> Result<String> {
        let mut kept = self.kept();
        let mut files = match parent {
            Some(parent) => kept.files(parent)?.clone(),
            None => Files::new(),
        };
        for change in changes {
            match &change.content {
                Some(content) => {
                    let id = kept.keep_blob(content);
                    files.insert(change.path.clone(), id);
                }
                None => drop(files.remove(&change.path)),
            }
        }
        let made = Made {
            tree: kept.keep_tree(files),
            parents: parent.map(str::to_owned).into_iter().collect(),
            author: author.to_owned(),
            at,
            message: message.to_owned(),
        };
        let sha = kept.keep_commit(made);
        kept.refs
            .insert(self.key(&format!("refs/heads/{branch}")), sha.clone());
        Ok(sha)
    }

    fn resolve(&self, name: &str) -> Option<String> {
        let kept = self.kept();
        if kept.commits.contains_key(name) {
            return Some(name.to_owned());
        }
        kept.refs.get(&self.key(name)).cloned()
    }

    fn branches(&self) -> Result<Vec<(String, String)>> {
        let kept = self.kept();
        let ours = kept
            .refs
            .iter()
            .filter(|((repository, _), _)| *repository == self.repository);
        let branch = |((_, name), sha): (&(u64, String), &String)| {
            Some((name.strip_prefix("refs/heads/")?.to_owned(), sha.clone()))
        };
        Ok(ours.filter_map(branch).collect())
    }

    fn set(&self, name: &str, sha: &str) -> Result<()> {
        self.kept().refs.insert(self.key(name), sha.to_owned());
        Ok(())
    }

    fn set_head(&self, _: &str) -> Result<()> {
        Ok(())
    }

    fn delete(&self, name: &str) -> Result<()> {
        self.kept().refs.remove(&self.key(name));
        Ok(())
    }

    fn take(&self, _: &dyn Bare, sha: &str, name: &str) -> Result<()> {
        self.set(name, sha)
    }

    fn copy(&self, from: &dyn Bare) -> Result<()> {
        for (branch, sha) in from.branches()? {
            self.set(&format!("refs/heads/{branch}"), &sha)?;
        }
        Ok(())
    }

    fn is_ancestor(&self, old: &str, new: &str) -> bool {
        self.kept().ancestors(new).contains(old)
    }

    fn merge_base(&self, one: &str, other: &str) -> Result<String> {
        let kept = self.kept();
        let of_one = kept.ancestors(one);
        let found = kept
            .walk(other)
            .into_iter()
            .find(|sha| of_one.contains(sha));
        found.with_context(|| format!("{one} and {other} have nothing in common"))
    }

    fn merge(&self, base: &str, head: &str, by: &str, at: i64, message: &str) -> Result<String> {
        let from = self.merge_base(base, head)?;
        let mut kept = self.kept();
        let (old, new) = (kept.files(&from)?.clone(), kept.files(head)?.clone());
        let mut files = kept.files(base)?.clone();
        files.retain(|path, _| new.contains_key(path) || !old.contains_key(path));
        let changed = new
            .into_iter()
            .filter(|(path, id)| old.get(path) != Some(id));
        files.extend(changed);
        let made = Made {
            tree: kept.keep_tree(files),
            parents: vec![base.to_owned(), head.to_owned()],
            author: by.to_owned(),
            at,
            message: message.to_owned(),
        };
        Ok(kept.keep_commit(made))
    }

    fn describe(&self, sha: &str) -> Result<Commit> {
        let kept = self.kept();
        let made = kept.made(sha)?.clone();
        Ok(Commit {
            sha: sha.to_owned(),
            tree: made.tree,
            parents: made.parents,
            email: format!("{}@users.noreply.github.com", made.author),
            name: made.author,
            at: iso(made.at),
            message: made.message,
        })
    }

    fn between(&self, old: Option<&str>, new: &str) -> Result<Vec<String>> {
        let kept = self.kept();
        let known = old.map(|old| kept.ancestors(old)).unwrap_or_default();
        let mut found = kept.walk(new);
        found.retain(|sha| !known.contains(sha));
        found.reverse();
        Ok(found)
    }

    fn tree(&self, of: &str, path: Option<&str>, deep: bool) -> Result<Vec<Entry>> {
        let kept = self.kept();
        let files = match kept.trees.get(of) {
            Some(files) => files,
            None => kept.files(of)?,
        };
        let mut found = BTreeMap::new();
        for (file, blob) in files {
            for end in file.match_indices('/').map(|(end, _)| end) {
                found.entry(file[..end].to_owned()).or_insert(None);
            }
            found.insert(file.clone(), Some(blob));
        }
        let under = path.filter(|path| path.ends_with('/')).unwrap_or_default();
        let wanted = |name: &str| match path {
            Some(path) if under.is_empty() => name == path,
            _ => name
                .strip_prefix(under)
                .is_some_and(|rest| deep || !rest.contains('/')),
        };
        let wanted = found.iter().filter(|(name, _)| wanted(name));
        Ok(wanted
            .map(|(name, blob)| kept.entry(files, name, *blob))
            .collect())
    }

    fn blob(&self, sha: &str) -> Result<Vec<u8>> {
        let kept = self.kept();
        let found = kept.blobs.get(sha);
        Ok(found.with_context(|| format!("no blob {sha}"))?.clone())
    }

    fn differing(&self, old: &str, new: &str) -> Result<Vec<Differing>> {
        let kept = self.kept();
        let (old, new) = (kept.files(old)?, kept.files(new)?);
        let mut gone: Files = old.clone();
        gone.retain(|path, _| !new.contains_key(path));
        let mut found = Vec::new();
        for (path, id) in new.iter().filter(|(path, id)| old.get(*path) != Some(*id)) {
            // Only what moved unchanged counts as renamed; git guesses further.
            let from = gone
                .iter()
                .find(|(_, gone)| *gone == id)
                .map(|(path, _)| path.clone());
            let (status, previous) = match (old.contains_key(path), from) {
                (true, _) => ("modified", None),
                (false, Some(from)) => ("renamed", Some(from)),
                (false, None) => ("added", None),
            };
            if let Some(from) = &previous {
                gone.remove(from);
            }
            let (sha, path) = (Some(id.clone()), path.clone());
            found.push(Differing {
                status,
                sha,
                path,
                previous,
            });
        }
        found.extend(gone.into_keys().map(|path| Differing {
            status: "removed",
            sha: None,
            path,
            previous: None,
        }));
        Ok(found)
    }
}

impl Kept {
    fn keep_blob(&mut self, content: &[u8]) -> String {
        let id = name(&[b"blob ", content].concat());
        self.blobs.insert(id.clone(), content.to_vec());
        id
    }

    fn keep_tree(&mut self, files: Files) -> String {
        let id = name(format!("tree {files:?}").as_bytes());
        self.trees.insert(id.clone(), files);
        id
    }

    fn keep_commit(&mut self, made: Made) -> String {
        let id = name(format!("commit {made:?}").as_bytes());
        self.commits.insert(id.clone(), made);
        id
    }

    fn made(&self, sha: &str) -> Result<&Made> {
        self.commits
            .get(sha)
            .with_context(|| format!("no commit {sha}"))
    }

    fn files(&self, commit: &str) -> Result<&Files> {
        let made = self.made(commit)?;
        self.trees
            .get(&made.tree)
            .with_context(|| format!("no tree of {commit}"))
    }

    fn entry(&self, files: &Files, path: &str, blob: Option<&String>) -> Entry {
        let (mode, kind, sha) = if let Some(blob) = blob {
            ("100644", "blob", blob.clone())
        } else {
            let under = format!("{path}/");
            let inside = files.iter().filter(|(file, _)| file.starts_with(&under));
            let inside: Vec<_> = inside.collect();
            ("040000", "tree", name(format!("{inside:?}").as_bytes()))
        };
        let size = blob.and_then(|blob| self.blobs.get(blob));
        Entry {
            mode: mode.into(),
            kind: kind.into(),
            sha,
            size: size.map(|content| content.len() as u64),
            path: path.to_owned(),
        }
    }

    /// A commit and all before it, the newest first.
    fn walk(&self, from: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        let mut next: VecDeque<String> = [from.to_owned()].into();
        while let Some(sha) = next.pop_front() {
            let Some(made) = self.commits.get(&sha) else {
                continue;
            };
            if seen.insert(sha.clone()) {
                next.extend(made.parents.iter().cloned());
                found.push(sha);
            }
        }
        found
    }

    fn ancestors(&self, of: &str) -> BTreeSet<String> {
        self.walk(of).into_iter().collect()
    }
}

fn name(content: &[u8]) -> String {
    digest(content).chars().take(ID).collect()
}

//! Repositories: real ones, driven by git itself, and ones in memory for simulated time, where a process per question
//! would be most of a run. Both behave alike, and one suite shows it.

mod folder;
mod memory;

use std::{fmt, path::Path};

use anyhow::Result;

pub(crate) use folder::{Folder, plain_git};
pub(crate) use memory::{Memory, Objects};

/// Not a commit: where a branch did not exist before or after a push.
pub(crate) const NOTHING: &str = "0000000000000000000000000000000000000000";

/// What a push does to a file.
#[derive(Clone, Debug)]
pub struct Change {
    /// Where, from the root of the tree.
    pub path: String,
    /// What it holds now; nothing if it is removed.
    pub content: Option<Vec<u8>>,
}

/// What git knows of a commit.
#[derive(Clone, Debug)]
pub(crate) struct Commit {
    pub(crate) sha: String,
    pub(crate) tree: String,
    pub(crate) parents: Vec<String>,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) at: String,
    pub(crate) message: String,
}

/// An entry of a tree.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) mode: String,
    pub(crate) kind: String,
    pub(crate) sha: String,
    pub(crate) size: Option<u64>,
    pub(crate) path: String,
}

/// A file that differs between two commits.
#[derive(Clone, Debug)]
pub(crate) struct Differing {
    pub(crate) status: &'static str,
    pub(crate) sha: Option<String>,
    pub(crate) path: String,
    pub(crate) previous: Option<String>,
}

/// What the model needs of a repository. Names of refs are whole: `refs/heads/main`.
pub(crate) trait Bare: fmt::Debug + Send + Sync {
    /// Where it stands, if it is a real one.
    fn folder(&self) -> Option<&Path>;

    fn create(&self, default_branch: &str) -> Result<()>;

    /// Makes a commit on a branch, whatever that branch was before, and moves it there.
    fn commit(
        &self,
        branch: &str,
        parent: Option<&str>,
        author: &str,
        at: i64,
        message: &str,
        changes: &[Change],
    ) -> Result<String>;

    /// The commit that this names, or nothing.
    fn resolve(&self, name: &str) -> Option<String>;

    /// Names and commits of all branches.
    fn branches(&self) -> Result<Vec<(String, String)>>;

    fn set(&self, name: &str, sha: &str) -> Result<()>;

    fn set_head(&self, branch: &str) -> Result<()>;

    fn delete(&self, name: &str) -> Result<()>;

    /// Takes a commit over from another repository of the same family, under this name.
    fn take(&self, from: &dyn Bare, sha: &str, name: &str) -> Result<()>;

    /// Copies branches, as a fork does.
    fn copy(&self, from: &dyn Bare) -> Result<()>;

    fn is_ancestor(&self, old: &str, new: &str) -> bool;

    fn merge_base(&self, one: &str, other: &str) -> Result<String>;

    /// Merges one commit into another as GitHub's button does; the content of the head wins.
    fn merge(&self, base: &str, head: &str, by: &str, at: i64, message: &str) -> Result<String>;

    fn describe(&self, sha: &str) -> Result<Commit>;

    /// Commits that are new between two, oldest first.
    fn between(&self, old: Option<&str>, new: &str) -> Result<Vec<String>>;

    /// Entries of a tree, or of the folder that a path with a slash at its end names; of a path without one, its own entry.
    fn tree(&self, of: &str, path: Option<&str>, deep: bool) -> Result<Vec<Entry>>;

    fn blob(&self, sha: &str) -> Result<Vec<u8>>;

    /// Files that differ, with renames found.
    fn differing(&self, old: &str, new: &str) -> Result<Vec<Differing>>;

    fn branch(&self, name: &str) -> Option<String> {
        self.resolve(&format!("refs/heads/{name}"))
    }

    /// The commit that a person means: a branch, a tag or a commit.
    fn meant(&self, name: &str) -> Option<String> {
        let short = name.strip_prefix("refs/").unwrap_or(name);
        let whole = name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        if whole {
            return self.resolve(name);
        }
        let branch = short.strip_prefix("heads/").unwrap_or(short);
        let tag = short.strip_prefix("tags/").unwrap_or(short);
        self.resolve(&format!("refs/heads/{branch}"))
            .or_else(|| self.resolve(&format!("refs/tags/{tag}")))
            .or_else(|| self.resolve(&format!("refs/{short}")))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const AT: i64 = 1_790_000_000_000;

    /// Three commits: the first of a repository, and what two branches go on with, one of them in a fork.
    fn begin(home: &dyn Bare, fork: &dyn Bare) -> Result<[String; 4]> {
        home.create("main")?;
        fork.create("main")?;
        let file = Change::file;
        let files = [file("a b/deep/x", "1"), file("y", "2"), file("z", "3")];
        let root = home.commit("main", None, "ann", AT, "Begin", &files)?;
        fork.copy(home)?;
        let changes = [Change::removal("y"), file("a b/w", "2"), file("z", "4")];
        let one = fork.commit(
            "blue",
            Some(&root),
            "rob",
            AT + 1000,
            "Change\n\nmuch",
            &changes,
        )?;
        let two = fork.commit("blue", Some(&one), "rob", AT, "More", &[file("n", "5")])?;
        home.take(fork, &two, "refs/pull/1/head")?;
        let main = home.commit("main", Some(&root), "ann", AT, "On", &[file("m", "6")])?;
        Ok([root, one, two, main])
    }

    /// What is told of commits, without the ids, which differ.
    fn commits(git: &dyn Bare, [root, one, two, main]: &[String; 4]) -> Result<Vec<String>> {
        let shown = git.describe(one)?;
        let mut told = vec![
            format!("{}", git.merge_base(main, two)? == *root),
            format!(
                "{:?}",
                (git.is_ancestor(root, two), git.is_ancestor(two, main))
            ),
            format!(
                "{}",
                git.between(Some(main), two)? == [one.clone(), two.clone()]
            ),
            format!("{}", git.between(None, two)?.len()),
            format!(
                "{} {} {} {:?}",
                shown.name, shown.email, shown.at, shown.message
            ),
            format!("{}", shown.parents == [root.clone()]),
            format!("{}", git.resolve("refs/pull/1/head").as_ref() == Some(two)),
        ];
        let mut differing = git.differing(root, two)?;
        differing.sort_by(|one, other| one.path.cmp(&other.path));
        told.extend(differing.iter().map(|file| {
            let previous = file.previous.as_deref();
            format!(
                "{} {} {previous:?} {}",
                file.status,
                file.path,
                file.sha.is_some()
            )
        }));
        git.set("refs/heads/old", one)?;
        git.delete("refs/heads/old")?;
        told.push(format!(
            "{}",
            git.branches()? == [("main".to_owned(), main.clone())]
        ));
        told.push(format!(
            "{:?}",
            (git.meant("old"), git.meant("--help"), git.resolve(NOTHING))
        ));
        told.push(format!("{}", git.meant("main").as_ref() == Some(main)));
        Ok(told)
    }

    /// What is told of files after a merge.
    fn files(git: &dyn Bare, [_, _, two, main]: &[String; 4]) -> Result<Vec<String>> {
        let merged = git.merge(main, two, "ann", AT, "Merge")?;
        let parents = git.describe(&merged)?.parents;
        let mut told = vec![format!("{}", parents == [main.clone(), two.clone()])];
        let root = (None, false);
        for (path, deep) in [
            (None, true),
            root,
            (Some("a b"), false),
            (Some("a b/"), false),
            (Some("none"), false),
        ] {
            for entry in git.tree(&merged, path, deep)? {
                told.push(format!(
                    "{path:?} {} {} {} {:?}",
                    entry.mode, entry.kind, entry.path, entry.size
                ));
                if entry.path == "z" {
                    told.push(String::from_utf8(git.blob(&entry.sha)?)?);
                }
            }
        }
        Ok(told)
    }

    fn story(home: &dyn Bare, fork: &dyn Bare) -> Result<Vec<String>> {
        let made = begin(home, fork)?;
        let mut told = commits(home, &made)?;
        told.extend(files(home, &made)?);
        Ok(told)
    }

    #[test]
    fn a_repository_in_memory_behaves_like_one_of_git() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| Folder(folder.path().join(name));
        let objects = Arc::new(Objects::default());
        let real = story(&at("home"), &at("fork")).unwrap();
        let [home, fork] = [1, 2].map(|id| Memory::new(objects.clone(), id));
        assert_eq!(real, story(&home, &fork).unwrap());
        assert!(real.len() > 20, "{real:?}");
    }
}

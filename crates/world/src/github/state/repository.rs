//! A repository, with a real one of git under it.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};

use super::{CheckRun, Comment, Deployment, Ground, PullRequest, Role, State};
use crate::github::git::{Bare, Folder, Memory};

/// A repository, and all that hangs on it.
#[derive(Clone, Debug)]
pub struct Repository {
    /// Never changes.
    pub id: u64,
    /// Login of the account; changes with a transfer.
    pub owner: String,
    /// Changes with a renaming.
    pub name: String,
    /// Whether only those with a role see it.
    pub private: bool,
    /// Name of the branch that counts.
    pub default_branch: String,
    /// Id of what it was forked from.
    pub parent: Option<u64>,
    /// Roles by login; the owner has all.
    pub roles: BTreeMap<String, Role>,
    /// Pull requests by number.
    pub pull_requests: BTreeMap<u64, PullRequest>,
    /// Titles of plain issues by number; they share numbers with pull requests.
    pub issues: BTreeMap<u64, String>,
    /// Comments of pull requests and issues by id.
    pub comments: BTreeMap<u64, Comment>,
    /// By id.
    pub check_runs: BTreeMap<u64, CheckRun>,
    /// Check suites: one for each App (by id) and commit.
    pub suites: BTreeMap<(u64, String), u64>,
    /// By id.
    pub deployments: BTreeMap<u64, Deployment>,
    /// `owner/name` by which it was known: GitHub redirects.
    pub former: Vec<String>,
    /// When it was made, in milliseconds since 1970.
    pub created_at: i64,
    /// When something was pushed last.
    pub pushed_at: i64,
}

impl Repository {
    /// `owner/name`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    /// What this person may do here; nothing if a private repository is not shared with them.
    pub fn role(&self, login: &str) -> Option<Role> {
        if login == self.owner {
            return Some(Role::Admin);
        }
        let public = (!self.private).then_some(Role::Read);
        self.roles.get(login).copied().or(public)
    }

    pub(crate) fn next_number(&self) -> u64 {
        let last = |number: Option<&u64>| number.copied().unwrap_or(0);
        last(self.pull_requests.keys().next_back()).max(last(self.issues.keys().next_back())) + 1
    }
}

impl State {
    /// The repository of this id, for acts; they name one that is there.
    pub(crate) fn repository(&self, id: u64) -> Result<&Repository> {
        let found = self.repositories.get(&id);
        found.with_context(|| format!("no repository {id}"))
    }

    pub(crate) fn repository_mut(&mut self, id: u64) -> Result<&mut Repository> {
        let found = self.repositories.get_mut(&id);
        found.with_context(|| format!("no repository {id}"))
    }

    /// What is called so now.
    pub(crate) fn named(&self, owner: &str, name: &str) -> Option<&Repository> {
        let same = |repository: &&Repository| {
            repository.owner.eq_ignore_ascii_case(owner)
                && repository.name.eq_ignore_ascii_case(name)
        };
        self.repositories.values().find(same)
    }

    /// What was called so once, while nothing else is.
    pub(crate) fn formerly_named(&self, owner: &str, name: &str) -> Option<&Repository> {
        let full = format!("{owner}/{name}");
        let was = |repository: &&Repository| {
            let mut former = repository.former.iter();
            former.any(|former| former.eq_ignore_ascii_case(&full))
        };
        self.repositories.values().find(was)
    }

    pub(crate) fn git(&self, repository: u64) -> Box<dyn Bare> {
        match &self.ground {
            Ground::Folder(folder) => {
                // By its number, which never changes.
                let path = folder.path().join(format!("{repository}.git"));
                Box::new(Folder(path))
            }
            Ground::Memory(objects) => Box::new(Memory::new(objects.clone(), repository)),
        }
    }

    /// The check suite of an App for a commit, made if there is none.
    pub(crate) fn suite(&mut self, repository: u64, app: u64, sha: &str) -> Result<u64> {
        let key = (app, sha.to_owned());
        if let Some(suite) = self.repository(repository)?.suites.get(&key) {
            return Ok(*suite);
        }
        let suite = self.next_id();
        self.repository_mut(repository)?.suites.insert(key, suite);
        Ok(suite)
    }

    pub(crate) fn pull_request(&self, repository: u64, number: u64) -> Result<&PullRequest> {
        let found = self.repository(repository)?.pull_requests.get(&number);
        found.with_context(|| format!("repository {repository} has no pull request {number}"))
    }

    pub(crate) fn pull_request_mut(
        &mut self,
        repository: u64,
        number: u64,
    ) -> Result<&mut PullRequest> {
        let found = self.repository_mut(repository)?;
        let found = found.pull_requests.get_mut(&number);
        found.with_context(|| format!("repository {repository} has no pull request {number}"))
    }
}

//! Repositories are made, forked, renamed, transferred and deleted; people get roles.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::github::{
    git::Change,
    state::{Author, Repository, Role, Selection, State},
    webhooks::News,
};

/// Name of the branch that a repository begins with.
const MAIN: &str = "main";

impl State {
    /// Makes an organisation.
    pub fn create_organisation(&mut self, login: &str) {
        self.account(login);
        if let Some(account) = self.accounts.get_mut(login) {
            account.organisation = true;
        }
    }

    /// Makes a repository with one commit, which holds these files.
    pub fn create_repository(
        &mut self,
        full_name: &str,
        private: bool,
        files: &[(&str, &str)],
    ) -> Result<u64> {
        let id = self.empty_repository(full_name, private, None)?;
        let owner = self.repository(id)?.owner.clone();
        let changes: Vec<Change> = files
            .iter()
            .map(|(path, content)| Change::file(path, content))
            .collect();
        let at = self.now();
        let git = self.git(id);
        git.commit(MAIN, None, &owner, at, "Begin", &changes)?;
        Ok(id)
    }

    /// Forks a repository into somebody's account, under its name.
    pub fn fork(&mut self, full_name: &str, by: &str) -> Result<u64> {
        let parent = self.repository_id(full_name)?;
        let (name, private) = {
            let parent = self.repository(parent)?;
            (parent.name.clone(), parent.private)
        };
        let default_branch = self.repository(parent)?.default_branch.clone();
        let id = self.empty_repository(&format!("{by}/{name}"), private, Some(parent))?;
        self.git(id).copy(self.git(parent).as_ref())?;
        self.repository_mut(id)?.default_branch = default_branch;
        Ok(id)
    }

    /// Gives somebody a role, or takes it away.
    pub fn set_role(&mut self, full_name: &str, login: &str, role: Option<Role>) -> Result<()> {
        self.account(login);
        let id = self.repository_id(full_name)?;
        let roles = &mut self.repository_mut(id)?.roles;
        match role {
            Some(role) => roles.insert(login.to_owned(), role),
            None => roles.remove(login),
        };
        Ok(())
    }

    /// Gives a repository another name; GitHub redirects from the old one.
    pub fn rename(&mut self, full_name: &str, to: &str, by: &str) -> Result<()> {
        let id = self.repository_id(full_name)?;
        let repository = self.repository_mut(id)?;
        let from = std::mem::replace(&mut repository.name, to.to_owned());
        repository.former.push(full_name.to_owned());
        let changes = json!({ "repository": { "name": { "from": from } } });
        self.tell_of_repository(id, "renamed", by, Some(changes));
        Ok(())
    }

    /// Gives a repository to another account.
    pub fn transfer(&mut self, full_name: &str, to: &str, by: &str) -> Result<()> {
        let id = self.repository_id(full_name)?;
        self.account(to);
        let before = self.installations_of(id);
        let repository = self.repository_mut(id)?;
        let from = std::mem::replace(&mut repository.owner, to.to_owned());
        repository.former.push(full_name.to_owned());
        let organisation = self.known_account(&from)?.organisation;
        let (field, shown) = if organisation {
            ("organization", self.show_organisation(&from))
        } else {
            ("user", self.show_login(&from))
        };
        let changes = json!({ "owner": { "from": { field: shown } } });
        let mut told = before;
        told.extend(self.installations_of(id));
        self.forget_selection(id);
        let payload = json!({ "action": "transferred", "changes": changes });
        let news = News {
            event: "repository",
            repository: id,
            sender: Author::from(by),
            payload,
        };
        self.announce_to(&told, news);
        Ok(())
    }

    /// Deletes a repository. Forks live on, and its pull requests elsewhere lose their head.
    pub fn delete_repository(&mut self, full_name: &str, by: &str) -> Result<()> {
        let id = self.repository_id(full_name)?;
        self.tell_of_repository(id, "deleted", by, None);
        self.forget_selection(id);
        self.repositories.remove(&id);
        for repository in self.repositories.values_mut() {
            if repository.parent == Some(id) {
                repository.parent = None;
            }
            for pull in repository.pull_requests.values_mut() {
                if pull.head_repository == Some(id) {
                    pull.head_repository = None;
                }
            }
        }
        Ok(())
    }

    /// Makes another branch the one that counts.
    pub fn set_default_branch(&mut self, full_name: &str, branch: &str, by: &str) -> Result<()> {
        let id = self.repository_id(full_name)?;
        let git = self.git(id);
        git.branch(branch)
            .with_context(|| format!("{full_name} has no branch {branch}"))?;
        git.set_head(branch)?;
        let repository = self.repository_mut(id)?;
        let from = std::mem::replace(&mut repository.default_branch, branch.to_owned());
        let changes = json!({ "default_branch": { "from": from } });
        self.tell_of_repository(id, "edited", by, Some(changes));
        Ok(())
    }

    /// Opens an issue that is no pull request; answers its number.
    pub fn open_issue(&mut self, full_name: &str, title: &str) -> Result<u64> {
        let id = self.repository_id(full_name)?;
        let repository = self.repository_mut(id)?;
        let number = repository.next_number();
        repository.issues.insert(number, title.to_owned());
        Ok(number)
    }

    fn empty_repository(
        &mut self,
        full_name: &str,
        private: bool,
        parent: Option<u64>,
    ) -> Result<u64> {
        let (owner, name) = full_name
            .split_once('/')
            .context("a repository is owner/name")?;
        ensure!(
            self.named(owner, name).is_none(),
            "there is a repository {full_name}"
        );
        self.account(owner);
        let id = self.next_id();
        let now = self.now();
        self.git(id).create(MAIN)?;
        let repository = Repository {
            id,
            owner: owner.to_owned(),
            name: name.to_owned(),
            private,
            default_branch: MAIN.into(),
            parent,
            roles: BTreeMap::new(),
            pull_requests: BTreeMap::new(),
            issues: BTreeMap::new(),
            comments: BTreeMap::new(),
            check_runs: BTreeMap::new(),
            suites: BTreeMap::new(),
            deployments: BTreeMap::new(),
            former: Vec::new(),
            created_at: now,
            pushed_at: now,
        };
        self.repositories.insert(id, repository);
        Ok(id)
    }

    fn forget_selection(&mut self, repository: u64) {
        for installation in self.installations.values_mut() {
            if let Selection::Selected(ids) = &mut installation.selection {
                ids.remove(&repository);
            }
        }
    }

    fn tell_of_repository(&mut self, id: u64, action: &str, by: &str, changes: Option<Value>) {
        let mut payload = json!({ "action": action });
        if let Some(changes) = changes {
            payload["changes"] = changes;
        }
        self.account(by);
        self.announce(News {
            event: "repository",
            repository: id,
            sender: Author::from(by),
            payload,
        });
    }
}

//! Branches are pushed, forced and deleted; pull requests follow.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use crate::github::{
    git::Change,
    state::{Author, State},
    webhooks::Moved,
};

impl Change {
    /// A file with this content.
    pub fn file(path: &str, content: &str) -> Self {
        Change {
            path: path.to_owned(),
            content: Some(content.as_bytes().to_vec()),
        }
    }

    /// No such file any more.
    pub fn removal(path: &str) -> Self {
        Change {
            path: path.to_owned(),
            content: None,
        }
    }
}

impl State {
    /// Pushes one commit onto a branch, which begins at the default branch if it is new; answers the commit.
    pub fn push(
        &mut self,
        full_name: &str,
        branch: &str,
        by: &str,
        changes: &[Change],
    ) -> Result<String> {
        let id = self.repository_id(full_name)?;
        let git = self.git(id);
        let parent = git.branch(branch).or_else(|| {
            let main = &self.repositories.get(&id)?.default_branch;
            git.branch(main)
        });
        let message = format!(
            "Change {}",
            changes.first().map_or("nothing", |change| &change.path)
        );
        self.commit(id, branch, parent.as_deref(), by, &message, changes)
    }

    /// Pushes one commit with a message of its own.
    pub fn push_saying(
        &mut self,
        full_name: &str,
        branch: &str,
        by: &str,
        message: &str,
        changes: &[Change],
    ) -> Result<String> {
        let id = self.repository_id(full_name)?;
        let git = self.git(id);
        let main = self.repository(id)?.default_branch.clone();
        let parent = git.branch(branch).or_else(|| git.branch(&main));
        self.commit(id, branch, parent.as_deref(), by, message, changes)
    }

    /// Throws a branch's last commit away and pushes another in its place.
    pub fn force_push(
        &mut self,
        full_name: &str,
        branch: &str,
        by: &str,
        changes: &[Change],
    ) -> Result<String> {
        let id = self.repository_id(full_name)?;
        let git = self.git(id);
        let tip = git.branch(branch);
        let tip = tip.with_context(|| format!("{full_name} has no branch {branch}"))?;
        let parent = git.describe(&tip)?.parents.first().cloned();
        self.commit(id, branch, parent.as_deref(), by, "Change it all", changes)
    }

    /// Sets a branch to a commit that it had before, as whoever regrets a push does.
    pub fn set_back(&mut self, full_name: &str, branch: &str, by: &str, to: &str) -> Result<()> {
        let id = self.repository_id(full_name)?;
        let git = self.git(id);
        let before = git.branch(branch);
        let before = before.with_context(|| format!("{full_name} has no branch {branch}"))?;
        git.take(git.as_ref(), to, &format!("refs/heads/{branch}"))?;
        self.branch_moved(id, branch, Some(&before), Some(to), &Author::from(by))
    }

    /// Deletes a branch: pull requests from it and to it are closed.
    pub fn delete_branch(&mut self, full_name: &str, branch: &str, by: &str) -> Result<()> {
        let id = self.repository_id(full_name)?;
        ensure!(
            self.repository(id)?.default_branch != branch,
            "GitHub does not delete the default branch {branch}"
        );
        let git = self.git(id);
        let before = git.branch(branch);
        let before = before.with_context(|| format!("{full_name} has no branch {branch}"))?;
        git.delete(&format!("refs/heads/{branch}"))?;
        self.branch_moved(id, branch, Some(&before), None, &Author::from(by))
    }

    /// Everything that follows from a branch that stands elsewhere now, whoever moved it.
    pub(crate) fn branch_moved(
        &mut self,
        repository: u64,
        branch: &str,
        before: Option<&str>,
        after: Option<&str>,
        by: &Author,
    ) -> Result<()> {
        if let Author::Person(login) = by {
            self.account(login);
        }
        let now = self.now();
        self.repository_mut(repository)?.pushed_at = now;
        let moved = Moved {
            repository,
            branch,
            before,
            after,
            by,
        };
        self.tell_of_push(&moved);
        self.ask_for_checks(&moved)?;
        match (before, after) {
            (None, Some(_)) => self.tell_of_branch("create", &moved),
            (Some(_), None) => self.tell_of_branch("delete", &moved),
            _ => {}
        }
        self.move_pull_requests(&moved)
    }

    /// The refs of a repository before and after a push by real git.
    pub(crate) fn refs_moved(
        &mut self,
        repository: u64,
        before: &[(String, String)],
        by: &Author,
    ) -> Result<()> {
        let after = self.git(repository).branches()?;
        let of = |list: &[(String, String)], name: &str| {
            let mut list = list.iter();
            list.find(|(branch, _)| branch == name)
                .map(|(_, sha)| sha.clone())
        };
        let mut names: Vec<&String> = before.iter().chain(&after).map(|(name, _)| name).collect();
        names.sort();
        names.dedup();
        for name in names {
            let (old, new) = (of(before, name), of(&after, name));
            if old != new {
                self.branch_moved(repository, name, old.as_deref(), new.as_deref(), by)?;
            }
        }
        Ok(())
    }

    fn commit(
        &mut self,
        id: u64,
        branch: &str,
        parent: Option<&str>,
        by: &str,
        message: &str,
        changes: &[Change],
    ) -> Result<String> {
        self.account(by);
        let git = self.git(id);
        let before = git.branch(branch);
        let after = git.commit(branch, parent, by, self.now(), message, changes)?;
        self.branch_moved(
            id,
            branch,
            before.as_deref(),
            Some(&after),
            &Author::from(by),
        )?;
        Ok(after)
    }

    fn move_pull_requests(&mut self, moved: &Moved<'_>) -> Result<()> {
        let mut concerned = Vec::new();
        for base in self.repositories.values() {
            for pull in base.pull_requests.values().filter(|pull| pull.open) {
                let head = pull.head_repository == Some(moved.repository)
                    && pull.head_branch == moved.branch;
                let target = base.id == moved.repository && pull.base_branch == moved.branch;
                if head || target {
                    concerned.push((base.id, pull.number, head));
                }
            }
        }
        for (base, number, is_head) in concerned {
            match (is_head, moved.after) {
                (_, None) => self.close_now(base, number, moved.by, None)?,
                (true, Some(after)) => self.synchronize(base, number, after, moved)?,
                (false, Some(after)) => {
                    // Whatever the branch holds now is merged, by whichever way it came there.
                    let head = self.pull_request(base, number)?.head.clone();
                    if self.git(base).is_ancestor(&head, after) {
                        self.close_now(base, number, moved.by, Some(after))?;
                    }
                }
            }
        }
        Ok(())
    }

    fn synchronize(
        &mut self,
        base: u64,
        number: u64,
        after: &str,
        moved: &Moved<'_>,
    ) -> Result<()> {
        self.follow(base, number, after)?;
        let more = json!({ "before": moved.before, "after": after });
        self.tell_of_pull_request(base, number, "synchronize", moved.by, more);
        Ok(())
    }

    /// Sets the head of a pull request, and `refs/pull/N/head` with it.
    pub(super) fn follow(&mut self, base: u64, number: u64, head: &str) -> Result<()> {
        let from = self.pull_request(base, number)?.head_repository;
        let from = self.git(from.unwrap_or(base));
        self.git(base)
            .take(from.as_ref(), head, &format!("refs/pull/{number}/head"))?;
        let base_branch = self.pull_request(base, number)?.base_branch.clone();
        let tip = self.git(base).branch(&base_branch);
        let pull = self.pull_request_mut(base, number)?;
        head.clone_into(&mut pull.head);
        if let Some(tip) = tip {
            pull.base = tip;
        }
        Ok(())
    }
}

//! Payloads that more than one act sends.

use anyhow::Result;
use serde_json::{Value, json};

use super::News;
use crate::github::{
    git::NOTHING,
    state::{Access, Author, State},
};

/// GitHub lists no more commits of one push.
const COMMITS: usize = 2_048;

/// A branch that was moved, made or removed.
pub(crate) struct Moved<'a> {
    pub(crate) repository: u64,
    pub(crate) branch: &'a str,
    /// The commit before, if there was the branch.
    pub(crate) before: Option<&'a str>,
    /// The commit after, if there is the branch.
    pub(crate) after: Option<&'a str>,
    pub(crate) by: &'a Author,
}

impl State {
    pub(crate) fn tell_of_pull_request(
        &mut self,
        repository: u64,
        number: u64,
        action: &str,
        by: &Author,
        more: Value,
    ) {
        let now = self.now();
        if let Ok(pull) = self.pull_request_mut(repository, number) {
            pull.updated_at = now;
        }
        let Some(home) = self.repositories.get(&repository) else {
            return;
        };
        let Some(pull) = home.pull_requests.get(&number) else {
            return;
        };
        let mut payload = more;
        payload["action"] = json!(action);
        payload["number"] = json!(number);
        payload["pull_request"] = self.show_full_pull_request(home, pull);
        self.announce(News {
            event: "pull_request",
            repository,
            sender: by.clone(),
            payload,
        });
    }

    pub(crate) fn tell_of_comment(
        &mut self,
        repository: u64,
        id: u64,
        action: &str,
        by: &Author,
        more: Value,
    ) {
        let Some(home) = self.repositories.get(&repository) else {
            return;
        };
        let Some(comment) = home.comments.get(&id) else {
            return;
        };
        let mut payload = more;
        payload["action"] = json!(action);
        payload["issue"] = self.show_issue(home, comment.number);
        payload["comment"] = self.show_comment(home, comment);
        self.announce(News {
            event: "issue_comment",
            repository,
            sender: by.clone(),
            payload,
        });
    }

    /// Created and completed: the App's own doing, of which everybody hears.
    pub(crate) fn tell_of_check_run(&mut self, repository: u64, id: u64, action: &str) {
        let Some(home) = self.repositories.get(&repository) else {
            return;
        };
        let Some(run) = home.check_runs.get(&id) else {
            return;
        };
        let payload = json!({
            "action": action,
            "check_run": self.show_check_run_of_event(home, run),
        });
        let sender = Author::App(run.app);
        self.announce(News {
            event: "check_run",
            repository,
            sender,
            payload,
        });
    }

    pub(crate) fn tell_of_push(&mut self, moved: &Moved<'_>) {
        let Some(home) = self.repositories.get(&moved.repository) else {
            return;
        };
        let git = self.git(moved.repository);
        let (before, after) = (
            moved.before.unwrap_or(NOTHING),
            moved.after.unwrap_or(NOTHING),
        );
        let forced = match (moved.before, moved.after) {
            (Some(before), Some(after)) => !git.is_ancestor(before, after),
            _ => false,
        };
        let commits = moved.after.map(|after| match moved.before {
            Some(before) => git.between(Some(before), after).unwrap_or_default(),
            None => vec![after.to_owned()],
        });
        let commits = commits.unwrap_or_default();
        let html = self.html_url(home);
        let each = commits
            .iter()
            .take(COMMITS)
            .map(|sha| self.pushed_commit(moved.repository, sha));
        let each: Vec<Value> = each.collect();
        let head = moved
            .after
            .map(|after| self.pushed_commit(moved.repository, after));
        let name = match moved.by {
            Author::Person(login) => login.clone(),
            Author::App(_) => self.show_author(moved.by)["login"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        };
        let payload = json!({
            "ref": format!("refs/heads/{}", moved.branch),
            "before": before,
            "after": after,
            "created": moved.before.is_none(),
            "deleted": moved.after.is_none(),
            "forced": forced,
            "base_ref": null,
            "compare": format!("{html}/compare/{}...{}", &before[..12], &after[..12]),
            "commits": each,
            "head_commit": head,
            "repository": self.show_pushed_repository(home),
            "pusher": { "name": name, "email": format!("{name}@users.noreply.github.com") },
        });
        let sender = moved.by.clone();
        self.announce(News {
            event: "push",
            repository: moved.repository,
            sender,
            payload,
        });
    }

    /// Every App that may write checks is asked for them at every push, whether it wants to be or not.
    pub(crate) fn ask_for_checks(&mut self, moved: &Moved<'_>) -> Result<()> {
        let Some(sha) = moved.after else {
            return Ok(());
        };
        for id in self.installations_of(moved.repository) {
            self.tell_of_suite(id, moved.repository, sha, "requested", moved.by)?;
        }
        Ok(())
    }

    /// Tells one App of its check suite for a commit.
    pub(crate) fn tell_of_suite(
        &mut self,
        installation: u64,
        repository: u64,
        sha: &str,
        action: &str,
        by: &Author,
    ) -> Result<()> {
        let Some(home) = self.installations.get(&installation) else {
            return Ok(());
        };
        if !Access::write(&["checks"]).given_by(&home.permissions) {
            return Ok(());
        }
        let app = home.app;
        let suite = self.suite(repository, app, sha)?;
        let shown = self.show_check_suite(self.repository(repository)?, app, sha, suite)?;
        let news = News {
            event: "check_suite",
            repository,
            sender: by.clone(),
            payload: json!({ "action": action, "check_suite": shown }),
        };
        self.announce_to(&[installation], news);
        Ok(())
    }

    /// The event `create` or `delete` of a branch, beside that of the push.
    pub(crate) fn tell_of_branch(&mut self, event: &'static str, moved: &Moved<'_>) {
        let Some(home) = self.repositories.get(&moved.repository) else {
            return;
        };
        let mut payload = json!({
            "ref": moved.branch,
            "ref_type": "branch",
            "pusher_type": "user",
        });
        if event == "create" {
            payload["full_ref"] = json!(format!("refs/heads/{}", moved.branch));
            payload["master_branch"] = json!(home.default_branch);
            payload["description"] = json!(null);
        }
        let sender = moved.by.clone();
        self.announce(News {
            event,
            repository: moved.repository,
            sender,
            payload,
        });
    }

    pub(crate) fn pushed_commit(&self, repository: u64, sha: &str) -> Value {
        let git = self.git(repository);
        let Ok(commit) = git.describe(sha) else {
            return Value::Null;
        };
        let who = json!({ "name": commit.name, "email": commit.email, "username": commit.name });
        let changed = match commit.parents.first() {
            Some(parent) => git.differing(parent, sha).unwrap_or_default(),
            None => Vec::new(),
        };
        let of = |status: &[&str]| -> Vec<&str> {
            let same = changed.iter().filter(|file| status.contains(&file.status));
            same.map(|file| file.path.as_str()).collect()
        };
        let home = self.repositories.get(&repository);
        let html = home.map(|home| self.html_url(home)).unwrap_or_default();
        json!({
            "id": commit.sha,
            "tree_id": commit.tree,
            "distinct": true,
            "message": commit.message,
            "timestamp": commit.at,
            "url": format!("{html}/commit/{}", commit.sha),
            "author": who,
            "committer": who,
            "added": of(&["added"]),
            "removed": of(&["removed"]),
            "modified": of(&["modified", "renamed"]),
        })
    }
}

//! People comment, and press what check runs offer.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::github::{
    state::{Author, Comment, State},
    webhooks::News,
    wire::Answer,
};

impl State {
    /// Somebody comments; answers the comment's id.
    pub fn comment(&mut self, full_name: &str, number: u64, by: &str, body: &str) -> Result<u64> {
        let id = self.repository_id(full_name)?;
        self.account(by);
        let made = self.add_comment(id, number, Author::from(by), body.to_owned());
        made.map_err(|_| anyhow::anyhow!("{full_name} has no pull request {number}"))
    }

    /// Somebody rewrites a comment, their own or another's.
    pub fn edit_comment(
        &mut self,
        full_name: &str,
        comment: u64,
        by: &str,
        body: &str,
    ) -> Result<()> {
        let id = self.repository_id(full_name)?;
        self.account(by);
        let changed = self.change_comment(id, comment, &Author::from(by), body.to_owned());
        changed.map_err(|_| anyhow::anyhow!("no comment {comment}"))
    }

    /// Somebody deletes a comment, their own or another's.
    pub fn delete_comment(&mut self, full_name: &str, comment: u64, by: &str) -> Result<()> {
        let id = self.repository_id(full_name)?;
        self.account(by);
        let removed = self.remove_comment(id, comment, &Author::from(by));
        removed.map_err(|_| anyhow::anyhow!("no comment {comment}"))
    }

    /// Somebody asks for a check run again.
    pub fn rerun(&mut self, full_name: &str, check_run: u64, by: &str) -> Result<()> {
        self.press(full_name, check_run, by, json!({ "action": "rerequested" }))
    }

    /// Somebody asks for all checks of a commit again, by the button above them.
    pub fn rerun_all(&mut self, full_name: &str, sha: &str, by: &str) -> Result<()> {
        let id = self.repository_id(full_name)?;
        self.account(by);
        for installation in self.installations_of(id) {
            self.tell_of_suite(installation, id, sha, "rerequested", &Author::from(by))?;
        }
        Ok(())
    }

    /// Somebody presses a button of a check run.
    pub fn press_button(
        &mut self,
        full_name: &str,
        check_run: u64,
        identifier: &str,
        by: &str,
    ) -> Result<()> {
        let id = self.repository_id(full_name)?;
        let run = self.repository(id)?.check_runs.get(&check_run);
        let run = run.with_context(|| format!("no check run {check_run}"))?;
        let there = run
            .actions
            .iter()
            .any(|button| button.identifier == identifier);
        // GitHub shows buttons only below a run that is completed.
        ensure!(
            there && run.status == "completed",
            "check run {check_run} shows no button {identifier}"
        );
        let payload = json!({
            "action": "requested_action",
            "requested_action": { "identifier": identifier },
        });
        self.press(full_name, check_run, by, payload)
    }

    pub(crate) fn add_comment(
        &mut self,
        repository: u64,
        number: u64,
        author: Author,
        body: String,
    ) -> Result<u64, Answer> {
        let now = self.now();
        let id = self.next_id();
        let home = self
            .repositories
            .get_mut(&repository)
            .ok_or_else(Answer::not_found)?;
        if !home.pull_requests.contains_key(&number) && !home.issues.contains_key(&number) {
            return Err(Answer::not_found());
        }
        let comment = Comment {
            id,
            number,
            author: author.clone(),
            body,
            reactions: Vec::new(),
            created_at: now,
            updated_at: now,
        };
        home.comments.insert(id, comment);
        self.tell_of_comment(repository, id, "created", &author, json!({}));
        Ok(id)
    }

    pub(crate) fn change_comment(
        &mut self,
        repository: u64,
        id: u64,
        by: &Author,
        body: String,
    ) -> Result<(), Answer> {
        let now = self.now();
        let home = self
            .repositories
            .get_mut(&repository)
            .ok_or_else(Answer::not_found)?;
        let comment = home.comments.get_mut(&id).ok_or_else(Answer::not_found)?;
        let from = std::mem::replace(&mut comment.body, body);
        comment.updated_at = now;
        let changes = json!({ "changes": { "body": { "from": from } } });
        self.tell_of_comment(repository, id, "edited", by, changes);
        Ok(())
    }

    pub(crate) fn remove_comment(
        &mut self,
        repository: u64,
        id: u64,
        by: &Author,
    ) -> Result<(), Answer> {
        self.tell_of_comment(repository, id, "deleted", by, json!({}));
        let home = self
            .repositories
            .get_mut(&repository)
            .ok_or_else(Answer::not_found)?;
        home.comments.remove(&id).ok_or_else(Answer::not_found)?;
        Ok(())
    }

    /// Only the App that made the run hears of it.
    fn press(
        &mut self,
        full_name: &str,
        check_run: u64,
        by: &str,
        mut payload: Value,
    ) -> Result<()> {
        let id = self.repository_id(full_name)?;
        self.account(by);
        let home = self.repository(id)?;
        let run = home.check_runs.get(&check_run);
        let run = run.with_context(|| format!("no check run {check_run}"))?;
        payload["check_run"] = self.show_check_run_of_event(home, run);
        let app = run.app;
        let told = self.installations_of(id).into_iter();
        let told: Vec<u64> = told
            .filter(|id| self.installations.get(id).is_some_and(|one| one.app == app))
            .collect();
        let news = News {
            event: "check_run",
            repository: id,
            sender: Author::from(by),
            payload,
        };
        self.announce_to(&told, news);
        Ok(())
    }
}

//! Pull requests are opened, changed, merged and closed.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::github::state::{Author, Label, PullRequest, State};

/// What somebody writes into the form of a new pull request.
#[derive(Clone, Debug)]
pub struct Opening {
    branch: String,
    by: String,
    from: Option<String>,
    base: Option<String>,
    title: String,
    body: Option<String>,
    draft: bool,
}

impl Opening {
    /// From this branch, by this person.
    pub fn of(branch: &str, by: &str) -> Self {
        Opening {
            branch: branch.to_owned(),
            by: by.to_owned(),
            from: None,
            base: None,
            title: format!("Change by {branch}"),
            body: None,
            draft: false,
        }
    }

    /// From this fork, `owner/name`.
    #[must_use]
    pub fn from(mut self, fork: &str) -> Self {
        self.from = Some(fork.to_owned());
        self
    }

    /// Into another branch than the default one.
    #[must_use]
    pub fn into(mut self, base: &str) -> Self {
        self.base = Some(base.to_owned());
        self
    }

    /// With this title.
    #[must_use]
    pub fn titled(mut self, title: &str) -> Self {
        title.clone_into(&mut self.title);
        self
    }

    /// With these words.
    #[must_use]
    pub fn saying(mut self, body: &str) -> Self {
        self.body = Some(body.to_owned());
        self
    }

    /// As a draft.
    #[must_use]
    pub fn draft(mut self) -> Self {
        self.draft = true;
        self
    }
}

impl State {
    /// Opens a pull request; answers its number.
    pub fn open_pull_request(&mut self, full_name: &str, opening: Opening) -> Result<u64> {
        let id = self.repository_id(full_name)?;
        let from = match &opening.from {
            Some(fork) => self.repository_id(fork)?,
            None => id,
        };
        self.account(&opening.by);
        let head = self.git(from).branch(&opening.branch);
        let head = head.with_context(|| format!("there is no branch {}", opening.branch))?;
        let repository = self.repository(id)?;
        let base_branch = opening
            .base
            .unwrap_or_else(|| repository.default_branch.clone());
        let number = repository.next_number();
        let same = |pull: &PullRequest| {
            pull.open
                && pull.head_repository == Some(from)
                && pull.head_branch == opening.branch
                && pull.base_branch == base_branch
        };
        ensure!(
            !repository.pull_requests.values().any(same),
            "a pull request already exists for it"
        );
        let base = self.git(id).branch(&base_branch);
        let base = base.with_context(|| format!("there is no branch {base_branch}"))?;
        let now = self.now();
        let author = Author::Person(opening.by);
        let pull = PullRequest {
            id: self.next_id(),
            number,
            title: opening.title,
            body: opening.body,
            author: author.clone(),
            draft: opening.draft,
            labels: Vec::new(),
            head_repository: Some(from),
            head_owner: self.repository(from)?.owner.clone(),
            head_branch: opening.branch,
            head: head.clone(),
            base_branch,
            base,
            open: true,
            merge_commit: None,
            merged_by: None,
            created_at: now,
            updated_at: now,
            closed_at: None,
        };
        self.repository_mut(id)?.pull_requests.insert(number, pull);
        self.follow(id, number, &head)?;
        self.tell_of_pull_request(id, number, "opened", &author, json!({}));
        Ok(number)
    }

    /// Closes a pull request without merging it.
    pub fn close(&mut self, full_name: &str, number: u64, by: &str) -> Result<()> {
        let id = self.repository_id(full_name)?;
        ensure!(
            self.pull_request(id, number)?.open,
            "pull request {number} is closed"
        );
        self.account(by);
        self.close_now(id, number, &Author::from(by), None)
    }

    /// Opens it again, at what its branch holds now.
    pub fn reopen(&mut self, full_name: &str, number: u64, by: &str) -> Result<()> {
        let id = self.repository_id(full_name)?;
        let pull = self.pull_request(id, number)?;
        ensure!(
            !pull.open && pull.merge_commit.is_none(),
            "pull request {number} is open or merged"
        );
        let from = pull.head_repository.context("its fork is deleted")?;
        let head = self
            .git(from)
            .branch(&pull.head_branch)
            .context("its branch is deleted")?;
        let pull = self.pull_request_mut(id, number)?;
        (pull.open, pull.closed_at) = (true, None);
        self.follow(id, number, &head)?;
        self.tell(id, number, "reopened", by, json!({}));
        Ok(())
    }

    /// Merges it by the button; answers the commit of the merge.
    pub fn merge(&mut self, full_name: &str, number: u64, by: &str) -> Result<String> {
        let id = self.repository_id(full_name)?;
        self.account(by);
        let pull = self.pull_request(id, number)?.clone();
        ensure!(
            pull.open && !pull.draft,
            "pull request {number} is closed or a draft"
        );
        let git = self.git(id);
        let tip = git
            .branch(&pull.base_branch)
            .context("its base is deleted")?;
        let message = format!(
            "Merge pull request #{number} from {}/{}",
            pull.head_owner, pull.head_branch
        );
        let commit = git.merge(&tip, &pull.head, by, self.now(), &message)?;
        git.set(&format!("refs/heads/{}", pull.base_branch), &commit)?;
        // The push finds the pull request merged, and closes it.
        self.branch_moved(
            id,
            &pull.base_branch,
            Some(&tip),
            Some(&commit),
            &Author::from(by),
        )?;
        Ok(commit)
    }

    /// Changes its title.
    pub fn retitle(&mut self, full_name: &str, number: u64, by: &str, title: &str) -> Result<()> {
        let id = self.repository_id(full_name)?;
        let pull = self.pull_request_mut(id, number)?;
        let from = std::mem::replace(&mut pull.title, title.to_owned());
        let changes = json!({ "changes": { "title": { "from": from } } });
        self.tell(id, number, "edited", by, changes);
        Ok(())
    }

    /// Makes it go to another branch.
    pub fn retarget(&mut self, full_name: &str, number: u64, by: &str, base: &str) -> Result<()> {
        let id = self.repository_id(full_name)?;
        let tip = self.git(id).branch(base);
        let tip = tip.with_context(|| format!("there is no branch {base}"))?;
        let pull = self.pull_request_mut(id, number)?;
        let branch = std::mem::replace(&mut pull.base_branch, base.to_owned());
        let sha = std::mem::replace(&mut pull.base, tip);
        let changes = json!({ "base": { "ref": { "from": branch }, "sha": { "from": sha } } });
        self.tell(id, number, "edited", by, json!({ "changes": changes }));
        Ok(())
    }

    /// Makes it a draft, or ready for review.
    pub fn set_draft(&mut self, full_name: &str, number: u64, by: &str, draft: bool) -> Result<()> {
        let id = self.repository_id(full_name)?;
        let pull = self.pull_request_mut(id, number)?;
        ensure!(pull.draft != draft, "pull request {number} is that already");
        pull.draft = draft;
        let action = if draft {
            "converted_to_draft"
        } else {
            "ready_for_review"
        };
        self.tell(id, number, action, by, json!({}));
        Ok(())
    }

    /// Puts a label on it.
    pub fn label(&mut self, full_name: &str, number: u64, by: &str, name: &str) -> Result<()> {
        let id = self.repository_id(full_name)?;
        let label = Label {
            id: self.next_id(),
            name: name.to_owned(),
        };
        let pull = self.pull_request_mut(id, number)?;
        ensure!(
            !pull.labels.iter().any(|one| one.name == name),
            "{name} is on it already"
        );
        pull.labels.push(label.clone());
        self.tell_of_label(id, number, "labeled", by, &label)
    }

    /// Takes a label off it.
    pub fn unlabel(&mut self, full_name: &str, number: u64, by: &str, name: &str) -> Result<()> {
        let id = self.repository_id(full_name)?;
        let pull = self.pull_request_mut(id, number)?;
        let Some(place) = pull.labels.iter().position(|label| label.name == name) else {
            bail!("{name} is not on it");
        };
        let label = pull.labels.remove(place);
        self.tell_of_label(id, number, "unlabeled", by, &label)
    }

    /// Closes it; with the commit that merged it, if one did.
    pub(super) fn close_now(
        &mut self,
        id: u64,
        number: u64,
        by: &Author,
        merged: Option<&str>,
    ) -> Result<()> {
        let now = self.now();
        let pull = self.pull_request_mut(id, number)?;
        pull.open = false;
        pull.closed_at = Some(now);
        pull.merge_commit = merged.map(str::to_owned);
        pull.merged_by = merged.map(|_| by.clone());
        self.tell_of_pull_request(id, number, "closed", by, json!({}));
        Ok(())
    }

    fn tell_of_label(
        &mut self,
        id: u64,
        number: u64,
        action: &str,
        by: &str,
        label: &Label,
    ) -> Result<()> {
        let shown = self.show_label(self.repository(id)?, label);
        self.tell(id, number, action, by, json!({ "label": shown }));
        Ok(())
    }

    fn tell(&mut self, id: u64, number: u64, action: &str, by: &str, more: Value) {
        self.account(by);
        self.tell_of_pull_request(id, number, action, &Author::from(by), more);
    }
}

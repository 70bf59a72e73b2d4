//! What people see on the page of a pull request, and what is left over at the end of a story.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::github::state::{Author, CheckRun, Comment, Deployment, PullRequest, State, Token};

impl State {
    /// The pull request.
    pub fn see_pull_request(&self, full_name: &str, number: u64) -> Result<PullRequest> {
        let id = self.repository_id(full_name)?;
        Ok(self.pull_request(id, number)?.clone())
    }

    /// Commit of a branch, if there is the branch.
    pub fn see_branch(&self, full_name: &str, branch: &str) -> Result<Option<String>> {
        let id = self.repository_id(full_name)?;
        Ok(self.git(id).branch(branch))
    }

    /// Its comments, oldest first.
    pub fn see_comments(&self, full_name: &str, number: u64) -> Result<Vec<Comment>> {
        let id = self.repository_id(full_name)?;
        let all = self.repository(id)?.comments.values();
        Ok(all
            .filter(|comment| comment.number == number)
            .cloned()
            .collect())
    }

    /// Check runs of a commit, oldest first.
    pub fn see_check_runs(&self, full_name: &str, sha: &str) -> Result<Vec<CheckRun>> {
        let id = self.repository_id(full_name)?;
        let all = self.repository(id)?.check_runs.values();
        Ok(all.filter(|run| run.head_sha == sha).cloned().collect())
    }

    /// Deployments of a repository, oldest first.
    pub fn see_deployments(&self, full_name: &str) -> Result<Vec<Deployment>> {
        let id = self.repository_id(full_name)?;
        Ok(self.repository(id)?.deployments.values().cloned().collect())
    }

    /// The letters of every token that was made, of those that are taken no more, too.
    pub fn see_tokens(&self) -> Vec<String> {
        self.tokens.keys().cloned().collect()
    }

    /// What a token of these letters may do, while it lasts.
    pub fn see_token(&self, letters: &str) -> Option<Token> {
        self.tokens.get(letters).cloned()
    }

    /// Check runs without a conclusion, in words: at the end of a story there is none.
    pub fn open_check_runs(&self) -> Vec<String> {
        let all = self.repositories.values().flat_map(|home| {
            let open = home
                .check_runs
                .values()
                .filter(|run| run.conclusion.is_none());
            open.map(move |run| (home.full_name(), run))
        });
        let words = all.map(|(home, run)| {
            format!(
                "check run {} of {home} at {} is {}",
                run.name, run.head_sha, run.status
            )
        });
        words.collect()
    }

    /// Transient deployments that GitHub shows as active or under way although no pull request with their commit is
    /// open, in words: at the end of a story there is none.
    pub fn forgotten_deployments(&self) -> Vec<String> {
        let mut found = Vec::new();
        for home in self.repositories.values() {
            let open = |sha: &str| {
                let mut pulls = home.pull_requests.values();
                pulls.any(|pull| pull.open && pull.head == sha)
            };
            let lasting = home
                .deployments
                .values()
                .filter(|one| one.transient && !open(&one.sha));
            let shown =
                lasting.filter(|one| !matches!(one.state(), "inactive" | "failure" | "error"));
            found.extend(shown.map(|one| {
                format!(
                    "deployment of {} of {} at {} is {}",
                    one.environment,
                    home.full_name(),
                    one.sha,
                    one.state()
                )
            }));
        }
        found
    }

    /// Pull requests below which one App has said more than one thing, in words: for an App that keeps to one comment.
    pub fn doubled_comments(&self) -> Vec<String> {
        let mut counts = BTreeMap::new();
        for home in self.repositories.values() {
            for comment in home.comments.values() {
                if let Author::App(app) = comment.author {
                    let below = (home.full_name(), comment.number, app);
                    *counts.entry(below).or_insert(0_u32) += 1;
                }
            }
        }
        let doubled = counts.into_iter().filter(|(_, count)| *count > 1);
        let words = doubled.map(|((home, number, app), count)| {
            format!("App {app} has {count} comments below {home}#{number}")
        });
        words.collect()
    }

    /// Fails on anything that a finished story must not leave: open check runs, forgotten deployments, what was changed of
    /// others, an exchange that is not as GitHub's own description says.
    pub fn finish(&self) -> Result<()> {
        let mut left = self.open_check_runs();
        left.extend(self.forgotten_deployments());
        left.extend(self.ledger.foreign_writes());
        left.extend(self.ledger.violations.iter().cloned());
        anyhow::ensure!(left.is_empty(), "left over on GitHub:\n{}", left.join("\n"));
        Ok(())
    }
}

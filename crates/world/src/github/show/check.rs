//! Check runs.

use anyhow::Result;
use serde_json::{Value, json};

use super::{moment, node};
use crate::github::{
    clock::iso,
    state::{CheckRun, Repository, State},
};

/// What a suite says of its commit.
const COMMIT_OF_SUITE: [&str; 6] = [
    "id",
    "tree_id",
    "message",
    "timestamp",
    "author",
    "committer",
];

impl State {
    pub(crate) fn show_check_run(&self, repository: &Repository, run: &CheckRun) -> Value {
        let url = format!("{}/check-runs/{}", self.api_url(repository), run.id);
        let html = format!("{}/runs/{}", self.html_url(repository), run.id);
        let app = self.apps.get(&run.app);
        json!({
            "id": run.id,
            "node_id": node("CR_", run.id),
            "head_sha": run.head_sha,
            "external_id": run.external_id.as_deref().unwrap_or_default(),
            "url": url,
            "html_url": html,
            "details_url": run.details_url.as_deref().unwrap_or(&html),
            "name": run.name,
            "status": run.status,
            "conclusion": run.conclusion,
            "started_at": moment(run.started_at),
            "completed_at": moment(run.completed_at),
            "output": {
                "title": run.output.title,
                "summary": run.output.summary,
                "text": run.output.text,
                "annotations_count": 0,
                "annotations_url": format!("{url}/annotations"),
            },
            "check_suite": { "id": run.suite },
            "app": app.map(|app| self.show_app(app)),
            "pull_requests": self.pull_requests_at(repository, &run.head_sha),
        })
    }

    /// As events have it: with more of its suite.
    pub(crate) fn show_check_run_of_event(&self, repository: &Repository, run: &CheckRun) -> Value {
        let mut shown = self.show_check_run(repository, run);
        let branch = repository.pull_requests.values();
        let mut branch = branch
            .filter(|pull| pull.head == run.head_sha)
            .map(|pull| pull.head_branch.clone());
        shown["check_suite"] = json!({
            "id": run.suite,
            "node_id": node("CS_", run.suite),
            "head_branch": branch.next_back(),
            "head_sha": run.head_sha,
            "status": run.status,
            "conclusion": run.conclusion,
            "url": format!("{}/check-suites/{}", self.api_url(repository), run.suite),
            "before": null,
            "after": run.head_sha,
            "pull_requests": shown["pull_requests"].clone(),
            "app": shown["app"].clone(),
            "created_at": shown["started_at"].clone(),
            "updated_at": shown["started_at"].clone(),
        });
        shown
    }

    /// As events of suites have it.
    pub(crate) fn show_check_suite(
        &self,
        repository: &Repository,
        app: u64,
        sha: &str,
        suite: u64,
    ) -> Result<Value> {
        let api = format!("{}/check-suites/{suite}", self.api_url(repository));
        let runs = repository.check_runs.values();
        let runs: Vec<&CheckRun> = runs.filter(|run| run.suite == suite).collect();
        let open = runs.iter().any(|run| run.conclusion.is_none());
        let status = match runs.is_empty() {
            true => "queued",
            false if open => "in_progress",
            false => "completed",
        };
        let conclusion = runs.last().and_then(|run| run.conclusion.as_deref());
        let branches = self.git(repository.id).branches()?;
        let branch = branches.iter().find(|(_, tip)| tip == sha);
        let mut head = self.pushed_commit(repository.id, sha);
        if let Some(head) = head.as_object_mut() {
            head.retain(|field, _| COMMIT_OF_SUITE.contains(&field.as_str()));
        }
        Ok(json!({
            "id": suite,
            "node_id": node("CS_", suite),
            "head_branch": branch.map(|(name, _)| name),
            "head_sha": sha,
            "status": status,
            "conclusion": conclusion.filter(|_| !open),
            "url": api,
            "before": null,
            "after": sha,
            "pull_requests": self.pull_requests_at(repository, sha),
            "app": self.app(app).map(|app| self.show_app(app))?,
            "created_at": iso(self.now()),
            "updated_at": iso(self.now()),
            "rerequestable": true,
            "runs_rerequestable": true,
            "latest_check_runs_count": runs.len(),
            "check_runs_url": format!("{api}/check-runs"),
            "head_commit": head,
        }))
    }

    /// Open pull requests at a commit. Only those of the repository itself: GitHub does not name those from forks beside
    /// checks.
    fn pull_requests_at(&self, repository: &Repository, sha: &str) -> Vec<Value> {
        let pulls = repository.pull_requests.values();
        let here = pulls.filter(|pull| {
            pull.open && pull.head == sha && pull.head_repository == Some(repository.id)
        });
        here.map(|pull| self.show_minimal_pull_request(repository, pull))
            .collect()
    }
}

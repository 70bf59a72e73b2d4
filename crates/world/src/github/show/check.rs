//! Check runs.

use serde_json::{Value, json};

use super::{moment, node};
use crate::github::state::{CheckRun, Repository, State};

impl State {
    pub(crate) fn show_check_run(&self, repository: &Repository, run: &CheckRun) -> Value {
        let url = format!("{}/check-runs/{}", self.api_url(repository), run.id);
        let html = format!("{}/runs/{}", self.html_url(repository), run.id);
        // Only those of this repository: GitHub does not name pull requests from forks here.
        let pulls = repository.pull_requests.values().filter(|pull| {
            pull.open && pull.head == run.head_sha && pull.head_repository == Some(repository.id)
        });
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
            "pull_requests": pulls
                .map(|pull| self.show_minimal_pull_request(repository, pull))
                .collect::<Vec<_>>(),
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
}

//! Deployments, as GitHub shows them below a pull request and beside a repository.

use serde_json::Value;

use super::Author;

/// A deployment.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// Never changes.
    pub id: u64,
    /// Which commit.
    pub sha: String,
    /// As it was asked for: a branch, a tag or a commit.
    pub reference: String,
    /// `deploy`, unless something else was asked for.
    pub task: String,
    /// Name of the environment.
    pub environment: String,
    /// The environment goes away some day.
    pub transient: bool,
    /// People use it.
    pub production: bool,
    /// One line.
    pub description: Option<String>,
    /// Whatever its creator added.
    pub payload: Value,
    /// Who made it.
    pub creator: Author,
    /// Oldest first.
    pub statuses: Vec<DeploymentStatus>,
    /// In milliseconds since 1970.
    pub created_at: i64,
}

/// How a deployment goes.
#[derive(Clone, Debug)]
pub struct DeploymentStatus {
    /// Never changes.
    pub id: u64,
    /// `queued`, `in_progress`, `success`, `failure`, `inactive` and so on.
    pub state: String,
    /// At most 140 characters.
    pub description: String,
    /// Where people see what was deployed.
    pub environment_url: String,
    /// Where people read how it went.
    pub log_url: String,
    /// Who said so.
    pub creator: Author,
    /// In milliseconds since 1970.
    pub created_at: i64,
}

impl Deployment {
    /// State of the newest status; `pending` while there is none.
    pub fn state(&self) -> &str {
        self.statuses.last().map_or("pending", |last| &last.state)
    }

    /// Whether GitHub shows it as *Active*.
    pub fn active(&self) -> bool {
        self.state() == "success"
    }
}

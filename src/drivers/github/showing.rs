//! What people see: comments, check runs and deployments. Each can be found again when the answer to its creation was
//! lost: a comment by a marker in its text, a check run by our name for it, a deployment by what we wrote into it.

use nestling_domain::{
    github::shown::{CheckRun, CheckState, DeploymentState, Outcome, Stage},
    ids::Commit,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{GitHub, GitHubError, Place, request::Asked};

/// A comment of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Its number.
    pub id: u64,
    /// Its text.
    pub body: String,
}

#[derive(Deserialize)]
struct CommentShown {
    id: u64,
    body: Option<String>,
    performed_via_github_app: Option<Numbered>,
}

#[derive(Deserialize)]
struct Numbered {
    id: u64,
}

#[derive(Deserialize)]
struct CheckRunsShown {
    check_runs: Vec<CheckRunShown>,
}

#[derive(Deserialize)]
struct CheckRunShown {
    id: u64,
    external_id: Option<String>,
    conclusion: Option<String>,
    app: Option<Numbered>,
}

/// A check run of ours that GitHub shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundCheckRun {
    /// Its number.
    pub id: u64,
    /// How it ended, once it has.
    pub ended: Option<Outcome>,
}

#[derive(Deserialize)]
struct DeploymentShown {
    id: u64,
    /// A text, or whatever JSON somebody else gave.
    payload: Value,
    performed_via_github_app: Option<Numbered>,
}

impl GitHub {
    /// The first comment of ours on a pull request that holds `marker`.
    pub async fn find_comment(
        &self,
        at: &Place,
        number: u32,
        marker: &str,
    ) -> Result<Option<Comment>, GitHubError> {
        let what = format!("the comments of pull request {number} of {at}");
        let route = at.path(&["issues", &number.to_string(), "comments"]);
        let pages: Vec<Vec<CommentShown>> = self.pages(at.who(), what, &route, "").await?;
        let ours = pages
            .into_iter()
            .flatten()
            .filter(|comment| self.made(comment.performed_via_github_app.as_ref()));
        let mut ours = ours.map(|comment| Comment {
            id: comment.id,
            body: comment.body.unwrap_or_default(),
        });
        Ok(ours.find(|comment| comment.body.contains(marker)))
    }

    /// Writes a comment on a pull request; its number.
    pub async fn create_comment(
        &self,
        at: &Place,
        number: u32,
        body: &str,
    ) -> Result<u64, GitHubError> {
        let what = format!("a comment on pull request {number} of {at}");
        let route = at.path(&["issues", &number.to_string(), "comments"]);
        self.create(at, Asked::create(what, route, json!({ "body": body })))
            .await
    }

    /// Puts a reaction of ours on a comment; one more of the same changes nothing. `content` is one of GitHub's words.
    pub async fn react(&self, at: &Place, comment: u64, content: &str) -> Result<(), GitHubError> {
        let what = format!("a reaction on comment {comment} of {at}");
        let route = at.path(&["issues", "comments", &comment.to_string(), "reactions"]);
        let asked = Asked::create(what, route, json!({ "content": content })).harmless();
        self.request(at.who(), &asked).await.map(drop)
    }

    /// Writes a comment anew; absent when a person deleted it.
    pub async fn change_comment(
        &self,
        at: &Place,
        comment: u64,
        body: &str,
    ) -> Result<(), GitHubError> {
        let what = format!("a change of comment {comment} of {at}");
        // PATCH, as GitHub documents it.
        let route = at.path(&["issues", "comments", &comment.to_string()]);
        let asked = Asked::set(what, route, json!({ "body": body }));
        self.request(at.who(), &asked).await.map(drop)
    }

    /// The check run of ours that bears this name on this commit.
    pub async fn find_check_run(
        &self,
        at: &Place,
        head: &Commit,
        external_id: &str,
    ) -> Result<Option<FoundCheckRun>, GitHubError> {
        let what = format!("the check runs of commit {} of {at}", head.short());
        let route = at.path(&["commits", head.as_str(), "check-runs"]);
        let pages: Vec<CheckRunsShown> = self.pages(at.who(), what, &route, "&filter=all").await?;
        let mut all = pages.into_iter().flat_map(|page| page.check_runs);
        let found = all.find(|run| {
            run.external_id.as_deref() == Some(external_id) && self.made(run.app.as_ref())
        });
        Ok(found.map(|run| FoundCheckRun {
            id: run.id,
            ended: run.conclusion.as_deref().and_then(Outcome::parse),
        }))
    }

    /// Makes a check run; its number.
    pub async fn create_check_run(&self, at: &Place, run: &CheckRun) -> Result<u64, GitHubError> {
        let what = format!("a check run on commit {} of {at}", run.head.short());
        let mut body = body_of(run);
        body["head_sha"] = json!(run.head);
        self.create(at, Asked::create(what, at.path(&["check-runs"]), body))
            .await
    }

    /// Makes a check run be so.
    pub async fn change_check_run(
        &self,
        at: &Place,
        id: u64,
        run: &CheckRun,
    ) -> Result<(), GitHubError> {
        let what = format!("a change of check run {id} of {at}");
        let asked = Asked::set(
            what,
            at.path(&["check-runs", &id.to_string()]),
            body_of(run),
        );
        self.request(at.who(), &asked).await.map(drop)
    }

    /// The deployment of ours on this commit into which `ours` was written.
    pub async fn find_deployment(
        &self,
        at: &Place,
        (commit, stage): (&Commit, &Stage),
        ours: &str,
    ) -> Result<Option<u64>, GitHubError> {
        let what = format!("the deployments of commit {} of {at}", commit.short());
        let route = at.path(&["deployments"]);
        let environment = super::paths::path(&[&stage.environment]);
        let query = format!("&sha={commit}&environment={}", &environment[1..]);
        let pages: Vec<Vec<DeploymentShown>> = self.pages(at.who(), what, &route, &query).await?;
        let mut all = pages.into_iter().flatten();
        let found = all.find(|one| {
            one.payload["nestling"] == ours && self.made(one.performed_via_github_app.as_ref())
        });
        Ok(found.map(|one| one.id))
    }

    /// Makes a deployment; its number. `ours` is written into it, to find it by.
    pub async fn create_deployment(
        &self,
        at: &Place,
        (commit, stage): (&Commit, &Stage),
        ours: &str,
    ) -> Result<u64, GitHubError> {
        let what = format!("a deployment of commit {} of {at}", commit.short());
        let body = json!({
            "ref": commit,
            "environment": stage.environment,
            "production_environment": stage.production,
            "transient_environment": !stage.production,
            // We deploy what is there, whatever other checks say, and merge nothing.
            "auto_merge": false,
            "required_contexts": [],
            "payload": { "nestling": ours },
        });
        self.create(at, Asked::create(what, at.path(&["deployments"]), body))
            .await
    }

    /// Says how a deployment is; one more of the same says nothing new.
    pub async fn tell_deployment(
        &self,
        at: &Place,
        deployment: u64,
        state: DeploymentState,
        (address, log): (Option<&str>, Option<&str>),
    ) -> Result<(), GitHubError> {
        let what = format!("a status of deployment {deployment} of {at}");
        let route = at.path(&["deployments", &deployment.to_string(), "statuses"]);
        let mut body = json!({ "state": state.name(), "auto_inactive": false });
        for (key, url) in [("environment_url", address), ("log_url", log)] {
            if let Some(url) = url {
                body[key] = json!(url);
            }
        }
        let asked = Asked::create(what, route, body).harmless();
        self.request(at.who(), &asked).await.map(drop)
    }

    async fn create(&self, at: &Place, asked: Asked) -> Result<u64, GitHubError> {
        let made: Numbered = self.ask(at.who(), &asked).await?;
        Ok(made.id)
    }

    /// Whether something was made by our App.
    fn made(&self, by: Option<&Numbered>) -> bool {
        let me = self.me.get().map(|me| me.app);
        by.is_some_and(|by| Some(by.id) == me)
    }
}

fn body_of(run: &CheckRun) -> Value {
    let buttons = run.buttons.iter().map(|button| {
        json!({
            "label": button.label,
            "description": button.description,
            "identifier": button.identifier,
        })
    });
    let mut body = json!({
        "name": run.name,
        "external_id": run.external_id,
        "output": { "title": run.title, "summary": run.summary },
        "actions": buttons.collect::<Vec<_>>(),
    });
    // A conclusion ends it: GitHub sets the status to completed by itrun.
    match run.state {
        CheckState::Queued => body["status"] = json!("queued"),
        CheckState::InProgress => body["status"] = json!("in_progress"),
        CheckState::Completed(outcome) => {
            body["status"] = json!("completed");
            body["conclusion"] = json!(outcome.name());
        }
    }
    if let Some(url) = &run.details_url {
        body["details_url"] = json!(url);
    }
    body
}

//! Deployments and their statuses.

use serde_json::{Value, json};

use super::{
    Asking,
    contents::{broken, no_commit},
    text,
};
use crate::github::{
    state::{Access, Deployment, DeploymentStatus},
    wire::{Answer, Answered, page},
};

const READ: Access = Access::read(&["deployments"]);
const WRITE: Access = Access::write(&["deployments"]);
/// Characters of a description.
const DESCRIPTION: usize = 140;
const STATES: [&str; 7] = [
    "error",
    "failure",
    "inactive",
    "in_progress",
    "queued",
    "pending",
    "success",
];

impl Asking<'_> {
    pub(super) fn deployments(&self, id: u64) -> Answered {
        self.admit(id, READ)?;
        let repository = self.at(id)?;
        let asked = |name: &str, value: &str| {
            self.request
                .parameter(name)
                .is_none_or(|wanted| wanted == "none" || wanted == value)
        };
        let fits = |one: &&Deployment| {
            asked("sha", &one.sha)
                && asked("ref", &one.reference)
                && asked("task", &one.task)
                && asked("environment", &one.environment)
        };
        let newest_first = repository.deployments.values().rev().filter(fits);
        let shown = newest_first.map(|one| self.state.show_deployment(repository, one));
        Ok(page(self.request, &self.state.base, shown.collect()).answer())
    }

    pub(super) fn deployment(&self, id: u64, one: u64) -> Answered {
        self.admit(id, READ)?;
        let repository = self.at(id)?;
        let found = repository
            .deployments
            .get(&one)
            .ok_or_else(Answer::not_found)?;
        Ok(Answer::ok(self.state.show_deployment(repository, found)))
    }

    pub(super) fn create_deployment(&mut self, id: u64) -> Answered {
        self.admit(id, WRITE)?;
        let creator = self.author()?;
        let body = self.request.json()?;
        let missing = || Answer::invalid("Deployment", "ref", "missing_field", "");
        let reference = text(&body, "ref").ok_or_else(missing)?.to_owned();
        let sha = self
            .state
            .git(id)
            .meant(&reference)
            .ok_or_else(|| no_commit(&reference))?;
        self.passes(id, &body, &reference, &sha)?;
        self.may_write()?;
        let said = |field: &str, or: &str| text(&body, field).unwrap_or(or).to_owned();
        let flag = |field: &str| body.get(field).and_then(Value::as_bool);
        let environment = said("environment", "production");
        let deployment = Deployment {
            id: self.state.next_id(),
            sha,
            reference,
            task: said("task", "deploy"),
            transient: flag("transient_environment").unwrap_or(false),
            production: flag("production_environment").unwrap_or(environment == "production"),
            environment,
            description: text(&body, "description").map(str::to_owned),
            payload: body.get("payload").cloned().unwrap_or_else(|| json!({})),
            creator,
            statuses: Vec::new(),
            created_at: self.state.now(),
        };
        let one = deployment.id;
        self.at_mut(id)?.deployments.insert(one, deployment);
        self.wrote(id, "deployment created", one);
        let mut answer = self.deployment(id, one)?;
        answer.status = 201;
        Ok(answer)
    }

    pub(super) fn deployment_statuses(&self, id: u64, one: u64) -> Answered {
        self.admit(id, READ)?;
        let repository = self.at(id)?;
        let found = repository
            .deployments
            .get(&one)
            .ok_or_else(Answer::not_found)?;
        let newest_first = found.statuses.iter().rev();
        let shown =
            newest_first.map(|status| self.state.show_deployment_status(repository, found, status));
        Ok(page(self.request, &self.state.base, shown.collect()).answer())
    }

    pub(super) fn create_deployment_status(&mut self, id: u64, one: u64) -> Answered {
        self.admit(id, WRITE)?;
        let creator = self.author()?;
        let body = self.request.json()?;
        if !self.at(id)?.deployments.contains_key(&one) {
            return Err(Answer::not_found());
        }
        let wrong =
            |field, words: &str| Answer::invalid("DeploymentStatus", field, "invalid", words);
        let state = text(&body, "state").unwrap_or_default().to_owned();
        if !STATES.contains(&state.as_str()) {
            return Err(wrong("state", "is not a state of a deployment"));
        }
        let said = |field: &str| text(&body, field).unwrap_or_default().to_owned();
        let description = said("description");
        if description.chars().count() > DESCRIPTION {
            return Err(wrong(
                "description",
                "description is too long (maximum is 140 characters)",
            ));
        }
        for field in ["environment_url", "log_url"] {
            let url = said(field);
            if !url.is_empty() && !url.starts_with("http://") && !url.starts_with("https://") {
                return Err(wrong(field, &format!("{field} must use http(s) scheme")));
            }
        }
        self.may_write()?;
        let status = DeploymentStatus {
            id: self.state.next_id(),
            state: state.clone(),
            description,
            environment_url: said("environment_url"),
            log_url: said("log_url"),
            creator,
            created_at: self.state.now(),
        };
        let number = status.id;
        let auto_inactive = body
            .get("auto_inactive")
            .and_then(Value::as_bool)
            .unwrap_or(true);
        if state == "success" && auto_inactive {
            self.retire_others(id, one, &status)?;
        }
        let deployment = self.at_mut(id)?.deployments.get_mut(&one);
        deployment
            .ok_or_else(Answer::not_found)?
            .statuses
            .push(status);
        self.wrote(id, "deployment status created", number);
        let repository = self.at(id)?;
        let found = repository
            .deployments
            .get(&one)
            .ok_or_else(Answer::not_found)?;
        let status = found.statuses.last().ok_or_else(Answer::not_found)?;
        Ok(Answer::created(
            self.state.show_deployment_status(repository, found, status),
        ))
    }

    /// GitHub deploys nothing that is behind the default branch or has failed checks, unless it is told to.
    fn passes(&self, id: u64, body: &Value, reference: &str, sha: &str) -> Result<(), Answer> {
        let repository = self.at(id)?;
        let git = self.state.git(id);
        let merges = body
            .get("auto_merge")
            .and_then(Value::as_bool)
            .unwrap_or(true);
        let main = &repository.default_branch;
        let is_branch = git.branch(reference).is_some();
        if merges && is_branch {
            let tip = git.branch(main).ok_or_else(|| no_commit(main))?;
            if !git.is_ancestor(&tip, sha) {
                let message = format!("Auto-merged {main} into {reference} on deployment.");
                let merged = git
                    .merge(sha, &tip, "web-flow", self.state.now(), &message)
                    .map_err(broken)?;
                git.set(&format!("refs/heads/{reference}"), &merged)
                    .map_err(broken)?;
                return Err(Answer::json(202, json!({ "message": message })));
            }
        }
        let contexts = body.get("required_contexts").and_then(Value::as_array);
        let needed = |name: &str| match contexts {
            None => true,
            Some(names) => names.iter().any(|wanted| wanted == name),
        };
        let runs = repository
            .check_runs
            .values()
            .filter(|run| run.head_sha == sha);
        let failing = runs.filter(|run| needed(&run.name)).any(|run| {
            let conclusion = run.conclusion.as_deref();
            !matches!(conclusion, Some("success" | "neutral" | "skipped"))
        });
        if failing {
            let words = format!("Conflict: Commit status checks failed for {reference}.");
            return Err(Answer::error(409, &words));
        }
        Ok(())
    }

    /// A success ends the earlier ones of its environment, but for transient ones and production.
    fn retire_others(&mut self, id: u64, one: u64, by: &DeploymentStatus) -> Result<(), Answer> {
        let environment = self
            .at(id)?
            .deployments
            .get(&one)
            .map(|one| one.environment.clone());
        let fresh = self.state.next_id();
        let others = self.at_mut(id)?.deployments.values_mut();
        let earlier = others.filter(|other| {
            other.id < one
                && Some(&other.environment) == environment.as_ref()
                && other.active()
                && !other.transient
                && !other.production
        });
        for (n, other) in (0..).zip(earlier) {
            other.statuses.push(DeploymentStatus {
                id: fresh + n,
                state: "inactive".into(),
                description: String::new(),
                ..by.clone()
            });
        }
        Ok(())
    }
}

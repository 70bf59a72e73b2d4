//! Deployments and their statuses.

use serde_json::{Value, json};

use super::node;
use crate::github::{
    clock::iso,
    state::{Deployment, DeploymentStatus, Repository, State},
};

impl State {
    pub(crate) fn show_deployment(
        &self,
        repository: &Repository,
        deployment: &Deployment,
    ) -> Value {
        let api = self.api_url(repository);
        let url = format!("{api}/deployments/{}", deployment.id);
        let last = deployment.statuses.last();
        json!({
            "id": deployment.id,
            "node_id": node("DE_", deployment.id),
            "url": url,
            "sha": deployment.sha,
            "ref": deployment.reference,
            "task": deployment.task,
            "payload": deployment.payload,
            "original_environment": deployment.environment,
            "environment": deployment.environment,
            "transient_environment": deployment.transient,
            "production_environment": deployment.production,
            "description": deployment.description,
            "creator": self.show_author(&deployment.creator),
            "created_at": iso(deployment.created_at),
            "updated_at": iso(last.map_or(deployment.created_at, |last| last.created_at)),
            "statuses_url": format!("{url}/statuses"),
            "repository_url": api,
            "performed_via_github_app": self.show_through(&deployment.creator),
        })
    }

    pub(crate) fn show_deployment_status(
        &self,
        repository: &Repository,
        deployment: &Deployment,
        status: &DeploymentStatus,
    ) -> Value {
        let api = self.api_url(repository);
        let url = format!("{api}/deployments/{}", deployment.id);
        json!({
            "id": status.id,
            "node_id": node("DES_", status.id),
            "url": format!("{url}/statuses/{}", status.id),
            "state": status.state,
            "description": status.description,
            "environment": deployment.environment,
            "environment_url": status.environment_url,
            "log_url": status.log_url,
            "target_url": status.log_url,
            "creator": self.show_author(&status.creator),
            "created_at": iso(status.created_at),
            "updated_at": iso(status.created_at),
            "deployment_url": url,
            "repository_url": api,
            "performed_via_github_app": self.show_through(&status.creator),
        })
    }
}

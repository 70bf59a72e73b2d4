//! Deployments as GitHub lists them: one per generation, in two environments per app.

use super::{DeploymentState, Stage};
use crate::{
    announcement::Site,
    deployment::{Deployment, Phase},
    environment::Environment,
    ids::{Commit, Generation, Kind},
};

/// One of our deployments, as GitHub shall show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    /// Our name for it, of environment and generation: written into it, to find it by.
    pub ours: String,
    /// What it runs.
    pub commit: Commit,
    /// Where GitHub lists it.
    pub stage: Stage,
    /// How it is.
    pub state: DeploymentState,
    /// Where it answers, while it does.
    pub address: Option<String>,
    /// Where its log is.
    pub log: Option<String>,
}

/// The deployments that the record names. Any other of this environment is gone.
pub(super) fn deployments(environment: &Environment, site: &Site<'_>) -> Vec<Deployed> {
    let life = &environment.lifecycle;
    let show = |generation: Generation, commit: &Commit, state| Deployed {
        ours: format!("{}/{generation}", environment.id),
        commit: commit.clone(),
        stage: stage(environment),
        state,
        address: (state == DeploymentState::Success).then(|| site.preview(environment)),
        log: Some(format!("{}/logs", site.reading(environment))),
    };
    let live = |deployment: &Deployment| {
        let state = match deployment.phase {
            Phase::Queued => DeploymentState::Queued,
            Phase::Serving => DeploymentState::Success,
            Phase::Launching
            | Phase::Booting
            | Phase::Cloning
            | Phase::SettingUp
            | Phase::Testing
            | Phase::Prepared
            | Phase::Starting
            | Phase::Probing => DeploymentState::InProgress,
        };
        show(deployment.generation, &deployment.commit.id, state)
    };
    let failed = life.failure().map(|failed| {
        let state = DeploymentState::Failure;
        show(failed.generation, &failed.commit.id, state)
    });
    let named = [life.serving(), life.next()].into_iter().flatten();
    failed.into_iter().chain(named.map(live)).collect()
}

/// Two names per app, fixed: whoever lists the deployments of a repository finds each app's previews in one place.
fn stage(environment: &Environment) -> Stage {
    let production = environment.kind == Kind::Production;
    let kind = environment.kind.class().name();
    Stage {
        environment: format!("{} {kind}", environment.slug),
        production,
    }
}

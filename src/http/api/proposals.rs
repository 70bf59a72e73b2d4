//! Proposals: which apps the default branch of a repository holds, for people to confirm.
//!
//! Looking reads the repository, which may cost a fetch: it is done when somebody asks, and by nobody else.

use std::time::Duration;

use actix_web::{get, web};
use nestling_domain::{
    app::Repository,
    discovery::{FoundApp, NotTaken},
    ids::AppId,
    label::Slug,
};
use tokio::time::timeout;

use super::{
    find, show,
    views::{NotTakenView, ProposalView, ProposalsView},
};
use crate::{
    http::{Services, problem::Problem},
    messages::forge::FindApps,
};

/// The longest that somebody waits for a look: a first fetch of a large repository takes longer. It goes on, and the next look
/// finds what it brought.
const PATIENCE: Duration = Duration::from_mins(1);

/// The apps that the default branch of a repository holds, those that are added and those that are not. `POST /v1/apps` adds
/// one. The repository is read for each request.
#[utoipa::path(tag = "apps", responses(
    (status = 200, body = ProposalsView),
    (status = 404, body = Problem, description = "no such repository"),
    (status = 409, body = Problem, description = "the repository cannot be read, and why"),
    (status = 503, body = Problem, description = "it cannot be read now, and why"),
))]
#[get("/v1/repositories/{owner}/{name}/proposals")]
pub(super) async fn list(
    services: web::Data<Services>,
    path: web::Path<(String, String)>,
) -> Result<web::Json<ProposalsView>, Problem> {
    let (owner, name) = path.into_inner();
    let repository = find::repository(&services, &format!("{owner}/{name}")).await?;
    Ok(web::Json(look(&services, &repository).await?))
}

/// Reads which apps a repository holds now.
pub(crate) async fn look(
    services: &Services,
    repository: &Repository,
) -> Result<ProposalsView, Problem> {
    let find = FindApps {
        repository: repository.id,
    };
    let named = format!("{}/{}", repository.owner, repository.name);
    let looked = timeout(PATIENCE, services.forge.find_apps.send(find)).await;
    let found = looked.map_err(|_| {
        Problem::unavailable(format!(
            "{named} was not read within {} s: that goes on, ask again in a while",
            PATIENCE.as_secs()
        ))
    })???;
    let mut apps = Vec::new();
    for one in &found.discovery.apps {
        apps.push(proposal(services, repository, one).await?);
    }
    // Why there is none at all is said of each file; of others only what somebody meant to be an app.
    let none = apps.is_empty();
    let not_taken = found.discovery.not_taken.iter();
    let told = |one: &&NotTaken| none || one.meant;
    Ok(ProposalsView {
        repository: named,
        place: found.place.clone(),
        commit: found.commit.to_string(),
        not_taken: not_taken
            .filter(told)
            .map(|one| NotTakenView {
                path: one.path.clone(),
                reason: one.reason.clone(),
            })
            .collect(),
        apps,
    })
}

async fn proposal(
    services: &Services,
    repository: &Repository,
    found: &FoundApp,
) -> Result<ProposalView, Problem> {
    let id = AppId::derive(repository.id, &found.root);
    let app = services.store.app(&id).await?;
    let removed = match &app {
        Some(_) => false,
        None => services.store.removed_app(&id).await?.is_some(),
    };
    Ok(ProposalView {
        root: found.root.clone(),
        kind: show::kind(found.kind).to_owned(),
        called: Slug::of(&found.name).to_string(),
        app: app.map(|app| format!("{}/{}", app.owner, app.slug)),
        removed,
    })
}

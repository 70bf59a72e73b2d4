//! Apps. In local mode they are found in the trees of the watched repositories; people remove them, bring them back and
//! describe them.

use actix_web::{HttpResponse, delete, get, http::header, patch, post, web};
use nestling_domain::app::{self, App};

use super::{
    BY,
    find::{self, Paging},
    show,
    views::{AppChange, AppRemovedView, AppView, AppsPage, NewApp},
};
use crate::{
    http::{Services, problem::Problem},
    messages::apps::{Describe, Record, Remove},
};

/// The longest folder that may be asked for; git itself has longer ones, and no app lies so deep.
const LONGEST_ROOT: usize = 1024;

type Named = web::Path<(String, String)>;
type Members = serde_json::Map<String, serde_json::Value>;

/// The apps of this server.
#[utoipa::path(tag = "apps", params(Paging), responses((status = 200, body = AppsPage), (status = 400, body = Problem)))]
#[get("/v1/apps")]
pub(super) async fn list(
    services: web::Data<Services>,
    paging: web::Query<Paging>,
) -> Result<web::Json<AppsPage>, Problem> {
    let name = |app: &App| format!("{}/{}", app.owner, app.slug);
    let (page, next) = paging.cut(services.store.apps().await?, name)?;
    let repositories = services.store.repositories().await?;
    let apps = page.iter().map(|app| {
        let repository = repositories.iter().find(|known| known.id == app.repository);
        show::app(app, repository, &services.addresses)
    });
    let removed = services.store.removed_apps().await?;
    let removed = removed.iter().map(|one| show::removed(one, &repositories));
    Ok(web::Json(AppsPage {
        apps: apps.collect(),
        removed: removed.collect(),
        next,
    }))
}

/// Bring back an app that was removed, or record the one in a folder of the default branch: production and every open
/// pull request of it start. One that is there already is answered as it is.
#[utoipa::path(tag = "apps", request_body = NewApp, responses(
    (status = 201, body = AppView, headers(("Location" = String, description = "where the app is")), description = "it is there from now on"),
    (status = 200, body = AppView, description = "it was there already"),
    (status = 404, body = Problem, description = "no such repository; names those there are"),
    (status = 422, body = Problem, description = "no app is in that folder, and why"),
    (status = 503, body = Problem, description = "the repository cannot be read now"),
))]
#[post("/v1/apps")]
pub(super) async fn create(
    services: web::Data<Services>,
    wanted: web::Json<NewApp>,
) -> Result<HttpResponse, Problem> {
    let NewApp { repository, root } = wanted.into_inner();
    let repository = find::repository(&services, &repository).await?;
    let record = Record {
        repository: repository.id,
        root: folder(&root)?,
    };
    let recorded = services.apps.record.send(record).await??;
    let view = show::app(&recorded.app, Some(&repository), &services.addresses);
    if !recorded.is_new {
        return Ok(HttpResponse::Ok().json(view));
    }
    let place = format!("/v1/apps/{}/{}", view.owner, view.app);
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, place))
        .json(view))
}

/// A folder as records have it, from what people write: `./notes/` is `notes`.
pub(crate) fn folder(root: &str) -> Result<String, Problem> {
    if root.len() > LONGEST_ROOT || root.contains(char::is_control) {
        return Err(Problem::unfit(format!(
            "root must be a folder of the repository: at most {LONGEST_ROOT} bytes, without control characters"
        )));
    }
    let parts = root.split('/').filter(|part| !matches!(*part, "" | "."));
    Ok(parts.collect::<Vec<_>>().join("/"))
}

/// One app.
#[utoipa::path(tag = "apps", responses((status = 200, body = AppView), (status = 404, body = Problem)))]
#[get("/v1/apps/{owner}/{app}")]
pub(super) async fn get(
    services: web::Data<Services>,
    path: Named,
) -> Result<web::Json<AppView>, Problem> {
    let (owner, slug) = path.into_inner();
    let app = find::app(&services, &owner, &slug).await?;
    view(&services, &app).await
}

/// Change what people say about an app. Everything else about it comes from its repository.
#[utoipa::path(tag = "apps", request_body = AppChange, responses((status = 200, body = AppView), (status = 404, body = Problem), (status = 422, body = Problem)))]
#[patch("/v1/apps/{owner}/{app}")]
pub(super) async fn change(
    services: web::Data<Services>,
    path: Named,
    said: web::Json<Members>,
) -> Result<web::Json<AppView>, Problem> {
    let (owner, slug) = path.into_inner();
    let known = find::app(&services, &owner, &slug).await?;
    let describe = Describe {
        app: known.id,
        description: described(&said)?,
    };
    let app = services.apps.describe.send(describe).await??;
    view(&services, &app).await
}

/// The new description of a change, which may hold nothing else.
fn described(said: &Members) -> Result<String, Problem> {
    if let Some(other) = said.keys().find(|member| *member != "description") {
        let shown: String = other.chars().take(80).collect();
        return Err(Problem::unfit(match other.as_str() {
            "health" => "health cannot be changed here: it is read from nestling.toml in the app's folder, on the default branch".to_owned(),
            "kind" | "root" | "repository" | "name" | "owner" | "app" | "url" => format!(
                "{shown} cannot be changed: it follows from the repository. Only description can be"
            ),
            _ => format!("{shown:?} is not known of an app: only description can be changed"),
        }));
    }
    let text = said.get("description").and_then(|text| text.as_str());
    let text = text.ok_or_else(|| {
        Problem::unfit("description is missing: send {\"description\": \"…\"}, a text")
    })?;
    app::description(text).map_err(|error| Problem::unfit(error.to_string()))
}

/// Remove an app, without asking back. Its environments close: machines, state folders and addresses go, and its secrets
/// and variables are deleted at once. It stays removed, whatever its repository holds, until `POST /v1/apps` brings it
/// back; its history and its logs are kept for their time and are there again then. Its name is kept for 30 days.
#[utoipa::path(tag = "apps", responses((status = 200, body = AppRemovedView), (status = 404, body = Problem, description = "there is no such app, or it is removed already")))]
#[delete("/v1/apps/{owner}/{app}")]
pub(super) async fn remove(
    services: web::Data<Services>,
    path: Named,
) -> Result<web::Json<AppRemovedView>, Problem> {
    let (owner, slug) = path.into_inner();
    let app = find::app(&services, &owner, &slug).await?;
    let order = Remove {
        app: app.id,
        by: BY.to_owned(),
    };
    let removal = services.apps.remove.send(order).await??;
    Ok(web::Json(AppRemovedView {
        name: format!("{owner}/{slug}"),
        decision: format!(
            "{owner}/{slug} is removed: its environments close, and its secrets and variables are deleted. Its history and logs are kept for their time, and its name for 30 days, for whoever brings it back"
        ),
        closing: removal.closing,
    }))
}

async fn view(services: &Services, app: &App) -> Result<web::Json<AppView>, Problem> {
    let repository = services.store.repository(app.repository).await?;
    let view = show::app(app, repository.as_ref(), &services.addresses);
    Ok(web::Json(view))
}

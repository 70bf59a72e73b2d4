//! Apps. In local mode they are found in the trees of the watched repositories.

use actix_web::{get, web};

use super::{
    find::{self, Paging},
    show,
    views::{AppView, AppsPage},
};
use crate::http::{Services, problem::Problem};

/// The apps of this server.
#[utoipa::path(tag = "apps", params(Paging), responses((status = 200, body = AppsPage), (status = 400, body = Problem)))]
#[get("/v1/apps")]
pub(super) async fn list(
    services: web::Data<Services>,
    paging: web::Query<Paging>,
) -> Result<web::Json<AppsPage>, Problem> {
    let name = |app: &nestling_domain::app::App| format!("{}/{}", app.owner, app.slug);
    let (page, next) = paging.cut(services.store.apps().await?, name)?;
    let repositories = services.store.repositories().await?;
    let apps = page.iter().map(|app| {
        let repository = repositories.iter().find(|known| known.id == app.repository);
        show::app(app, repository, &services.addresses)
    });
    Ok(web::Json(AppsPage {
        apps: apps.collect(),
        next,
    }))
}

/// One app.
#[utoipa::path(tag = "apps", responses((status = 200, body = AppView), (status = 404, body = Problem)))]
#[get("/v1/apps/{owner}/{app}")]
pub(super) async fn get(
    services: web::Data<Services>,
    path: web::Path<(String, String)>,
) -> Result<web::Json<AppView>, Problem> {
    let (owner, slug) = path.into_inner();
    let app = find::app(&services, &owner, &slug).await?;
    let repository = services.store.repository(app.repository).await?;
    Ok(web::Json(show::app(
        &app,
        repository.as_ref(),
        &services.addresses,
    )))
}

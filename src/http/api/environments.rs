//! Environments, and the open pull requests that wait to become one.

use actix_web::{HttpRequest, HttpResponse, get, http::header, web};
use nestling_domain::{environment::Environment, record::PullRequestStatus};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    find::{self, Paging},
    show,
    views::{EnvironmentView, EnvironmentsPage},
};
use crate::http::{Services, problem::Problem};

/// Which environments.
#[derive(Debug, Deserialize, IntoParams)]
pub(super) struct Wanted {
    /// Also those whose pull request is closed.
    #[serde(default)]
    closed: bool,
}

/// The environments of an app, and its pull requests that wait.
#[utoipa::path(tag = "environments", params(Paging, Wanted), responses((status = 200, body = EnvironmentsPage), (status = 404, body = Problem)))]
#[get("/v1/apps/{owner}/{app}/environments")]
pub(super) async fn list(
    services: web::Data<Services>,
    path: web::Path<(String, String)>,
    paging: web::Query<Paging>,
    wanted: web::Query<Wanted>,
) -> Result<web::Json<EnvironmentsPage>, Problem> {
    let (owner, slug) = path.into_inner();
    let app = find::app(&services, &owner, &slug).await?;
    let mut records = services.store.environments_of_app(&app.id).await?;
    records.retain(|record| wanted.closed || !record.lifecycle.is_closed());
    let (page, next) = paging.cut(records, |record| record.kind.name())?;
    let waiting = services
        .store
        .pull_requests(app.repository)
        .await?
        .into_iter()
        .filter(|pull_request| pull_request.status == PullRequestStatus::Waiting)
        .map(|pull_request| show::waiting(&pull_request, &app));
    let queue = find::queue(&services, &page).await?;
    let view = |record| {
        let record: &Environment = record;
        show::environment(record, queue.ahead(&record.id), &services.addresses)
    };
    Ok(web::Json(EnvironmentsPage {
        environments: page.iter().map(view).collect(),
        waiting: waiting.collect(),
        next,
    }))
}

/// One environment. Its `ETag` is the version of its record, and its place in the queue.
#[utoipa::path(tag = "environments", responses((status = 200, body = EnvironmentView), (status = 304, description = "as `If-None-Match` has it"), (status = 404, body = Problem)))]
#[get("/v1/apps/{owner}/{app}/environments/{environment}")]
pub(super) async fn get(
    request: HttpRequest,
    services: web::Data<Services>,
    path: web::Path<(String, String, String)>,
) -> Result<HttpResponse, Problem> {
    let (owner, slug, name) = path.into_inner();
    let record = find::environment(&services, &owner, &slug, &name).await?;
    let queue = find::queue(&services, [&record]).await?;
    let ahead = queue.ahead(&record.id);
    let place = ahead.map_or_else(String::new, |ahead| format!("-{ahead}"));
    let tag = format!("\"{}{place}\"", record.version.0);
    let known = request
        .headers()
        .get(header::IF_NONE_MATCH)
        .and_then(|known| known.to_str().ok())
        .is_some_and(|known| known.split(',').any(|known| known.trim() == tag));
    let mut response = if known {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    response
        .insert_header((header::ETAG, tag))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"));
    Ok(if known {
        response.finish()
    } else {
        response.json(show::environment(&record, ahead, &services.addresses))
    })
}

//! Environments, and the open pull requests that wait to become one.

use actix_web::{HttpRequest, HttpResponse, get, http::header, post, web};
use nestling_domain::{
    app::App,
    environment::Environment,
    ids::{EnvironmentId, Kind},
    lifecycle::{Command, Event, Found, State},
    record::PullRequestStatus,
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    BY,
    find::{self, Paging},
    orders, show,
    views::{EnvironmentView, EnvironmentsPage, NewPreview, OrderedView},
};
use crate::{
    http::{Services, problem::Problem},
    messages::{environment::Apply, forge::Head},
};

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

/// Deploy a preview of an open pull request, although the limit is reached or policy makes none: as `/preview` on GitHub,
/// also for the other apps of the repository. Trust is another matter: the commit of an outsider waits for its approval,
/// and the answer says so. Asked again, nothing more happens.
#[utoipa::path(tag = "environments", request_body = NewPreview, responses(
    (status = 202, body = OrderedView, description = "it is on its way, or waits, and why"),
    (status = 200, body = OrderedView, description = "it was there already"),
    (status = 404, body = Problem, description = "there is no such app"),
    (status = 409, body = Problem, description = "there is no such pull request, or it is closed"),
    (status = 422, body = Problem),
    (status = 503, body = Problem, description = "the forge does not answer now"),
))]
#[post("/v1/apps/{owner}/{app}/environments")]
pub(super) async fn create(
    services: web::Data<Services>,
    path: web::Path<(String, String)>,
    wanted: web::Json<NewPreview>,
) -> Result<HttpResponse, Problem> {
    let (owner, slug) = path.into_inner();
    let app = find::app(&services, &owner, &slug).await?;
    let number = wanted.pull_request;
    if number == 0 {
        return Err(Problem::unfit(
            "pull_request must be the number of a pull request: they count from 1",
        ));
    }
    let kind = Kind::Preview(number);
    orders::release(&services, &app, kind).await?;
    let known = wake(&services, &app, kind).await?;
    let head = Head {
        repository: app.repository,
        app: app.id.clone(),
        kind,
        branch: String::new(),
        question: None,
    };
    // What is said here, its environment finds out itself: the forge may as well not answer just now.
    let (decision, is_there) = match services.forge.head.send(head).await? {
        Ok(Found::Closed) => {
            let why = format!("pull request {number} is closed: open it again");
            return Err(Problem::conflict(why));
        }
        Ok(Found::Waiting(waits)) => (format!("it waits: {}", waits.reason), false),
        Ok(Found::Open(head) | Found::Offered(head)) => {
            let short = head.id.short();
            let serves = |known: &Environment| {
                let serving = known.lifecycle.serving();
                serving.is_some_and(|serving| serving.commit.id == head.id)
            };
            if known.as_ref().is_some_and(serves) {
                (format!("it is there already, with commit {short}"), true)
            } else {
                (format!("it is on its way, with commit {short}"), false)
            }
        }
        Err(_) => ("it is on its way".to_owned(), false),
    };
    // It is ordered, whether or not anybody can say how many go before it.
    let queue = find::queue(&services, &known).await.unwrap_or_default();
    let mut answer = if is_there {
        HttpResponse::Ok()
    } else {
        HttpResponse::Accepted()
    };
    Ok(answer.json(OrderedView {
        decision,
        environment: known
            .map(|one| show::environment(&one, queue.ahead(&one.id), &services.addresses)),
    }))
}

/// The environment as it is recorded, unless it is closed; one that is stopped is started.
async fn wake(services: &Services, app: &App, kind: Kind) -> Result<Option<Environment>, Problem> {
    let id = EnvironmentId::derive(&app.id, kind);
    let known = services.store.environment(&id).await?;
    let known = known.filter(|known| !known.lifecycle.is_closed());
    let Some(State::Stopped { .. }) = known.as_ref().map(|known| &known.lifecycle.state) else {
        return Ok(known);
    };
    let start = Apply {
        event: Event::Command(Command::Start),
        by: BY.to_owned(),
        input: None,
        birth: None,
    };
    let started = services.environments.apply(id, start).await?;
    Ok(Some((*started.environment).clone()))
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

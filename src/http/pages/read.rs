//! What a sealed link opens (ADR 29): the logs and the tests of one environment, to be read.
//!
//! Each route asks for a [`Reader`], whom the guard makes of a right seal only; none of them orders, and nothing here is
//! reached by anybody else.

#[cfg(test)]
mod tests;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CACHE_CONTROL, HeaderName, HeaderValue, REFERRER_POLICY},
    web,
};
use nestling_domain::{announcement::READ, environment::Environment, ids::Generation};

use super::{
    Asked, ErrorView, NoPage, NoPageAnswer,
    environment::{logs_of, tests_of},
};
use crate::{
    drivers::clock,
    http::{
        Services,
        api::logs::{self as log_lines, Lines, Watcher},
        auth::Reader,
        dashboard::environment::{
            head::{Facts, Head},
            reading::{self, ReadingTab, ReadingView},
        },
        problem::Problem,
    },
    messages::logging::LogId,
};

/// Mounts what a sealed link opens.
pub(in crate::http) fn routes(config: &mut web::ServiceConfig) {
    let below = |rest: &str| format!("{READ}{{environment}}/{{seal}}/{rest}");
    config
        .route(&below("logs"), web::get().to(logs))
        .route(&below("tests"), web::get().to(tests))
        .route(
            &below("deployments/{generation}/logs/{log}"),
            web::get().to(lines),
        );
}

/// Whoever signed in and has a wrong link gets a page that says so.
type Who = Result<Reader, Problem>;

async fn logs(
    reader: Who,
    services: web::Data<Services>,
    asked: web::Query<Asked>,
) -> NoPageAnswer {
    let reader = reader?;
    let environment = environment(&services, &reader).await?;
    let view = logs_of(&services, &environment, &asked).await?;
    let tab = ReadingTab::Logs(Box::new(view));
    show(&services, (&reader, &environment), tab, &asked).await
}

async fn tests(
    reader: Who,
    services: web::Data<Services>,
    asked: web::Query<Asked>,
) -> NoPageAnswer {
    let reader = reader?;
    let environment = environment(&services, &reader).await?;
    let view = tests_of(&services, &environment, &asked).await?;
    let tab = ReadingTab::Tests(Box::new(view));
    show(&services, (&reader, &environment), tab, &asked).await
}

/// The lines that the page of logs follows, and has to download.
async fn lines(
    request: HttpRequest,
    reader: Reader,
    services: web::Data<Services>,
    path: web::Path<(String, String, u32, String)>,
    wanted: web::Query<Lines>,
) -> Result<HttpResponse, Problem> {
    let (_, _, generation, log) = path.into_inner();
    let id = LogId {
        environment: reader.environment,
        generation: Generation(generation),
        log: log_lines::parse(&log)?,
    };
    let known = services.store.deployment(&id.environment, id.generation);
    if known.await?.is_none() {
        return Err(Problem::not_found(format!(
            "there is no deployment {generation} of this environment, or it is too old to be kept"
        )));
    }
    let answer = log_lines::read(&request, services, Watcher::Reader, id, &wanted).await?;
    Ok(unshared(answer))
}

async fn environment(services: &Services, reader: &Reader) -> Result<Environment, NoPage> {
    let found = services.store.environment(&reader.environment).await?;
    found.ok_or_else(|| {
        NoPage(ErrorView::NotFound(
            "What this link leads to is removed.".to_owned(),
        ))
    })
}

/// The page without what is the operator's: troubles of the server, and what can be done about them.
async fn show(
    services: &Services,
    (reader, environment): (&Reader, &Environment),
    tab: ReadingTab,
    asked: &Asked,
) -> NoPageAnswer {
    let app = services.store.app(&environment.app).await?;
    let app = app.ok_or_else(|| {
        NoPage(ErrorView::NotFound(
            "The app that this link leads to is removed.".to_owned(),
        ))
    })?;
    let queue = super::facts::records(services).queue().await?;
    let facts = Facts {
        app: &app,
        environment,
        ahead: queue.ahead(&environment.id),
        paused: None,
        quarantined: None,
        troubles: &[],
        waits: false,
    };
    let head = Head::of(&facts, &services.addresses);
    let view = ReadingView::of(reader, clock::now(), head, tab);
    let answer = asked.choose(|| reading::page(&view), || reading::fragment(&view));
    Ok(unshared(answer))
}

/// No cache keeps it, no search finds it, and no page that is opened from it learns its address, which is the key to it.
fn unshared(mut answer: HttpResponse) -> HttpResponse {
    let headers = answer.headers_mut();
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}

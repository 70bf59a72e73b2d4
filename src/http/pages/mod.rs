//! The dashboard's routes: read what a page shows, and pass on what its forms order.

mod apps;
mod deliveries;
mod environment;
mod facts;
mod github_app;
mod orders;
pub(in crate::http) mod read;

use actix_web::{
    FromRequest, HttpRequest, HttpResponse,
    dev::Payload,
    http::{StatusCode, header},
    web,
};
use futures::future::LocalBoxFuture;
use maud::Markup;
use nestling_domain::ids::Timestamp;
use serde::Deserialize;

use super::{
    Services,
    auth::{Auth, Principal, for_programs},
    dashboard::{
        Notice, Visit, assets,
        error::{self, ErrorView},
        paths, sign_in as sign_in_page,
    },
    gateway::Grants,
    problem::Problem,
    unmatched,
};
use crate::drivers::clock;

/// Mounts the pages and their forms.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/assets/{name}", web::get().to(asset))
        .route("/sign-in", web::get().to(signing_in))
        .route("/console-login", web::get().to(console_login))
        .route("/", web::get().to(apps::apps))
        .route(paths::GITHUB_APP, web::get().to(github_app::shown))
        .route(paths::NEW_APP, web::post().to(github_app::propose))
        .route(paths::APP_CREATED, web::get().to(github_app::created))
        .route(paths::APP_INSTALLED, web::get().to(github_app::installed))
        .route(paths::DELIVERIES, web::get().to(deliveries::deliveries))
        .route(
            "/pull-requests/{repository}/{number}/start",
            web::post().to(orders::start_pull_request),
        )
        .route("/-/repositories/{id}/apps", web::get().to(apps::proposals))
        .route("/-/repositories/{id}/apps", web::post().to(orders::add_app))
        .configure(read::routes)
        .route("/{owner}", web::get().to(apps::owner))
        .route("/{owner}/{app}", web::get().to(apps::app))
        .route(
            "/{owner}/{app}/bring-back",
            web::post().to(orders::bring_back),
        )
        .route("/{owner}/{app}/settings", web::get().to(apps::settings))
        .route(
            "/{owner}/{app}/settings/description",
            web::post().to(orders::describe_app),
        )
        .route(
            "/{owner}/{app}/settings/remove",
            web::post().to(orders::remove_app),
        )
        .route(
            "/{owner}/{app}/settings/values",
            web::post().to(orders::put_value),
        )
        .route(
            "/{owner}/{app}/settings/values/delete",
            web::post().to(orders::delete_value),
        )
        .route(
            "/{owner}/{app}/{environment}",
            web::get().to(environment::overview),
        )
        .route(
            "/{owner}/{app}/{environment}/deployments",
            web::get().to(environment::deployments),
        )
        .route(
            "/{owner}/{app}/{environment}/deployments/{generation}",
            web::get().to(environment::deployment),
        )
        .route(
            "/{owner}/{app}/{environment}/logs",
            web::get().to(environment::logs),
        )
        .route(
            "/{owner}/{app}/{environment}/tests",
            web::get().to(environment::tests),
        )
        .route(
            "/{owner}/{app}/{environment}/settings",
            web::get().to(environment::settings),
        )
        .route(
            "/{owner}/{app}/{environment}/{order}",
            web::post().to(orders::order),
        )
        .default_service(web::to(nothing));
}

/// What a browser gets that is not signed in.
pub fn sign_in(request: &HttpRequest, why: &str) -> HttpResponse {
    if let Some(answer) = github_app::sent_once_more(request) {
        return answer;
    }
    page(StatusCode::UNAUTHORIZED, &sign_in_page::page(Some(why)))
}

/// What a browser gets that orders something of a server which waits, and why.
pub(super) fn waits(why: &str) -> HttpResponse {
    let view = ErrorView::Waits(why.to_owned());
    page(StatusCode::SERVICE_UNAVAILABLE, &error::page(&view))
}

/// What may be asked of any page.
#[derive(Debug, Default, Deserialize)]
struct Asked {
    /// Only the live parts, for the script.
    #[serde(default)]
    fragment: Option<String>,
    /// Where the page before this one ended.
    #[serde(default)]
    after: Option<String>,
    /// Words to search for.
    #[serde(default)]
    q: String,
    /// Which deployment's log.
    #[serde(default)]
    deployment: Option<u32>,
    /// Which log.
    #[serde(default)]
    log: Option<String>,
}

/// Who asks for a page, what for, and what answers.
struct Visitor {
    services: web::Data<Services>,
    auth: web::Data<Auth>,
    principal: Principal,
    asked: web::Query<Asked>,
}

impl FromRequest for Visitor {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let parts = <(_, _, _, _)>::from_request(request, payload);
        Box::pin(async move {
            let (services, auth, principal, asked) = parts.await?;
            Ok(Visitor {
                services,
                auth,
                principal,
                asked,
            })
        })
    }
}

impl Visitor {
    /// What every page shows around its subject.
    fn visit(&self, notice: Option<Notice>) -> Visit {
        Visit {
            now: clock::now(),
            csrf: self.auth.csrf(&self.principal),
            notice,
        }
    }
}

impl Asked {
    fn choose(
        &self,
        whole: impl FnOnce() -> Markup,
        live: impl FnOnce() -> Markup,
    ) -> HttpResponse {
        page(
            StatusCode::OK,
            &if self.fragment.is_some() {
                live()
            } else {
                whole()
            },
        )
    }
}

/// A page that could not be made; shown as one.
#[derive(Debug)]
pub(super) struct NoPage(ErrorView);

impl std::fmt::Display for NoPage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl actix_web::ResponseError for NoPage {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        page(self.status_code(), &error::page(&self.0))
    }
}

impl<E: Into<Problem>> From<E> for NoPage {
    fn from(error: E) -> Self {
        let problem: Problem = error.into();
        match problem.status {
            401 => NoPage(ErrorView::SignedOut),
            403 => NoPage(ErrorView::Forbidden(problem.detail)),
            404 => NoPage(ErrorView::NotFound(problem.detail)),
            503 => NoPage(ErrorView::Away(problem.detail)),
            _ => {
                let number = format!("{:x}", clock::now().0);
                tracing::error!("a page could not be made ({number}): {}", problem.detail);
                NoPage(ErrorView::Broken(number))
            }
        }
    }
}

fn page(status: StatusCode, markup: &Markup) -> HttpResponse {
    HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .insert_header((
            header::CONTENT_SECURITY_POLICY,
            assets::CONTENT_SECURITY_POLICY,
        ))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::REFERRER_POLICY, "same-origin"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header(("x-robots-tag", "noindex"))
        .body(markup.0.clone())
}

/// Sends the browser to a page of ours.
fn back_to(path: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, path))
        .finish()
}

async fn asset(name: web::Path<String>) -> HttpResponse {
    let Some(asset) = assets::find(&name) else {
        return HttpResponse::NotFound()
            .content_type("text/plain; charset=utf-8")
            .body("there is no such file in this release\n");
    };
    HttpResponse::Ok()
        .content_type(asset.content_type)
        .insert_header((header::CACHE_CONTROL, assets::CACHE_CONTROL))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(asset.content)
}

async fn signing_in() -> HttpResponse {
    page(StatusCode::OK, &sign_in_page::page(None))
}

async fn nothing(request: HttpRequest) -> NoPageAnswer {
    if for_programs(&request) {
        return Ok(unmatched::for_program(&request));
    }
    Err(NoPage(ErrorView::NotFound(
        "There is no such page.".to_owned(),
    )))
}

type NoPageAnswer = Result<HttpResponse, NoPage>;

#[derive(Debug, Deserialize)]
struct To {
    to: String,
}

/// Sends a signed-in browser back to the console that asked for our login, with a grant that is good there once.
async fn console_login(
    to: web::Query<To>,
    services: web::Data<Services>,
    grants: web::Data<Grants>,
    principal: Principal,
) -> NoPageAnswer {
    let foreign = || {
        NoPage(ErrorView::Forbidden(
            "That is not the address of a console on this server.".to_owned(),
        ))
    };
    let rest = to
        .to
        .strip_prefix(&format!("{}://", services.addresses.scheme))
        .ok_or_else(foreign)?;
    let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let label = authority
        .strip_suffix(&format!(".{}", services.addresses.preview_domain))
        .ok_or_else(foreign)?;
    let label = nestling_domain::label::Label::parse(label).ok_or_else(foreign)?;
    services.routes.get(&label).ok_or_else(foreign)?;
    let name = authority
        .split(':')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let now: Timestamp = clock::now();
    let grant = grants
        .grant(&name, &format!("{principal:?}"), now)
        .map_err(|error| Problem::internal(error.to_string()))?;
    let query = url_query(&[("grant", &grant), ("to", path)]);
    Ok(HttpResponse::SeeOther()
        .insert_header((
            header::LOCATION,
            format!(
                "{}://{authority}/.nestling/login?{query}",
                services.addresses.scheme
            ),
        ))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .finish())
}

fn url_query(fields: &[(&str, &str)]) -> String {
    use std::fmt::Write as _;
    let mut query = String::new();
    for (name, value) in fields {
        if !query.is_empty() {
            query.push('&');
        }
        query.push_str(name);
        query.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'/') {
                query.push(char::from(byte));
            } else {
                // Writing to a string cannot fail.
                let _ = write!(query, "%{byte:02X}");
            }
        }
    }
    query
}

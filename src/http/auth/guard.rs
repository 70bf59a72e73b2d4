//! The guard before every page and route.

use std::future::{Ready, ready};

use super::{
    Auth, COOKIE,
    origin::{self, From, Host},
    reader::{Reader, reader},
    sessions::{LONGEST, SessionKey},
};
use crate::{
    drivers::clock,
    http::{problem::Problem, webhook},
};
use actix_web::{
    Error, FromRequest, HttpMessage as _, HttpRequest, HttpResponse, ResponseError as _,
    body::{BoxBody, MessageBody},
    cookie::{Cookie, SameSite, time::Duration as CookieDuration},
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::{Method, header},
    middleware::Next,
    web,
};
use nestling_protocol::path;
use serde::Deserialize;

/// What is open to everybody: it has a door of its own (webhooks are signed, runners have tokens and tickets)
/// or tells nothing (health).
const OPEN: [&str; 9] = [
    webhook::PATH,
    "/healthz",
    "/readyz",
    path::BUNDLE,
    path::SOURCE,
    path::REPORT,
    path::HEARTBEAT,
    path::LOGS,
    path::UPLOAD,
];
/// Below these everything is open: what a runner's ticket opens, and assets, which are the same for everybody.
/// Not deeper than that: `/assets/shop/settings` is a page of somebody who is called so.
const BLOBS: &str = "/runner/v1/blobs/";
const ASSETS: &str = "/assets/";
/// Where programs go: refusals there are problems, elsewhere pages.
const PROGRAMS: [&str; 6] = [
    "/v1/",
    "/admin/v1/",
    "/metrics",
    "/runner/v1/",
    "/healthz",
    "/readyz",
];
/// The query parameter of the printed link.
const TOKEN: &str = "token";
/// Where a session ends.
const SIGN_OUT: &str = "/sign-out";

/// Who asks. In every request's extensions behind the guard; an extractor, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// A program with the operator's token.
    Token,
    /// A browser with a session.
    Session(SessionKey),
}

impl FromRequest for Principal {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let principal = request.extensions().get::<Principal>().cloned();
        ready(principal.ok_or_else(|| Problem::unauthorised("sign in first")))
    }
}

/// Lets a request pass when it comes from the operator, or reads by a sealed link; use with `actix_web::middleware::from_fn`.
pub async fn guard(
    auth: web::Data<Auth>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if is_open(request.path()) {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let outcome = judge(&auth, request.request());
    match outcome {
        Outcome::Pass(principal) => {
            request.extensions_mut().insert(principal);
            Ok(next.call(request).await?.map_into_boxed_body())
        }
        Outcome::Read(reader) => {
            request.extensions_mut().insert(reader);
            Ok(next.call(request).await?.map_into_boxed_body())
        }
        Outcome::Answer(response) => Ok(request.into_response(response).map_into_boxed_body()),
    }
}

enum Outcome {
    Pass(Principal),
    Read(Reader),
    Answer(HttpResponse),
}

fn judge(auth: &Auth, request: &HttpRequest) -> Outcome {
    let said = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    let host = origin::host(said, &auth.addresses);
    if host == Host::Foreign {
        return refuse(&Problem::forbidden(format!(
            "this server answers at {} and at loopback names only",
            auth.addresses.dashboard
        )));
    }
    if let Some(reader) = reader(&*auth.seal, request) {
        return Outcome::Read(reader);
    }
    let matters = origin::matters(request.method(), request.headers());
    let from = origin::from(request.headers(), said, &auth.addresses);
    if matters && from == From::Elsewhere {
        return refuse(&Problem::forbidden(
            "a page elsewhere cannot do this: it must come from the dashboard itself",
        ));
    }
    if let Some(token) = bearer(request) {
        if auth.is_token(token) {
            return Outcome::Pass(Principal::Token);
        }
        return refuse(&Problem::unauthorised(
            "this is not the operator's token: it is in the file api-token of the data folder",
        ));
    }
    // A cookie comes with every request to that name, whatever the port: only the dashboard's own name counts.
    if host != Host::Dashboard {
        return not_signed_in(auth, request, "Sign in to Nestling at its own address.");
    }
    if request.method() == Method::GET
        && let Some(token) = token_in_link(request)
    {
        return sign_in(auth, request, &token);
    }
    with_cookie(auth, request, matters, from)
}

fn with_cookie(auth: &Auth, request: &HttpRequest, matters: bool, from: From) -> Outcome {
    let now = clock::now();
    let session = request.cookies().ok().and_then(|cookies| {
        let mut ours = cookies.iter().filter(|cookie| cookie.name() == COOKIE);
        // Another page may have set one of that name: the one that is in the table counts.
        ours.find_map(|cookie| auth.sessions.used(cookie.value(), now))
    });
    let Some(session) = session else {
        return not_signed_in(auth, request, "Sign in to Nestling.");
    };
    // Every browser says where a change comes from; a cookie without that word is not a browser's.
    if matters && from != From::OwnPage {
        return refuse(&Problem::forbidden(
            "a session's request must say that it comes from the dashboard (Origin or Sec-Fetch-Site)",
        ));
    }
    if matters && !plausible_body(request) {
        return refuse(&Problem::forbidden(
            "a session's request must be JSON, or a form with its token",
        ));
    }
    if request.path() == SIGN_OUT && request.method() == Method::POST {
        auth.sessions.end(&session);
        return Outcome::Answer(see_other("/"));
    }
    Outcome::Pass(Principal::Session(session))
}

/// A page elsewhere can send plain text and bodies without a type, but JSON only with our leave; forms show
/// their token, see [`super::CsrfForm`], and the API takes none.
fn plausible_body(request: &HttpRequest) -> bool {
    if request.headers().contains_key(header::UPGRADE) {
        return true;
    }
    let kind = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return true;
    }
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") && !for_programs(request)
}

fn sign_in(auth: &Auth, request: &HttpRequest, token: &str) -> Outcome {
    if !auth.is_token(token) {
        return not_signed_in(auth, request, "This link is not, or no longer, good.");
    }
    let Some(id) = auth.sessions.begin(clock::now()) else {
        return refuse(&Problem::internal(
            "the system gave no randomness for a session",
        ));
    };
    let age = i64::try_from(LONGEST.as_secs()).unwrap_or(i64::MAX);
    let cookie = Cookie::build(COOKIE, id)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(auth.addresses.scheme == "https")
        .max_age(CookieDuration::seconds(age))
        .finish();
    let mut response = see_other(&without_token(request));
    if let Err(error) = response.add_cookie(&cookie) {
        return refuse(&Problem::internal(format!(
            "the session's cookie cannot be set: {error}"
        )));
    }
    Outcome::Answer(response)
}

fn not_signed_in(auth: &Auth, request: &HttpRequest, why: &str) -> Outcome {
    if for_programs(request) || !wants_page(request) {
        return refuse(&Problem::unauthorised(
            "send the operator's token as a bearer token: it is in the file api-token of the data folder",
        ));
    }
    Outcome::Answer((auth.sign_in)(request, why))
}

fn refuse(problem: &Problem) -> Outcome {
    Outcome::Answer(problem.error_response())
}

fn see_other(to: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, to))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .finish()
}

fn is_open(path: &str) -> bool {
    let is_asset = path
        .strip_prefix(ASSETS)
        .is_some_and(|name| !name.contains('/'));
    OPEN.contains(&path) || path.starts_with(BLOBS) || is_asset
}

/// Whether a request goes where programs go.
pub(in crate::http) fn for_programs(request: &HttpRequest) -> bool {
    PROGRAMS
        .iter()
        .any(|start| request.path().starts_with(start))
}

fn wants_page(request: &HttpRequest) -> bool {
    let accepts = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok());
    accepts.is_some_and(|accept| accept.contains("text/html"))
}

fn bearer(request: &HttpRequest) -> Option<&str> {
    let value = request
        .headers()
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn token_in_link(request: &HttpRequest) -> Option<String> {
    #[derive(Deserialize)]
    struct Link {
        token: String,
    }
    let link = web::Query::<Link>::from_query(request.query_string()).ok()?;
    Some(link.into_inner().token)
}

/// The same address without the token. Only the path and query of this request: it leads nowhere else.
fn without_token(request: &HttpRequest) -> String {
    // `//host` would be another host.
    let path = format!("/{}", request.path().trim_start_matches('/'));
    let rest: Vec<&str> = request
        .query_string()
        .split('&')
        .filter(|pair| !pair.is_empty() && pair.split('=').next() != Some(TOKEN))
        .collect();
    if rest.is_empty() {
        path
    } else {
        format!("{path}?{}", rest.join("&"))
    }
}

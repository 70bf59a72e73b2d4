//! What a server answers while another one acts on its tables: what is read. To whoever orders something it says when to come
//! back (ADR 47).

#[cfg(test)]
mod tests;

use actix_web::{
    Error, HttpRequest, HttpResponse, ResponseError as _,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{Method, header},
    middleware::Next,
    web,
};
use tokio::sync::watch;

use super::{Services, auth::for_programs, dashboard::paths, pages, problem::Problem, webhook};

/// The header of every answer of a server that waits; `waits` is its only value.
const STANDING: &str = "nestling-standing";
/// What whoever is told to come back waits, in seconds: a server that left in order is followed within a beat, of 3 s.
const COME_BACK: &str = "5";
/// Said to everybody: who acts is told to those who are signed in only.
const WORDS: &str =
    "another server acts on these tables at this moment, and this one takes over when that is gone";

/// That this server waits, and for whom; one cell for all who hold a clone.
#[derive(Debug, Clone)]
pub struct Waits(watch::Receiver<String>);

impl Waits {
    /// Waits for the server whose name is in this cell.
    pub fn new(acts: watch::Receiver<String>) -> Self {
        Waits(acts)
    }

    /// What people should know of it.
    pub(super) fn reason(&self) -> String {
        format!(
            "{} acts on these tables, and this server waits until it is gone. What is shown here is read from the records; nothing can be ordered here, pages do not change by themselves, and who builds or waits for a build is known there only",
            *self.0.borrow()
        )
    }
}

/// Lets what is read pass while this server waits, and refuses the rest with 503 and words; use with
/// `actix_web::middleware::from_fn`, inside the guard. A server that acts lets everything pass.
pub async fn only_reads(
    services: web::Data<Services>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if services.waits.is_none() {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let mut response = if is_read(request.request()) {
        next.call(request).await?.map_into_boxed_body()
    } else {
        let answer = later(request.request());
        request.into_response(answer)
    };
    let standing = header::HeaderName::from_static(STANDING);
    let waits = header::HeaderValue::from_static("waits");
    response.headers_mut().insert(standing, waits);
    Ok(response)
}

/// Whether the records and blobs are enough for the answer.
fn is_read(request: &HttpRequest) -> bool {
    let path = request.path();
    let method = request.method();
    let orders = method != Method::GET && method != Method::HEAD;
    // A server that waits is not ready; what happens is heard where it happens; runners and GitHub tell something, or take what is
    // for one machine; what a repository holds, and which App the server is, is known to actors.
    let needs_actors = ["/readyz", "/v1/live", webhook::PATH].contains(&path)
        || ["/runner/", "/-/repositories/", paths::GITHUB_APP]
            .iter()
            .any(|start| path.starts_with(start))
        || path.ends_with("/proposals")
        || request.query_string().contains("follow=true");
    !orders && !needs_actors
}

fn later(request: &HttpRequest) -> HttpResponse {
    let mut answer = if for_programs(request) || request.path() == webhook::PATH {
        Problem::waits(WORDS).error_response()
    } else {
        pages::waits(WORDS)
    };
    let come_back = header::HeaderValue::from_static(COME_BACK);
    answer.headers_mut().insert(header::RETRY_AFTER, come_back);
    answer
}

//! What no route answers, and `HEAD`, which every route answers that answers `GET`.
//!
//! Everything below `/v1` is the API's: whoever asks there is a program, and no page has an address there.

use actix_web::{
    Error, HttpRequest, HttpResponse, ResponseError as _,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{Method, header},
    middleware::Next,
    web,
};

use super::{api, problem::Problem};

/// Answers what no route before it does below `/v1`: to be placed between the API and the pages.
pub fn routes(config: &mut web::ServiceConfig) {
    let rest = web::scope("/v1").default_service(web::to(nothing));
    config.service(rest);
}

async fn nothing(request: HttpRequest) -> HttpResponse {
    for_program(&request)
}

/// What a program is told: that there is nothing, or which methods there are.
pub(super) fn for_program(request: &HttpRequest) -> HttpResponse {
    let path = request.path();
    let methods = methods_of(path);
    if methods.is_empty() {
        let detail = format!("nothing answers {path}; GET /v1/openapi.json lists what there is");
        return Problem::not_found(detail).error_response();
    }
    let allow = methods.join(", ");
    let detail = format!("{path} answers {allow}, not {}", request.method());
    let mut answer = Problem::wrong_method(detail).error_response();
    if let Ok(allow) = header::HeaderValue::from_str(&allow) {
        answer.headers_mut().insert(header::ALLOW, allow);
    }
    answer
}

/// The methods that are documented for a path, in the order of the alphabet.
fn methods_of(path: &str) -> Vec<&'static str> {
    let paths = &api::description().paths.paths;
    let matching = paths.iter().filter(|(pattern, _)| fits(path, pattern));
    let mut methods: Vec<&str> = matching
        .flat_map(|(_, item)| {
            let all = [
                (item.get.is_some(), "GET"),
                (item.get.is_some(), "HEAD"),
                (item.put.is_some(), "PUT"),
                (item.post.is_some(), "POST"),
                (item.patch.is_some(), "PATCH"),
                (item.delete.is_some(), "DELETE"),
            ];
            all.into_iter().filter(|(has, _)| *has)
        })
        .map(|(_, method)| method)
        .collect();
    methods.sort_unstable();
    methods.dedup();
    methods
}

/// Whether a path is one of a pattern, of which `{…}` stands for any part.
fn fits(path: &str, pattern: &str) -> bool {
    let (mut parts, mut wanted) = (path.split('/'), pattern.split('/'));
    loop {
        match (parts.next(), wanted.next()) {
            (None, None) => return true,
            (Some(part), Some(any)) if any.starts_with('{') && !part.is_empty() => {}
            (Some(part), Some(wanted)) if part == wanted => {}
            _ => return false,
        }
    }
}

/// Routes know `GET`; the answer to a `HEAD` is theirs without its body, which is not written. One that follows a log would
/// never end, so it is not turned.
pub async fn head(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let follows = request.query_string().contains("follow=true");
    if request.method() == Method::HEAD && !follows {
        request.head_mut().method = Method::GET;
    }
    next.call(request).await
}

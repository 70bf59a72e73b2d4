//! Problems: every error that a client sees, as RFC 9457 `application/problem+json`.

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
    web,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    drivers::{blobs::BlobError, store::StoreError},
    messages::{apps::NotDone, environment::NotApplied, forge::ForgeError, secrets::SecretError},
    records::NotRead,
};

/// Seconds after which a client may ask again when the server is busy or unsure: an event takes milliseconds.
const RETRY_AFTER: u32 = 1;

/// Why a request was not answered as asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, thiserror::Error)]
#[error("{detail}")]
pub struct Problem {
    /// What kind of problem: `urn:nestling:not-found` and so on. Stable; for programs.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in people's words.
    pub title: String,
    /// The status of the answer, repeated.
    pub status: u16,
    /// What went wrong here: names the thing, the place and what would be right.
    pub detail: String,
}

impl Problem {
    fn new(status: StatusCode, kind: &str, title: &str, detail: impl Into<String>) -> Self {
        Problem {
            kind: format!("urn:nestling:{kind}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
        }
    }

    /// 400: the request cannot be read.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "malformed",
            "the request cannot be read",
            detail,
        )
    }

    /// 401: nobody is signed in, or with something that does not count.
    pub fn unauthorised(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorised",
            "sign in first",
            detail,
        )
    }

    /// 401: not signed by whom it should come from. The same words whatever is wrong with the signature.
    pub fn unsigned() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unsigned",
            "the signature is not right",
            "this is not signed with the secret that is shared with the sender",
        )
    }

    /// 403: signed in, and yet not allowed.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            "this is not allowed",
            detail,
        )
    }

    /// 404: there is no such thing.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "there is no such thing",
            detail,
        )
    }

    /// 405: there is such a thing, and this cannot be asked of it.
    pub fn wrong_method(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "wrong-method",
            "this cannot be asked of it",
            detail,
        )
    }

    /// 408: it did not come in time.
    pub fn too_slow(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "too-slow",
            "it did not come in time",
            detail,
        )
    }

    /// 409: it cannot be done as things stand.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "conflict",
            "it cannot be done as things stand",
            detail,
        )
    }

    /// 409 for a runner: the record names its generation neither as serving nor as next. It stops itself.
    pub fn stale(detail: impl Into<String>) -> Self {
        Problem {
            kind: nestling_protocol::STALE.to_owned(),
            ..Self::new(StatusCode::CONFLICT, "stale", "you are stale: stop", detail)
        }
    }

    /// 410: it was there and is not given any more.
    pub fn gone(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, "gone", "it is not given any more", detail)
    }

    /// 413: it is longer than it may be.
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            "it is longer than it may be",
            detail,
        )
    }

    /// 415: a body of another kind is needed.
    pub fn unsupported(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported",
            "a body of this kind is not taken",
            detail,
        )
    }

    /// 422: it can be read and makes no sense.
    pub fn unfit(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "unfit",
            "this value does not fit",
            detail,
        )
    }

    /// 429: too many requests; again in a second.
    pub fn too_many(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too-many",
            "too many requests",
            detail,
        )
    }

    /// 500: it failed here, and will fail the next time.
    pub fn internal(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the server failed",
            detail,
        )
    }

    /// 503: not now; again in a second.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "not at this moment",
            detail,
        )
    }

    /// 503: another server acts in place of this one, which answers what is read only.
    pub fn waits(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "waits",
            "this server waits",
            detail,
        )
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status());
        response.insert_header((header::CONTENT_TYPE, "application/problem+json"));
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        match self.status() {
            StatusCode::UNAUTHORIZED => {
                response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                response.insert_header((header::RETRY_AFTER, RETRY_AFTER));
            }
            _ => {}
        }
        response.body(serde_json::to_vec(self).unwrap_or_default())
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(_) | StoreError::Unknown(_) => {
                Problem::unavailable(error.to_string())
            }
            StoreError::Rejected(_) => Problem::internal(error.to_string()),
        }
    }
}

impl From<BlobError> for Problem {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Key(_) => Problem::unfit(error.to_string()),
            BlobError::Io { .. } => Problem::unavailable(error.to_string()),
        }
    }
}

impl From<NotRead> for Problem {
    fn from(error: NotRead) -> Self {
        match error {
            NotRead::Store(error) => error.into(),
            NotRead::Blobs(error) => error.into(),
            NotRead::Queue(error) => error.into(),
        }
    }
}

impl From<NotApplied> for Problem {
    fn from(error: NotApplied) -> Self {
        let detail = error.to_string();
        match error {
            NotApplied::Unknown(_) => Problem::not_found(detail),
            NotApplied::Refused(_) => Problem::conflict(detail),
            NotApplied::Quarantined { .. } | NotApplied::Busy(_) | NotApplied::Uncertain(_) => {
                Problem::unavailable(detail)
            }
        }
    }
}

impl From<SecretError> for Problem {
    fn from(error: SecretError) -> Self {
        match error {
            SecretError::Refused(detail) => Problem::unfit(detail),
            SecretError::Conflict(detail) => Problem::conflict(detail),
            SecretError::Failed(detail) => Problem::unavailable(detail),
        }
    }
}

impl From<ForgeError> for Problem {
    fn from(error: ForgeError) -> Self {
        match error {
            ForgeError::Rejected(detail) => Problem::conflict(detail),
            ForgeError::Failed(detail) => Problem::unavailable(detail),
        }
    }
}

impl From<NotDone> for Problem {
    fn from(error: NotDone) -> Self {
        match error {
            NotDone::Unknown(_) => Problem::not_found(error.to_string()),
            NotDone::NotFound(detail) => Problem::unfit(detail),
            NotDone::Forge(error) => error.into(),
            NotDone::Store(error) => error.into(),
        }
    }
}

impl From<actix::MailboxError> for Problem {
    fn from(error: actix::MailboxError) -> Self {
        Problem::unavailable(format!("a part of the server is restarting: {error}"))
    }
}

/// Makes problems of what actix-web says itself about bodies, paths and queries.
pub fn extractors(config: &mut web::ServiceConfig, longest_body: usize) {
    let json = web::JsonConfig::default()
        .limit(longest_body)
        .error_handler(move |error, _| json_problem(&error, longest_body).into());
    config
        .app_data(json)
        .app_data(web::PayloadConfig::new(longest_body))
        .app_data(
            web::PathConfig::default().error_handler(|error, _| {
                Problem::not_found(format!("no such path: {error}")).into()
            }),
        )
        .app_data(web::QueryConfig::default().error_handler(|error, _| {
            Problem::malformed(format!("the query cannot be read: {error}")).into()
        }));
}

#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "the enum is actix-web's and open"
)]
fn json_problem(error: &actix_web::error::JsonPayloadError, longest: usize) -> Problem {
    use actix_web::error::JsonPayloadError as E;
    match error {
        E::OverflowKnownLength { .. } | E::Overflow { .. } => {
            Problem::too_large(format!("the body may have at most {longest} bytes"))
        }
        E::ContentType => {
            Problem::malformed("the body must be JSON: send content-type: application/json")
        }
        _ => Problem::malformed(format!("the body cannot be read as JSON: {error}")),
    }
}

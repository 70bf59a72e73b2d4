//! Who reads by a sealed link: the log and the tests of one environment, and nothing else.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpMessage as _, HttpRequest, dev::Payload, http::Method};
use aws_lc_rs::constant_time;
use nestling_domain::{
    announcement::{READ, Seal},
    ids::EnvironmentId,
};

use crate::http::problem::Problem;

/// Somebody with the sealed link of this environment. In a request's extensions behind the guard, in place of a
/// [`Principal`](super::Principal): what asks for one of these cannot be had with a link, and nothing is ordered with one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reader {
    /// What the link is about.
    pub environment: EnvironmentId,
    /// The path that the link opens, with its seal: the pages stand under it.
    pub base: String,
}

impl FromRequest for Reader {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let reader = request.extensions().get::<Reader>().cloned();
        ready(reader.ok_or_else(|| {
            Problem::not_found(
                "this link opens nothing: take it from the newest comment of the pull request",
            )
        }))
    }
}

/// Whose request this is, if its path carries the right seal and it only reads.
pub(super) fn reader(seal: &dyn Seal, request: &HttpRequest) -> Option<Reader> {
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return None;
    }
    let mut parts = request.path().strip_prefix(READ)?.splitn(3, '/');
    let (environment, shown, _page) = (parts.next()?, parts.next()?, parts.next()?);
    let id = EnvironmentId(environment.to_owned());
    let right = seal.seal(&id);
    let is_right = constant_time::verify_slices_are_equal(right.as_bytes(), shown.as_bytes());
    is_right.is_ok().then(|| Reader {
        environment: id,
        base: format!("{READ}{environment}/{shown}"),
    })
}

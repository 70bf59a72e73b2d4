//! What the headers of a webhook say: the kind of body, the event, and the id of the delivery.

use actix_web::http::header::{self, HeaderMap, HeaderName};

use crate::http::problem::Problem;

const EVENT: HeaderName = HeaderName::from_static("x-github-event");
const DELIVERY: HeaderName = HeaderName::from_static("x-github-delivery");
/// The longest name of an event: GitHub's longest has 40 letters.
const LONGEST_EVENT: usize = 64;
/// The longest id of a delivery: GitHub's have 36 characters.
const LONGEST_ID: usize = 64;

/// What a webhook is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// The name of its event.
    pub(super) event: String,
    /// The id of its delivery: the same when GitHub sends it again.
    pub(super) id: String,
}

impl Head {
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, Problem> {
        if !is_json(headers) {
            return Err(Problem::unsupported(
                "webhooks must come as application/json: choose that content type in the App's settings",
            ));
        }
        let event = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let id = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        Ok(Head {
            event: one(headers, &EVENT, LONGEST_EVENT, event)?,
            id: one(headers, &DELIVERY, LONGEST_ID, id)?,
        })
    }
}

/// The one value of a header, of such letters only.
fn one(
    headers: &HeaderMap,
    name: &HeaderName,
    longest: usize,
    fits: impl Fn(u8) -> bool,
) -> Result<String, Problem> {
    let mut values = headers.get_all(name);
    let value = values.next().filter(|_| values.next().is_none());
    let value = value.and_then(|value| value.to_str().ok());
    let value = value.filter(|value| (1..=longest).contains(&value.len()));
    let value = value.filter(|value| value.bytes().all(fits));
    value.map(str::to_owned).ok_or_else(|| {
        Problem::malformed(format!(
            "the header {name} must be there once, with what GitHub writes into it: 1 to {longest} letters"
        ))
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok());
    let essence = kind.and_then(|kind| kind.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

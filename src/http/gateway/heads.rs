//! What of a head passes the gateway: pure functions from the head that came to the head that goes on.
//!
//! Hop-by-hop fields end here (RFC 9110, section 7.6.1), what a client forged about its origin is dropped,
//! and neither side sees or sets what belongs to us.

use std::net::IpAddr;

use actix_web::http::{
    Version,
    header::{self as old, HeaderMap as OldHeaders},
};
use hyper::{
    HeaderMap,
    header::{self, HeaderName, HeaderValue},
};
use nestling_domain::ids::{Commit, Kind};

use super::cookies;

/// The commit that answered, on every answer of a deployment.
pub(super) const COMMIT: &str = "x-nestling-commit";

/// Where a request came from, as far as we know it ourselves.
#[derive(Debug, Clone)]
pub(super) struct Origin<'a> {
    /// The Host it named.
    pub(super) host: &'a str,
    /// `http` or `https`, as the client sees us.
    pub(super) scheme: &'a str,
    /// The other end of the connection.
    pub(super) peer: Option<IpAddr>,
    /// Whether that is a proxy of ours, whose word about its own client counts.
    pub(super) trusted: bool,
}

/// Why a request does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// The head is longer than the bound.
    TooLarge,
    /// A field cannot be sent on as it is.
    Unreadable,
}

/// The fields that an app receives. Framing fields are not among them: they follow from the body.
pub(super) fn for_app(
    sent: &OldHeaders,
    origin: &Origin<'_>,
    most: usize,
) -> Result<HeaderMap, Refused> {
    let named = named_by_connection(
        sent.get_all(old::CONNECTION)
            .map(old::HeaderValue::as_bytes),
    );
    let mut headers = HeaderMap::with_capacity(sent.len() + 4);
    let mut size = 0;
    for (name, value) in sent {
        let (name, value) = (name.as_str(), value.as_bytes());
        size += name.len() + value.len();
        if size > most {
            return Err(Refused::TooLarge);
        }
        if stays_outside(name) || named.iter().any(|named| named.eq_ignore_ascii_case(name)) {
            continue;
        }
        let kept = if name == "cookie" && cookies::any_ours(value) {
            let Some(rest) = cookies::without_ours(value) else {
                continue;
            };
            HeaderValue::from_maybe_shared(rest)
        } else {
            HeaderValue::from_bytes(value)
        };
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Refused::Unreadable)?;
        headers.append(name, kept.map_err(|_| Refused::Unreadable)?);
    }
    add_origin(&mut headers, sent, origin)?;
    Ok(headers)
}

fn add_origin(
    headers: &mut HeaderMap,
    sent: &OldHeaders,
    origin: &Origin<'_>,
) -> Result<(), Refused> {
    let believed = |name: &str| {
        let value = sent.get(name).filter(|_| origin.trusted)?;
        value.to_str().ok().map(str::trim)
    };
    let host = HeaderValue::from_str(origin.host).map_err(|_| Refused::Unreadable)?;
    headers.insert(header::HOST, host.clone());
    headers.insert(HeaderName::from_static("x-forwarded-host"), host);
    let scheme = believed("x-forwarded-proto").filter(|scheme| matches!(*scheme, "http" | "https"));
    let scheme =
        HeaderValue::from_str(scheme.unwrap_or(origin.scheme)).map_err(|_| Refused::Unreadable)?;
    headers.insert(HeaderName::from_static("x-forwarded-proto"), scheme);
    if let Some(peer) = origin.peer {
        let earlier =
            believed("x-forwarded-for").map_or_else(String::new, |earlier| format!("{earlier}, "));
        let value = HeaderValue::from_maybe_shared(format!("{earlier}{peer}"))
            .map_err(|_| Refused::Unreadable)?;
        headers.insert(HeaderName::from_static("x-forwarded-for"), value);
    }
    Ok(())
}

/// What a client says that no app may hear from it. `_` is read as `-`, as many servers below us do.
fn stays_outside(name: &str) -> bool {
    if name.contains('_') {
        return stays_outside(&name.replace('_', "-"));
    }
    hop_by_hop(name)
        || matches!(
            name,
            "host"
                | "content-length"
                | "expect"
                | "forwarded"
                | "x-real-ip"
                | "http2-settings"
                | "proxy-authorization"
        )
        || ["x-forwarded-", "x-nestling-", "fly-"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

/// The fields that a client receives. `Content-Length` is not among them: it follows from the body.
pub(super) fn for_client(answered: &HeaderMap, kind: Kind, commit: &Commit) -> OldHeaders {
    let named = named_by_connection(
        answered
            .get_all(header::CONNECTION)
            .iter()
            .map(HeaderValue::as_bytes),
    );
    let mut headers = OldHeaders::with_capacity(answered.len() + 2);
    for (name, value) in answered {
        let name = name.as_str();
        if stays_inside(name) || named.iter().any(|named| named.eq_ignore_ascii_case(name)) {
            continue;
        }
        let kept = if name == "set-cookie" {
            let Some(rest) = cookies::set_by_app(value.as_bytes()) else {
                continue;
            };
            old::HeaderValue::from_maybe_shared(rest)
        } else {
            old::HeaderValue::from_bytes(value.as_bytes())
        };
        // What one http library has read the other reads too; if not, a field less is better than no answer.
        if let (Ok(name), Ok(kept)) = (old::HeaderName::from_bytes(name.as_bytes()), kept) {
            headers.append(name, kept);
        }
    }
    if let Ok(commit) = old::HeaderValue::from_str(commit.as_str()) {
        headers.insert(old::HeaderName::from_static(COMMIT), commit);
    }
    if kind.pull_request().is_some() {
        headers.insert(
            old::HeaderName::from_static("x-robots-tag"),
            old::HeaderValue::from_static("noindex"),
        );
    }
    headers
}

/// What an app says that no client may hear from it: orders to proxies, ours and others'.
fn stays_inside(name: &str) -> bool {
    hop_by_hop(name)
        || matches!(
            name,
            "content-length" | "alt-svc" | "proxy-authenticate" | "proxy-authentication-info"
        )
        || ["fly-", "x-nestling-", "x-accel-"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

fn hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// The fields that a Connection field names as meant for the next hop only.
fn named_by_connection<'a>(values: impl Iterator<Item = &'a [u8]>) -> Vec<&'a str> {
    values
        .filter_map(|value| std::str::from_utf8(value).ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|name| {
            !name.is_empty()
                && !name.eq_ignore_ascii_case("keep-alive")
                && !name.eq_ignore_ascii_case("close")
        })
        .collect()
}

/// Whether a request asks to become a WebSocket, or says so in a way that two readers read differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Upgrade {
    /// It does not, or asks for a protocol that we do not offer.
    No,
    /// It does.
    WebSocket,
    /// It names the protocol without meeting its terms; what follows it on the connection is ambiguous.
    Broken,
}

/// Reads what a request wants to become.
pub(super) fn upgrade(method: &str, version: Version, sent: &OldHeaders) -> Upgrade {
    let tokens = |name| {
        let values = sent.get_all(name).filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).map(str::trim)
    };
    if !tokens(old::UPGRADE).any(|token| token.eq_ignore_ascii_case("websocket")) {
        return Upgrade::No;
    }
    let asks = tokens(old::CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"));
    let bodyless =
        !sent.contains_key(old::CONTENT_LENGTH) && !sent.contains_key(old::TRANSFER_ENCODING);
    if asks && bodyless && method == "GET" && version == Version::HTTP_11 {
        Upgrade::WebSocket
    } else {
        Upgrade::Broken
    }
}

//! Where a request comes from: its Host, its Origin, and what the browser says of it. Pure.

use actix_web::http::{
    Method,
    header::{HeaderMap, HeaderValue},
};

use crate::http::Addresses;

/// The host names at which programs on this box reach the server.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// What the headers say about where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// One of the server's own pages, by the browser's word.
    OwnPage,
    /// No page at all, by the browser's word: an address typed or a link from a terminal.
    NoPage,
    /// A program: no browser's word.
    Program,
    /// A page elsewhere.
    Elsewhere,
}

/// Whether this is a name of the dashboard, and whether of its pages (where cookies count).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Host {
    /// The dashboard's own name.
    Dashboard,
    /// A loopback name, for programs.
    Loopback,
    /// Another name: somebody made it point here.
    Foreign,
}

pub(super) fn host(host: &str, addresses: &Addresses) -> Host {
    let name = name_of(host);
    if name.eq_ignore_ascii_case(name_of(&addresses.dashboard)) {
        Host::Dashboard
    } else if LOOPBACK
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
    {
        Host::Loopback
    } else {
        Host::Foreign
    }
}

pub(super) fn from(headers: &HeaderMap, host: &str, addresses: &Addresses) -> From {
    let mut origins = headers.get_all("origin");
    let site = headers.get("sec-fetch-site");
    match (origins.next(), origins.next()) {
        (Some(origin), None) => {
            let own = [
                addresses.dashboard(),
                format!("{}://{host}", addresses.scheme),
            ];
            let is_own = own.iter().any(|own| origin.as_bytes() == own.as_bytes());
            // Where both speak, both must say so.
            let contradicted = site.is_some_and(|site| site != "same-origin");
            if is_own && !contradicted {
                From::OwnPage
            } else {
                From::Elsewhere
            }
        }
        (Some(_), Some(_)) => From::Elsewhere,
        (None, _) => match site.map(HeaderValue::as_bytes) {
            Some(b"same-origin") => From::OwnPage,
            Some(b"none") => From::NoPage,
            Some(_) => From::Elsewhere,
            None => From::Program,
        },
    }
}

/// Whether a request may change something, or opens a channel: then it matters where it comes from.
pub(super) fn matters(method: &Method, headers: &HeaderMap) -> bool {
    let reads = [Method::GET, Method::HEAD, Method::OPTIONS].contains(method);
    !reads || headers.contains_key("upgrade")
}

fn name_of(host: &str) -> &str {
    let end = if host.starts_with('[') {
        host.find(']').map(|at| at + 1)
    } else {
        host.find(':')
    };
    &host[..end.unwrap_or(host.len())]
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderName;

    use super::*;

    fn addresses() -> Addresses {
        Addresses {
            scheme: "http".into(),
            dashboard: "nestling.localhost:4100".into(),
            preview_domain: "localhost:4100".into(),
        }
    }

    fn said(pairs: &[(&'static str, &'static str)]) -> From {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        from(&headers, "nestling.localhost:4100", &addresses())
    }

    #[test]
    fn only_our_own_names_are_hosts() {
        for (name, is) in [
            ("nestling.localhost:4100", Host::Dashboard),
            ("NESTLING.localhost", Host::Dashboard),
            ("localhost:4100", Host::Loopback),
            ("127.0.0.1:9", Host::Loopback),
            ("[::1]:4100", Host::Loopback),
            ("evil.example:4100", Host::Foreign),
            ("nestling.localhost.evil.example", Host::Foreign),
            ("pr-1--shop.localhost:4100", Host::Foreign),
            ("127.0.0.1.nip.io", Host::Foreign),
            ("", Host::Foreign),
        ] {
            assert_eq!(host(name, &addresses()), is, "{name:?}");
        }
    }

    #[test]
    fn only_our_own_pages_count_as_ours() {
        for (pairs, is) in [
            (&[][..], From::Program),
            (
                &[("origin", "http://nestling.localhost:4100")],
                From::OwnPage,
            ),
            (&[("sec-fetch-site", "same-origin")], From::OwnPage),
            (&[("sec-fetch-site", "none")], From::NoPage),
            (&[("sec-fetch-site", "same-site")], From::Elsewhere),
            (&[("sec-fetch-site", "cross-site")], From::Elsewhere),
            (&[("origin", "null")], From::Elsewhere),
            (
                &[("origin", "http://pr-1--shop.localhost:4100")],
                From::Elsewhere,
            ),
            (
                &[("origin", "http://nestling.localhost:4101")],
                From::Elsewhere,
            ),
            (
                &[("origin", "https://nestling.localhost:4100")],
                From::Elsewhere,
            ),
            (
                &[("origin", "http://nestling.localhost:4100.evil")],
                From::Elsewhere,
            ),
            (
                &[
                    ("origin", "http://nestling.localhost:4100"),
                    ("sec-fetch-site", "cross-site"),
                ],
                From::Elsewhere,
            ),
            (
                &[
                    ("origin", "http://nestling.localhost:4100"),
                    ("origin", "http://evil.example"),
                ],
                From::Elsewhere,
            ),
        ] {
            assert_eq!(said(pairs), is, "{pairs:?}");
        }
    }

    #[test]
    fn it_matters_where_a_change_or_a_channel_comes_from() {
        let mut upgrade = HeaderMap::new();
        upgrade.insert(
            HeaderName::from_static("upgrade"),
            HeaderValue::from_static("websocket"),
        );
        let plain = HeaderMap::new();
        assert!(matters(&Method::POST, &plain));
        assert!(matters(&Method::DELETE, &plain));
        assert!(matters(&Method::GET, &upgrade));
        assert!(!matters(&Method::GET, &plain));
    }
}

//! Who may use the dashboard and the API, in local mode: whoever holds the operator's token.
//!
//! Programs send the token as a bearer token. A browser brings it once, in the printed link; it is answered
//! with a session cookie (host-only, `HttpOnly`, `SameSite=Strict`, an opaque random id) and sent on to the
//! same address without the token. Sessions live in memory: after a restart of the server the printed link
//! opens another. [`guard()`] stands before every route but the few that have a
//! door of their own or tell nothing.
//!
//! A link in a pull request carries a seal instead, which opens the log and the tests of one environment to whoever has
//! the link: a [`Reader`], who is no [`Principal`] and gets no cookie (ADR 29).
//!
//! A preview on the same box must not be able to call the API, neither by itself nor through a browser that
//! shows it: hence the checks of Host (against rebinding), of Origin and Sec-Fetch-Site (against requests
//! that a page elsewhere makes in the operator's name), and of the form's token.

mod guard;
mod origin;
mod reader;
mod sessions;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse};
use aws_lc_rs::digest;
use nestling_domain::announcement::Seal;

pub(super) use guard::for_programs;
pub use guard::{Principal, guard};
pub use reader::Reader;
pub use sessions::CsrfForm;

use self::sessions::Sessions;
use super::Addresses;

/// The name of the session cookie.
pub const COOKIE: &str = "nestling_session";
/// The name of the form field that holds the form's token.
pub const CSRF_FIELD: &str = "csrf";

/// Answers a browser that is not signed in; handed in by the dashboard. The text says why.
pub type SignInPage = dyn Fn(&HttpRequest, &str) -> HttpResponse + Send + Sync;

/// What the guard knows. One for all workers.
pub struct Auth {
    /// Only the digest is kept: nothing that could be printed by mistake.
    token: [u8; 32],
    addresses: Addresses,
    sessions: Sessions,
    seal: Arc<dyn Seal>,
    sign_in: Arc<SignInPage>,
}

impl Auth {
    /// Guards with this operator's token; `addresses` say which host and origin the dashboard has.
    /// `seal` knows the links that open a log to everybody.
    pub fn new(token: &str, addresses: Addresses, seal: Arc<dyn Seal>) -> Self {
        Auth {
            token: sha256(token),
            addresses,
            sessions: Sessions::new(),
            seal,
            sign_in: Arc::new(plain_sign_in),
        }
    }

    /// With this page for browsers that are not signed in.
    #[must_use]
    pub fn with_sign_in(mut self, page: Arc<SignInPage>) -> Self {
        self.sign_in = page;
        self
    }

    /// The link that signs a browser in: printed once, to the operator's own terminal.
    pub fn link(addresses: &Addresses, token: &str) -> String {
        // An operator may have chosen one with characters that mean something in a query.
        let escaped: String = token.bytes().fold(String::new(), |mut escaped, byte| {
            use std::fmt::Write as _;
            if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                escaped.push(char::from(byte));
            } else {
                // Writing to a string cannot fail.
                let _ = write!(escaped, "%{byte:02X}");
            }
            escaped
        });
        format!("{}/?token={escaped}", addresses.dashboard())
    }

    /// Whether this principal may still see what it was shown: asked again whenever something is sent.
    pub fn still(&self, principal: &Principal) -> bool {
        match principal {
            Principal::Token => true,
            Principal::Session(session) => {
                self.sessions.lives(session, crate::drivers::clock::now())
            }
        }
    }

    /// The token that a form of this principal's pages must send back as [`CSRF_FIELD`].
    pub fn csrf(&self, principal: &Principal) -> String {
        match principal {
            // A program has no pages of which another could abuse the sign-in.
            Principal::Token => String::new(),
            Principal::Session(session) => self.sessions.csrf(session),
        }
    }

    fn is_token(&self, candidate: &str) -> bool {
        // Digests have one length, and are compared in constant time.
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.token, &sha256(candidate)).is_ok()
    }
}

fn plain_sign_in(_: &HttpRequest, why: &str) -> HttpResponse {
    HttpResponse::Unauthorized()
        .content_type("text/plain; charset=utf-8")
        .insert_header(("cache-control", "no-store"))
        .body(format!(
            "{why}\n\nOpen the link that nestling printed when it started, which ends in ?token=…\n"
        ))
}

fn sha256(text: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    bytes
}

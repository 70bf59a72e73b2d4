//! A machine on another host: it reaches the server by its address, and the server's gateway reaches it at its proxy.
//!
//! The runner speaks the same protocol there, over HTTPS. Its proxy takes connections at [`PROXY_PORT`] of the machine's
//! IPv4 addresses: each begins with `CONNECT FILE:PROXY_PORT` (RFC 9110 section 9.3.6), where `FILE` is the file name of an
//! endpoint's socket, and `Proxy-Authorization: Bearer CREDENTIAL`. Answered with 200, it leads to that socket; all else
//! is refused. So the credential stands before what visitors send, never in it, and no app sees it.

use serde::{Deserialize, Serialize};

/// Where the runner's proxy listens.
pub const PROXY_PORT: u16 = 4180;
/// The variable that says where the server is: `https://HOST` or `https://HOST:PORT`; `http` only on the same host.
pub const SERVER_URL: &str = "NESTLING_SERVER_URL";

/// What the machine of a generation is told, and nobody else.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confidential {
    /// The runner's first token.
    pub token: String,
    /// What the gateway shows to the runner's proxy.
    pub credential: String,
}

impl std::fmt::Debug for Confidential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Confidential").finish_non_exhaustive()
    }
}

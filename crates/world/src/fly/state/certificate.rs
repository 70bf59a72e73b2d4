//! Certificates of hostnames, and what the outside DNS says of them.

/// What the outside DNS says of a hostname.
#[derive(Clone, Debug, Default)]
pub struct Dns {
    /// Name of the app that its addresses lead to.
    pub leads_to: Option<String>,
    /// Name of the app that its `_fly-ownership` record names.
    pub owned_by: Option<String>,
}

/// A hostname of an app, with its certificates.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// What it is for; a wildcard begins with `*.`.
    pub hostname: String,
    /// Whether Fly is to get one from Let's Encrypt.
    pub acme_requested: bool,
    /// When Fly got one, and until when it is good, in milliseconds since 1970.
    pub issued: Option<(i64, i64)>,
    /// Fingerprint of the chain that somebody uploaded, and when, in milliseconds since 1970.
    pub custom: Option<(String, i64)>,
    /// In milliseconds since 1970.
    pub created_at: i64,
    /// In milliseconds since 1970.
    pub updated_at: i64,
}

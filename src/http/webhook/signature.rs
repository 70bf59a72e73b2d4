//! The signature of a webhook: HMAC-SHA-256 of its bytes with the App's webhook secret.

use actix_web::http::header::{HeaderMap, HeaderName};
use aws_lc_rs::hmac;

const SIGNATURE: HeaderName = HeaderName::from_static("x-hub-signature-256");
/// What the header begins with. The older header, with SHA-1, counts for nothing.
const KIND: &str = "sha256=";
/// Bytes of a signature.
const LENGTH: usize = 32;

/// The signature that a request claims to have.
pub(super) struct Claimed([u8; LENGTH]);

impl Claimed {
    /// Reads the header; `None` when it is missing, there twice, or not of GitHub's form.
    pub(super) fn read(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(&SIGNATURE);
        let value = values.next().filter(|_| values.next().is_none())?;
        let digits = value.to_str().ok()?.strip_prefix(KIND)?.as_bytes();
        if digits.len() != 2 * LENGTH {
            return None;
        }
        let mut bytes = [0; LENGTH];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Some(Claimed(bytes))
    }
}

/// GitHub writes lower-case digits.
fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// What webhooks may be signed with: the secret, and while it is changed the one of before.
pub(super) struct Secrets(Vec<hmac::Key>);

impl Secrets {
    /// Empty secrets are none: anybody could sign with them.
    pub(super) fn new(secrets: &[&str]) -> Self {
        let given = secrets.iter().filter(|secret| !secret.is_empty());
        let key = |secret: &&str| hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        Secrets(given.map(key).collect())
    }

    /// Whether one of them signed these bytes, in a time that does not depend on how much of the signature is right.
    pub(super) fn signed(&self, bytes: &[u8], claimed: &Claimed) -> bool {
        let by = |key: &hmac::Key| hmac::verify(key, bytes, &claimed.0).is_ok();
        self.0.iter().any(by)
    }
}

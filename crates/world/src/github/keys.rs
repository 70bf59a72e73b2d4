//! Keys of Apps, and what is signed with them.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use anyhow::{Context as _, Result};
use aws_lc_rs::{
    encoding::{AsDer as _, Pkcs8V1Der},
    hmac,
    rsa::{KeyPair, KeySize},
    signature::KeyPair as _,
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::Deserialize;
use serde_json::Value;

/// GitHub takes no token of an App that lives longer.
const LONGEST_LIFE_S: i64 = 600;
/// How far ahead of GitHub the clock of an App may be.
const DRIFT_S: i64 = 30;
/// GitHub's new tokens are about this long; nobody may count on 40 characters.
pub(crate) const TOKEN_LETTERS: usize = 480;

/// No secret: it is part of the model. PKCS#8 of RSA with 2,048 bits.
const KNOWN: &[u8] = include_bytes!("story-key.pk8");

/// An RSA key: both halves.
#[derive(Clone)]
pub(crate) struct Key(Arc<KeyPair>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

/// Why GitHub does not take an App's JWT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadJwt {
    /// Not signed by the App that it names, or not a JWT.
    Undecodable,
    /// It is over, or there is no `exp`.
    Expired,
    /// `exp` is more than ten minutes ahead.
    TooLong,
    /// `iat` is in the future.
    FromTheFuture,
}

#[derive(Deserialize)]
struct Claims {
    exp: Option<i64>,
    iat: Option<i64>,
}

impl Key {
    pub(crate) fn generate() -> Result<Self> {
        let pair = KeyPair::generate(KeySize::Rsa2048).ok();
        Ok(Key(Arc::new(pair.context("no RSA key could be made")?)))
    }

    /// One that everybody knows, of all stories: to make one takes longer than many of them.
    pub(crate) fn of_stories() -> Result<Self> {
        static ONCE: OnceLock<Option<Key>> = OnceLock::new();
        let read = || KeyPair::from_pkcs8(KNOWN).ok();
        let key = ONCE.get_or_init(|| read().map(|pair| Key(Arc::new(pair))));
        key.clone().context("the key of stories is no PKCS#8")
    }

    /// The private half as GitHub hands it out: PKCS#1 in PEM.
    pub(crate) fn pem(&self) -> Result<String> {
        let pkcs8: Pkcs8V1Der<'_> = self.0.as_der().ok().context("the key has no DER")?;
        let pkcs1 = inner_key(pkcs8.as_ref()).context("the key is no PKCS#8")?;
        let text = STANDARD.encode(pkcs1);
        let lines: Vec<String> = text
            .as_bytes()
            .chunks(64)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        Ok(format!(
            "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----\n",
            lines.join("\n")
        ))
    }

    /// A JWT of these claims, as the App would sign it.
    pub(crate) fn sign(&self, claims: &Value) -> Result<String> {
        let pkcs8: Pkcs8V1Der<'_> = self.0.as_der().ok().context("the key has no DER")?;
        let pkcs1 = inner_key(pkcs8.as_ref()).context("the key is no PKCS#8")?;
        let key = EncodingKey::from_rsa_der(pkcs1);
        Ok(jsonwebtoken::encode(
            &Header::new(Algorithm::RS256),
            claims,
            &key,
        )?)
    }

    /// Whether this JWT is one of the App whose key this is, at this moment (milliseconds since 1970).
    pub(crate) fn check(&self, jwt: &str, now: i64) -> Result<(), BadJwt> {
        let mut validation = Validation::new(Algorithm::RS256);
        // Times are judged below, by the model's own clock.
        validation.validate_exp = false;
        validation.required_spec_claims.clear();
        let key = DecodingKey::from_rsa_der(self.0.public_key().as_ref());
        let claims = jsonwebtoken::decode::<Claims>(jwt, &key, &validation)
            .map_err(|_| BadJwt::Undecodable)?
            .claims;
        let now = now / 1000;
        match (claims.exp, claims.iat) {
            (Some(exp), _) if exp <= now => Err(BadJwt::Expired),
            (None, _) => Err(BadJwt::Expired),
            (Some(exp), _) if exp > now + LONGEST_LIFE_S + DRIFT_S => Err(BadJwt::TooLong),
            (_, None) => Err(BadJwt::FromTheFuture),
            (_, Some(iat)) if iat > now + DRIFT_S => Err(BadJwt::FromTheFuture),
            _ => Ok(()),
        }
    }
}

/// `iss` of a JWT, unchecked: an App's number or its client id.
pub(crate) fn issuer(jwt: &str) -> Option<String> {
    let payload = jwt.split('.').nth(1)?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    match claims.get("iss")? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// `sha256=…`, as in `X-Hub-Signature-256`.
pub(crate) fn signature(secret: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    format!("sha256={}", hex(hmac::sign(&key, body).as_ref()))
}

/// `sha1=…`, which GitHub still sends beside the other; nobody should look at it.
pub(crate) fn old_signature(secret: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
    format!("sha1={}", hex(hmac::sign(&key, body).as_ref()))
}

/// A fingerprint of an answer.
pub(crate) fn digest(body: &[u8]) -> String {
    hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, body).as_ref())
}

/// An installation token of the long kind, `ghs_APPID_JWT`, made of these letters.
pub(crate) fn installation_token(app: u64, letters: &str) -> String {
    let head = URL_SAFE_NO_PAD.encode(br#"{"alg":"RS256","typ":"JWT"}"#);
    let (payload, tail) = letters.split_at(TOKEN_LETTERS / 3);
    format!("ghs_{app}_{head}.{payload}.{tail}")
}

/// As GitHub writes the number of an event, made of these letters.
pub(crate) fn guid(letters: &str) -> String {
    let parts = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)];
    parts.map(|(from, to)| &letters[from..to]).join("-")
}

/// Letters that nobody can guess: what all secrets of one model are made from.
pub(crate) fn salt() -> Result<String> {
    let mut bytes = [0; 32];
    let filled = aws_lc_rs::rand::fill(&mut bytes).ok();
    filled.context("the box gives no random bytes")?;
    Ok(hex(&bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The last field of `PrivateKeyInfo`: an octet string that holds the key in PKCS#1.
fn inner_key(pkcs8: &[u8]) -> Option<&[u8]> {
    let (_, mut rest) = der_field(pkcs8)?;
    // Version, algorithm, key.
    for _ in 0..2 {
        let (whole, _) = der_field(rest)?;
        rest = rest.get(whole..)?;
    }
    der_field(rest).map(|(_, content)| content)
}

/// Length of the whole first field, and its content.
fn der_field(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let first = usize::from(*bytes.get(1)?);
    let (start, length) = if first < 0x80 {
        (2, first)
    } else {
        let count = first & 0x7f;
        let digits = bytes.get(2..2 + count)?;
        let length = digits
            .iter()
            .fold(0, |sum, digit| (sum << 8) | usize::from(*digit));
        (2 + count, length)
    };
    Some((start + length, bytes.get(start..start + length)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_github_s_documentation() {
        assert_eq!(
            signature("It's a Secret to Everybody", b"Hello, World!"),
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        );
    }

    #[test]
    fn a_key_is_handed_out_as_github_does() {
        let pem = Key::generate().unwrap().pem().unwrap();
        assert!(
            pem.starts_with("-----BEGIN RSA PRIVATE KEY-----\nMII"),
            "{pem}"
        );
    }

    #[test]
    fn tokens_are_long() {
        let token = installation_token(12, &"a".repeat(TOKEN_LETTERS));
        assert!(
            token.starts_with("ghs_12_ey") && token.len() > 400,
            "{token}"
        );
    }
}

//! The key that signs runners' tokens: Ed25519, in `DATA/runner.key`.
//!
//! A token is a JWT with one fixed algorithm and audience. It names an environment and a generation, not a
//! boot: a runner that starts again within its machine keeps it. Time is handed in; expiry is told apart from
//! everything else, because an expired token of a generation that the record names may still be renewed.

use std::{fmt, path::Path, time::Duration};

use aws_lc_rs::{
    hmac,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use nestling_domain::{
    announcement::Seal,
    ids::{AppId, EnvironmentId, Generation, Timestamp},
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::private_file::{self, KeyFileError};

/// The file of the key, in the data folder.
pub const RUNNER_KEY: &str = "runner.key";
/// Whom the tokens are for; a token for anybody else is not one of ours.
pub const AUDIENCE: &str = "nestling-runner";
/// How long a token is good: renewed at half of it, so that a server may be away for half a day.
pub const LIFETIME: Duration = Duration::from_hours(24);

/// Bytes of an identity: nobody else will ever have it.
const IDENTITY: usize = 15;
/// Ours have about 300 bytes.
const LONGEST_TOKEN: usize = 4096;
const EXPLANATION: &str = "the key that signs the tokens of nestling's runners. if it is replaced, running deployments can no \
     longer report and are started again.";

/// What a token says. Moments are whole seconds since 1970, as JWT has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Whose runner.
    #[serde(rename = "sub")]
    pub environment: EnvironmentId,
    /// Of which deployment.
    pub generation: Generation,
    /// Always [`AUDIENCE`].
    pub aud: String,
    /// When it was signed.
    pub iat: u64,
    /// From when on it is no longer good.
    pub exp: u64,
}

/// Why a token is not good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It was good once: all it may do now is to ask for another.
    #[error("this runner's token has expired")]
    Expired(Claims),
    /// It was not signed by this server for this purpose.
    #[error("this is not a runner's token of this server")]
    Invalid,
}

/// The token could not be signed.
#[derive(Debug, thiserror::Error)]
#[error("could not sign a runner's token")]
pub struct NotSigned(#[from] jsonwebtoken::errors::Error);

/// Signs and verifies runners' tokens, makes the keys of what runners digest, and seals links to logs.
pub struct RunnerKeys {
    digests: hmac::Key,
    signing: EncodingKey,
    verifying: DecodingKey,
    rules: Validation,
}

impl Claims {
    /// What a token for the runner of this generation says, from `now` on.
    pub fn new(environment: &EnvironmentId, generation: Generation, now: Timestamp) -> Self {
        let iat = seconds(now);
        Claims {
            environment: environment.clone(),
            generation,
            aud: AUDIENCE.to_owned(),
            iat,
            exp: iat.saturating_add(LIFETIME.as_secs()),
        }
    }
}

impl RunnerKeys {
    /// Reads the key of a data folder, and makes it when there is none.
    pub fn open(folder: &Path) -> Result<Self, KeyFileError> {
        let path = folder.join(RUNNER_KEY);
        let document = match private_file::read(&path)? {
            Some(text) => STANDARD.decode(text.as_bytes()).map(Zeroizing::new).ok(),
            None => Some(make(&path)?),
        };
        let key = document.and_then(|document| {
            let pair = Ed25519KeyPair::from_pkcs8(&document).ok()?;
            Some(RunnerKeys {
                digests: hmac::Key::new(hmac::HMAC_SHA256, &document),
                signing: EncodingKey::from_ed_der(&document),
                verifying: DecodingKey::from_ed_der(pair.public_key().as_ref()),
                rules: rules(),
            })
        });
        key.ok_or(KeyFileError::Damaged {
            path,
            what: "an Ed25519 key (PKCS #8, base64)",
        })
    }

    /// A token that says this.
    pub fn sign(&self, claims: &Claims) -> Result<String, NotSigned> {
        Ok(jsonwebtoken::encode(
            &Header::new(Algorithm::EdDSA),
            claims,
            &self.signing,
        )?)
    }

    /// The key with which runners of this app make digests that its code cannot make. Another for each app, and the
    /// same after a restart.
    pub fn digest_key(&self, app: &AppId) -> String {
        let message = format!("digests of {app}");
        STANDARD.encode(hmac::sign(&self.digests, message.as_bytes()))
    }

    /// Who this server is to whom it leaves things with: random, and the same after a restart.
    pub fn identity(&self) -> String {
        let tag = hmac::sign(&self.digests, b"identity of this nestling");
        URL_SAFE_NO_PAD.encode(&tag.as_ref()[..IDENTITY])
    }

    /// What the gateway shows to the proxy of this generation's runner, and nobody else can make.
    pub fn credential(&self, environment: &EnvironmentId, generation: Generation) -> String {
        let message = format!("entering generation {generation} of {environment}");
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.digests, message.as_bytes()))
    }

    /// What a token says, when it is one of ours and has not expired at `now`.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, TokenError> {
        if token.len() > LONGEST_TOKEN {
            return Err(TokenError::Invalid);
        }
        // Why exactly is nobody's business: whoever holds a good token never sees this.
        let read = jsonwebtoken::decode::<Claims>(token, &self.verifying, &self.rules);
        let claims = read.map_err(|_| TokenError::Invalid)?.claims;
        if seconds(now) >= claims.exp {
            return Err(TokenError::Expired(claims));
        }
        Ok(claims)
    }
}

/// Another for each environment, and the same after a restart; a new key of the data folder makes all of them worthless.
impl Seal for RunnerKeys {
    fn seal(&self, environment: &EnvironmentId) -> String {
        // Nothing else that this key signs begins so.
        let message = format!("reading logs and tests of {environment}");
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.digests, message.as_bytes()))
    }
}

impl fmt::Debug for RunnerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunnerKeys").finish_non_exhaustive()
    }
}

fn make(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let pair = Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8());
    let document = pair.map_err(|_| KeyFileError::NoRandomness {
        path: path.to_owned(),
    })?;
    let document = Zeroizing::new(document.as_ref().to_vec());
    private_file::create(
        path,
        Some(EXPLANATION),
        &Zeroizing::new(STANDARD.encode(&*document)),
    )?;
    Ok(document)
}

fn rules() -> Validation {
    let mut rules = Validation::new(Algorithm::EdDSA);
    rules.set_audience(&[AUDIENCE]);
    rules.set_required_spec_claims(&["exp", "aud", "sub"]);
    // The library would ask the system's clock; see `verify`.
    rules.validate_exp = false;
    rules
}

fn seconds(at: Timestamp) -> u64 {
    at.0 / 1000
}

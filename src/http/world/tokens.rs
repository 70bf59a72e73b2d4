//! Tokens of runners, good ones and others.

use std::path::Path;

use nestling_domain::{
    announcement::Seal,
    ids::{AppId, EnvironmentId, Generation, Timestamp},
};

use crate::{
    drivers::keys::signing::{self, RunnerKeys},
    http::runner::{Claims, Invalid, RunnerTokens},
};

/// The server's own key, with which a story can also sign what the server would not.
#[derive(Debug)]
pub(crate) struct Tokens(RunnerKeys);

impl Tokens {
    pub(super) fn new(folder: &Path) -> Self {
        Tokens(RunnerKeys::open(folder).unwrap())
    }

    /// A token that is good from `from` until `until`, for that audience.
    pub(crate) fn sign_for(
        &self,
        environment: &EnvironmentId,
        generation: Generation,
        from: Timestamp,
        until: Timestamp,
        audience: &str,
    ) -> String {
        let claims = signing::Claims {
            aud: audience.to_owned(),
            exp: until.0 / 1_000,
            ..signing::Claims::new(environment, generation, from)
        };
        self.0.sign(&claims).unwrap()
    }
}

impl Seal for Tokens {
    fn seal(&self, environment: &EnvironmentId) -> String {
        self.0.seal(environment)
    }
}

impl RunnerTokens for Tokens {
    fn sign(&self, environment: &EnvironmentId, generation: Generation, now: Timestamp) -> String {
        RunnerTokens::sign(&self.0, environment, generation, now)
    }

    fn read(&self, token: &str) -> Result<Claims, Invalid> {
        self.0.read(token)
    }

    fn digest_key(&self, app: &AppId) -> String {
        self.0.digest_key(app)
    }
}

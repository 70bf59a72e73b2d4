//! Who speaks: a runner is named by its token, and by nothing that it says itself.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header, web};
use nestling_domain::{
    deployment::Deployment,
    environment::Environment,
    ids::{AppId, EnvironmentId, Generation, Timestamp},
};

use tracing::error;

use super::Runners;
use crate::{
    drivers::{
        clock,
        keys::signing::{self, RunnerKeys, TokenError},
    },
    http::problem::Problem,
};

/// The longest token that is looked at.
const LONGEST_TOKEN: usize = 4_096;

/// What a runner's token says, once its signature and audience are right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// Whose runner.
    pub environment: EnvironmentId,
    /// Of which deployment.
    pub generation: Generation,
    /// When it was signed.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A token that was not signed by this server for this purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not a runner's token of this server")]
pub struct Invalid;

/// Signs runners' tokens, and reads them.
pub trait RunnerTokens: Send + Sync + 'static {
    /// A token for the runner of this generation, from `now` on.
    fn sign(&self, environment: &EnvironmentId, generation: Generation, now: Timestamp) -> String;
    /// What a token says when signature and audience are right; whether it has expired is in what it says.
    fn read(&self, token: &str) -> Result<Claims, Invalid>;
    /// What the app's runners make digests with that nobody else can make.
    fn digest_key(&self, app: &AppId) -> String;
}

impl RunnerTokens for RunnerKeys {
    fn sign(&self, environment: &EnvironmentId, generation: Generation, now: Timestamp) -> String {
        let claims = signing::Claims::new(environment, generation, now);
        RunnerKeys::sign(self, &claims).unwrap_or_else(|error| {
            // Its runner will be told 401, and its deployment will fail at its deadline.
            error!(environment.id = %environment, "{error}");
            String::new()
        })
    }

    fn read(&self, token: &str) -> Result<Claims, Invalid> {
        // Expiry is looked at by whoever asks: an expired token may still ask for another.
        match self.verify(token, Timestamp(0)) {
            Ok(claims) | Err(TokenError::Expired(claims)) => Ok(Claims {
                environment: claims.environment,
                generation: claims.generation,
                issued_at: Timestamp(claims.iat.saturating_mul(1_000)),
                expires_at: Timestamp(claims.exp.saturating_mul(1_000)),
            }),
            Err(TokenError::Invalid) => Err(Invalid),
        }
    }

    fn digest_key(&self, app: &AppId) -> String {
        RunnerKeys::digest_key(self, app)
    }
}

impl Claims {
    fn expired(&self, now: Timestamp) -> bool {
        now >= self.expires_at
    }

    /// Whether it is past half of its life, and is to be replaced.
    fn worn(&self, now: Timestamp) -> bool {
        now.since(self.issued_at) * 2 >= self.expires_at.since(self.issued_at)
    }
}

/// A runner whose token is signed by us; it may have expired.
pub(super) struct Caller {
    pub(super) claims: Claims,
    pub(super) now: Timestamp,
    /// Whether all that it may do is to ask for another token.
    pub(super) expired: bool,
    /// Whether it is given another token with the next answer.
    pub(super) worn: bool,
}

/// A runner whose token is still good.
pub(super) struct GoodCaller(pub(super) Caller);

// Extractors, so that the body of a stranger is not even read.
impl FromRequest for Caller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(caller(request))
    }
}

impl FromRequest for GoodCaller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(caller(request).and_then(|caller| {
            if caller.expired {
                return Err(Problem::unauthorised(
                    "this token has expired: the answer to the next heartbeat holds another",
                ));
            }
            Ok(GoodCaller(caller))
        }))
    }
}

fn caller(request: &HttpRequest) -> Result<Caller, Problem> {
    let runners = request
        .app_data::<web::Data<Runners>>()
        .ok_or_else(|| Problem::internal("the runner's routes are mounted without their state"))?;
    let token = bearer(request)
        .ok_or_else(|| Problem::unauthorised("send the runner's token as a bearer token"))?;
    let claims = runners
        .tokens
        .read(token)
        .map_err(|invalid| Problem::unauthorised(invalid.to_string()))?;
    let now = clock::now();
    Ok(Caller {
        expired: claims.expired(now),
        worn: claims.worn(now),
        claims,
        now,
    })
}

impl Runners {
    /// The record that names the caller's generation, else it is stale.
    pub(super) async fn record(&self, claims: &Claims) -> Result<Environment, Problem> {
        let record = self
            .services
            .store
            .environment(&claims.environment)
            .await?
            .ok_or_else(|| stale(claims))?;
        deployment(&record, claims)?;
        Ok(record)
    }

    /// Another token, when the one used is past half of its life.
    pub(super) fn renewed(&self, caller: &Caller) -> Option<String> {
        let claims = &caller.claims;
        caller.worn.then(|| {
            self.tokens
                .sign(&claims.environment, claims.generation, caller.now)
        })
    }
}

/// The caller's deployment, which the record names, else it is stale.
pub(super) fn deployment<'a>(
    record: &'a Environment,
    claims: &Claims,
) -> Result<&'a Deployment, Problem> {
    record
        .lifecycle
        .named(claims.generation)
        .ok_or_else(|| stale(claims))
}

pub(super) fn stale(claims: &Claims) -> Problem {
    Problem::stale(format!(
        "deployment {} of {} is neither serving nor next",
        claims.generation, claims.environment
    ))
}

/// What a runner says of itself must be what its token says.
pub(super) fn same_generation(claims: &Claims, said: u32) -> Result<(), Problem> {
    if claims.generation == Generation(said) {
        return Ok(());
    }
    Err(Problem::forbidden(format!(
        "this token is for generation {} and not for generation {said}",
        claims.generation
    )))
}

fn bearer(request: &HttpRequest) -> Option<&str> {
    let value = request
        .headers()
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let fits = scheme.eq_ignore_ascii_case("bearer") && token.len() <= LONGEST_TOKEN;
    fits.then(|| token.trim())
}

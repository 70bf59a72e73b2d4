//! Runners' tokens as the server's own key signs them.

use nestling_domain::ids::{EnvironmentId, Generation, Timestamp};

use super::identity::{Claims, Invalid, RunnerTokens};
use crate::drivers::keys::signing::{self, RunnerKeys, TokenError};

impl RunnerTokens for RunnerKeys {
    fn sign(&self, environment: &EnvironmentId, generation: Generation, now: Timestamp) -> String {
        let claims = signing::Claims::new(environment, generation, now);
        RunnerKeys::sign(self, &claims).unwrap_or_else(|error| {
            // An empty token is refused everywhere: the deployment fails instead of the server.
            tracing::error!(environment.id = %environment, "{error}");
            String::new()
        })
    }

    fn read(&self, token: &str) -> Result<Claims, Invalid> {
        // Whether it has expired is in what it says, so that any moment does.
        match self.verify(token, Timestamp(0)) {
            Ok(claims) | Err(TokenError::Expired(claims)) => Ok(Claims {
                environment: claims.environment,
                generation: claims.generation,
                issued_at: Timestamp(claims.iat.saturating_mul(1000)),
                expires_at: Timestamp(claims.exp.saturating_mul(1000)),
            }),
            Err(TokenError::Invalid) => Err(Invalid),
        }
    }
}

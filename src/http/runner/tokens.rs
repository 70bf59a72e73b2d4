//! The runners' tokens of this server: its own key behind what the routes ask.

use nestling_domain::ids::{EnvironmentId, Generation, Timestamp};

use super::identity::{Claims, Invalid, RunnerTokens};
use crate::drivers::keys::signing::{self, RunnerKeys, TokenError};

impl RunnerTokens for RunnerKeys {
    fn sign(&self, environment: &EnvironmentId, generation: Generation, now: Timestamp) -> String {
        let claims = signing::Claims::new(environment, generation, now);
        RunnerKeys::sign(self, &claims).unwrap_or_else(|error| {
            // Its runner will be refused, which the deployment's deadline tells.
            tracing::error!("{error}");
            String::new()
        })
    }

    fn read(&self, token: &str) -> Result<Claims, Invalid> {
        // Whether it has expired is judged by who asks, with the moment at hand.
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
}

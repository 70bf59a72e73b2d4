//! Tokens of installations: made when they are needed, kept until shortly before they end, by one maker at a time.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use nestling_domain::ids::RepositoryId;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    sync::Mutex as Slot,
    time::{Duration, Instant},
};
use zeroize::Zeroizing;

use super::{
    GitHub, GitHubError, Unreachable,
    limits::Who,
    paths::path,
    request::{Asked, is_suspended},
};

/// Tokens live an hour, by GitHub's documentation; a fetch of a large repository may take some of it.
const KEPT: Duration = Duration::from_mins(45);

/// A token that reads the contents of one repository, and nothing else.
#[derive(Clone)]
pub struct SourceToken(Zeroizing<String>);

impl SourceToken {
    /// Its letters: to be handed to git by its environment, never in arguments or addresses.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SourceToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SourceToken(…)")
    }
}

/// What a token is for: all that an installation was granted, or one repository's contents.
type For = (u64, Option<RepositoryId>);

#[derive(Default)]
pub(super) struct Tokens {
    slots: Mutex<HashMap<For, Arc<Slot<Option<Kept>>>>>,
}

struct Kept {
    token: Zeroizing<String>,
    until: Instant,
}

impl Tokens {
    /// Makes the next request of this installation ask for new tokens.
    pub(super) fn forget(&self, who: Who) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|(installation, _), _| Some(*installation) != who);
    }

    fn slot(&self, purpose: For) -> Arc<Slot<Option<Kept>>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.entry(purpose).or_default().clone()
    }
}

#[derive(Deserialize)]
struct Made {
    token: String,
}

impl GitHub {
    /// A token for everything that the installation was granted.
    pub(super) async fn token(&self, installation: u64) -> Result<Zeroizing<String>, GitHubError> {
        self.kept((installation, None), &json!({})).await
    }

    /// A token that reads this repository and nothing else, for git.
    pub async fn source_token(
        &self,
        installation: u64,
        repository: RepositoryId,
    ) -> Result<SourceToken, GitHubError> {
        let narrowed = json!({
            "repository_ids": [repository.0],
            "permissions": { "contents": "read" },
        });
        let purpose = (installation, Some(repository));
        self.kept(purpose, &narrowed).await.map(SourceToken)
    }

    async fn kept(&self, purpose: For, narrowed: &Value) -> Result<Zeroizing<String>, GitHubError> {
        let slot = self.tokens.slot(purpose);
        let mut kept = slot.lock().await;
        if let Some(kept) = kept.as_ref().filter(|kept| Instant::now() < kept.until) {
            return Ok(kept.token.clone());
        }
        let until = Instant::now() + KEPT;
        let installation = purpose.0.to_string();
        let asked = Asked::create(
            format!("a token of installation {installation}"),
            path(&["app", "installations", &installation, "access_tokens"]),
            narrowed.clone(),
        )
        .harmless();
        let made: Result<Made, _> = self.ask_as_app(&asked).await;
        // Or else whatever the token was wanted for would seem not to be there.
        if let Err(GitHubError::Absent { asked }) = made {
            self.reach.not_reached(purpose.0, Unreachable::Removed);
            let said = "the App is not installed there any more".to_owned();
            return Err(GitHubError::Refused {
                asked,
                status: 404,
                said,
            });
        }
        if let Err(GitHubError::Refused { status, said, .. }) = &made
            && is_suspended(*status, said)
        {
            self.reach.not_reached(purpose.0, Unreachable::Suspended);
        }
        let made = made?;
        let token = Zeroizing::new(made.token);
        *kept = Some(Kept {
            token: token.clone(),
            until,
        });
        Ok(token)
    }

    /// Boxed: a request of an installation needs one of the App first, by the same way.
    async fn ask_as_app<T: serde::de::DeserializeOwned>(
        &self,
        asked: &Asked,
    ) -> Result<T, GitHubError> {
        Box::pin(self.ask(None, asked)).await
    }
}

//! Sealing everything anew, one secret after another, while everything else goes on.

use actix::prelude::*;
use nestling_domain::{
    app::App,
    ids::Class,
    record::{Content, Value},
};
use tracing::info;

use super::{Secrets, bound};
use crate::{
    actors::github::making::kept,
    drivers::keys::KeyError,
    messages::secrets::{Reseal, Resealed, SecretError},
};

/// What a value came to.
enum Outcome {
    Sealed,
    /// It was replaced or removed meanwhile: who replaced it sealed it by the present key.
    Passed,
}

impl Handler<Reseal> for Secrets {
    type Result = ResponseFuture<Result<Resealed, SecretError>>;

    fn handle(&mut self, _: Reseal, _: &mut Self::Context) -> Self::Result {
        let secrets = Secrets {
            store: self.store.clone(),
            keys: self.keys.clone(),
            writing: self.writing.clone(),
        };
        Box::pin(async move { secrets.reseal().await })
    }
}

impl Secrets {
    async fn reseal(&self) -> Result<Resealed, SecretError> {
        let mut resealed = Resealed::default();
        for app in self.store.apps().await? {
            for class in [Class::Production, Class::Preview] {
                for value in self.store.values(&app.id, class).await? {
                    self.reseal_one(&app, &value, &mut resealed).await?;
                }
            }
        }
        self.reseal_own_app(&mut resealed).await?;
        info!(
            "sealed {} secrets anew; {} were left as they were",
            resealed.secrets,
            resealed.left.len()
        );
        Ok(resealed)
    }

    async fn reseal_one(
        &self,
        app: &App,
        value: &Value,
        resealed: &mut Resealed,
    ) -> Result<(), SecretError> {
        let Content::Secret { envelope } = &value.content else {
            return Ok(());
        };
        match self.sealed_anew(value, envelope).await {
            Ok(Outcome::Sealed) => resealed.secrets += 1,
            Ok(Outcome::Passed) => {}
            Err(Left::Refused(why)) => {
                let (class, name) = (value.class.name(), value.name.as_str());
                let named = format!("{}/{} {class}/{name}", app.owner, app.slug);
                resealed.left.push((named, why));
            }
            Err(Left::Failed(error)) => return Err(error),
        }
        Ok(())
    }

    async fn sealed_anew(&self, value: &Value, envelope: &[u8]) -> Result<Outcome, Left> {
        let bound = bound(&value.app, value.class, &value.name);
        let plain = zeroize::Zeroizing::new(self.keys.open(&bound, envelope).await?);
        let envelope = self.keys.seal(&bound, &plain).await?;
        let _writing = self.writing.lock().await;
        let stored = |error| Left::Failed(SecretError::from(error));
        let known = self.store.values(&value.app, value.class).await;
        if !known.map_err(stored)?.contains(value) {
            return Ok(Outcome::Passed);
        }
        let value = Value {
            content: Content::Secret { envelope },
            ..value.clone()
        };
        self.store.put_value(&value).await.map_err(stored)?;
        Ok(Outcome::Sealed)
    }

    /// The keys of the GitHub App that was made on the dashboard.
    async fn reseal_own_app(&self, resealed: &mut Resealed) -> Result<(), SecretError> {
        match kept::sealed_anew(&*self.store, &*self.keys).await? {
            Ok(sealed) => resealed.secrets += sealed,
            Err(error @ KeyError::Refused(..)) => {
                let named = "the keys of the GitHub App".to_owned();
                resealed.left.push((named, error.to_string()));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

/// Why one was left.
enum Left {
    /// It cannot be opened, which is no reason to stop.
    Refused(String),
    /// Nothing can, now.
    Failed(SecretError),
}

impl From<KeyError> for Left {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Refused(..) => Left::Refused(error.to_string()),
            KeyError::Unusable(_) | KeyError::Failed(_) => Left::Failed(error.into()),
        }
    }
}

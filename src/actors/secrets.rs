//! Secrets: the one actor that sees values in the clear, for as long as it takes to hand them on.

mod reseal;

use std::sync::Arc;

use actix::prelude::*;
use nestling_domain::{
    app::VariableName,
    ids::{AppId, Class},
    record::{Content, Value},
};
use tokio::sync::Mutex;

use crate::{
    drivers::{
        clock,
        keys::{Context as Bound, KeyError, Keys},
        store::{Store, StoreError},
    },
    messages::secrets::{
        Delete, Handle, List, Listed, Put, Reveal, RevealOne, Revealed, SecretError,
    },
};

/// The longest value: an environment block holds 128 KiB per variable at most (Linux `MAX_ARG_STRLEN`).
const LONGEST: usize = 64 * 1024;
/// Values per app and kind; all of them together must fit in a process's environment.
const MOST: usize = 200;
/// Values shorter than this cannot be masked in logs without masking half of every log.
pub const SHORTEST_MASKED: usize = 6;

/// Seals, opens and lists secrets and variables.
pub struct Secrets {
    store: Arc<dyn Store>,
    keys: Arc<dyn Keys>,
    /// Held while a value is written, so that sealing anew does not bring back what was replaced meanwhile.
    writing: Arc<Mutex<()>>,
}

impl Secrets {
    /// The actor on these drivers.
    pub fn new(store: Arc<dyn Store>, keys: Arc<dyn Keys>) -> Self {
        Secrets {
            store,
            keys,
            writing: Arc::default(),
        }
    }

    /// The way for everybody else to reach it.
    pub fn handle(address: &Addr<Self>) -> Handle {
        Handle {
            reveal: address.clone().recipient(),
            reveal_one: address.clone().recipient(),
            put: address.clone().recipient(),
            delete: address.clone().recipient(),
            list: address.clone().recipient(),
            reseal: address.clone().recipient(),
        }
    }
}

impl Actor for Secrets {
    type Context = Context<Self>;
}

impl Handler<Reveal> for Secrets {
    type Result = ResponseFuture<Result<Revealed, SecretError>>;

    fn handle(&mut self, Reveal { app, class }: Reveal, _: &mut Self::Context) -> Self::Result {
        let (store, keys) = (self.store.clone(), self.keys.clone());
        Box::pin(async move {
            let mut revealed = Revealed::default();
            for value in store.values(&app, class).await? {
                let name = value.name.as_str().to_owned();
                match &value.content {
                    Content::Plain { text } => revealed.variables.insert(name, text.clone()),
                    Content::Secret { envelope } => {
                        let text = open(&*keys, &app, class, &value.name, envelope).await?;
                        revealed.secrets.insert(name, text)
                    }
                };
            }
            Ok(revealed)
        })
    }
}

impl Handler<RevealOne> for Secrets {
    type Result = ResponseFuture<Result<Option<String>, SecretError>>;

    fn handle(
        &mut self,
        RevealOne { app, class, name }: RevealOne,
        _: &mut Self::Context,
    ) -> Self::Result {
        let (store, keys) = (self.store.clone(), self.keys.clone());
        Box::pin(async move {
            let values = store.values(&app, class).await?;
            let Some(value) = values.into_iter().find(|value| value.name == name) else {
                return Ok(None);
            };
            match &value.content {
                Content::Plain { text } => Ok(Some(text.clone())),
                Content::Secret { envelope } => {
                    open(&*keys, &app, class, &name, envelope).await.map(Some)
                }
            }
        })
    }
}

impl Handler<Put> for Secrets {
    type Result = ResponseFuture<Result<(), SecretError>>;

    fn handle(
        &mut self,
        Put {
            app,
            class,
            name,
            text,
            secret,
        }: Put,
        _: &mut Self::Context,
    ) -> Self::Result {
        let (store, keys) = (self.store.clone(), self.keys.clone());
        let writing = self.writing.clone();
        Box::pin(async move {
            check(&name, &text, secret)?;
            let known = store.values(&app, class).await?;
            if known.len() >= MOST && !known.iter().any(|value| value.name == name) {
                return Err(SecretError::Refused(format!(
                    "{app} has {MOST} values for {} already, which is the most",
                    class.name()
                )));
            }
            // Lists show variables: what is secret must not get there by a slip.
            let hidden = |value: &Value| matches!(value.content, Content::Secret { .. });
            if !secret
                && known
                    .iter()
                    .any(|value| value.name == name && hidden(value))
            {
                return Err(SecretError::Conflict(format!(
                    "{} is a secret: delete it first, then put it as a variable",
                    name.as_str()
                )));
            }
            let content = if secret {
                let envelope = keys
                    .seal(&bound(&app, class, &name), text.as_bytes())
                    .await?;
                Content::Secret { envelope }
            } else {
                Content::Plain { text }
            };
            let _writing = writing.lock().await;
            store
                .put_value(&Value {
                    app,
                    class,
                    name,
                    content,
                    updated_at: clock::now(),
                })
                .await?;
            Ok(())
        })
    }
}

impl Handler<Delete> for Secrets {
    type Result = ResponseFuture<Result<bool, SecretError>>;

    fn handle(
        &mut self,
        Delete { app, class, name }: Delete,
        _: &mut Self::Context,
    ) -> Self::Result {
        let (store, writing) = (self.store.clone(), self.writing.clone());
        Box::pin(async move {
            let _writing = writing.lock().await;
            Ok(store.delete_value(&app, class, &name).await?)
        })
    }
}

impl Handler<List> for Secrets {
    type Result = ResponseFuture<Result<Vec<Listed>, SecretError>>;

    fn handle(&mut self, List { app, class }: List, _: &mut Self::Context) -> Self::Result {
        let store = self.store.clone();
        Box::pin(async move {
            let listed = |value: Value| Listed {
                name: value.name,
                text: match value.content {
                    Content::Plain { text } => Some(text),
                    Content::Secret { .. } => None,
                },
                updated_at: value.updated_at,
            };
            Ok(store
                .values(&app, class)
                .await?
                .into_iter()
                .map(listed)
                .collect())
        })
    }
}

fn check(name: &VariableName, text: &str, secret: bool) -> Result<(), SecretError> {
    let name = name.as_str();
    if text.len() > LONGEST {
        return Err(SecretError::Refused(format!(
            "the value of {name} has {} bytes; the most is {LONGEST}",
            text.len()
        )));
    }
    if text.contains('\0') {
        return Err(SecretError::Refused(format!(
            "the value of {name} contains a NUL byte, which no environment variable can hold"
        )));
    }
    if secret && text.len() < SHORTEST_MASKED {
        return Err(SecretError::Refused(format!(
            "the secret {name} is shorter than {SHORTEST_MASKED} bytes and could not be masked in logs: use a longer one, or a plain variable"
        )));
    }
    Ok(())
}

async fn open(
    keys: &dyn Keys,
    app: &AppId,
    class: Class,
    name: &VariableName,
    envelope: &[u8],
) -> Result<String, SecretError> {
    let plain = keys.open(&bound(app, class, name), envelope).await?;
    String::from_utf8(plain)
        .map_err(|_| SecretError::Refused(format!("the secret {} is not text", name.as_str())))
}

fn bound(app: &AppId, class: Class, name: &VariableName) -> Bound {
    Bound {
        app: app.0.clone(),
        class: class.name().to_owned(),
        name: name.as_str().to_owned(),
    }
}

impl From<StoreError> for SecretError {
    fn from(error: StoreError) -> Self {
        SecretError::Failed(error.to_string())
    }
}

impl From<KeyError> for SecretError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Failed(_) => SecretError::Failed(error.to_string()),
            KeyError::Refused(..) | KeyError::Unusable(_) => {
                SecretError::Refused(error.to_string())
            }
        }
    }
}

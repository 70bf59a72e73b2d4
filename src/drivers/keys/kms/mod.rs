//! Keys of AWS KMS: a data key per app and kind, wrapped by a key that never leaves KMS.
//!
//! A data key is made by `GenerateDataKey` and unwrapped by `Decrypt`, both with the encryption context (app, kind), which
//! KMS authenticates, writes into its trail, and can be asked for in a policy. What is sealed is sealed here, by
//! AES-256-GCM with everything authenticated that the envelope is bound to. The wrapped data key travels in the envelope,
//! so that nothing has to be stored, or can be lost, beside it.
//!
//! Data keys in the clear are kept in memory for a while (see [`Bounds`]): a server that starts a hundred machines asks KMS
//! once for each app and kind, and goes on for some minutes while KMS does not answer. So long a key that was disabled
//! still works, too.

mod cache;
mod envelope;
mod look;
mod words;

use std::{collections::HashMap, fmt, sync::Mutex};

use async_trait::async_trait;
use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_sdk_kms::{Client, error::ProvideErrorMetadata as _, primitives::Blob, types::DataKeySpec};
use tracing::{error, info};
use zeroize::Zeroizing;

use self::{
    cache::{Cache, DataKey},
    envelope::Envelope,
};
use super::{Context, KeyError, Keys};
use crate::drivers::aws::Account;

pub use cache::Bounds;
pub use envelope::VERSION;

/// Which keys of KMS.
#[derive(Debug, Clone)]
pub struct Order {
    /// The id, ARN or alias of the key that seals.
    pub key_id: String,
    /// Keys that sealed before, and still open.
    pub previous_key_ids: Vec<String>,
}

/// Seals and opens with data keys that KMS wraps.
pub struct KmsKeys {
    client: Client,
    order: Order,
    region: String,
    cache: Mutex<Cache>,
    /// Why the last use of KMS failed, until one succeeds.
    trouble: Mutex<Option<String>>,
}

impl KmsKeys {
    /// Keys of this account. Nothing is asked yet: see [`KmsKeys::look`].
    pub fn new(account: &Account, order: Order, bounds: Bounds) -> Self {
        let config = aws_sdk_kms::config::Builder::from(account.sdk())
            .interceptor(account.clock().clone())
            .build();
        KmsKeys {
            client: Client::from_conf(config),
            order,
            region: account.region().to_owned(),
            cache: Mutex::new(Cache::new(bounds)),
            trouble: Mutex::new(None),
        }
    }

    /// The data key to seal with.
    async fn sealing(&self, context: &Context) -> Result<DataKey, KeyError> {
        if let Some(key) = lock(&self.cache).sealing(&context.app, &context.class) {
            return Ok(key);
        }
        let request = self.client.generate_data_key();
        let made = request
            .key_id(&self.order.key_id)
            .key_spec(DataKeySpec::Aes256)
            .set_encryption_context(Some(encryption_context(context)))
            .send()
            .await;
        let made = self.seen(made.map_err(|error| {
            words::of(
                &self.order.key_id,
                &self.region,
                "kms:GenerateDataKey",
                &error,
            )
        }))?;
        let arn = made.key_id().unwrap_or(&self.order.key_id).to_owned();
        let wrapped = made.ciphertext_blob().map(|blob| blob.as_ref().to_vec());
        let key = DataKey::new(arn, wrapped.unwrap_or_default(), made.plaintext())
            .ok_or_else(|| KeyError::Unusable("KMS gave no key of 256 bits".to_owned()))?
            .just_made();
        lock(&self.cache).keep(&context.app, &context.class, &key);
        Ok(key)
    }

    /// The data key of an envelope. Keys are tried one after another: only KMS knows which one wrapped it, and it must be
    /// one of ours, or whoever can write to the store could have us trust a key of his own.
    async fn opening(
        &self,
        context: &Context,
        envelope: &Envelope<'_>,
    ) -> Result<DataKey, KeyError> {
        let known = lock(&self.cache).opening(&context.app, &context.class, envelope.wrapped);
        if let Some(key) = known {
            return Ok(key);
        }
        for key_id in self.candidates(envelope.arn) {
            let request = self.client.decrypt().key_id(key_id);
            let unwrapped = request
                .ciphertext_blob(Blob::new(envelope.wrapped))
                .set_encryption_context(Some(encryption_context(context)))
                .send()
                .await;
            let error = match unwrapped {
                Ok(unwrapped) => {
                    let key = DataKey::new(
                        envelope.arn.to_owned(),
                        envelope.wrapped.to_vec(),
                        unwrapped.plaintext(),
                    );
                    let key = self.seen(key.ok_or_else(|| changed(context)))?;
                    lock(&self.cache).keep(&context.app, &context.class, &key);
                    return Ok(key);
                }
                Err(error) => error,
            };
            match error.code() {
                Some("IncorrectKeyException") => {}
                // It says nothing of the key: somebody changed the envelope, or moved it.
                Some("InvalidCiphertextException" | "ValidationException") => {
                    return Err(changed(context));
                }
                _ => {
                    let told = words::of(key_id, &self.region, "kms:Decrypt", &error);
                    return self.seen(Err(told));
                }
            }
        }
        let arn = nestling_domain::text::clean(envelope.arn, 200);
        Err(KeyError::Refused(
            context.name.clone(),
            format!(
                "it was sealed with the KMS key {arn}, and {} is configured: name that one in keys.kms.previous_key_ids, or set the secret again",
                self.order.key_id
            ),
        ))
    }

    /// The keys that may have wrapped it, the likeliest first.
    fn candidates(&self, arn: &str) -> Vec<&str> {
        let all = std::iter::once(&self.order.key_id).chain(&self.order.previous_key_ids);
        let mut all: Vec<&str> = all.map(String::as_str).collect();
        all.sort_by_key(|id| *id != arn && !arn.ends_with(&format!(":key/{id}")));
        all
    }

    /// Remembers whether KMS can be used, and says so when that is news.
    fn seen<T>(&self, outcome: Result<T, KeyError>) -> Result<T, KeyError> {
        let trouble = match &outcome {
            Ok(_) => None,
            // Of one secret, not of the key.
            Err(KeyError::Refused(..)) => return outcome,
            Err(KeyError::Unusable(why) | KeyError::Failed(why)) => Some(why.clone()),
        };
        let mut known = lock(&self.trouble);
        if *known != trouble {
            if let Some(why) = &trouble {
                error!("secrets cannot be used: {why}");
            } else {
                info!("secrets can be used again");
            }
            *known = trouble;
        }
        drop(known);
        outcome
    }
}

#[async_trait]
impl Keys for KmsKeys {
    fn trouble(&self) -> Option<String> {
        lock(&self.trouble).clone()
    }

    async fn seal(&self, context: &Context, plain: &[u8]) -> Result<Vec<u8>, KeyError> {
        if context.app.is_empty() || context.class.is_empty() {
            let why = "it belongs to no app or to no kind".to_owned();
            return Err(KeyError::Refused(context.name.clone(), why));
        }
        let key = self.sealing(context).await?;
        let mut sealed = plain.to_vec();
        let bound = envelope::bound(&key.arn, &key.wrapped, context);
        let nonce = cipher(&key)
            .and_then(|cipher| {
                cipher
                    .seal_in_place_append_tag(Aad::from(bound), &mut sealed)
                    .ok()
            })
            .ok_or_else(|| {
                KeyError::Unusable(format!("the secret {:?} could not be sealed", context.name))
            })?;
        envelope::written(&key.arn, &key.wrapped, nonce.as_ref(), &sealed)
            .ok_or_else(|| KeyError::Unusable("KMS gave a data key that is too long".to_owned()))
    }

    async fn open(&self, context: &Context, envelope: &[u8]) -> Result<Vec<u8>, KeyError> {
        let refused = |why: &str| KeyError::Refused(context.name.clone(), why.to_owned());
        let Some(envelope) = Envelope::read(envelope) else {
            return Err(refused(
                if envelope.first() == Some(&super::local::VERSION) {
                    "it was sealed with the master key file of keys.driver = \"local\", which is not in the data folder; put it back, or set the secret again"
                } else {
                    "it is no envelope of this version; set the secret again"
                },
            ));
        };
        if context.app.is_empty() || context.class.is_empty() {
            return Err(changed(context));
        }
        let key = self.opening(context, &envelope).await?;
        let nonce = Nonce::try_assume_unique_for_key(envelope.nonce);
        let nonce = nonce.map_err(|_| changed(context))?;
        // In here the clear text comes to lie, and what follows it.
        let mut opened = Zeroizing::new(envelope.sealed.to_vec());
        let bound = envelope::bound(envelope.arn, envelope.wrapped, context);
        let cipher = cipher(&key).ok_or_else(|| changed(context))?;
        let plain = cipher.open_in_place(nonce, Aad::from(bound), &mut opened);
        Ok(plain.map_err(|_| changed(context))?.to_vec())
    }
}

/// What KMS authenticates, and writes into its trail: nothing that is secret.
fn encryption_context(context: &Context) -> HashMap<String, String> {
    HashMap::from([
        ("nestling:app".to_owned(), context.app.clone()),
        ("nestling:kind".to_owned(), context.class.clone()),
    ])
}

fn cipher(key: &DataKey) -> Option<RandomizedNonceKey> {
    RandomizedNonceKey::new(&AES_256_GCM, key.plain()).ok()
}

fn changed(context: &Context) -> KeyError {
    let why = "it was changed, or belongs to another app, kind or name; set the secret again";
    KeyError::Refused(context.name.clone(), why.to_owned())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl fmt::Debug for KmsKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KmsKeys")
            .field("order", &self.order)
            .field("trouble", &self.trouble())
            .finish_non_exhaustive()
    }
}

//! Data keys in the clear, for a while.

use std::{collections::HashMap, sync::Arc, time::Duration};

use aws_lc_rs::digest::{SHA256, digest};
use aws_sdk_kms::primitives::Blob;
use nestling_domain::ids::Timestamp;
use zeroize::Zeroizing;

use crate::drivers::clock;

/// For how long, how often and how many data keys are kept.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// A key that is older is asked for again: so long it takes until a key that was disabled is out of use.
    pub age: Duration,
    /// A key that was used so often is asked for again; far below what random nonces bear (2³²).
    pub uses: u32,
    /// When there are more, the oldest goes: one for each app and kind that starts a machine these minutes, and some more.
    pub keys: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds {
            age: Duration::from_mins(5),
            uses: 10_000,
            keys: 1_000,
        }
    }
}

/// A data key, with how it is wrapped.
#[derive(Clone)]
pub(super) struct DataKey {
    pub(super) arn: String,
    pub(super) wrapped: Vec<u8>,
    plain: Arc<Zeroizing<Vec<u8>>>,
    /// Whether it was made here and now, by the key that seals: one that was opened may be of a key of before.
    is_new: bool,
}

impl DataKey {
    /// A key as KMS gave it; `None` if it is not one of AES-256, or came without its wrapping.
    pub(super) fn new(arn: String, wrapped: Vec<u8>, plain: Option<&Blob>) -> Option<Self> {
        let plain = plain.map(|blob| Zeroizing::new(blob.as_ref().to_vec()))?;
        (plain.len() == 32 && !wrapped.is_empty()).then(|| DataKey {
            arn,
            wrapped,
            plain: Arc::new(plain),
            is_new: false,
        })
    }

    /// The same, as one that may seal.
    pub(super) fn just_made(self) -> Self {
        DataKey {
            is_new: true,
            ..self
        }
    }

    pub(super) fn plain(&self) -> &[u8] {
        &self.plain
    }
}

/// What a key is kept under: its app, its kind, and a digest of how it is wrapped.
type Name = (String, String, [u8; 32]);

struct Kept {
    key: DataKey,
    since: Timestamp,
    uses: u32,
}

/// The keys that are kept.
pub(super) struct Cache {
    bounds: Bounds,
    kept: HashMap<Name, Kept>,
}

impl Cache {
    pub(super) fn new(bounds: Bounds) -> Self {
        let kept = HashMap::new();
        Cache { bounds, kept }
    }

    /// A key of this app and kind to seal with.
    pub(super) fn sealing(&mut self, app: &str, kind: &str) -> Option<DataKey> {
        let fits =
            |((of, and, _), kept): &(&Name, &Kept)| of == app && and == kind && kept.key.is_new;
        let name = self.kept.iter().find(fits).map(|(name, _)| name.clone());
        name.and_then(|name| self.used(&name))
    }

    /// The key of this app and kind that is wrapped so.
    pub(super) fn opening(&mut self, app: &str, kind: &str, wrapped: &[u8]) -> Option<DataKey> {
        self.used(&named(app, kind, wrapped))
    }

    /// Keeps a key that was just asked for and used once.
    pub(super) fn keep(&mut self, app: &str, kind: &str, key: &DataKey) {
        let now = clock::now();
        self.kept
            .retain(|_, kept| now.since(kept.since) < self.bounds.age);
        while self.kept.len() >= self.bounds.keys.max(1) {
            let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.since);
            let Some(name) = oldest.map(|(name, _)| name.clone()) else {
                break;
            };
            self.kept.remove(&name);
        }
        let name = named(app, kind, &key.wrapped);
        let key = key.clone();
        self.kept.insert(
            name,
            Kept {
                key,
                since: now,
                uses: 1,
            },
        );
    }

    /// Every key is asked for again.
    pub(super) fn forget(&mut self) {
        self.kept.clear();
    }

    /// Counts a use of a key; one that is too old or worn out goes.
    fn used(&mut self, name: &Name) -> Option<DataKey> {
        let kept = self.kept.get_mut(name)?;
        kept.uses = kept.uses.saturating_add(1);
        let fits =
            kept.uses <= self.bounds.uses && clock::now().since(kept.since) < self.bounds.age;
        if !fits {
            self.kept.remove(name);
            return None;
        }
        Some(kept.key.clone())
    }
}

fn named(app: &str, kind: &str, wrapped: &[u8]) -> Name {
    let mut sum = [0; 32];
    sum.copy_from_slice(digest(&SHA256, wrapped).as_ref());
    (app.to_owned(), kind.to_owned(), sum)
}

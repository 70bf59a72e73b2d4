//! Keys on this box: one master key file, from which each app's key is derived.
//!
//! An envelope is `version (1) · key id (8) · nonce (12) · ciphertext and tag`, AES-256-GCM, with everything
//! that it is bound to (version, key id, app, class, name, each with its length in front) authenticated. The
//! app's key is HKDF-SHA256 of the master key over the app's id, rather than a random key wrapped by it: it
//! needs no place of its own to be stored, lost or mixed up in, and random nonces stay far from their limit
//! because each app has a key to itself. The key id, derived too, tells which key an envelope needs without
//! telling anything of the key, so that a wrong key file is not mistaken for a damaged secret.
//!
//! `DATA/key-id` is written before the first envelope leaves: from then on a missing or exchanged key file is
//! a loss to be explained, never a reason to make a new key silently. Until it is repaired secrets are
//! refused, and everything that needs none goes on.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    hkdf,
};
use nestling_domain::record::{Content, Value};
use zeroize::Zeroizing;

use super::{
    Context, KeyError, Keys, hex,
    private_file::{self, KeyFileError},
};

/// The file of the master key, in the data folder.
pub const MASTER_KEY: &str = "master.key";
/// The file that says which key has sealed something, in the data folder.
pub const KEY_ID: &str = "key-id";

/// The envelope's format; another one gets another number.
pub(super) const VERSION: u8 = 1;
/// Bytes of a key's id: enough that no two keys of one installation share it.
const ID_LEN: usize = 8;
/// Bytes of an AES-256 key.
const KEY_LEN: usize = 32;
/// What stands in front of the ciphertext.
const HEAD_LEN: usize = 1 + ID_LEN + NONCE_LEN;

const EXPLANATION: &str = "nestling's master key: every secret is sealed with it. keep a backup of this file away from the \
     database's; without it the secrets are lost. never share or commit it.";

/// The master key, or what is wrong with it.
pub struct LocalKeys {
    folder: PathBuf,
    state: Result<Master, String>,
}

struct Master {
    key: hkdf::Prk,
    id: [u8; ID_LEN],
    /// Whether [`KEY_ID`] says so already.
    recorded: Mutex<bool>,
}

impl LocalKeys {
    /// Reads the master key of a data folder, and makes it when nothing has been sealed there yet. A key that
    /// is lost, exchanged or exposed is no error here: the server goes on without secrets, and
    /// [`Keys::trouble`] and every use say why.
    pub fn open(folder: &Path) -> Result<Self, KeyFileError> {
        let state = match load(folder) {
            Ok(state) => state,
            Err(error @ (KeyFileError::Exposed { .. } | KeyFileError::Damaged { .. })) => {
                Err(error.to_string())
            }
            Err(error) => return Err(error),
        };
        if let Err(trouble) = &state {
            tracing::error!(key.file = %folder.join(MASTER_KEY).display(), "secrets cannot be used: {trouble}");
        }
        Ok(LocalKeys {
            folder: folder.to_owned(),
            state,
        })
    }

    /// The names of the secrets among these that cannot be opened with this key, as `preview/API_KEY`.
    pub fn out_of_reach<'a>(&self, values: impl IntoIterator<Item = &'a Value>) -> Vec<String> {
        let key = self.state.as_ref().ok();
        let out_of_reach = values.into_iter().filter(|value| match &value.content {
            Content::Plain { .. } => false,
            Content::Secret { envelope } => key.is_none_or(|key| id_of(envelope) != Some(&key.id)),
        });
        out_of_reach
            .map(|value| format!("{}/{}", value.class.name(), value.name.as_str()))
            .collect()
    }

    fn master(&self) -> Result<&Master, KeyError> {
        self.state
            .as_ref()
            .map_err(|trouble| KeyError::Unusable(trouble.clone()))
    }

    /// Makes sure that losing the key will be noticed, before something depends on it.
    fn record_id(&self, master: &Master) -> Result<(), KeyError> {
        let mut recorded = master
            .recorded
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if !*recorded {
            let explanation = "which master key has sealed secrets here; see master.key.";
            private_file::create(
                &self.folder.join(KEY_ID),
                Some(explanation),
                &hex(&master.id),
            )
            .map_err(|error| KeyError::Unusable(error.to_string()))?;
            *recorded = true;
        }
        Ok(())
    }
}

#[async_trait]
impl Keys for LocalKeys {
    fn trouble(&self) -> Option<String> {
        self.state.as_ref().err().cloned()
    }

    async fn seal(&self, context: &Context, plain: &[u8]) -> Result<Vec<u8>, KeyError> {
        let master = self.master()?;
        self.record_id(master)?;
        let mut sealed = plain.to_vec();
        let nonce = master
            .key_of(&context.app)?
            .seal_in_place_append_tag(Aad::from(bound(master.id, context)), &mut sealed)
            .map_err(|_| {
                KeyError::Unusable(format!("the secret {:?} could not be sealed", context.name))
            })?;
        Ok([&[VERSION], &master.id[..], nonce.as_ref(), &sealed].concat())
    }

    async fn open(&self, context: &Context, envelope: &[u8]) -> Result<Vec<u8>, KeyError> {
        let master = self.master()?;
        let refused = |why: String| KeyError::Refused(context.name.clone(), why);
        let id = id_of(envelope).ok_or_else(|| {
            refused(if envelope.first() == Some(&super::kms::VERSION) {
                "it was sealed with a key of KMS: set keys.driver = \"kms\", or set the secret again".to_owned()
            } else {
                "it is no envelope of this version; set the secret again".to_owned()
            })
        })?;
        if *id != master.id {
            return Err(refused(format!(
                "it was sealed with key {}, and {} holds key {}; put the other key file back, or set the secret again",
                hex(id),
                self.folder.join(MASTER_KEY).display(),
                hex(&master.id)
            )));
        }
        let changed = || {
            refused(
                "it was changed, or belongs to another app, kind or name; set the secret again"
                    .to_owned(),
            )
        };
        let (head, sealed) = envelope.split_at(HEAD_LEN);
        let nonce = Nonce::try_assume_unique_for_key(&head[1 + ID_LEN..]).map_err(|_| changed())?;
        // In here the clear text comes to lie, and what follows it.
        let mut opened = Zeroizing::new(sealed.to_vec());
        let plain = master
            .key_of(&context.app)?
            .open_in_place(nonce, Aad::from(bound(master.id, context)), &mut opened)
            .map_err(|_| changed())?;
        Ok(plain.to_vec())
    }
}

impl Master {
    fn new(key: &[u8; KEY_LEN]) -> Result<Self, String> {
        // The salt separates this use from any other that the same bytes might get.
        let key = hkdf::Salt::new(hkdf::HKDF_SHA256, b"nestling master key 1").extract(key);
        let mut id = [0; ID_LEN];
        derive(&key, &[b"id"], &mut id).ok_or("the key's id could not be derived")?;
        Ok(Master {
            key,
            id,
            recorded: Mutex::new(false),
        })
    }

    fn key_of(&self, app: &str) -> Result<RandomizedNonceKey, KeyError> {
        let unusable = || KeyError::Unusable("the app's key could not be derived".to_owned());
        let mut key = Zeroizing::new([0; KEY_LEN]);
        derive(&self.key, &[b"app", app.as_bytes()], &mut *key).ok_or_else(unusable)?;
        RandomizedNonceKey::new(&AES_256_GCM, &*key).map_err(|_| unusable())
    }
}

impl fmt::Debug for LocalKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalKeys")
            .field("folder", &self.folder)
            .field("trouble", &self.trouble())
            .finish_non_exhaustive()
    }
}

/// The key, or why it cannot be used; an error is what the system refused.
fn load(folder: &Path) -> Result<Result<Master, String>, KeyFileError> {
    let path = folder.join(MASTER_KEY);
    let sealed_with = key_id(folder)?;
    let key = match private_file::read(&path)? {
        Some(text) => match (parse(&text), &sealed_with) {
            (Some(key), _) => key,
            (None, Some(id)) => return Ok(Err(damaged(&path, id))),
            (None, None) => {
                let what = "64 hex digits of a master key";
                return Err(KeyFileError::Damaged { path, what });
            }
        },
        None => match sealed_with {
            Some(id) => return Ok(Err(lost(&path, &id))),
            None => make(&path)?,
        },
    };
    Ok(Master::new(&key).and_then(|master| match sealed_with {
        Some(id) if id != hex(&master.id) => Err(exchanged(&path, &id, &hex(&master.id))),
        known => {
            let recorded = Mutex::new(known.is_some());
            Ok(Master { recorded, ..master })
        }
    }))
}

fn key_id(folder: &Path) -> Result<Option<String>, KeyFileError> {
    let path = folder.join(KEY_ID);
    match fs::read(&path) {
        Ok(bytes) => {
            // The id of no key is told like any other that does not fit.
            let text = str::from_utf8(&bytes).unwrap_or("(not text)");
            let id = text.lines().find(|line| !line.starts_with('#'));
            Ok(Some(id.unwrap_or_default().trim().to_owned()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(KeyFileError::Io {
            what: "read",
            path,
            source,
        }),
    }
}

fn make(path: &Path) -> Result<Zeroizing<[u8; KEY_LEN]>, KeyFileError> {
    let key = private_file::random(path)?;
    private_file::create(path, Some(EXPLANATION), &Zeroizing::new(hex(&*key)))?;
    Ok(key)
}

fn lost(path: &Path, id: &str) -> String {
    format!(
        "{} is missing, and secrets were sealed with it (key {id}): put the file back from a backup and restart. If it is lost for ever, remove {}, restart, and set every secret again",
        path.display(),
        path.with_file_name(KEY_ID).display()
    )
}

fn damaged(path: &Path, id: &str) -> String {
    format!(
        "{} does not hold 64 hex digits of a master key, and secrets were sealed with key {id}: put the file back from a backup and restart. If it is lost for ever, remove {} and {}, restart, and set every secret again",
        path.display(),
        path.display(),
        path.with_file_name(KEY_ID).display()
    )
}

fn exchanged(path: &Path, sealed_with: &str, found: &str) -> String {
    format!(
        "{} holds key {found}, and secrets were sealed with key {sealed_with}: put the right file back and restart. If that one is lost for ever, remove {}, restart, and set every secret again",
        path.display(),
        path.with_file_name(KEY_ID).display()
    )
}

fn parse(text: &str) -> Option<Zeroizing<[u8; KEY_LEN]>> {
    let mut key = Zeroizing::new([0; KEY_LEN]);
    if text.len() != 2 * KEY_LEN || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(key)
}

/// The id in an envelope's head, of an envelope that is whole and of this version.
fn id_of(envelope: &[u8]) -> Option<&[u8; ID_LEN]> {
    let (version, rest) = envelope.split_first()?;
    let whole = envelope.len() >= HEAD_LEN + AES_256_GCM.tag_len();
    rest.first_chunk().filter(|_| *version == VERSION && whole)
}

/// Everything that an envelope is bound to; lengths in front, so that no two contexts read alike.
fn bound(id: [u8; ID_LEN], context: &Context) -> Vec<u8> {
    let fields = [&context.app, &context.class, &context.name];
    let mut bytes = [&[VERSION], &id[..]].concat();
    for field in fields {
        bytes.extend((field.len() as u64).to_be_bytes());
        bytes.extend(field.as_bytes());
    }
    bytes
}

fn derive(key: &hkdf::Prk, info: &[&[u8]], out: &mut [u8]) -> Option<()> {
    struct Len(usize);
    impl hkdf::KeyType for Len {
        fn len(&self) -> usize {
            self.0
        }
    }
    key.expand(info, Len(out.len())).ok()?.fill(out).ok()
}

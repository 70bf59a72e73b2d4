//! Blobs in a folder: one file each, its path the key.
//!
//! A blob is written beside and moved into place, so that a reader sees the old bytes or the new, and a kill
//! leaves at most an unfinished file that the next start removes. One key cannot be the folder of another:
//! `a` and `a/b` together are refused.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::UNIX_EPOCH,
};

use async_trait::async_trait;
use bytes::Bytes;
use nestling_domain::ids::Timestamp;

use super::{
    BlobError, Blobs,
    key::{checked_key, checked_prefix, removable_prefix},
};

/// A folder of blobs.
#[derive(Debug, Clone)]
pub struct Directory {
    folder: Arc<Folder>,
}

#[derive(Debug)]
struct Folder {
    /// Where blobs lie.
    root: PathBuf,
    /// Where they are while they are written.
    unfinished: PathBuf,
    /// Names the unfinished, so that two writers of one key do not meet.
    counter: AtomicU64,
}

/// A blob as a file.
struct Found {
    key: String,
    path: PathBuf,
    bytes: u64,
    written_at: Timestamp,
}

impl Directory {
    /// Opens the folder, and makes it (0700: logs may hold what is private) when there is none. What a kill left
    /// unfinished is removed; the caller holds the lock of the data folder.
    pub fn open(path: &Path) -> Result<Self, BlobError> {
        let folder = Folder {
            root: path.join("kept"),
            unfinished: path.join("unfinished"),
            counter: AtomicU64::new(0),
        };
        let make = || {
            if folder.unfinished.exists() {
                fs::remove_dir_all(&folder.unfinished)?;
            }
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true).mode(0o700);
            builder.create(&folder.root)?;
            builder.create(&folder.unfinished)
        };
        make().map_err(|source| failed("write", &path.display().to_string(), source))?;
        Ok(Directory {
            folder: Arc::new(folder),
        })
    }

    /// Runs `work` where it may block.
    async fn block<T: Send + 'static>(
        &self,
        what: &'static str,
        key: &str,
        work: impl FnOnce(&Folder) -> io::Result<T> + Send + 'static,
    ) -> Result<T, BlobError> {
        let folder = self.folder.clone();
        let done = tokio::task::spawn_blocking(move || work(&folder)).await;
        done.unwrap_or_else(|broken_off| Err(io::Error::other(broken_off)))
            .map_err(|source| failed(what, key, source))
    }
}

#[async_trait]
impl Blobs for Directory {
    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), BlobError> {
        let path = PathBuf::from(checked_key(key)?);
        self.block("write", key, move |folder| folder.put(&path, &bytes))
            .await
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, BlobError> {
        let path = PathBuf::from(checked_key(key)?);
        self.block("read", key, move |folder| {
            match fs::read(folder.root.join(path)) {
                Ok(bytes) => Ok(Some(Bytes::from(bytes))),
                Err(error) if is_absence(&error) => Ok(None),
                Err(error) => Err(error),
            }
        })
        .await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>, BlobError> {
        let owned = checked_prefix(prefix)?.to_owned();
        let found = self
            .block("list", prefix, move |folder| folder.find(&owned))
            .await?;
        Ok(found
            .into_iter()
            .map(|blob| (blob.key, blob.bytes))
            .collect())
    }

    async fn remove(&self, prefix: &str) -> Result<(), BlobError> {
        let owned = removable_prefix(prefix)?.to_owned();
        self.block("remove", prefix, move |folder| {
            folder
                .find(&owned)?
                .iter()
                .try_for_each(|blob| folder.remove(&blob.path))
        })
        .await
    }

    async fn prune(&self, older_than: Timestamp, keep_bytes: u64) -> Result<u64, BlobError> {
        self.block("remove", "", move |folder| {
            folder.prune(older_than, keep_bytes)
        })
        .await
    }
}

impl Folder {
    fn put(&self, key: &Path, bytes: &[u8]) -> io::Result<()> {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        let unfinished = self.unfinished.join(number.to_string());
        let write = || {
            let mut file = File::create_new(&unfinished)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            drop(file);
            self.move_into_place(&unfinished, &self.root.join(key))
        };
        write().inspect_err(|_| {
            // On a full disk what did not fit must not stay; the error at hand is the one that counts.
            let _ = fs::remove_file(&unfinished);
        })
    }

    fn move_into_place(&self, unfinished: &Path, path: &Path) -> io::Result<()> {
        let parent = path.parent().unwrap_or(&self.root);
        // A removal may take an empty folder away between the two lines.
        for _ in 0..8 {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(parent)?;
            match fs::rename(unfinished, path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                outcome => return outcome,
            }
        }
        Err(io::Error::other("its folder was removed again and again"))
    }

    /// The blobs whose keys begin with `prefix`, by key. Links are nobody's blobs and are not followed.
    fn find(&self, prefix: &str) -> io::Result<Vec<Found>> {
        let start = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut found = Vec::new();
        let mut folders = vec![start.to_owned()];
        while let Some(folder) = folders.pop() {
            let entries = match fs::read_dir(self.root.join(&folder)) {
                Err(error) if is_absence(&error) => continue,
                entries => entries?,
            };
            for entry in entries {
                let entry = entry?;
                let Ok(name) = entry.file_name().into_string() else {
                    continue;
                };
                let key = if folder.is_empty() {
                    name
                } else {
                    format!("{folder}/{name}")
                };
                let kind = entry.file_type()?;
                // A folder counts by what may lie in it, which only a prefix that is longer decides.
                if kind.is_dir()
                    && (key.starts_with(prefix) || prefix.starts_with(&format!("{key}/")))
                {
                    folders.push(key);
                } else if kind.is_file() && key.starts_with(prefix) {
                    match entry.metadata() {
                        Ok(file) => found.push(Found::new(key, entry.path(), &file)?),
                        // Removed since the folder was read.
                        Err(error) if is_absence(&error) => {}
                        Err(error) => return Err(error),
                    }
                }
            }
        }
        found.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(found)
    }

    /// Removes a blob, and the folders that it leaves empty.
    fn remove(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if !is_absence(&error) => return Err(error),
            _ => {}
        }
        let inside = path
            .ancestors()
            .skip(1)
            .take_while(|folder| *folder != self.root);
        for folder in inside {
            if fs::remove_dir(folder).is_err() {
                // Not empty: neither are those above it.
                break;
            }
        }
        Ok(())
    }

    fn prune(&self, older_than: Timestamp, keep_bytes: u64) -> io::Result<u64> {
        let mut blobs = self.find("")?;
        blobs.sort_by(|a, b| (a.written_at, &a.key).cmp(&(b.written_at, &b.key)));
        let mut bytes: u64 = blobs.iter().map(|blob| blob.bytes).sum();
        let mut gone = 0;
        for blob in blobs {
            if blob.written_at >= older_than && bytes <= keep_bytes {
                break;
            }
            self.remove(&blob.path)?;
            bytes = bytes.saturating_sub(blob.bytes);
            gone += 1;
        }
        Ok(gone)
    }
}

impl Found {
    fn new(key: String, path: PathBuf, file: &fs::Metadata) -> io::Result<Self> {
        let since = file
            .modified()?
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Ok(Found {
            key,
            path,
            bytes: file.len(),
            written_at: Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX)),
        })
    }
}

/// Nothing is there: no such file, or a blob where a folder would have to be.
fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory
    )
}

fn failed(what: &'static str, key: &str, source: io::Error) -> BlobError {
    let full = matches!(
        source.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    );
    let source = if full {
        io::Error::new(
            source.kind(),
            "no space is left in the data folder: nothing was written; free some space on that disk",
        )
    } else {
        source
    };
    BlobError::Io {
        what,
        key: key.to_owned(),
        source,
    }
}

//! Files that only the server's user may read, with a line that says what it is for.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

/// Longer than any key of ours with its explanation; what is longer is something else.
const LONGEST: u64 = 16 * 1024;
/// The mode bits of group and others.
const OTHERS: u32 = 0o077;

/// Why a key file cannot be used. Never quotes what is in it.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// Somebody else may have read it.
    #[error(
        "{} can be read or written by other users (mode {mode:04o}): run `chmod 600 {}`; if somebody may have read it, replace it",
        path.display(),
        path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It does not hold what it should.
    #[error("{} does not hold {what}: put it back from a backup, or move it away and restart to have a new one made", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What should be in it.
        what: &'static str,
    },
    /// It could not be read or written.
    #[error("could not {what} {}: {source}", path.display())]
    Io {
        /// `read` or `write`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The system gave no random bytes.
    #[error("could not make {}: the system gives no random bytes", path.display())]
    NoRandomness {
        /// The file that was to be made.
        path: PathBuf,
    },
}

/// What the file holds beside its explanation; `None` when there is no file. What is not text holds nothing of ours,
/// and reads as empty.
pub(super) fn read(path: &Path) -> Result<Option<Zeroizing<String>>, KeyFileError> {
    let failed = |source| KeyFileError::Io {
        what: "read",
        path: path.to_owned(),
        source,
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    // Of the open file, so that it cannot be exchanged between the look and the read.
    let mode = file.metadata().map_err(failed)?.mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(KeyFileError::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(LONGEST).read_to_end(&mut bytes).map_err(failed)?;
    let text = str::from_utf8(&bytes).unwrap_or_default();
    let content = text.lines().filter(|line| !line.starts_with('#'));
    let content: Zeroizing<String> = Zeroizing::new(content.collect::<String>());
    Ok(Some(Zeroizing::new(content.trim().to_owned())))
}

/// Makes the file, whole or not at all, and durable before it is used: what is sealed with a key that a power
/// failure takes away is lost.
pub(super) fn create(
    path: &Path,
    explanation: Option<&str>,
    content: &str,
) -> Result<(), KeyFileError> {
    let failed = |source| KeyFileError::Io {
        what: "write",
        path: path.to_owned(),
        source,
    };
    let new = path.with_added_extension("new");
    let write = || {
        // Left by a kill in the middle of this; never used.
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)?;
        if let Some(explanation) = explanation {
            writeln!(file, "# {explanation}")?;
        }
        // In one call: not a byte of it is kept in a buffer.
        let content = Zeroizing::new(format!("{content}\n"));
        file.write_all(content.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        path.parent()
            .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    write().map_err(failed)
}

/// Random bytes for the key that goes into the file.
pub(super) fn random<const N: usize>(path: &Path) -> Result<Zeroizing<[u8; N]>, KeyFileError> {
    let mut bytes = Zeroizing::new([0; N]);
    aws_lc_rs::rand::fill(&mut *bytes).map_err(|_| KeyFileError::NoRandomness {
        path: path.to_owned(),
    })?;
    Ok(bytes)
}

//! Reading files that somebody else wrote: never without end, and nothing that a link names elsewhere.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// What some editors put before a text.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The text of a file that the app's code may have put there: not through a link, and none of more than `limit` bytes.
pub(crate) fn plain(path: &Path, limit: u64) -> Option<String> {
    let flags = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(i32::try_from(flags).ok()?)
        .open(path)
        .ok()?;
    let data = file.metadata().ok()?;
    if !data.is_file() || data.len() > limit {
        return None;
    }
    beginning(file, limit).map(text)
}

/// The beginning of a text file of the repository, see [`bytes_within`].
pub(crate) fn within(file: &Path, folder: &Path, limit: u64) -> Option<String> {
    bytes_within(file, folder, limit).map(text)
}

/// The beginning of a file of the repository, at most `limit` bytes; nothing of what a link names outside of `folder`.
pub(crate) fn bytes_within(file: &Path, folder: &Path, limit: u64) -> Option<Vec<u8>> {
    let file = file.canonicalize().ok()?;
    if !file.starts_with(folder.canonicalize().ok()?) || !file.is_file() {
        return None;
    }
    beginning(File::open(file).ok()?, limit)
}

fn beginning(file: File, limit: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn text(bytes: Vec<u8>) -> String {
    // Some editors begin a text with a byte order mark, which no reader of ours knows.
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes);
    String::from_utf8_lossy(bytes).into_owned()
}

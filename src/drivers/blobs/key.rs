//! What is a key: the same for every driver, so that a blob can lie in any of them.

use super::BlobError;

/// The longest key, and the longest of its parts: under what file systems and S3 take.
const LONGEST_KEY: usize = 900;
const LONGEST_PART: usize = 200;

/// The key, as what names a blob below its place and nowhere else.
pub(super) fn checked_key(key: &str) -> Result<&str, BlobError> {
    let fits = key.len() <= LONGEST_KEY && key.split('/').all(is_part);
    if fits { Ok(key) } else { Err(not_a_key(key)) }
}

/// A prefix that may end anywhere; what is before its last `/` names folders, and must be as strict as a key.
pub(super) fn checked_prefix(prefix: &str) -> Result<&str, BlobError> {
    let (folders, rest) = match prefix.rsplit_once('/') {
        Some((folders, rest)) => (Some(folders), rest),
        None => (None, prefix),
    };
    let fits = prefix.len() <= LONGEST_KEY
        && folders.is_none_or(|folders| folders.split('/').all(is_part))
        && rest.bytes().all(is_letter);
    if fits {
        Ok(prefix)
    } else {
        Err(not_a_key(prefix))
    }
}

/// A prefix of what may be removed: a caller whose prefix became empty by mistake must not lose everything.
pub(super) fn removable_prefix(prefix: &str) -> Result<&str, BlobError> {
    if prefix.is_empty() {
        return Err(BlobError::Key(String::new()));
    }
    checked_prefix(prefix)
}

fn is_part(part: &str) -> bool {
    (1..=LONGEST_PART).contains(&part.len())
        && part != "."
        && part != ".."
        && part.bytes().all(is_letter)
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

fn not_a_key(text: &str) -> BlobError {
    BlobError::Key(text.chars().take(100).collect())
}

//! `[aws]`, and what stands on it: `[blobs.s3]` and `[keys.kms]`.

use serde::Deserialize;

use super::address::{is_base_address, is_loopback};

/// The longest prefix: with the longest key of ours it stays below the 1024 bytes that S3 takes.
const LONGEST_PREFIX: usize = 100;

/// `[aws]`
#[derive(Debug, Clone, Deserialize)]
pub struct Aws {
    /// The region; empty for what the environment says.
    pub region: String,
    /// Where all services are asked instead of at AWS, without a slash at the end; empty for AWS itself.
    pub endpoint_url: String,
}

/// `[blobs.s3]`
#[derive(Debug, Clone, Deserialize)]
pub struct S3 {
    /// The bucket of the logs.
    pub logs_bucket: String,
    /// The bucket of everything else.
    pub artifacts_bucket: String,
    /// What every key begins with; empty or ending in `/`.
    pub prefix: String,
}

/// `[keys.kms]`
#[derive(Debug, Clone, Deserialize)]
pub struct Kms {
    /// The id, ARN or alias of the key that seals.
    pub key_id: String,
    /// Keys that sealed before, and still open.
    pub previous_key_ids: Vec<String>,
}

impl Aws {
    /// What cannot be used, by its key and with what to do.
    pub(super) fn unusable(&self) -> Option<String> {
        let url = &self.endpoint_url;
        if url.is_empty() {
            return None;
        }
        if !is_base_address(url) {
            return Some(format!(
                "aws.endpoint_url is {url:?}, which is no base address: write https://HOST without a slash at the end, or leave it empty for AWS itself"
            ));
        }
        // Keys of apps travel in the answers of KMS.
        (url.starts_with("http://") && !is_loopback(url)).then(|| {
            format!(
                "aws.endpoint_url is {url:?}, and what is sent there by plain HTTP can be read on the way: write https://, or an address of this machine"
            )
        })
    }
}

impl S3 {
    /// What is missing or cannot be used, by its key and with what to do.
    pub(super) fn unusable(&self) -> Option<String> {
        let buckets = [
            ("logs_bucket", &self.logs_bucket),
            ("artifacts_bucket", &self.artifacts_bucket),
        ];
        let bucket = buckets.into_iter().find(|(_, name)| !is_bucket(name));
        if let Some((key, name)) = bucket {
            return Some(if name.is_empty() {
                format!("blobs.s3.{key} is missing: name a bucket that is there already")
            } else {
                format!(
                    "blobs.s3.{key} is {name:?}, which is no name of a bucket: 3 to 63 small letters, digits, dots and dashes"
                )
            });
        }
        let fits = self.prefix.is_empty()
            || self.prefix.len() <= LONGEST_PREFIX
                && self.prefix.strip_suffix('/').is_some_and(is_folder);
        (!fits).then(|| {
            format!(
                "blobs.s3.prefix is {:?}: write letters, digits, `.`, `_` and `-`, with a slash at the end, such as \"nestling/\", or leave it empty",
                self.prefix
            )
        })
    }
}

impl Kms {
    /// What is missing or cannot be used, by its key and with what to do.
    pub(super) fn unusable(&self) -> Option<String> {
        if self.key_id.is_empty() {
            return Some("keys.kms.key_id is missing: write the ARN of a symmetric key, or its alias, such as \"alias/nestling\"".to_owned());
        }
        let all = std::iter::once(&self.key_id).chain(&self.previous_key_ids);
        let odd = all.into_iter().find(|id| !is_key(id));
        odd.map(|id| {
            format!(
                "keys.kms names {id:?}, which is no key: write its ARN, its id, or its alias, such as \"alias/nestling\""
            )
        })
    }
}

fn is_bucket(name: &str) -> bool {
    let is_letter = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-')
    };
    let ends_well = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    (3..=63).contains(&name.len())
        && name.bytes().all(is_letter)
        && ends_well(name.as_bytes().first())
        && ends_well(name.as_bytes().last())
}

fn is_folder(path: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    path.split('/')
        .all(|part| !part.is_empty() && part != "." && part != ".." && part.bytes().all(is_letter))
}

/// What KMS takes as a `KeyId`, as far as its letters say.
fn is_key(id: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b":/_-".contains(&byte);
    (1..=2048).contains(&id.len()) && id.bytes().all(is_letter)
}

//! The envelope: `version (1) · length (2) and ARN of the KMS key · length (2) and wrapped data key · nonce (12) ·
//! ciphertext and tag`.

use aws_lc_rs::aead::{AES_256_GCM, NONCE_LEN};

use super::Context;

/// The envelope's format; those of the local key file have another number.
pub const VERSION: u8 = 2;

/// An envelope's parts.
pub(super) struct Envelope<'a> {
    /// Of the key that wrapped, for people: it is authenticated, but decides nothing.
    pub(super) arn: &'a str,
    pub(super) wrapped: &'a [u8],
    pub(super) nonce: &'a [u8],
    pub(super) sealed: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// The parts of an envelope that is whole and of this version.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first()?;
        let (arn, rest) = with_length(rest)?;
        let (wrapped, rest) = with_length(rest)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN)?;
        let whole = sealed.len() >= AES_256_GCM.tag_len() && !wrapped.is_empty();
        let arn = std::str::from_utf8(arn).ok()?;
        (*version == VERSION && whole).then_some(Envelope {
            arn,
            wrapped,
            nonce,
            sealed,
        })
    }
}

/// An envelope of these parts; `None` when a part is longer than its length can say.
pub(super) fn written(arn: &str, wrapped: &[u8], nonce: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let length = |part: &[u8]| u16::try_from(part.len()).ok().map(u16::to_be_bytes);
    let (of_arn, of_wrapped) = (length(arn.as_bytes())?, length(wrapped)?);
    let parts: [&[u8]; 7] = [
        &[VERSION],
        &of_arn,
        arn.as_bytes(),
        &of_wrapped,
        wrapped,
        nonce,
        sealed,
    ];
    Some(parts.concat())
}

/// Everything that an envelope is bound to; lengths in front, so that no two contexts read alike.
pub(super) fn bound(arn: &str, wrapped: &[u8], context: &Context) -> Vec<u8> {
    let texts = [&context.app, &context.class, &context.name];
    let texts = texts.into_iter().map(String::as_bytes);
    let mut bytes = vec![VERSION];
    for field in [arn.as_bytes(), wrapped].into_iter().chain(texts) {
        bytes.extend((field.len() as u64).to_be_bytes());
        bytes.extend(field);
    }
    bytes
}

fn with_length(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

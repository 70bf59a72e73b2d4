//! Keys: envelopes around secrets.

pub mod kms;
pub mod local;
pub mod moving;
mod private_file;
pub mod signing;
pub mod token;

#[cfg(test)]
pub(crate) mod conformance;
#[cfg(test)]
mod tests;

use async_trait::async_trait;

pub use private_file::KeyFileError;

/// What an envelope is bound to: opening it with any other context fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// The app's id, or `the server` for what belongs to none.
    pub app: String,
    /// `production` or `preview`; of what belongs to no app, what it is about.
    pub class: String,
    /// The secret's name.
    pub name: String,
}

/// Why an envelope could not be made or opened.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The envelope was made for another context, with another key, or was changed.
    #[error("the secret {0:?} cannot be opened with this key: {1}")]
    Refused(String, String),
    /// The key cannot be used.
    #[error("the master key cannot be used: {0}")]
    Unusable(String),
    /// The key cannot be used at present; another try may help.
    #[error("the master key cannot be used at present: {0}")]
    Failed(String),
}

/// Makes and opens envelopes: AES-256-GCM under a data key, with the context authenticated.
#[async_trait]
pub trait Keys: Send + Sync + 'static {
    /// Encrypts `plain` for this context only.
    async fn seal(&self, context: &Context, plain: &[u8]) -> Result<Vec<u8>, KeyError>;
    /// Decrypts an envelope that was sealed for exactly this context.
    async fn open(&self, context: &Context, envelope: &[u8]) -> Result<Vec<u8>, KeyError>;
    /// Why no secret can be sealed or opened, and what to do; `None` while all is well.
    fn trouble(&self) -> Option<String> {
        None
    }
}

/// Lower-case hex digits.
fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

//! The operator's token: in `DATA/api-token`, made on the first start.

use std::{fmt, path::Path};

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, digest},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::private_file::{self, KeyFileError};

/// The file of the token, in the data folder.
pub const API_TOKEN: &str = "api-token";

/// A token that an operator chose instead has at least so many characters.
const SHORTEST: usize = 32;

/// What guards every page and route until there are accounts.
pub struct OperatorToken(Zeroizing<String>);

impl OperatorToken {
    /// Reads the token of a data folder, and makes it (32 random bytes) when there is none.
    pub fn open(folder: &Path) -> Result<Self, KeyFileError> {
        let path = folder.join(API_TOKEN);
        if let Some(token) = private_file::read(&path)? {
            let fits = token.len() >= SHORTEST && token.bytes().all(|b| b.is_ascii_graphic());
            return if fits {
                Ok(OperatorToken(token))
            } else {
                Err(KeyFileError::Damaged {
                    path,
                    what: "a token of at least 32 letters, digits, - and _",
                })
            };
        }
        let bytes = private_file::random::<32>(&path)?;
        let token = Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes));
        // Nothing but the token, so that scripts can use the file as it is.
        private_file::create(&path, None, &token)?;
        Ok(OperatorToken(token))
    }

    /// The token, for the printed link and the client commands. Never logged.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the token, in a time that does not depend on how much of it is right.
    pub fn is(&self, given: &str) -> bool {
        let hash = |text: &str| digest(&SHA256, text.as_bytes());
        // Hashes have one length, so that not even that of the token shows.
        verify_slices_are_equal(hash(&self.0).as_ref(), hash(given).as_ref()).is_ok()
    }
}

impl fmt::Debug for OperatorToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OperatorToken(…)")
    }
}

//! Values that are never shown.

use std::fmt;

use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

/// A text that no error, log or page shows. Empty when none was given.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The secret that is this text.
    pub fn new(text: String) -> Self {
        Secret(Zeroizing::new(text))
    }

    /// The text itself, for whoever signs or checks with it. Never logged.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether none was given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // What is no text is taken whole and dropped: the usual refusal would repeat it.
        if let toml::Value::String(text) = toml::Value::deserialize(deserializer)? {
            return Ok(Secret::new(text));
        }
        Err(serde::de::Error::custom(
            "this secret is not a text: write it in quotes",
        ))
    }
}

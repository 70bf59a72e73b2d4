//! The end of making an App from a manifest: the code that GitHub's page gave is exchanged for the App's keys, once.

use std::{fmt, sync::OnceLock};

use octocrab::Octocrab;
use serde::{Deserialize, Deserializer};
use serde_json::json;
use zeroize::Zeroizing;

use super::{CONNECT, GitHub, GitHubError, Me, paths::path, request::Asked};

/// An App that GitHub has just made, with its keys: nobody gets them a second time.
#[derive(Deserialize)]
pub struct MadeApp {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// The address of its page.
    pub html_url: String,
    /// Its private key, in PEM.
    #[serde(deserialize_with = "wiped")]
    pub pem: Zeroizing<String>,
    /// What GitHub signs webhooks with; none when it sends none.
    #[serde(default, deserialize_with = "wiped_if_any")]
    pub webhook_secret: Option<Zeroizing<String>>,
}

/// Nothing of its keys.
impl fmt::Debug for MadeApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MadeApp({}, {:?})", self.id, self.name)
    }
}

/// Has the GitHub whose API is at `address` hand out the App that `code` stands for. Without an answer it may have done so
/// for nobody: the App is then there, and its keys are not.
pub async fn made_app(address: &str, code: &str) -> Result<MadeApp, GitHubError> {
    let asked = Asked::create(
        "the keys of the new App".to_owned(),
        path(&["app-manifests", code, "conversions"]),
        json!({}),
    );
    let octocrab = Octocrab::builder()
        .base_uri(address.trim_end_matches('/'))
        .map_err(|error| asked.failed(error.to_string()))?
        .set_connect_timeout(Some(CONNECT))
        .build()
        .map_err(|error| asked.failed(error.to_string()))?;
    let nobody = Me {
        app: 0,
        octocrab,
        webhook_secret: None,
    };
    let github = GitHub {
        me: OnceLock::from(nobody),
        ..GitHub::without_app(address)
    };
    github.ask(None, &asked).await
}

fn wiped<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(deserializer).map(Zeroizing::new)
}

fn wiped_if_any<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Zeroizing<String>>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.filter(|text| !text.is_empty()).map(Zeroizing::new))
}

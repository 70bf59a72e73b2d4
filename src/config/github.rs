//! `[forge.github]`: the GitHub App that the server is.

use aws_lc_rs::rsa::KeyPair;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{Secret, address::is_base_address};

/// How a secret is given without standing in a file that others read, or in the list of processes.
const BY_FILE: &str = "NESTLING__FORGE__GITHUB__";

/// `[forge.github]`
#[derive(Debug, Clone, Deserialize)]
pub struct GitHub {
    /// Where GitHub's API answers, without a slash at the end.
    pub api_url: String,
    /// Where repositories are cloned from, without a slash at the end.
    pub web_url: String,
    /// The App's number.
    pub app_id: u64,
    /// The App's private key, in PEM.
    pub private_key: Secret,
    /// What GitHub signs webhooks with.
    pub webhook_secret: Secret,
    /// The same of before, while a new one is brought in; empty for none.
    pub webhook_secret_previous: Secret,
}

impl GitHub {
    /// Whether it names an App; else the server is the one that was made on its dashboard.
    pub fn names_app(&self) -> bool {
        self.app_id != 0 || !self.private_key.is_empty() || !self.webhook_secret.is_empty()
    }

    /// What is missing or cannot be used, by its key and with what to do.
    pub(super) fn unusable(&self) -> Option<String> {
        let what = if !is_base_address(&self.api_url) {
            format!(
                "forge.github.api_url is {:?}, which is no base address: write https://api.github.com, or https://HOST/api/v3 without a slash at the end",
                self.api_url
            )
        } else if !is_base_address(&self.web_url) {
            format!(
                "forge.github.web_url is {:?}, which is no base address: write https://github.com, or https://HOST without a slash at the end",
                self.web_url
            )
        } else if !self.names_app() {
            return None;
        } else if self.app_id == 0 {
            "forge.github.app_id is missing: it is the number at the top of the App's settings on GitHub".to_owned()
        } else if self.private_key.is_empty() {
            format!(
                "forge.github.private_key is missing: generate one in the App's settings on GitHub, and name the file in {BY_FILE}PRIVATE_KEY__FILE"
            )
        } else if !is_rsa_key(self.private_key.reveal()) {
            format!(
                "forge.github.private_key is no RSA key in PEM: name the file that GitHub generated, as it is, in {BY_FILE}PRIVATE_KEY__FILE"
            )
        } else if self.webhook_secret.is_empty() {
            format!(
                "forge.github.webhook_secret is missing, without which anybody could send webhooks: write a random one into the App's settings on GitHub and into a file, and name that in {BY_FILE}WEBHOOK_SECRET__FILE"
            )
        } else {
            return None;
        };
        Some(what)
    }
}

/// Whether it is a private key that can sign: GitHub hands out PKCS#1, other programs turn that into PKCS#8.
fn is_rsa_key(pem: &str) -> bool {
    let inner = |kind: &str| {
        let (_, rest) = pem.split_once(&format!("-----BEGIN {kind}-----"))?;
        let (inner, _) = rest.split_once(&format!("-----END {kind}-----"))?;
        let text: Zeroizing<String> =
            Zeroizing::new(inner.chars().filter(|c| !c.is_whitespace()).collect());
        STANDARD.decode(text.as_bytes()).map(Zeroizing::new).ok()
    };
    let of_one = inner("RSA PRIVATE KEY").map(|der| KeyPair::from_der(&der));
    let of_eight = || inner("PRIVATE KEY").map(|der| KeyPair::from_pkcs8(&der));
    of_one.or_else(of_eight).is_some_and(|key| key.is_ok())
}

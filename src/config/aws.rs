//! `[aws]`: where drivers on Amazon Web Services find it.

use serde::Deserialize;

use super::github::is_base_address;

/// `[aws]`
#[derive(Debug, Clone, Deserialize)]
pub struct Aws {
    /// The region; empty for what the environment says.
    pub region: String,
    /// Where all services are asked instead of at AWS, without a slash at the end; empty for AWS itself.
    pub endpoint_url: String,
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

fn is_loopback(url: &str) -> bool {
    let rest = url.trim_start_matches("http://");
    let host = rest.split('/').next().unwrap_or_default();
    let host = match host.strip_prefix('[') {
        Some(six) => six.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

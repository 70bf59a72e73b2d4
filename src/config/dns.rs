//! `[dns]`: how names of environments lead to the server.

use std::time::Duration;

use nestling_domain::dns::LONGEST_TARGET;
use serde::Deserialize;

use super::{
    Secret, Server,
    address::{is_base_address, is_loopback},
    span,
};

/// How the token is given without standing in a file that others read, or in the list of processes.
const BY_FILE: &str = "NESTLING__DNS__DNSIMPLE__TOKEN__FILE";
/// What DNSimple takes as a time to live.
const SHORTEST_TTL: Duration = Duration::from_mins(1);
const LONGEST_TTL: Duration = Duration::from_hours(24);

/// `[dns]`
#[derive(Debug, Clone, Deserialize)]
pub struct Dns {
    /// Who makes them.
    pub driver: DnsDriver,
    /// The host that they lead to; empty for that of `server.public_url`.
    pub target: String,
    /// For how long resolvers may keep them.
    #[serde(deserialize_with = "span")]
    pub ttl: Duration,
    /// `[dns.dnsimple]`
    pub dnsimple: DnSimple,
}

/// Who makes names of environments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DnsDriver {
    /// Nobody: a wildcard record leads to the server.
    None,
    /// The server, in a zone at DNSimple.
    #[serde(rename = "dnsimple")]
    DnSimple,
}

/// `[dns.dnsimple]`
#[derive(Debug, Clone, Deserialize)]
pub struct DnSimple {
    /// Where DNSimple's API answers, without a slash at the end.
    pub api_url: String,
    /// The number of the account.
    pub account: u64,
    /// The zone.
    pub zone: String,
    /// A token of the account.
    pub token: Secret,
}

impl Dns {
    /// The host that names lead to.
    pub fn target<'a>(&'a self, server: &'a Server) -> &'a str {
        if self.target.is_empty() {
            server.public().map_or("", |public| public.host)
        } else {
            &self.target
        }
    }

    /// What lies between a label and the zone: `preview` of `preview.example.com` in `example.com`.
    pub fn below<'a>(&self, server: &'a Server) -> &'a str {
        self.between(&server.preview_domain).unwrap_or_default()
    }

    fn between<'a>(&self, domain: &'a str) -> Option<&'a str> {
        let before = domain.strip_suffix(self.dnsimple.zone.as_str())?;
        if before.is_empty() {
            return Some(before);
        }
        before.strip_suffix('.')
    }

    /// What is missing or cannot be used, by its key and with what to do; nothing of it matters while a wildcard leads here.
    pub(super) fn unusable(&self, server: &Server) -> Option<String> {
        match self.driver {
            DnsDriver::None => None,
            DnsDriver::DnSimple => self
                .dnsimple
                .unusable()
                .or_else(|| self.unusable_names(server)),
        }
    }

    fn unusable_names(&self, server: &Server) -> Option<String> {
        let (zone, domain) = (&self.dnsimple.zone, &server.preview_domain);
        let target = self.target(server);
        let what = if self.between(domain).is_none() {
            format!(
                "server.preview_domain is {domain:?}, and names are made in the zone {zone:?} (dns.dnsimple.zone): choose a domain in that zone, such as \"preview.{zone}\""
            )
        } else if target.is_empty() {
            "dns.target is empty, and so is server.public_url: name the host at which this server is reached, such as \"nestling.example.com\"".to_owned()
        } else if !is_host(target) || target.len() > LONGEST_TARGET {
            format!(
                "names are to lead to {target:?} (dns.target, or the host of server.public_url), which is no name of a host of {LONGEST_TARGET} letters at most: write one such as \"nestling.example.com\""
            )
        } else if !(SHORTEST_TTL..=LONGEST_TTL).contains(&self.ttl) {
            "dns.ttl must be 60s at least and 24h at most".to_owned()
        } else {
            return None;
        };
        Some(what)
    }
}

impl DnSimple {
    fn unusable(&self) -> Option<String> {
        let url = &self.api_url;
        let what = if !is_base_address(url) {
            format!(
                "dns.dnsimple.api_url is {url:?}, which is no base address: write https://api.dnsimple.com/v2 without a slash at the end"
            )
        } else if url.starts_with("http://") && !is_loopback(url) {
            format!(
                "dns.dnsimple.api_url is {url:?}, and the token that is sent there by plain HTTP can be read on the way: write https://, or an address of this machine"
            )
        } else if self.account == 0 {
            "dns.dnsimple.account is missing: write the number of the account, as it stands in the address of its pages at DNSimple".to_owned()
        } else if !is_host(&self.zone) {
            format!(
                "dns.dnsimple.zone is {:?}: write the zone in which names are made, such as \"example.com\"",
                self.zone
            )
        } else if self.token.is_empty() {
            format!(
                "dns.dnsimple.token is missing: make an account token in the settings of DNSimple, and name the file that holds it in {BY_FILE}"
            )
        } else {
            return None;
        };
        Some(what)
    }
}

/// Whether a CNAME can lead there: a name with a dot, and no address.
fn is_host(text: &str) -> bool {
    let is_label = |label: &str| {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !label.is_empty() && label.len() <= 63 && label.bytes().all(plain)
    };
    let is_address = text.parse::<std::net::IpAddr>().is_ok();
    text.contains('.') && !is_address && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::config::Config;

    #[test]
    fn names_at_dnsimple_need_a_zone_that_they_are_in_and_a_host_that_they_lead_to() {
        let sound = [
            ("DNS__DRIVER", "dnsimple"),
            ("DNS__DNSIMPLE__ACCOUNT", "1010"),
            ("DNS__DNSIMPLE__ZONE", "example.com"),
            ("DNS__DNSIMPLE__TOKEN", "secret"),
            ("SERVER__PREVIEW_DOMAIN", "preview.example.com"),
            ("DNS__TARGET", "nestling.example.com"),
        ];
        let load = |otherwise: &[(&str, &str)]| {
            let mut keys = BTreeMap::from(sound);
            keys.extend(otherwise.iter().copied());
            let variables = keys
                .into_iter()
                .map(|(key, value)| (format!("NESTLING__{key}"), value.to_owned()));
            Config::load(None, variables)
        };
        let config = load(&[]).unwrap();
        assert_eq!(config.dns.below(&config.server), "preview");
        let whole = load(&[("SERVER__PREVIEW_DOMAIN", "example.com")]).unwrap();
        assert_eq!(whole.dns.below(&whole.server), "");
        let said = [
            ("SERVER__PREVIEW_DOMAIN", "preview.example.org"),
            ("SERVER__PREVIEW_DOMAIN", "anexample.com"),
            ("DNS__TARGET", ""),
            ("DNS__TARGET", "10.0.0.1"),
            ("DNS__TTL", "5s"),
            ("DNS__DNSIMPLE__ACCOUNT", "0"),
            ("DNS__DNSIMPLE__ZONE", "example"),
            ("DNS__DNSIMPLE__TOKEN", ""),
            ("DNS__DNSIMPLE__API_URL", "http://api.dnsimple.com/v2"),
        ]
        .map(|wrong| load(&[wrong]).unwrap_err().to_string());
        insta::assert_snapshot!(said.join("\n"), @r#"
        the configuration: server.preview_domain is "preview.example.org", and names are made in the zone "example.com" (dns.dnsimple.zone): choose a domain in that zone, such as "preview.example.com"
        the configuration: server.preview_domain is "anexample.com", and names are made in the zone "example.com" (dns.dnsimple.zone): choose a domain in that zone, such as "preview.example.com"
        the configuration: dns.target is empty, and so is server.public_url: name the host at which this server is reached, such as "nestling.example.com"
        the configuration: names are to lead to "10.0.0.1" (dns.target, or the host of server.public_url), which is no name of a host of 120 letters at most: write one such as "nestling.example.com"
        the configuration: dns.ttl must be 60s at least and 24h at most
        the configuration: dns.dnsimple.account is missing: write the number of the account, as it stands in the address of its pages at DNSimple
        the configuration: dns.dnsimple.zone is "example": write the zone in which names are made, such as "example.com"
        the configuration: dns.dnsimple.token is missing: make an account token in the settings of DNSimple, and name the file that holds it in NESTLING__DNS__DNSIMPLE__TOKEN__FILE
        the configuration: dns.dnsimple.api_url is "http://api.dnsimple.com/v2", and the token that is sent there by plain HTTP can be read on the way: write https://, or an address of this machine
        "#);
    }
}

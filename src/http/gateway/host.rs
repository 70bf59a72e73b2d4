//! Whose a request is, by its Host. A preview is never taken for the dashboard, nor the other way round:
//! what is not exactly one of the names we answer at is refused.

use actix_web::http::Uri;
use nestling_domain::label::Label;

use super::config::GatewayConfig;

/// Whose a request is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Whose {
    /// The dashboard's and the API's.
    Dashboard,
    /// That of what lives at this label.
    Preview(Label),
    /// Nobody's: a name under the preview domain that can be no label.
    NoLabel(String),
    /// Nobody's: a name that is not ours (a stranger's name that resolves to us, for instance).
    Stranger(String),
    /// No host at all, or one that two readers could read differently. Says why.
    Malformed(&'static str),
}

/// The names we answer at, in lower case and without ports.
#[derive(Debug)]
pub(super) struct Names {
    dashboard: Vec<String>,
    /// With a leading dot.
    previews: String,
}

impl Names {
    pub(super) fn new(config: &GatewayConfig) -> Self {
        let name = |text: &str| {
            split_port(text)
                .map_or(text, |(name, _)| name)
                .to_ascii_lowercase()
        };
        let mut dashboard = vec![name(&config.addresses.dashboard)];
        dashboard.extend(config.dashboard_hosts.iter().map(|host| name(host)));
        if config.loopback {
            dashboard.extend(["localhost", "127.0.0.1", "[::1]"].map(str::to_owned));
        }
        Names {
            dashboard,
            previews: format!(".{}", name(&config.addresses.preview_domain)),
        }
    }

    /// Reads the Host of a request. A target in absolute form must name the same host.
    pub(super) fn whose(&self, host: Option<&[u8]>, target: &Uri) -> Whose {
        let Some(host) = host else {
            return Whose::Malformed("the request names no Host");
        };
        let Some(host) = std::str::from_utf8(host)
            .ok()
            .filter(|host| host.is_ascii())
        else {
            return Whose::Malformed(
                "the Host is not ASCII; international names are written as xn--…",
            );
        };
        if target
            .authority()
            .is_some_and(|named| !named.as_str().eq_ignore_ascii_case(host))
        {
            return Whose::Malformed(
                "the request's target names another host than its Host header",
            );
        }
        let Some((name, _port)) = split_port(host) else {
            return Whose::Malformed(
                "the Host is neither a name nor an address with an optional port",
            );
        };
        let name = name.to_ascii_lowercase();
        if self.dashboard.contains(&name) {
            return Whose::Dashboard;
        }
        match name.strip_suffix(&self.previews) {
            Some(label) => {
                Label::parse(label).map_or_else(|| Whose::NoLabel(name.clone()), Whose::Preview)
            }
            None => Whose::Stranger(name),
        }
    }
}

/// Splits `name[:port]` or `[address][:port]`; `None` for anything else: user names, paths, spaces,
/// ports that are no numbers, addresses without brackets.
fn split_port(host: &str) -> Option<(&str, Option<u16>)> {
    let name_ends = if host.starts_with('[') {
        host.find(']')? + 1
    } else {
        host.find(':').unwrap_or(host.len())
    };
    let (name, rest) = host.split_at(name_ends);
    let inside = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    let sound = match inside {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !name.is_empty()
                && name.len() <= 253
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.' || b == b'_')
        }
    };
    let port = match rest.strip_prefix(':') {
        Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
            Some(digits.parse().ok()?)
        }
        Some(_) => return None,
        None if rest.is_empty() => None,
        None => return None,
    };
    sound.then_some((name, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Addresses;

    fn whose(host: &str, target: &str) -> Whose {
        let names = Names::new(&GatewayConfig::new(Addresses {
            scheme: "http".to_owned(),
            dashboard: "nestling.localhost:4100".to_owned(),
            preview_domain: "localhost:4100".to_owned(),
        }));
        names.whose(Some(host.as_bytes()), &target.parse().unwrap())
    }

    #[test]
    fn every_host_has_one_reading() {
        let preview = |label: &str| format!("Preview({:?})", Label::parse(label).unwrap());
        for (host, expected) in [
            ("nestling.localhost:4100", "Dashboard".to_owned()),
            ("nestling.localhost", "Dashboard".to_owned()),
            ("NESTLING.LocalHost:9", "Dashboard".to_owned()),
            ("localhost:4100", "Dashboard".to_owned()),
            ("127.0.0.1:4100", "Dashboard".to_owned()),
            ("[::1]:4100", "Dashboard".to_owned()),
            ("pr-12--shop.localhost:4100", preview("pr-12--shop")),
            ("PR-12--Shop.LOCALHOST", preview("pr-12--shop")),
            ("shop.localhost:65535", preview("shop")),
        ] {
            assert_eq!(format!("{:?}", whose(host, "/")), expected, "for {host}");
        }
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        for host in [
            "nestling.localhost.",
            "shop.localhost.",
            "nestling.localhost.evil",
            "nestling.localhost.evil.example:4100",
            "evil.example",
            "127.0.0.2",
            "127.1",
            "0x7f.0.0.1",
            "[::ffff:127.0.0.1]:4100",
            "[fe80::1]",
            "xlocalhost",
        ] {
            assert!(
                matches!(whose(host, "/"), Whose::Stranger(_)),
                "for {host}: {:?}",
                whose(host, "/")
            );
        }
        for host in [
            "a.b.localhost",
            ".localhost",
            "a_b.localhost",
            "nestling.localhost.localhost",
        ] {
            assert!(
                matches!(whose(host, "/"), Whose::NoLabel(_)),
                "for {host}: {:?}",
                whose(host, "/")
            );
        }
        for host in [
            "",
            ":4100",
            "user@nestling.localhost",
            "nestling.localhost:4100@evil.example",
            "nestling.localhost:",
            "nestling.localhost:+80",
            "nestling.localhost:65536",
            "nestling.localhost:80:80",
            "nestling.localhost/evil",
            "shop.localhost, nestling.localhost",
            "nestling.localhost nestling",
            "::1",
            "[::1",
            "[::1]x",
            "[nestling.localhost]",
            "shöp.localhost",
            "nestling%2elocalhost",
        ] {
            assert!(
                matches!(whose(host, "/"), Whose::Malformed(_)),
                "for {host:?}: {:?}",
                whose(host, "/")
            );
        }
    }

    #[test]
    fn an_absolute_target_names_the_same_host_or_nothing_is_done() {
        let host = "shop.localhost:4100";
        assert!(matches!(
            whose(host, "http://shop.localhost:4100/a"),
            Whose::Preview(_)
        ));
        for target in [
            "http://nestling.localhost:4100/",
            "http://shop.localhost/",
            "http://x@shop.localhost:4100/",
        ] {
            assert!(
                matches!(whose(host, target), Whose::Malformed(_)),
                "for {target}"
            );
        }
    }
}

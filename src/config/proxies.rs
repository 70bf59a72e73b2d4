//! Which peers are proxies in front of the server.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de::Error as _};

/// Proxies that are believed what they say of a visitor: single addresses, and networks such as `172.16.0.0/12`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies(Vec<IpNet>);

impl Proxies {
    /// Whether nobody is believed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a peer is one of them. IPv4 stays IPv4 where a socket of IPv6 took it.
    pub fn contain(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.0.iter().any(|network| network.contains(&peer))
    }
}

impl<'de> Deserialize<'de> for Proxies {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let read = |text: &String| network(text).map_err(D::Error::custom);
        let words = Vec::<String>::deserialize(from)?;
        words.iter().map(read).collect::<Result<_, _>>().map(Self)
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    let address = text.parse::<IpAddr>().map(IpNet::from);
    let network = address.or_else(|_| text.parse()).map_err(|_| {
        format!(
            "{text:?} is neither an address nor a network: write \"10.0.0.7\" or \"10.0.0.0/8\""
        )
    })?;
    // Everybody would be believed whatever they say of themselves.
    (network.prefix_len() > 0)
        .then_some(network)
        .ok_or_else(|| {
            format!("{text:?} is everybody: name the proxies, or the network that they are in")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(words: &[&str]) -> Result<Proxies, String> {
        serde_json::from_value(serde_json::json!(words)).map_err(|error| error.to_string())
    }

    #[test]
    fn addresses_and_networks_are_believed_and_nobody_else() {
        let proxies = proxies(&["10.0.0.7", "172.16.0.0/12", "fdaa::/16"]).unwrap();
        let believed = |peer: &str| proxies.contain(peer.parse().unwrap());
        for peer in [
            "10.0.0.7",
            "172.16.4.1",
            "172.31.255.255",
            "::ffff:10.0.0.7",
            "fdaa:0:1::2",
        ] {
            assert!(believed(peer), "{peer}");
        }
        for peer in ["10.0.0.8", "172.32.0.1", "fdab::1", "::1"] {
            assert!(!believed(peer), "{peer}");
        }
    }

    #[test]
    fn what_names_no_proxy_is_refused() {
        for (word, says) in [
            ("proxy.internal", "neither an address nor a network"),
            ("10.0.0.0/33", "neither an address nor a network"),
            ("0.0.0.0/0", "is everybody"),
            ("::/0", "is everybody"),
        ] {
            assert!(proxies(&[word]).unwrap_err().contains(says), "{word}");
        }
    }
}

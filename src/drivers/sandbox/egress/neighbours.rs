//! What lies next to this box: its own addresses, the networks on its links, its gateways.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// A list of networks that machines must not reach.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Neighbours {
    networks: Vec<(IpAddr, u32, &'static str)>,
}

impl Neighbours {
    /// Reads the kernel's tables.
    pub(super) fn read() -> Self {
        let file = |name: &str| fs::read_to_string(format!("/proc/net/{name}")).unwrap_or_default();
        Neighbours::parse(
            &file("fib_trie"),
            &file("route"),
            &file("if_inet6"),
            &file("ipv6_route"),
        )
    }

    pub(super) fn parse(trie: &str, route: &str, inet6: &str, route6: &str) -> Self {
        let mut networks = Vec::new();
        networks.extend(
            local_v4(trie)
                .into_iter()
                .map(|address| (address.into(), 32, "this box's own")),
        );
        networks.extend(routes_v4(route));
        for line in inet6.lines() {
            let mut fields = line.split_whitespace();
            let (Some(address), Some(length)) = (
                fields.next().and_then(hex_v6),
                fields
                    .nth(1)
                    .and_then(|hex| u32::from_str_radix(hex, 16).ok()),
            ) else {
                continue;
            };
            networks.push((address.into(), 128, "this box's own"));
            networks.push((address.into(), length, "on this box's own network"));
        }
        networks.extend(routes_v6(route6));
        // A default route without a gateway (a point-to-point link) is the internet, not a neighbour.
        networks.retain(|(_, length, _)| *length > 0);
        Neighbours { networks }
    }

    pub(super) fn refusal(&self, address: IpAddr) -> Option<&'static str> {
        self.networks
            .iter()
            .find(|(network, length, _)| same(*network, address, *length))
            .map(|(_, _, reason)| *reason)
    }
}

fn same(network: IpAddr, address: IpAddr, length: u32) -> bool {
    match (network, address) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            u32::from(a).checked_shr(32 - length) == u32::from(b).checked_shr(32 - length)
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            u128::from(a).checked_shr(128 - length) == u128::from(b).checked_shr(128 - length)
        }
        _ => false,
    }
}

/// The addresses under which the trie says `/32 host LOCAL`.
fn local_v4(trie: &str) -> Vec<Ipv4Addr> {
    let mut found = Vec::new();
    let mut last: Option<Ipv4Addr> = None;
    for line in trie.lines() {
        if let Some((_, address)) = line.split_once("|-- ") {
            last = address.trim().parse().ok();
        } else if line.contains("/32 host LOCAL") {
            found.extend(last);
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

fn routes_v4(table: &str) -> Vec<(IpAddr, u32, &'static str)> {
    let mut found = Vec::new();
    for line in table.lines().skip(1) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let number = |index: usize| {
            fields
                .get(index)
                .and_then(|hex| u32::from_str_radix(hex, 16).ok())
                .map(u32::swap_bytes)
        };
        let (Some(destination), Some(gateway), Some(mask)) = (number(1), number(2), number(7))
        else {
            continue;
        };
        if gateway == 0 {
            found.push((
                Ipv4Addr::from(destination).into(),
                mask.leading_ones(),
                "on this box's own network",
            ));
        } else {
            found.push((Ipv4Addr::from(gateway).into(), 32, "this box's gateway"));
        }
    }
    found
}

fn routes_v6(table: &str) -> Vec<(IpAddr, u32, &'static str)> {
    let mut found = Vec::new();
    for line in table.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [destination, length, _, _, gateway, .., device] = fields[..] else {
            continue;
        };
        let (Some(destination), Ok(length), Some(gateway)) = (
            hex_v6(destination),
            u32::from_str_radix(length, 16),
            hex_v6(gateway),
        ) else {
            continue;
        };
        if !gateway.is_unspecified() {
            found.push((gateway.into(), 128, "this box's gateway"));
        } else if device != "lo" {
            found.push((destination.into(), length, "on this box's own network"));
        }
    }
    found
}

fn hex_v6(hex: &str) -> Option<Ipv6Addr> {
    (hex.len() == 32).then(|| u128::from_str_radix(hex, 16).ok().map(Ipv6Addr::from))?
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIE: &str = "Main:\n     +-- 203.0.113.0/24 2 0 2\n        |-- 203.0.113.0\n           /24 link UNICAST\n        |-- 203.0.113.7\n           /32 host LOCAL\n";
    const ROUTE: &str = "Iface\tDestination\tGateway\nens3\t00000000\t0101A8C6\t0003\t0\t0\t0\t00000000\nens3\t007100CB\t00000000\t0001\t0\t0\t0\t00FFFFFF\n";
    const INET6: &str = "2001067c000000000000000000000002 04 40 00 82     ens3\n";
    const ROUTE6: &str = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 2a000000000000000000000000000001 00000400 1 0 00000003 ens3\n\
        20010db8000000000000000000000000 20 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 1 0 00000001 ens3\n";

    #[test]
    fn own_addresses_networks_and_gateways_are_neighbours_and_the_rest_is_not() {
        let neighbours = Neighbours::parse(TRIE, ROUTE, INET6, ROUTE6);
        let why = |address: &str| neighbours.refusal(address.parse().unwrap());
        assert_eq!(why("203.0.113.7"), Some("this box's own"));
        assert_eq!(why("203.0.113.80"), Some("on this box's own network"));
        assert_eq!(why("198.168.1.1"), Some("this box's gateway"));
        assert_eq!(why("2001:67c::2"), Some("this box's own"));
        assert_eq!(why("2001:67c::99"), Some("on this box's own network"));
        assert_eq!(why("2a00::1"), Some("this box's gateway"));
        assert_eq!(why("2001:db8::5"), Some("on this box's own network"));
        assert_eq!(why("9.9.9.9"), None);
        assert_eq!(why("2620:fe::fe"), None);
    }

    #[test]
    fn this_box_knows_its_own_loopback() {
        assert!(
            Neighbours::read()
                .refusal(Ipv4Addr::LOCALHOST.into())
                .is_some()
        );
    }
}

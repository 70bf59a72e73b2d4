//! Which addresses a machine may reach: the public internet, and nothing of this box or its neighbourhood.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::neighbours::Neighbours;

/// Why `address` is out of reach; `None` when it is not.
pub(super) fn refusal(address: IpAddr, neighbours: &Neighbours) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => refusal_v4(v4, neighbours),
        IpAddr::V6(v6) => refusal_v6(v6, neighbours),
    }
}

fn refusal_v4(address: Ipv4Addr, neighbours: &Neighbours) -> Option<&'static str> {
    let within = |a, b, length| {
        u32::from(address) >> (32 - length) == u32::from(Ipv4Addr::new(a, b, 0, 0)) >> (32 - length)
    };
    let reason = if within(127, 0, 8) {
        "loopback"
    } else if within(0, 0, 8) {
        "unspecified"
    } else if within(10, 0, 8) || within(172, 16, 12) || within(192, 168, 16) {
        "private"
    } else if within(169, 254, 16) {
        "link-local"
    } else if within(100, 64, 10) {
        "carrier-grade NAT"
    } else if within(192, 0, 24) || within(198, 18, 15) {
        "reserved"
    } else if u32::from(address) >> 8 == u32::from(Ipv4Addr::new(192, 88, 99, 0)) >> 8 {
        "a 6to4 relay"
    } else if within(224, 0, 4) {
        "multicast"
    } else if within(240, 0, 4) {
        "reserved or broadcast"
    } else {
        return neighbours.refusal(address.into());
    };
    Some(reason)
}

fn refusal_v6(address: Ipv6Addr, neighbours: &Neighbours) -> Option<&'static str> {
    let parts = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        refusal_v4(Ipv4Addr::new(a, b, c, d), neighbours)
    };
    let reason = match parts {
        [0, 0, 0, 0, 0, 0, 0, 0] => "unspecified",
        [0, 0, 0, 0, 0, 0, 0, 1] => "loopback",
        // IPv4 in disguise: mapped, translated, compatible, NAT64, 6to4.
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0, 0, 0, 0, 0, 0, high, low] => return embedded(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            return embedded(high, low).or_else(|| neighbours.refusal(address.into()));
        }
        [0x64, 0xff9b, ..] => "a translator of this network",
        [0x2001, 0, ..] => "a Teredo tunnel",
        [0x100, 0, 0, 0, ..] => "discarded",
        [first, ..] if first & 0xfe00 == 0xfc00 => "private",
        [first, ..] if first & 0xffc0 == 0xfe80 => "link-local",
        [first, ..] if first & 0xffc0 == 0xfec0 => "site-local",
        [first, ..] if first & 0xff00 == 0xff00 => "multicast",
        // An interface identifier that ISATAP made of an IPv4 address.
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => {
            return embedded(high, low).or_else(|| neighbours.refusal(address.into()));
        }
        _ => return neighbours.refusal(address.into()),
    };
    Some(reason)
}

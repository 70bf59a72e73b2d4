//! The first words of a client: whom it wants to reach, strictly read. What is ambiguous is refused, because
//! two readers of an ambiguous address may reach two places.

use std::net::IpAddr;

/// Whom a client wants to reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// A name in lower case without a trailing dot, or an address as its standard text.
    pub(super) host: String,
    /// The address, when the host is one.
    pub(super) address: Option<IpAddr>,
    pub(super) port: u16,
}

/// A request that can be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    /// `CONNECT host:port`.
    Tunnel(Target),
    /// `GET http://host/…`: the head to send on, without what is meant for a proxy.
    Forward(Target, Vec<u8>),
}

/// Reads a request head, up to and including its empty line.
pub(super) fn parse(head: &[u8]) -> Result<Request, String> {
    let head = std::str::from_utf8(head).map_err(|_| "the request head is not text".to_owned())?;
    let (line, headers) = head
        .split_once("\r\n")
        .ok_or("the request has no end of line")?;
    let words: Vec<&str> = line.split(' ').collect();
    let [method, address, version @ ("HTTP/1.1" | "HTTP/1.0")] = words[..] else {
        return Err("the request line is not `METHOD address HTTP/1.1`".to_owned());
    };
    if method == "CONNECT" {
        return Ok(Request::Tunnel(target(address, None)?));
    }
    if address.contains('#')
        || headers
            .replace("\r\n", "")
            .chars()
            .any(|c| c.is_control() && c != '\t')
    {
        return Err("the request holds characters that no request may hold".to_owned());
    }
    let Some(rest) = strip_http(address) else {
        return Err("only `CONNECT host:port` and `http://…` addresses are served here".to_owned());
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let slash = if path.starts_with('/') { "" } else { "/" };
    let mut sent = format!("{method} {slash}{path} {version}\r\n");
    for header in headers.split("\r\n").filter(|header| !header.is_empty()) {
        let name = header
            .split(':')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        if !matches!(
            name.as_str(),
            "proxy-connection" | "proxy-authorization" | "connection" | "keep-alive"
        ) {
            sent.push_str(header);
            sent.push_str("\r\n");
        }
    }
    // One request a connection: the next one may want another host.
    sent.push_str("Connection: close\r\n\r\n");
    Ok(Request::Forward(
        target(authority, Some(80))?,
        sent.into_bytes(),
    ))
}

fn strip_http(address: &str) -> Option<&str> {
    let scheme = address.get(..7)?;
    scheme
        .eq_ignore_ascii_case("http://")
        .then(|| &address[7..])
}

/// Reads `host:port`, `[v6]:port`; the port may be left out when there is a usual one.
pub(super) fn target(authority: &str, usual: Option<u16>) -> Result<Target, String> {
    let shown: String = authority.chars().take(120).collect();
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (inner, port) = rest
                .split_once(']')
                .ok_or_else(|| format!("{shown:?} lacks its closing bracket"))?;
            let port = if port.is_empty() {
                None
            } else {
                Some(
                    port.strip_prefix(':')
                        .ok_or_else(|| format!("{shown:?} is not `[address]:port`"))?,
                )
            };
            let address: std::net::Ipv6Addr = inner
                .parse()
                .map_err(|_| format!("{inner:?} is not an IPv6 address"))?;
            (Ok(IpAddr::V6(address)), port)
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (Err(host), Some(port)),
            None => (Err(authority), None),
        },
    };
    let port = match (port, usual) {
        (None, Some(usual)) => usual,
        (Some(text), _) if text.bytes().all(|b| b.is_ascii_digit()) => text
            .parse()
            .ok()
            .filter(|port| *port > 0)
            .ok_or_else(|| format!("{shown:?} has no valid port"))?,
        _ => return Err(format!("{shown:?} has no valid port")),
    };
    match host {
        Ok(address) => Ok(Target {
            host: address.to_string(),
            address: Some(address),
            port,
        }),
        Err(name) => named(name, port),
    }
}

fn named(name: &str, port: u16) -> Result<Target, String> {
    let shown: String = name.chars().take(120).collect();
    let name = name.strip_suffix('.').unwrap_or(name);
    if let Ok(address) = name.parse::<std::net::Ipv4Addr>() {
        return Ok(Target {
            host: address.to_string(),
            address: Some(address.into()),
            port,
        });
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if name.len() > 253 || !name.split('.').all(label) {
        return Err(format!("{shown:?} is neither a host name nor an address"));
    }
    // `127.1`, `0x7f000001`, `2130706433`, `0177.0.0.1`: some resolvers read numbers as addresses.
    let last = name
        .rsplit('.')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    if last.starts_with("0x") || last.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!(
            "{shown:?} is an address in an unusual form: write it as four decimal numbers"
        ));
    }
    Ok(Target {
        host: name.to_ascii_lowercase(),
        address: None,
        port,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_request_loses_what_is_meant_for_the_proxy() {
        let head = b"GET http://Registry.example:8080?q=1 HTTP/1.1\r\nHost: registry.example:8080\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic x\r\nAccept: */*\r\n\r\n";
        let Request::Forward(target, sent) = parse(head).unwrap() else {
            panic!("not forwarded")
        };
        assert_eq!(
            (target.host.as_str(), target.port),
            ("registry.example", 8080)
        );
        assert_eq!(
            String::from_utf8(sent).unwrap(),
            "GET /?q=1 HTTP/1.1\r\nHost: registry.example:8080\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        );
    }

    #[test]
    fn what_is_ambiguous_is_refused() {
        for line in [
            "GET / HTTP/1.1",
            "CONNECT a b HTTP/1.1",
            "CONNECT example.com HTTP/1.1",
            "CONNECT example.com:443 HTTP/2",
            "GET https://a/ HTTP/1.1",
            "GET ftp://a/ HTTP/1.1",
        ] {
            assert!(
                parse(format!("{line}\r\n\r\n").as_bytes()).is_err(),
                "{line}"
            );
        }
        for authority in [
            "",
            ":80",
            "a@b:80",
            "a:b@c:80",
            "a%2eb:80",
            "a b:80",
            "a:0",
            "a:65536",
            "a:+80",
            "a:80:80",
            "[::1:80",
            "[fe80::1%25eth0]:80",
            "127.1:80",
            "0x7f.1:80",
            "1.2.3.4.5:80",
            "１２７.0.0.1:80",
        ] {
            assert!(target(authority, None).is_err(), "{authority}");
        }
        assert_eq!(
            target("Example.COM.:443", None).unwrap().host,
            "example.com"
        );
    }
}

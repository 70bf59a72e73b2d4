//! Where an app listens, as the kernel knows it.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};

use crate::endpoints::Listener;
use crate::tree::Pid;

/// The state of a listening socket in `/proc/net/tcp`.
const LISTENING: &str = "0A";

/// A port that is free now. Given to the app as `PORT`.
pub(crate) fn free() -> std::io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Everything that these processes listen on.
pub(crate) fn listeners(processes: &[Pid]) -> BTreeSet<Listener> {
    let sockets: BTreeSet<u64> = processes.iter().flat_map(|pid| sockets(*pid)).collect();
    // To read a table the kernel goes through all places for connections, 5 ms long where there is much memory: nobody asks that of
    // it while an app has not even begun to listen.
    if sockets.is_empty() {
        return BTreeSet::new();
    }
    // All of them share our network namespace: the machine's.
    ["tcp", "tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(format!("/proc/self/net/{table}")).ok())
        .flat_map(|table| table.lines().skip(1).filter_map(parse).collect::<Vec<_>>())
        .filter(|(_, inode)| sockets.contains(inode))
        .map(|(listener, _)| listener)
        .collect()
}

/// The inodes of a process's sockets.
fn sockets(pid: Pid) -> Vec<u64> {
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return Vec::new();
    };
    files
        .flatten()
        .filter_map(|file| fs::read_link(file.path()).ok())
        .filter_map(|target| {
            target
                .to_str()?
                .strip_prefix("socket:[")?
                .strip_suffix(']')?
                .parse()
                .ok()
        })
        .collect()
}

/// A listening socket and its inode, from one line of `/proc/net/tcp` or `tcp6`.
fn parse(line: &str) -> Option<(Listener, u64)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
    if *state != LISTENING {
        return None;
    }
    let (address, port) = local.split_once(':')?;
    let listener = Listener {
        address: address_of(address)?,
        port: u16::from_str_radix(port, 16).ok()?,
    };
    Some((listener, inode.parse().ok()?))
}

/// The kernel prints addresses as 32-bit words in its own byte order.
fn address_of(hex: &str) -> Option<IpAddr> {
    let words: Vec<u32> = (0..hex.len() / 8)
        .map(|n| u32::from_str_radix(hex.get(n * 8..n * 8 + 8)?, 16).ok())
        .collect::<Option<_>>()?;
    match words.as_slice() {
        [word] => Some(Ipv4Addr::from(word.to_ne_bytes()).into()),
        words @ [_, _, _, _] => {
            let mut bytes = [0; 16];
            for (place, word) in bytes.chunks_mut(4).zip(words) {
                place.copy_from_slice(&word.to_ne_bytes());
            }
            let address = Ipv6Addr::from(bytes);
            Some(
                address
                    .to_ipv4_mapped()
                    .map_or(IpAddr::V6(address), IpAddr::V4),
            )
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_table_is_read() {
        let line = "   0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 123456 1 0";
        assert_eq!(parse(line), Some((Listener::loopback(3000), 123_456)));
        let six = "   1: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 77 1";
        let listener = Listener {
            address: Ipv6Addr::LOCALHOST.into(),
            port: 8080,
        };
        assert_eq!(parse(six), Some((listener, 77)));
        let connected = line.replace(" 0A ", " 01 ");
        assert_eq!(parse(&connected), None);
    }

    #[test]
    fn our_own_listener_is_found_and_a_strangers_is_not() {
        let ours = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = ours.local_addr().unwrap().port();
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(listeners(&[own]).contains(&Listener::loopback(port)));
        assert!(listeners(&[1_999_999_999]).is_empty());
    }
}

//! Ways out over a network, or over a socket.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream, UdpSocket},
    os::{
        linux::net::SocketAddrExt as _,
        unix::{fs::PermissionsExt as _, net::UnixStream},
    },
    path::Path,
    time::Duration,
};

use nestling_protocol::machine::{EGRESS_SOCKET, SERVER_DIR};
use rustix::net::{AddressFamily, SocketType};

use super::{Facts, Outcome, refused::refused};

pub(super) fn no_socket(kinds: &[(AddressFamily, SocketType)]) -> Outcome {
    for (family, kind) in kinds {
        refused(
            &format!("{family:?} {kind:?}"),
            rustix::net::socket(*family, *kind, None),
        )?;
    }
    Ok("none could be opened".into())
}

pub(super) fn abstract_socket(facts: &Facts) -> Outcome {
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&facts.abstract_name).unwrap();
    refused("connect", UnixStream::connect_addr(&address))
}

pub(super) fn unreachable(addresses: &[String]) -> Outcome {
    for address in addresses {
        let address: SocketAddr = address.parse().unwrap();
        refused(
            &address.to_string(),
            TcpStream::connect_timeout(&address, Duration::from_secs(2)),
        )?;
    }
    Ok("none could be reached".into())
}

pub(super) fn no_datagram(_: &Facts) -> Outcome {
    let socket = UdpSocket::bind("0.0.0.0:0").map_err(|error| error.to_string())?;
    for to in [
        "9.9.9.9:53",
        "255.255.255.255:67",
        "224.0.0.251:5353",
        "169.254.169.254:53",
    ] {
        let _ = socket.set_broadcast(true);
        refused(to, socket.send_to(b"x", to))?;
    }
    Ok("none could be sent".into())
}

pub(super) fn way_out(facts: &Facts) -> Outcome {
    let mut targets = vec![
        "169.254.169.254:80".to_owned(),
        format!("localhost:{}", facts.port),
        format!("[::1]:{}", facts.port),
        format!("[::ffff:127.0.0.1]:{}", facts.port),
        format!("2130706433:{}", facts.port),
    ];
    targets.extend(
        facts
            .own_addresses
            .iter()
            .map(|address| format!("{address}:{}", facts.port)),
    );
    for target in targets {
        for request in [
            format!("CONNECT {target} HTTP/1.1\r\n\r\n"),
            format!("GET http://{target}/ HTTP/1.1\r\nHost: x\r\n\r\n"),
        ] {
            let mut proxy = UnixStream::connect(Path::new(SERVER_DIR).join(EGRESS_SOCKET))
                .expect("the way out is there");
            proxy.write_all(request.as_bytes()).unwrap();
            let mut answer = String::new();
            proxy.read_to_string(&mut answer).unwrap();
            if !answer.starts_with("HTTP/1.1 40") {
                return Err(format!("{target}: {answer}"));
            }
        }
    }
    Ok("all were refused".into())
}

pub(super) fn sockets_stay(_: &Facts) -> Outcome {
    let socket = Path::new(SERVER_DIR).join(EGRESS_SOCKET);
    refused("remove", fs::remove_file(&socket))?;
    refused("rename", fs::rename(&socket, "/work/egress.sock"))?;
    refused("add", fs::write(Path::new(SERVER_DIR).join("x"), "x"))?;
    refused(
        "close",
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o0)),
    )?;
    refused("link", fs::hard_link(&socket, "/work/egress.sock"))
}

//! What a sandbox must not be able to do, tried from inside before any machine is trusted to it.

use std::{
    fs, io,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    os::unix::net::UnixStream,
    path::Path,
};

use nestling_protocol::machine::{EGRESS_SOCKET, RUN_DIR, SERVER_DIR};
use serde::{Deserialize, Serialize};

/// Where the findings go, in the run folder.
pub(super) const FINDINGS: &str = "self-test.json";

/// What was found out.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Findings {
    /// What should not have worked and did.
    pub(super) open: Vec<String>,
    /// Whether system calls are filtered.
    pub(super) filtered: bool,
}

/// Tries, and writes down what it found.
/// `port` is that of a listener on this box, which must be out of reach.
pub(super) fn look_around(port: u16) -> io::Result<()> {
    let mut findings = Findings::default();
    let mut must_not = |what: &str, possible: bool| {
        if possible {
            findings.open.push(what.to_owned());
        }
    };
    must_not("/etc/shadow can be read", fs::read("/etc/shadow").is_ok());
    must_not(
        "homes can be seen",
        ["/root", "/home", "/var/lib"]
            .iter()
            .any(|path| Path::new(path).exists()),
    );
    must_not(
        "the system can be written",
        [
            "/usr/x",
            "/x",
            "/etc/x",
            "/dev/x",
            super::order::INIT_INSIDE,
        ]
        .iter()
        .any(|path| {
            fs::OpenOptions::new()
                .append(true)
                .create(true)
                .open(path)
                .is_ok()
        }),
    );
    must_not("it runs as root", rustix::process::geteuid().is_root());
    let status = fs::read_to_string("/proc/self/status")?;
    let field = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap_or("?")
            .trim()
            .to_owned()
    };
    must_not(
        "it has capabilities",
        ["CapEff:", "CapPrm:", "CapInh:", "CapAmb:"]
            .iter()
            .any(|name| field(name).bytes().any(|b| b != b'0')),
    );
    must_not(
        "set-uid programs could raise its rights",
        field("NoNewPrivs:") != "1",
    );
    must_not(
        "other processes can be seen",
        fs::read_dir("/proc")?
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok())
            .count()
            > 2,
    );
    let devices = fs::read_to_string("/proc/self/net/dev")?;
    must_not(
        "it has a network device",
        devices
            .lines()
            .skip(2)
            .any(|line| !line.trim_start().starts_with("lo:")),
    );
    must_not(
        "this box's loopback can be reached",
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok(),
    );
    must_not("the way out leads back to this box", !way_out_refuses(port));
    findings.filtered = field("Seccomp:") == "2";
    fs::write(
        Path::new(RUN_DIR).join(FINDINGS),
        serde_json::to_vec(&findings)?,
    )
}

fn way_out_refuses(port: u16) -> bool {
    let ask = || -> io::Result<Vec<u8>> {
        let mut proxy = UnixStream::connect(Path::new(SERVER_DIR).join(EGRESS_SOCKET))?;
        write!(proxy, "CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n")?;
        let mut answer = Vec::new();
        proxy.take(4096).read_to_end(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 403"))
}

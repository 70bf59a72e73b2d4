//! What a hostile program tries. Each probe says how it was held, or how it escaped.

use std::{
    ffi::CString,
    fs::{self, OpenOptions},
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream, UdpSocket},
    os::{
        fd::AsFd as _,
        linux::net::SocketAddrExt as _,
        unix::{
            fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink},
            net::UnixStream,
        },
    },
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use nestling_protocol::machine::{EGRESS_SOCKET, SERVER_DIR};
use rustix::{
    fs::{CWD, FileType, Mode, makedev},
    mount::{MountFlags, UnmountFlags},
    net::{AddressFamily, SocketType},
    process::{Pid, Resource, Rlimit, Signal},
};
use serde::{Deserialize, Serialize};

/// What the box has that a machine may not reach.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// A process outside, with a secret in its environment.
    pub(crate) victim: i32,
    /// A TCP port that this box listens on, everywhere.
    pub(crate) port: u16,
    pub(crate) own_addresses: Vec<String>,
    pub(crate) abstract_name: String,
    pub(crate) socket: String,
    pub(crate) secret: String,
    pub(crate) shared: String,
    pub(crate) data: String,
    pub(crate) home: String,
    pub(crate) as_root: bool,
}

/// How it was held, or how it escaped.
type Outcome = Result<String, String>;
/// A name, the positions it is tried from, and what it does.
type Probe = (&'static str, &'static [&'static str], fn(&Facts) -> Outcome);

const BOTH: &[&str] = &["outer", "inner"];
const OUTER: &[&str] = &["outer"];
const INNER: &[&str] = &["inner"];

pub(crate) const ALL: &[Probe] = &[
    ("reads_password_hashes", BOTH, |_| {
        nothing_read(&[
            "/etc/shadow",
            "/etc/gshadow",
            "/etc/sudoers",
            "/etc/ssh/ssh_host_ed25519_key",
        ])
    }),
    ("sees_homes", BOTH, |facts| {
        nothing_there(&[&facts.home, "/root", "/home", "/var/lib", "/srv", "/boot"])
    }),
    ("reads_a_file_of_the_box", BOTH, |facts| {
        nothing_read(&[
            &facts.secret,
            &format!("/proc/1/root{}", facts.secret),
            &format!("/proc/self/root{}", facts.secret),
        ])
    }),
    ("climbs_above_its_root", BOTH, |facts| {
        nothing_read(&[
            &format!("{}{}", "../".repeat(40), facts.secret),
            &format!("/work/../../../../..{}", facts.secret),
            &format!("/proc/self/cwd/../../../..{}", facts.secret),
        ])
    }),
    ("reads_another_environments_files", BOTH, |facts| {
        nothing_there(&[
            &facts.data,
            &format!(
                "{}/machines/environments/neighbour/state/secret",
                facts.data
            ),
            "/state/../neighbour",
            "/cache/../../environments",
        ])
    }),
    ("sees_processes_of_the_box", BOTH, only_own_processes),
    (
        "reads_environments_of_the_box",
        BOTH,
        no_foreign_environment,
    ),
    ("signals_processes_of_the_box", BOTH, |facts| {
        refused(
            "kill",
            rustix::process::kill_process(Pid::from_raw(facts.victim).unwrap(), Signal::KILL),
        )
    }),
    ("signals_everybody", INNER, |_| {
        let _ = rustix::process::kill_process(Pid::from_raw(1).unwrap(), Signal::KILL);
        Ok("only its own could hear it".into())
    }),
    ("traces_pid_1", BOTH, |_| {
        call_refused("ptrace", libc::SYS_ptrace, &["16", "1", "0", "0"])
    }),
    ("reads_memory_of_pid_1", BOTH, |_| {
        nothing_opened(&["/proc/1/mem"], false)
    }),
    ("reads_memory_across_processes", BOTH, |_| {
        call_refused(
            "process_vm_readv",
            libc::SYS_process_vm_readv,
            &["1", "0", "0", "0", "0", "0"],
        )
    }),
    ("takes_descriptors_of_pid_1", OUTER, |_| {
        unreadable_folder("/proc/1/fd")
    }),
    ("mounts_a_file_system", BOTH, |_| {
        refused(
            "mount",
            rustix::mount::mount("tmpfs", "/work", "tmpfs", MountFlags::empty(), None),
        )
    }),
    ("binds_the_root_elsewhere", BOTH, |_| {
        refused("bind", rustix::mount::mount_bind_recursive("/", "/work"))
    }),
    ("makes_usr_writable", BOTH, |_| {
        refused(
            "remount",
            rustix::mount::mount_remount("/usr", MountFlags::BIND, c""),
        )
    }),
    ("unmounts_what_covers", BOTH, |_| {
        ["/proc", "/usr", "/run", "/tmp"]
            .iter()
            .try_fold(String::new(), |_, path| {
                refused(
                    "umount",
                    rustix::mount::unmount(*path, UnmountFlags::DETACH),
                )
            })
    }),
    ("uses_the_newer_mount_calls", BOTH, |_| {
        calls_refused(&[
            ("fsopen", libc::SYS_fsopen, &["tmpfs", "0"]),
            ("open_tree", libc::SYS_open_tree, &["-100", "/", "1"]),
            (
                "move_mount",
                libc::SYS_move_mount,
                &["0", "", "-100", "/work", "4"],
            ),
        ])
    }),
    ("pivots_its_root", BOTH, |_| {
        calls_refused(&[
            ("pivot_root", libc::SYS_pivot_root, &["/work", "/work"]),
            ("chroot", libc::SYS_chroot, &["/work"]),
        ])
    }),
    ("loads_bpf", BOTH, |_| {
        call_refused("bpf", libc::SYS_bpf, &["0", "0", "0"])
    }),
    ("uses_kernel_keys", BOTH, |_| {
        calls_refused(&[
            ("keyctl", libc::SYS_keyctl, &["0", "-3", "0"]),
            ("add_key", libc::SYS_add_key, &["user", "x", "y", "1", "-3"]),
            (
                "request_key",
                libc::SYS_request_key,
                &["user", "x", "0", "0"],
            ),
        ])
    }),
    ("uses_io_uring", BOTH, |_| {
        call_refused("io_uring_setup", libc::SYS_io_uring_setup, &["4", "0"])
    }),
    ("watches_with_perf", BOTH, |_| {
        call_refused(
            "perf_event_open",
            libc::SYS_perf_event_open,
            &["0", "0", "-1", "-1", "0"],
        )
    }),
    ("handles_page_faults", BOTH, |_| {
        call_refused("userfaultfd", libc::SYS_userfaultfd, &["1"])
    }),
    ("opens_by_handle", BOTH, |_| {
        call_refused(
            "open_by_handle_at",
            libc::SYS_open_by_handle_at,
            &["3", "0", "0"],
        )
    }),
    ("loads_a_kernel_module", BOTH, |_| {
        calls_refused(&[
            ("init_module", libc::SYS_init_module, &["0", "0", "0"]),
            ("finit_module", libc::SYS_finit_module, &["0", "0", "0"]),
            ("delete_module", libc::SYS_delete_module, &["x", "0"]),
        ])
    }),
    ("boots_another_kernel", BOTH, |_| {
        calls_refused(&[
            ("kexec_load", libc::SYS_kexec_load, &["0", "0", "0", "0"]),
            (
                "reboot",
                libc::SYS_reboot,
                &["4276215469", "672274793", "19088743", "0"],
            ),
        ])
    }),
    ("turns_the_clock", BOTH, |_| {
        calls_refused(&[
            ("settimeofday", libc::SYS_settimeofday, &["0", "0"]),
            ("clock_settime", libc::SYS_clock_settime, &["0", "0"]),
        ])
    }),
    ("swaps_or_accounts", BOTH, |_| {
        calls_refused(&[
            ("swapon", libc::SYS_swapon, &["/work", "0"]),
            ("acct", libc::SYS_acct, &["/work/x"]),
            ("quotactl", libc::SYS_quotactl, &["0", "0", "0", "0"]),
        ])
    }),
    ("reads_the_kernels_log", BOTH, |_| {
        call_refused("syslog", libc::SYS_syslog, &["3", "0", "0"])?;
        nothing_opened(&["/dev/kmsg", "/proc/kmsg"], false)
    }),
    ("reads_the_kernels_memory", BOTH, |_| {
        nothing_opened(
            &["/proc/kcore", "/dev/mem", "/dev/kmem", "/dev/port"],
            false,
        )
    }),
    ("enters_anothers_namespace", BOTH, |_| {
        no_namespace_entered()
    }),
    ("nests_a_user_namespace", INNER, |_| {
        match call(libc::SYS_unshare, &["268435456"]) {
            // None is left to have, says the limit that `--disable-userns` set.
            Err(error @ (1 | 28)) => Ok(io::Error::from_raw_os_error(error).to_string()),
            outcome => Err(format!("{outcome:?}")),
        }
    }),
    (
        "gains_by_a_nested_namespace",
        OUTER,
        nested_root_gains_nothing,
    ),
    ("opens_raw_sockets", BOTH, |_| {
        no_socket(&[
            (AddressFamily::INET, SocketType::RAW),
            (AddressFamily::INET6, SocketType::RAW),
            (AddressFamily::PACKET, SocketType::RAW),
            (AddressFamily::PACKET, SocketType::DGRAM),
        ])
    }),
    ("opens_odd_sockets", BOTH, |_| {
        call_refused("AF_ALG", libc::SYS_socket, &["38", "5", "0"])?;
        no_socket(&[
            (AddressFamily::VSOCK, SocketType::STREAM),
            (AddressFamily::KEY, SocketType::RAW),
            (AddressFamily::BLUETOOTH, SocketType::RAW),
            (AddressFamily::TIPC, SocketType::DGRAM),
        ])
    }),
    ("speaks_with_the_packet_filter", BOTH, |_| {
        call_refused("socket", libc::SYS_socket, &["16", "3", "12"])
    }),
    ("joins_abstract_sockets", BOTH, abstract_socket),
    ("joins_sockets_of_the_box", BOTH, |facts| {
        refused("connect", UnixStream::connect(&facts.socket))
    }),
    ("reaches_the_boxs_loopback", BOTH, |facts| {
        unreachable(&[
            format!("127.0.0.1:{}", facts.port),
            format!("[::1]:{}", facts.port),
            format!("127.0.0.2:{}", facts.port),
            format!("0.0.0.0:{}", facts.port),
        ])
    }),
    ("reaches_the_boxs_own_addresses", BOTH, |facts| {
        unreachable(
            &facts
                .own_addresses
                .iter()
                .map(|address| format!("{address}:{}", facts.port))
                .collect::<Vec<_>>(),
        )
    }),
    ("reaches_cloud_metadata", BOTH, |_| {
        unreachable(&[
            "169.254.169.254:80".into(),
            "[fd00:ec2::254]:80".into(),
            "100.100.100.200:80".into(),
        ])
    }),
    ("reaches_the_internet_directly", BOTH, |_| {
        unreachable(&["9.9.9.9:443".into(), "[2620:fe::fe]:443".into()])
    }),
    ("sends_datagrams", BOTH, no_datagram),
    ("reaches_the_box_through_the_way_out", OUTER, way_out),
    ("replaces_the_servers_sockets", OUTER, sockets_stay),
    ("sees_the_servers_sockets", INNER, |_| {
        nothing_there(&[
            SERVER_DIR,
            "/run/nestling",
            "/run/docker.sock",
            "/run/dbus",
            "/run/systemd",
        ])
    }),
    ("types_for_another", BOTH, types_for_another),
    ("inherits_descriptors", BOTH, inherited),
    ("runs_set_uid_programs", BOTH, set_uid),
    ("becomes_root", BOTH, becomes_root),
    ("has_capabilities", BOTH, |_| no_capabilities()),
    ("uses_a_release_agent", BOTH, release_agent),
    ("makes_device_nodes", BOTH, device_nodes),
    ("opens_disks", BOTH, no_disk),
    ("follows_its_links_out", BOTH, links_lead_nowhere),
    ("links_hard_into_its_folders", BOTH, hard_links),
    ("moves_its_own_folders", OUTER, folders_stay),
    ("writes_the_system", BOTH, |_| {
        nothing_opened(
            &[
                "/usr/nestling-was-here",
                "/usr/bin/perl",
                "/nestling-was-here",
                "/etc/nestling-was-here",
                "/etc/passwd",
                "/dev/nestling-was-here",
                "/opt/x",
                "/bin/x",
            ],
            true,
        )
    }),
    ("writes_the_nestling_binary", BOTH, |_| {
        nothing_opened(
            &["/proc/self/exe", nestling::drivers::sandbox::INIT_INSIDE],
            true,
        )
    }),
    ("pulls_the_magic_key", BOTH, |_| {
        nothing_opened(&["/proc/sysrq-trigger"], true)
    }),
    ("turns_kernel_settings", BOTH, |_| {
        nothing_opened(
            &[
                "/proc/sys/kernel/core_pattern",
                "/proc/sys/kernel/modprobe",
                "/proc/sys/vm/overcommit_memory",
                "/proc/sys/fs/binfmt_misc/register",
                "/sys/kernel/uevent_helper",
            ],
            true,
        )
    }),
    ("shares_memory_with_the_box", BOTH, |facts| {
        nothing_there(&[&facts.shared])
    }),
    ("sees_shared_segments", BOTH, |_| {
        match fs::read_to_string("/proc/sysvipc/shm") {
            Ok(text) if text.lines().count() > 1 => Err(text),
            _ => Ok("none".into()),
        }
    }),
    ("raises_its_priority", BOTH, |_| {
        refused("nice", rustix::process::nice(-5))?;
        nothing_written("/proc/self/oom_score_adj", "-1000")
    }),
    ("raises_its_limits", BOTH, raised_limits),
    ("sees_terminals_of_the_box", BOTH, |_| {
        let found: Vec<String> = fs::read_dir("/dev/pts")
            .unwrap()
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| name != "ptmx")
            .collect();
        if found.is_empty() {
            Ok("none".into())
        } else {
            Err(found.join(" "))
        }
    }),
];

fn refused<T, E: std::fmt::Display>(what: &str, outcome: Result<T, E>) -> Outcome {
    match outcome {
        Ok(_) => Err(format!("{what} was possible")),
        Err(error) => Ok(format!("{what}: {error}")),
    }
}

fn nothing_read(paths: &[&str]) -> Outcome {
    for path in paths {
        refused(path, fs::read(path))?;
    }
    Ok("none could be read".into())
}

fn nothing_there(paths: &[&str]) -> Outcome {
    match paths.iter().find(|path| fs::symlink_metadata(path).is_ok()) {
        Some(path) => Err(format!("{path} can be seen")),
        None => Ok("none can be seen".into()),
    }
}

fn nothing_opened(paths: &[&str], write: bool) -> Outcome {
    for path in paths {
        let opened = OpenOptions::new()
            .read(!write)
            .append(write)
            .create(write)
            .open(path);
        if let Ok(mut file) = opened {
            // Some open for anyone and only then refuse.
            let mut byte = [0];
            if write || file.read(&mut byte).is_ok_and(|n| n > 0) {
                return Err(format!("{path} could be opened"));
            }
        }
    }
    Ok("none could be opened".into())
}

fn nothing_written(path: &str, text: &str) -> Outcome {
    refused(path, fs::write(path, text))
}

fn unreadable_folder(path: &str) -> Outcome {
    match fs::read_dir(path).into_iter().flatten().flatten().count() {
        0 => Ok(format!("{path} is closed")),
        _ => Err(format!("{path} can be read")),
    }
}

/// Perl makes the call: we may not, being safe.
fn call(number: i64, arguments: &[&str]) -> Result<i64, i32> {
    let list: Vec<String> = arguments
        .iter()
        .map(|word| {
            if word.parse::<i64>().is_ok() {
                (*word).to_owned()
            } else {
                format!("my $s{} = '{word}'", word.len())
            }
        })
        .collect();
    let script = format!(
        "$r = syscall({number}{}{}); print $r, ' ', $!+0;",
        if list.is_empty() { "" } else { ", " },
        list.join(", ")
    );
    let out = Command::new("perl")
        .args(["-e", &script])
        .stdin(Stdio::null())
        .output()
        .expect("perl is part of every Debian");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let (result, error) = text.split_once(' ').unwrap_or_else(|| {
        panic!(
            "perl said {text:?} {:?}",
            String::from_utf8_lossy(&out.stderr)
        )
    });
    match result.parse::<i64>().unwrap() {
        -1 => Err(error.parse().unwrap()),
        result => Ok(result),
    }
}

fn call_refused(name: &str, number: i64, arguments: &[&str]) -> Outcome {
    match call(number, arguments) {
        // EPERM, ENOSYS, EAFNOSUPPORT, EACCES: told no, rather than told that the arguments were bad.
        Err(error @ (1 | 38 | 97 | 13)) => {
            Ok(format!("{name}: {}", io::Error::from_raw_os_error(error)))
        }
        Err(error) => Err(format!(
            "{name} was looked into: {}",
            io::Error::from_raw_os_error(error)
        )),
        Ok(_) => Err(format!("{name} was possible")),
    }
}

fn calls_refused(calls: &[(&str, i64, &[&str])]) -> Outcome {
    calls
        .iter()
        .map(|(name, number, arguments)| call_refused(name, *number, arguments))
        .collect::<Result<Vec<_>, _>>()
        .map(|texts| texts.join("; "))
}

fn pids() -> Vec<i32> {
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

fn only_own_processes(facts: &Facts) -> Outcome {
    let seen = pids();
    if seen.len() > 8 || seen.contains(&facts.victim) && facts.victim > 100 {
        return Err(format!("{seen:?} can be seen"));
    }
    Ok(format!("{} processes", seen.len()))
}

fn no_foreign_environment(_: &Facts) -> Outcome {
    for pid in pids() {
        for file in ["environ", "cmdline"] {
            let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            if text.contains("s3cr3t-of-the-box") || text.contains("first-token") {
                return Err(format!("process {pid} tells: {text}"));
            }
        }
    }
    Ok("no secret".into())
}

fn nested_root_gains_nothing(facts: &Facts) -> Outcome {
    let script = format!(
        "cat /etc/shadow {} /proc/{}/environ; mount -t tmpfs x /mnt; mount -o remount,rw,bind /usr; mknod /work/disk b 254 0 && echo made; cat /work/disk; echo x > /usr/nestling-was-here && echo wrote; ls {}",
        facts.secret, facts.victim, facts.data
    );
    let mut nested = Command::new("bwrap");
    nested.args([
        "--unshare-user",
        "--uid",
        "0",
        "--gid",
        "0",
        "--cap-add",
        "ALL",
        "--bind",
        "/",
        "/",
        "--proc",
        "/proc",
        "--",
        "sh",
        "-c",
        &script,
    ]);
    let out = nested.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    if text.is_empty() {
        Ok(String::from_utf8_lossy(&out.stderr).replace('\n', "; "))
    } else {
        Err(text.into_owned())
    }
}

fn no_socket(kinds: &[(AddressFamily, SocketType)]) -> Outcome {
    for (family, kind) in kinds {
        refused(
            &format!("{family:?} {kind:?}"),
            rustix::net::socket(*family, *kind, None),
        )?;
    }
    Ok("none could be opened".into())
}

fn abstract_socket(facts: &Facts) -> Outcome {
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&facts.abstract_name).unwrap();
    refused("connect", UnixStream::connect_addr(&address))
}

fn unreachable(addresses: &[String]) -> Outcome {
    for address in addresses {
        let address: SocketAddr = address.parse().unwrap();
        refused(
            &address.to_string(),
            TcpStream::connect_timeout(&address, Duration::from_secs(2)),
        )?;
    }
    Ok("none could be reached".into())
}

fn no_datagram(_: &Facts) -> Outcome {
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

fn way_out(facts: &Facts) -> Outcome {
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

fn sockets_stay(_: &Facts) -> Outcome {
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

fn types_for_another(_: &Facts) -> Outcome {
    let script = "open(T, '+<', $ARGV[0]) or exit 0; my $c = 'x'; print ioctl(T, 0x5412, $c) ? 'typed' : '';";
    for terminal in ["/dev/ptmx", "/dev/tty", "/dev/console", "/proc/self/fd/0"] {
        let out = Command::new("perl")
            .args(["-e", script, terminal])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        if out.stdout == b"typed" {
            return Err(format!("a key was pressed at {terminal}"));
        }
    }
    Ok("no key was pressed".into())
}

fn inherited(_: &Facts) -> Outcome {
    let mut odd = Vec::new();
    for entry in fs::read_dir("/proc/self/fd").unwrap().flatten() {
        let target = fs::read_link(entry.path())
            .map(|path| path.to_string_lossy().into_owned())
            .unwrap_or_default();
        let expected =
            target == "/dev/null" || target.starts_with("pipe:") || target.starts_with("/proc/");
        if !expected && !target.is_empty() {
            odd.push(format!("{}: {target}", entry.file_name().to_string_lossy()));
        }
    }
    if odd.is_empty() {
        Ok("only its own".into())
    } else {
        Err(odd.join("; "))
    }
}

fn set_uid(_: &Facts) -> Outcome {
    let mut tried = 0;
    for entry in fs::read_dir("/usr/bin").unwrap().flatten() {
        let Ok(found) = entry.metadata() else {
            continue;
        };
        if !found.is_file() || found.mode() & 0o6000 == 0 {
            continue;
        }
        tried += 1;
        // Whatever it does, it does it as nobody in particular: shown by who it says it is while it runs.
        let Ok(mut child) = Command::new(entry.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
        else {
            continue;
        };
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let _ = child.kill();
        let _ = child.wait();
        let uids = status
            .lines()
            .find_map(|line| line.strip_prefix("Uid:"))
            .unwrap_or_default();
        if uids.split_whitespace().any(|uid| uid == "0") {
            return Err(format!("{} ran as {uids}", entry.path().display()));
        }
    }
    Ok(format!("{tried} set-uid programs gained nothing"))
}

fn no_namespace_entered() -> Outcome {
    for kind in ["mnt", "net", "pid", "user", "uts", "ipc", "cgroup"] {
        for path in [
            format!("/proc/self/ns/{kind}"),
            format!("/proc/1/ns/{kind}"),
        ] {
            // Of pid 1 it may not even be opened.
            if let Ok(namespace) = fs::File::open(&path) {
                refused(
                    &path,
                    rustix::thread::move_into_link_name_space(namespace.as_fd(), None),
                )?;
            }
        }
    }
    Ok("none could be entered".into())
}

fn becomes_root(_: &Facts) -> Outcome {
    for (name, number, arguments) in [
        ("setuid", libc::SYS_setuid, &["0"][..]),
        ("setgid", libc::SYS_setgid, &["0"]),
        ("setresuid", libc::SYS_setresuid, &["0", "0", "0"]),
        ("setgroups", libc::SYS_setgroups, &["0", "0"]),
    ] {
        // Invalid, because nobody here is number 0.
        match call(number, arguments) {
            Err(1 | 22) => {}
            outcome => return Err(format!("{name}: {outcome:?}")),
        }
    }
    Ok("no way".into())
}

fn no_capabilities() -> Outcome {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    for name in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        let value = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap()
            .trim();
        if value.bytes().any(|b| b != b'0') {
            return Err(format!("{name} {value}"));
        }
    }
    if !status.contains("NoNewPrivs:\t1") || !status.contains("Seccomp:\t2") {
        return Err("rights may be raised, or calls are not filtered".into());
    }
    Ok("none".into())
}

fn release_agent(_: &Facts) -> Outcome {
    nothing_there(&["/sys/fs/cgroup", "/sys/kernel"])?;
    refused(
        "mount v1",
        rustix::mount::mount(
            "cgroup",
            "/work",
            "cgroup",
            MountFlags::empty(),
            Some(c"memory"),
        ),
    )?;
    refused(
        "mount v2",
        rustix::mount::mount("cgroup2", "/work", "cgroup2", MountFlags::empty(), None),
    )
}

fn device_nodes(_: &Facts) -> Outcome {
    for (kind, device) in [
        (FileType::BlockDevice, makedev(254, 0)),
        (FileType::BlockDevice, makedev(8, 0)),
        (FileType::CharacterDevice, makedev(1, 1)),
    ] {
        for folder in ["/work", "/tmp", "/state", "/dev/shm"] {
            let path = CString::new(format!("{folder}/node")).unwrap();
            refused(
                &format!("{kind:?} in {folder}"),
                rustix::fs::mknodat(CWD, &path, kind, Mode::RWXU, device),
            )?;
        }
    }
    Ok("none could be made".into())
}

fn no_disk(_: &Facts) -> Outcome {
    let mut folders = vec!["/dev".to_owned()];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            seen += 1;
            if kind.is_block_device() {
                return Err(format!("{} is there", entry.path().display()));
            }
            if kind.is_dir() {
                folders.push(entry.path().to_string_lossy().into_owned());
            }
        }
    }
    Ok(format!("none among {seen}"))
}

fn links_lead_nowhere(facts: &Facts) -> Outcome {
    for (number, target) in [
        "/etc/shadow",
        &facts.secret,
        &facts.data,
        &format!("/proc/{}/environ", facts.victim),
    ]
    .into_iter()
    .enumerate()
    {
        let link = format!("/work/link-{number}");
        symlink(target, &link).map_err(|error| format!("no link could be made: {error}"))?;
        refused(target, fs::read(&link))?;
        refused(target, fs::read_dir(&link))?;
    }
    // Left behind for the server to stumble over: it must not.
    symlink(&facts.secret, "/state/trap").ok();
    Ok("all lead nowhere".into())
}

fn hard_links(_: &Facts) -> Outcome {
    for path in [
        "/usr/bin/perl",
        nestling::drivers::sandbox::INIT_INSIDE,
        "/etc/passwd",
        "/etc/hosts",
        "/proc/1/exe",
    ] {
        refused(path, fs::hard_link(path, "/work/hard"))?;
    }
    refused(
        "across folders",
        fs::write("/state/a", "x").and_then(|()| fs::hard_link("/state/a", "/work/a")),
    )
}

fn folders_stay(_: &Facts) -> Outcome {
    for path in ["/work", "/state", "/run/nestling", "/cache"] {
        refused(path, fs::rename(path, format!("{path}-moved")))?;
        refused(path, fs::remove_dir(path))?;
    }
    Ok("all stayed".into())
}

fn raised_limits(_: &Facts) -> Outcome {
    for resource in [Resource::Nofile, Resource::Fsize, Resource::Core] {
        let more = rustix::process::getrlimit(resource)
            .maximum
            .map(|most| most + 1);
        refused(
            &format!("{resource:?}"),
            rustix::process::setrlimit(
                resource,
                Rlimit {
                    current: more,
                    maximum: more,
                },
            ),
        )?;
    }
    Ok("none could be raised".into())
}

//! What a hostile program tries. Each probe says how it was held, or how it escaped.

mod files;
mod processes;
mod refused;
mod sockets;

use std::{
    fs,
    io::{self},
    os::unix::net::UnixStream,
};

use nestling_protocol::machine::SERVER_DIR;
use rustix::{
    mount::{MountFlags, UnmountFlags},
    net::{AddressFamily, SocketType},
    process::{Pid, Signal},
};
use serde::{Deserialize, Serialize};

use files::{device_nodes, folders_stay, hard_links, links_lead_nowhere, no_disk, release_agent};
use processes::{
    becomes_root, inherited, nested_root_gains_nothing, no_capabilities, no_foreign_environment,
    no_namespace_entered, only_own_processes, set_uid, types_for_another,
};
use refused::{
    call, call_refused, calls_refused, nothing_opened, nothing_read, nothing_there,
    nothing_written, raised_limits, refused, unreadable_folder,
};
use sockets::{abstract_socket, no_datagram, no_socket, sockets_stay, unreachable, way_out};

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
    // Of a sandbox that is made by the app's own program, only that program would be heard of.
    ("stands_in_for_its_sandbox", INNER, |_| {
        match fs::metadata("/work/planted/bwrap") {
            Ok(_) => Ok("its own `bwrap`, first in its PATH, was not asked".into()),
            Err(error) => Err(format!("nothing was planted: {error}")),
        }
    }),
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

//! The system call filter of a machine: a deny list, because what apps need is not ours to foresee.
//!
//! It closes the doors that namespaces leave open (kernel keys, bpf, `io_uring`, handles, clocks, odd socket
//! families, faked terminal input), and those of the newer mount calls. Namespaces and the old mount calls stay
//! open, because the runner puts each app into a sandbox of its own with them; that inner one closes them.
//! Programs see `EPERM`, and `ENOSYS` where they know an older way (`io_uring`, the newer mount calls).

/// A classic BPF instruction: code, jump if true, jump if false, constant.
type Instruction = (u16, u8, u8, u32);

const LOAD: u16 = 0x20;
const EQUAL: u16 = 0x15;
const AT_LEAST: u16 = 0x35;
const RETURN: u16 = 0x06;

const ALLOW: u32 = 0x7fff_0000;
const ERROR: u32 = 0x0005_0000;

const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
/// The low half of an argument, on the little-endian machines that this is for.
const fn argument(index: u32) -> u32 {
    16 + 8 * index
}

#[cfg(target_arch = "x86_64")]
const NATIVE: Option<u32> = Some(0xC000_003E);
#[cfg(target_arch = "aarch64")]
const NATIVE: Option<u32> = Some(0xC000_00B7);
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const NATIVE: Option<u32> = None;

/// On `x86_64`, calls from here on are those of the x32 ABI, which would pass every number below.
const X32: u32 = 0x4000_0000;

const NEVER: &[libc::c_long] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_adjtimex,
    libc::SYS_bpf,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_finit_module,
    libc::SYS_init_module,
    libc::SYS_kcmp,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_lookup_dcookie,
    libc::SYS_mbind,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    libc::SYS_open_by_handle_at,
    libc::SYS_perf_event_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_quotactl,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_set_mempolicy,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_userfaultfd,
    libc::SYS_vhangup,
];

#[cfg(target_arch = "x86_64")]
const NEVER_HERE: &[libc::c_long] = &[
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_kexec_file_load,
    libc::SYS_modify_ldt,
    libc::SYS_uselib,
    libc::SYS_ustat,
];
#[cfg(not(target_arch = "x86_64"))]
const NEVER_HERE: &[libc::c_long] = &[];

const AS_IF_OLD: &[libc::c_long] = &[
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
];

const FAMILIES: [i32; 4] = [
    libc::AF_UNIX,
    libc::AF_INET,
    libc::AF_INET6,
    libc::AF_NETLINK,
];

/// Terminal requests that put words into another's mouth.
const REQUESTS: [u32; 3] = [
    0x5412, /* TIOCSTI */
    0x541C, /* TIOCLINUX */
    0x5423, /* TIOCSETD */
];

/// The filter as bubblewrap reads it; `None` on a kind of processor that it was not written for.
pub(super) fn program() -> Option<Vec<u8>> {
    let mut list: Vec<Instruction> = vec![
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUAL, 1, 0, NATIVE?),
        (RETURN, 0, 0, error(libc::EPERM)),
        (LOAD, 0, 0, NUMBER),
    ];
    if cfg!(target_arch = "x86_64") {
        list.extend([(AT_LEAST, 0, 1, X32), (RETURN, 0, 0, error(libc::EPERM))]);
    }
    for call in NEVER.iter().chain(NEVER_HERE) {
        list.extend(refuse(*call, libc::EPERM)?);
    }
    for call in AS_IF_OLD {
        list.extend(refuse(*call, libc::ENOSYS)?);
    }
    for call in [libc::SYS_socket, libc::SYS_socketpair] {
        list.extend(sockets(call)?);
    }
    list.extend(terminal()?);
    list.push((RETURN, 0, 0, ALLOW));
    Some(list.into_iter().flat_map(encode).collect())
}

fn error(number: i32) -> u32 {
    ERROR | number.unsigned_abs()
}

fn refuse(call: libc::c_long, number: i32) -> Option<[Instruction; 2]> {
    Some([
        (EQUAL, 0, 1, u32::try_from(call).ok()?),
        (RETURN, 0, 0, error(number)),
    ])
}

/// Only local, internet and routing sockets: neither raw frames, nor the kernel's crypto, nor virtual machines.
fn sockets(call: libc::c_long) -> Option<Vec<Instruction>> {
    let mut body: Vec<Instruction> = vec![(LOAD, 0, 0, argument(0))];
    for (at, family) in (0u8..).zip(FAMILIES) {
        // To the check of netlink for the last, past the refusal for the others.
        let left = 3 - at;
        let skip = if family == libc::AF_NETLINK {
            1
        } else {
            left + 4
        };
        body.push((EQUAL, skip, 0, family.unsigned_abs()));
    }
    body.push((RETURN, 0, 0, error(libc::EAFNOSUPPORT)));
    body.extend([
        (LOAD, 0, 0, argument(2)),
        (
            EQUAL, 1, 0, 0, /* NETLINK_ROUTE: what getifaddrs and bubblewrap ask */
        ),
        (RETURN, 0, 0, error(libc::EPERM)),
        // Reached by every allowed family: the number again, for the checks that follow.
        (LOAD, 0, 0, NUMBER),
    ]);
    guarded(call, body)
}

fn terminal() -> Option<Vec<Instruction>> {
    let mut body: Vec<Instruction> = vec![(LOAD, 0, 0, argument(1))];
    for request in REQUESTS {
        body.extend([(EQUAL, 0, 1, request), (RETURN, 0, 0, error(libc::EPERM))]);
    }
    body.push((LOAD, 0, 0, NUMBER));
    guarded(libc::SYS_ioctl, body)
}

fn guarded(call: libc::c_long, body: Vec<Instruction>) -> Option<Vec<Instruction>> {
    let mut list = vec![(
        EQUAL,
        0,
        u8::try_from(body.len()).ok()?,
        u32::try_from(call).ok()?,
    )];
    list.extend(body);
    Some(list)
}

fn encode((code, yes, no, constant): Instruction) -> Vec<u8> {
    [&code.to_le_bytes()[..], &[yes, no], &constant.to_le_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would answer: runs the filter as the kernel does.
    fn answer(call: libc::c_long, arguments: [u32; 3]) -> u32 {
        let program = program().unwrap();
        let word = |at: u32| match at {
            NUMBER => u32::try_from(call).unwrap(),
            ARCHITECTURE => NATIVE.unwrap(),
            _ => arguments[((at - 16) / 8) as usize],
        };
        let (mut at, mut loaded) = (0, 0);
        loop {
            let raw = &program[at * 8..at * 8 + 8];
            let constant = u32::from_le_bytes(raw[4..8].try_into().unwrap());
            at += 1;
            match u16::from_le_bytes([raw[0], raw[1]]) {
                LOAD => loaded = word(constant),
                EQUAL => at += usize::from(if loaded == constant { raw[2] } else { raw[3] }),
                AT_LEAST => at += usize::from(if loaded >= constant { raw[2] } else { raw[3] }),
                _ => return constant,
            }
        }
    }

    #[test]
    fn ordinary_calls_pass_and_dangerous_ones_do_not() {
        for call in [
            libc::SYS_read,
            libc::SYS_clone,
            libc::SYS_unshare,
            libc::SYS_mount,
            libc::SYS_execve,
        ] {
            assert_eq!(answer(call, [0; 3]), ALLOW, "call {call}");
        }
        for call in NEVER.iter().chain(NEVER_HERE) {
            assert_eq!(answer(*call, [0; 3]), error(libc::EPERM), "call {call}");
        }
        assert_eq!(
            answer(libc::SYS_io_uring_setup, [0; 3]),
            error(libc::ENOSYS)
        );
        assert_eq!(
            answer(libc::c_long::from(X32) + 1, [0; 3]),
            error(libc::EPERM)
        );
    }

    #[test]
    fn sockets_are_local_internet_or_routing() {
        for family in [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6] {
            assert_eq!(
                answer(libc::SYS_socket, [family.unsigned_abs(), 1, 6]),
                ALLOW,
                "family {family}"
            );
        }
        assert_eq!(
            answer(libc::SYS_socket, [libc::AF_NETLINK.unsigned_abs(), 3, 0]),
            ALLOW
        );
        assert_eq!(
            answer(libc::SYS_socket, [libc::AF_NETLINK.unsigned_abs(), 3, 12]),
            error(libc::EPERM)
        );
        for family in [
            libc::AF_PACKET,
            libc::AF_VSOCK,
            libc::AF_ALG,
            libc::AF_KEY,
            44,
        ] {
            assert_eq!(
                answer(libc::SYS_socket, [family.unsigned_abs(), 3, 0]),
                error(libc::EAFNOSUPPORT)
            );
        }
    }

    #[test]
    fn nobody_types_for_another() {
        assert_eq!(answer(libc::SYS_ioctl, [0, 0x5412, 0]), error(libc::EPERM));
        assert_eq!(answer(libc::SYS_ioctl, [0, 0x5413, 0]), ALLOW);
    }
}

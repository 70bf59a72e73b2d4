//! Other processes, and rights that are not its own.

use std::{
    fs,
    os::{fd::AsFd as _, unix::fs::MetadataExt as _},
    process::{Command, Stdio},
};

use super::{
    Facts, Outcome,
    refused::{call, refused},
};

pub(super) fn pids() -> Vec<i32> {
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

pub(super) fn only_own_processes(facts: &Facts) -> Outcome {
    let seen = pids();
    if seen.len() > 8 || seen.contains(&facts.victim) && facts.victim > 100 {
        return Err(format!("{seen:?} can be seen"));
    }
    Ok(format!("{} processes", seen.len()))
}

pub(super) fn no_foreign_environment(_: &Facts) -> Outcome {
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

pub(super) fn nested_root_gains_nothing(facts: &Facts) -> Outcome {
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

pub(super) fn types_for_another(_: &Facts) -> Outcome {
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

pub(super) fn inherited(_: &Facts) -> Outcome {
    let mut odd = Vec::new();
    for entry in fs::read_dir("/proc/self/fd").unwrap().flatten() {
        let target = fs::read_link(entry.path())
            .map(|path| path.to_string_lossy().into_owned())
            .unwrap_or_default();
        let is_standard = matches!(entry.file_name().to_str(), Some("0" | "1" | "2"));
        let ours = is_standard && (target == "/dev/null" || target.starts_with("pipe:"));
        // The folder that is being read.
        let expected = ours || target.starts_with("/proc/");
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

pub(super) fn set_uid(_: &Facts) -> Outcome {
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

pub(super) fn no_namespace_entered() -> Outcome {
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

pub(super) fn becomes_root(_: &Facts) -> Outcome {
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

pub(super) fn no_capabilities() -> Outcome {
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

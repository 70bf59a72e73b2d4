//! Files, devices and links.

use std::{
    ffi::CString,
    fs,
    os::unix::fs::{FileTypeExt as _, symlink},
};

use rustix::{
    fs::{CWD, FileType, Mode, makedev},
    mount::MountFlags,
};

use super::{
    Facts, Outcome,
    refused::{nothing_there, refused},
};

pub(super) fn release_agent(_: &Facts) -> Outcome {
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

pub(super) fn device_nodes(_: &Facts) -> Outcome {
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

pub(super) fn no_disk(_: &Facts) -> Outcome {
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

pub(super) fn links_lead_nowhere(facts: &Facts) -> Outcome {
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

pub(super) fn hard_links(_: &Facts) -> Outcome {
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

pub(super) fn folders_stay(_: &Facts) -> Outcome {
    for path in ["/work", "/state", "/run/nestling", "/cache"] {
        refused(path, fs::rename(path, format!("{path}-moved")))?;
        refused(path, fs::remove_dir(path))?;
    }
    Ok("all stayed".into())
}

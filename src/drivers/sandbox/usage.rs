//! How much disk a machine uses, and how its files go: both walk folders that a hostile program fills, so no
//! link is followed, no path is built, and no depth or number surprises.

use std::{
    collections::HashSet,
    ffi::CString,
    fs, io,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags},
    io::Errno,
};

/// Deeper than any `node_modules` that works; what is deeper is there to make us stumble.
const DEEPEST: usize = 200;
/// Folders that a removal lifts to the top at this depth, so that it never holds many descriptors.
const LIFT_AT: usize = 32;

/// What a walk found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Usage {
    pub(super) bytes: u64,
    pub(super) files: u64,
    /// It was not walked to its end, because of its depth.
    pub(super) too_deep: bool,
}

/// Adds up what lies in `root`; of `only`'s files, when given. Stops early past `most_files`.
pub(super) fn measure(root: &Path, only: Option<u32>, most_files: u64, usage: &mut Usage) {
    let Ok(top) = open(CWD, root) else { return };
    let mut stack = vec![top];
    loop {
        let depth = stack.len();
        let Some(dir) = stack.last_mut() else { return };
        let Some(Ok(entry)) = dir.next() else {
            stack.pop();
            continue;
        };
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let Ok(fd) = dir.fd() else { continue };
        let Ok(stat) = rustix::fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW) else {
            continue;
        };
        if only.is_none_or(|uid| uid == stat.st_uid) {
            usage.files += 1;
            let links = if FileType::from_raw_mode(stat.st_mode).is_dir() {
                1
            } else {
                stat.st_nlink.max(1)
            };
            usage.bytes += u64::try_from(stat.st_blocks).unwrap_or_default() * 512 / links;
        }
        if usage.files > most_files {
            return;
        }
        if FileType::from_raw_mode(stat.st_mode).is_dir() {
            if depth >= DEEPEST {
                usage.too_deep = true;
                return;
            }
            let below = open(fd, name).ok();
            stack.extend(below);
        }
    }
}

/// Adds what these processes hold open although it has no name any more.
pub(super) fn measure_nameless(pids: impl IntoIterator<Item = i32>, usage: &mut Usage) {
    let mut seen = HashSet::new();
    for pid in pids {
        let folder = format!("/proc/{pid}/fd");
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(stat) = rustix::fs::stat(entry.path()) else {
                continue;
            };
            if stat.st_nlink == 0
                && FileType::from_raw_mode(stat.st_mode).is_file()
                && seen.insert((stat.st_dev, stat.st_ino))
            {
                usage.bytes += u64::try_from(stat.st_blocks).unwrap_or_default() * 512;
            }
        }
    }
}

/// Free bytes of the file system that `path` lies on.
pub(super) fn free(path: &Path) -> u64 {
    rustix::fs::statvfs(path).map_or(u64::MAX, |found| found.f_bavail * found.f_frsize)
}

/// Removes `root` and all in it; fine when there is none.
pub(super) fn remove_tree(root: &Path) -> io::Result<()> {
    match fs::symlink_metadata(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Ok(found) if !found.is_dir() => return fs::remove_file(root),
        found => found?,
    };
    let top = open_own(CWD, root)?;
    let mut lifted = 0_u64;
    // Each round empties the top to a fixed depth and lifts what lies deeper up to it.
    loop {
        let before = lifted;
        empty(top.as_fd(), top.as_fd(), 0, &mut lifted)?;
        if lifted == before {
            break;
        }
    }
    fs::remove_dir(root)
}

fn empty(
    top: rustix::fd::BorrowedFd<'_>,
    folder: rustix::fd::BorrowedFd<'_>,
    depth: usize,
    lifted: &mut u64,
) -> io::Result<()> {
    let names: Vec<CString> = Dir::read_from(folder)?
        .filter_map(Result::ok)
        .map(|entry| entry.file_name().to_owned())
        .collect();
    for name in names {
        if name.as_c_str() == c"." || name.as_c_str() == c".." {
            continue;
        }
        match rustix::fs::unlinkat(folder, &name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => continue,
            Err(Errno::ISDIR | Errno::PERM) => {}
            Err(error) => return Err(error.into()),
        }
        if depth >= LIFT_AT {
            open_own(folder, &name)?;
            lift(folder, &name, top, lifted)?;
            continue;
        }
        let below = open_own(folder, &name)?;
        empty(top, below.as_fd(), depth + 1, lifted)?;
        match rustix::fs::unlinkat(folder, &name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn lift(
    folder: rustix::fd::BorrowedFd<'_>,
    name: &CString,
    top: rustix::fd::BorrowedFd<'_>,
    lifted: &mut u64,
) -> io::Result<()> {
    loop {
        *lifted += 1;
        match rustix::fs::renameat(folder, name, top, format!(".lifted-{lifted}")) {
            // Somebody made one of that name.
            Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
            outcome => return Ok(outcome?),
        }
    }
}

fn open<Fd: AsFd, P: rustix::path::Arg>(at: Fd, name: P) -> rustix::io::Result<Dir> {
    Dir::new(rustix::fs::openat(
        at,
        name,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )?)
}

/// Opens a folder that is to go, also when it was closed to its own owner.
fn open_own<Fd: AsFd, P: rustix::path::Arg + Copy>(at: Fd, name: P) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = |at: &Fd| rustix::fs::openat(at, name, flags, Mode::empty());
    let fd = match open(&at) {
        Err(Errno::ACCESS) => {
            rustix::fs::chmodat(&at, name, Mode::RWXU, AtFlags::empty())?;
            open(&at)?
        }
        fd => fd?,
    };
    if rustix::fs::fstat(&fd)?.st_mode & 0o700 != 0o700 {
        rustix::fs::fchmod(&fd, Mode::RWXU)?;
    }
    Ok(fd)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn a_walk_counts_blocks_once_and_follows_no_link() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), vec![1; 1 << 20]).unwrap();
        fs::hard_link(folder.path().join("a"), folder.path().join("b")).unwrap();
        symlink("/usr", folder.path().join("usr")).unwrap();
        fs::File::create(folder.path().join("sparse"))
            .unwrap()
            .set_len(1 << 40)
            .unwrap();
        let mut usage = Usage::default();
        measure(folder.path(), None, 1000, &mut usage);
        assert_eq!(usage.files, 4);
        assert!(
            (1 << 20..(1 << 20) + 65536).contains(&usage.bytes),
            "{usage:?}"
        );
    }

    #[test]
    fn a_file_without_a_name_is_found_at_its_holder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hidden");
        let mut file = fs::File::create(&path).unwrap();
        io::Write::write_all(&mut file, &vec![1; 3 << 20]).unwrap();
        fs::remove_file(&path).unwrap();
        let mut usage = Usage::default();
        measure_nameless([std::process::id().cast_signed()], &mut usage);
        assert!(usage.bytes >= 3 << 20, "{usage:?}");
    }

    #[test]
    fn a_tower_of_folders_goes_and_what_links_point_to_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (root, outside) = (folder.path().join("root"), folder.path().join("outside"));
        fs::create_dir(&root).unwrap();
        fs::write(&outside, "kept").unwrap();
        let mut at = open_own(CWD, &root).unwrap();
        for _ in 0..600 {
            rustix::fs::mkdirat(&at, c"d", Mode::RWXU).unwrap();
            rustix::fs::symlinkat(&outside, &at, c"link").unwrap();
            at = open_own(&at, c"d").unwrap();
        }
        fs::create_dir(root.join("closed")).unwrap();
        fs::write(root.join("closed/file"), "x").unwrap();
        fs::set_permissions(root.join("closed"), fs::Permissions::from_mode(0o0)).unwrap();
        let mut usage = Usage::default();
        measure(&root, None, u64::MAX, &mut usage);
        assert!(usage.too_deep);
        remove_tree(&root).unwrap();
        assert!(!root.exists());
        assert_eq!(fs::read_to_string(&outside).unwrap(), "kept");
        remove_tree(&root).unwrap();
    }
}

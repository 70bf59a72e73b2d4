//! How long mirrors stay, and how much disk they may hold together. One that is removed is made anew by the next commit
//! that is packed; lost with it are only commits that the repository itself has lost, too.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use nestling_domain::ids::Timestamp;

/// How long a mirror stays after it was last packed from: as long as the logs of what was deployed from it.
const UNUSED: Duration = Duration::from_hours(30 * 24);
/// How much all mirrors may hold together; the ones packed from least recently go first, the newest never: it would be
/// made anew for each commit.
const SIZE: u64 = 8 * 1024 * 1024 * 1024;
/// What the name of a mirror ends with.
const EXTENSION: &str = "git";

/// Marks a mirror as used now. Blocks on the disk.
pub fn use_mirror(mirror: &Path, now: Timestamp) -> io::Result<()> {
    fs::File::open(mirror)?.set_modified(time(now))
}

/// The mirrors of `folder` that should go: unused for long, or the least recently used while all are too big. Blocks on
/// the disk.
pub fn unused_mirrors(folder: &Path, now: Timestamp) -> io::Result<Vec<PathBuf>> {
    unused_beyond(folder, now, SIZE)
}

pub(super) fn unused_beyond(folder: &Path, now: Timestamp, most: u64) -> io::Result<Vec<PathBuf>> {
    let mut mirrors = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension() == Some(EXTENSION.as_ref()) {
            mirrors.push((fs::metadata(&path)?.modified()?, size(&path)?, path));
        }
    }
    mirrors.sort();
    let newest = mirrors.pop();
    let mut held: u64 = mirrors.iter().chain(&newest).map(|(_, size, _)| size).sum();
    let oldest = time(now).checked_sub(UNUSED);
    let mut unused = Vec::new();
    for (used, size, path) in mirrors {
        if held > most || Some(used) < oldest {
            held -= size;
            unused.push(path);
        }
    }
    let aged = newest.filter(|(used, _, _)| Some(*used) < oldest);
    unused.extend(aged.map(|(_, _, path)| path));
    Ok(unused)
}

/// The bytes of all files below a folder. Only our own git writes there: it makes no links and no deep folders.
fn size(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.metadata() {
            Ok(about) if about.is_dir() => bytes += size(&entry.path())?,
            Ok(about) => bytes += about.len(),
            // A fetch renames its files meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

/// As the file system tells time.
fn time(at: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(at.0)
}

//! Whether refs may have changed, without asking git.

use std::{
    fs::Metadata,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    os::unix::fs::MetadataExt as _,
    path::Path,
    time::{Duration, SystemTime},
};

use nestling_domain::ids::Timestamp;

/// How old the newest change must be before an unchanged fingerprint proves anything: file systems count time in
/// ticks of up to 10 ms, so that two changes within one tick look like one.
const SETTLED_AFTER: Duration = Duration::from_millis(50);
/// Folders of refs looked through: beyond that git itself is as quick.
const MOST_FOLDERS: usize = 2_000;

/// The state of the files that hold refs, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint {
    digest: u64,
    /// When the newest of the files changed, by the file system's clock.
    pub changed_at: Timestamp,
    settled: bool,
}

impl Fingerprint {
    /// Whether nothing has changed between `earlier` and this one, for certain.
    pub fn proves_unchanged_since(&self, earlier: &Fingerprint) -> bool {
        earlier.settled && self.digest == earlier.digest
    }

    /// Whether nothing that can be seen has changed since `earlier`: certain but for two changes within one tick.
    pub fn looks_like(&self, earlier: &Fingerprint) -> bool {
        self.digest == earlier.digest
    }
}

/// Looks at the files that hold refs: a ref is written beside its place and renamed, which the folder shows. An
/// error when something cannot be looked at. Blocks on the disk.
pub fn fingerprint(git_dir: &Path, now: Timestamp) -> io::Result<Fingerprint> {
    let mut seen = Seen {
        hasher: DefaultHasher::new(),
        newest: SystemTime::UNIX_EPOCH,
    };
    for name in ["HEAD", "packed-refs", "reftable/tables.list"] {
        match std::fs::metadata(git_dir.join(name)) {
            Ok(about) => seen.add(&about)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound && name != "HEAD" => {}
            Err(error) => return Err(error),
        }
    }
    let mut folders = vec![git_dir.join("refs/heads")];
    let mut count = 0;
    while let Some(folder) = folders.pop() {
        count += 1;
        if count > MOST_FOLDERS {
            return Err(io::Error::other("too many folders of branches"));
        }
        let about = match std::fs::metadata(&folder) {
            Ok(about) => about,
            // Emptied folders of branches come and go; a repository without refs/heads is packed or broken.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if !about.is_dir() {
            continue;
        }
        seen.add(&about)?;
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    let since_1970 = seen
        .newest
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let changed_at = Timestamp(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX));
    Ok(Fingerprint {
        digest: seen.hasher.finish(),
        changed_at,
        settled: now.since(changed_at) >= SETTLED_AFTER,
    })
}

struct Seen {
    hasher: DefaultHasher,
    newest: SystemTime,
}

impl Seen {
    fn add(&mut self, about: &Metadata) -> io::Result<()> {
        let modified = about.modified()?;
        (about.ino(), about.size(), modified).hash(&mut self.hasher);
        self.newest = self.newest.max(modified);
        Ok(())
    }
}

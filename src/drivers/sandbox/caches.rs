//! Dependency caches have an age and a size, so that no app ends because its earlier deployments left much behind.

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use nestling_domain::ids::Timestamp;
use rustix::fs::{CWD, RenameFlags};

use super::{Inner, layout, plan, usage};
use crate::drivers::clock;

/// A cache that no machine has for so long is of nobody's use: the app has gone, or rests.
const UNUSED: Duration = Duration::from_hours(14 * 24);
/// How long a cache that was set aside stays for the setups that began with it: longer than any may take.
const SET_ASIDE: Duration = Duration::from_hours(2);
/// The share of a machine's limit at which a cache begins anew, in quarters: before a machine is ended for it.
const FULL_QUARTERS: u64 = 3;
/// How the name of a cache ends that was set aside; no group may be called so.
const ASIDE: &str = ".aside";
/// Files that are counted at most; a cache with more is full.
const MOST_FILES: u64 = 2_000_000;

impl Inner {
    /// Removes caches that are of no use, and begins those anew that are nearly full. Blocks on the disk.
    pub(super) fn prune_caches(&self, now: Timestamp) -> io::Result<()> {
        let now = time(now);
        let used = self.cache_groups_in_use()?;
        let most = (self.config.cache_mib << 20) / 4 * FULL_QUARTERS;
        for entry in fs::read_dir(self.layout.caches())? {
            let entry = entry?;
            let path = entry.path();
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let age = now
                .duration_since(entry.metadata()?.modified()?)
                .unwrap_or_default();
            if name.ends_with(ASIDE) {
                if age > SET_ASIDE {
                    usage::remove_tree(&path)?;
                }
            } else if !used.contains(&name) && age > UNUSED {
                tracing::info!("removing {}, which nothing used for long", path.display());
                usage::remove_tree(&path)?;
            } else if is_full(&path, most) {
                tracing::info!("{} is nearly full: beginning it anew", path.display());
                begin_anew(&path, now)?;
            }
        }
        Ok(())
    }

    fn cache_groups_in_use(&self) -> io::Result<BTreeSet<String>> {
        let machines = self.layout.machines()?;
        let groups = machines
            .iter()
            .filter_map(|(_, _, machine)| plan::cache_group(machine));
        Ok(groups.collect())
    }
}

/// Marks a cache as used now.
pub(super) fn touch(cache: &Path) -> io::Result<()> {
    fs::File::open(cache)?.set_modified(time(clock::now()))
}

/// As the file system tells time.
fn time(at: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(at.0)
}

fn is_full(cache: &Path, most: u64) -> bool {
    let mut found = usage::Usage::default();
    usage::measure(cache, None, MOST_FILES, &mut found);
    found.too_deep || found.files > MOST_FILES || found.bytes > most
}

/// Puts an empty folder with the same rights in the place of a cache, in one step: a machine that begins at this
/// moment gets the one or the other, and one that is being set up keeps what it has.
fn begin_anew(cache: &Path, now: SystemTime) -> io::Result<()> {
    let aside = aside(cache, now);
    usage::remove_tree(&aside)?;
    let rights = fs::symlink_metadata(cache)?;
    layout::private_dir(&aside)?;
    std::os::unix::fs::lchown(&aside, Some(rights.uid()), Some(rights.gid()))?;
    let mode = fs::Permissions::from_mode(rights.mode() & 0o7777);
    fs::set_permissions(&aside, mode)?;
    rustix::fs::renameat_with(CWD, cache, CWD, &aside, RenameFlags::EXCHANGE)?;
    fs::File::open(&aside)?.set_modified(now)
}

fn aside(cache: &Path, now: SystemTime) -> PathBuf {
    let since = now.duration_since(SystemTime::UNIX_EPOCH);
    let mut name = cache.file_name().unwrap_or_default().to_owned();
    name.push(format!("-{}{ASIDE}", since.unwrap_or_default().as_secs()));
    cache.with_file_name(name)
}

//! Whether the machine ran out of memory, as far as its server or a cgroup tells; and who goes first when it does.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nestling_protocol::machine::MEMORY_EVENTS;

/// How often something of this machine was killed for its memory; nothing where nobody says. `server_dir` is where the
/// server may say so.
pub(crate) fn kills(server_dir: &Path) -> Option<u64> {
    let told = count(&fs::read_to_string(server_dir.join(MEMORY_EVENTS)).unwrap_or_default());
    told.max(kernels())
}

/// Where a process says how gladly it is killed when memory runs out.
const SCORE: &str = "/proc/self/oom_score_adj";
/// As gladly as can be.
const FIRST: &str = "1000";

/// Our own score: open for writing, and as it was.
static OWN: OnceLock<(File, String)> = OnceLock::new();

/// Takes hold of our own score. Only before the runner closes itself to others of its user: then this file is closed to
/// it, too.
pub(crate) fn take_score() -> io::Result<()> {
    let own = fs::read_to_string(SCORE)?;
    let file = File::options().write(true).open(SCORE)?;
    // Taken before, it is the same.
    let _ = OWN.set((file, own));
    Ok(())
}

/// Starts a process that goes before the runner when memory runs out: a child is as glad to go as its parent at its birth.
pub(crate) fn first_to_go<T>(start: impl FnOnce() -> T) -> T {
    let Some((mut file, own)) = OWN.get().map(|(file, own)| (file, own)) else {
        return start();
    };
    // Refused, the kernel goes by size alone, and the runner is small.
    let _ = file.write_all(FIRST.as_bytes());
    let started = start();
    let _ = file.write_all(own.trim().as_bytes());
    started
}

/// What the kernel says of this machine's group, where it can be seen.
fn kernels() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = groups
        .lines()
        .find_map(|line| line.strip_prefix("0::"))
        .unwrap_or("/")
        .trim_start_matches('/')
        .to_owned();
    let v1 = groups
        .lines()
        .find_map(|line| line.split_once(":memory:"))
        .map_or("/", |(_, path)| path)
        .trim_start_matches('/');
    let candidates = [
        PathBuf::from("/sys/fs/cgroup")
            .join(&own)
            .join("memory.events"),
        PathBuf::from("/sys/fs/cgroup/memory.events"),
        PathBuf::from("/sys/fs/cgroup/memory")
            .join(v1)
            .join("memory.oom_control"),
        PathBuf::from("/sys/fs/cgroup/memory/memory.oom_control"),
    ];
    candidates
        .iter()
        .find_map(|path| count(&fs::read_to_string(path).ok()?))
}

fn count(events: &str) -> Option<u64> {
    events
        .lines()
        .find_map(|line| line.strip_prefix("oom_kill "))?
        .trim()
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_generations_of_cgroups_are_understood() {
        assert_eq!(
            count("low 0\noom 3\noom_kill 2\noom_group_kill 0\n"),
            Some(2)
        );
        assert_eq!(
            count("oom_kill_disable 0\nunder_oom 0\noom_kill 5\n"),
            Some(5)
        );
        assert_eq!(count("max 1\n"), None);
    }
}

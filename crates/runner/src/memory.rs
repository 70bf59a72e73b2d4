//! Whether the machine ran out of memory, as far as a cgroup tells.

use std::fs;
use std::path::PathBuf;

/// How often the kernel has killed for memory in this machine's group; nothing where it does not say.
pub(crate) fn kills() -> Option<u64> {
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

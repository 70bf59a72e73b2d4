//! The tree of processes, read from `/proc`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// A process id as this machine counts.
pub(crate) type Pid = i32;

/// Shells, by the names of their processes.
const SHELLS: [&str; 4] = ["sh", "dash", "bash", "zsh"];

/// All living descendants of a process, without itself.
pub(crate) fn descendants(of: Pid) -> BTreeSet<Pid> {
    let mut children: BTreeMap<Pid, Vec<Pid>> = BTreeMap::new();
    for (pid, parent) in processes() {
        children.entry(parent).or_default().push(pid);
    }
    let (mut found, mut open) = (BTreeSet::new(), vec![of]);
    while let Some(pid) = open.pop() {
        for child in children.get(&pid).into_iter().flatten() {
            if found.insert(*child) {
                open.push(*child);
            }
        }
    }
    found
}

/// The oldest living child of a process.
pub(crate) fn first_child(of: Pid) -> Option<Pid> {
    processes()
        .into_iter()
        .filter(|(_, parent)| *parent == of)
        .map(|(pid, _)| pid)
        .min()
}

/// Whether a process is a shell with a command under way: it ends by itself when that ends.
pub(crate) fn is_waiting_shell(pid: Pid) -> bool {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    SHELLS.contains(&name.trim()) && first_child(pid).is_some()
}

/// Whether a process still runs; one that only waits to be forgotten does not.
pub(crate) fn is_alive(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    parent(&stat).is_some()
}

/// Whether a process is the first of a pid namespace below ours: a sandbox's own reaper.
pub(crate) fn is_reaper(pid: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))
        .unwrap_or_default();
    let ids: Vec<&str> = line.split_whitespace().collect();
    ids.len() > 1 && ids.last() == Some(&"1")
}

/// Every process that is not a zombie, with its parent.
fn processes() -> Vec<(Pid, Pid)> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<Pid>().ok())
        .filter_map(|pid| {
            Some((
                pid,
                parent(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?,
            ))
        })
        .collect()
}

/// The parent in a line of `/proc/PID/stat`; the name before it may hold spaces and brackets.
fn parent(stat: &str) -> Option<Pid> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (state != "Z").then_some(parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_process_name_does_not_hide_its_parent() {
        assert_eq!(parent("7 (a) S 1 (b)) S 42 7 7 0"), Some(42));
        assert_eq!(parent("7 (gone) Z 42 7"), None);
        assert_eq!(parent("nonsense"), None);
    }
}

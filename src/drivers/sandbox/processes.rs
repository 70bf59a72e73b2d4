//! Processes as `/proc` shows them: who descends from whom, and what they use.

use std::{collections::HashMap, fs};

use rustix::process::{Pid, Signal};

/// Rounds of killing after which new processes win; each round kills all that the last one left.
const ROUNDS: u32 = 100;

/// One process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) parent: i32,
    pub(super) threads: u64,
    /// Clock ticks after boot; with the pid and the boot it names a process for ever.
    pub(super) started: u64,
    pub(super) zombie: bool,
}

/// Every process that this one may see.
pub(super) fn all() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(one)
        .collect()
}

/// One process by its pid.
pub(super) fn one(pid: i32) -> Option<Process> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse(stat: &str) -> Option<Process> {
    let (pid, rest) = stat.split_once(' ')?;
    // The name may hold spaces and brackets: what follows the last one counts.
    let fields: Vec<&str> = rest.rsplit_once(')')?.1.split_whitespace().collect();
    Some(Process {
        pid: pid.parse().ok()?,
        parent: fields.get(1)?.parse().ok()?,
        threads: fields.get(17)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
        zombie: matches!(*fields.first()?, "Z" | "X"),
    })
}

/// `root` (when it lives) and all that descend from it.
pub(super) fn tree(all: &[Process], root: i32) -> Vec<Process> {
    let mut children: HashMap<i32, Vec<Process>> = HashMap::new();
    for process in all {
        children.entry(process.parent).or_default().push(*process);
    }
    let mut found: Vec<Process> = all
        .iter()
        .filter(|process| process.pid == root)
        .copied()
        .collect();
    let mut at = 0;
    while at < found.len() {
        found.extend(children.remove(&found[at].pid).unwrap_or_default());
        at += 1;
    }
    found
}

/// Kills all that descend from `root`, but not itself, until none is left.
pub(super) fn kill_descendants(root: Pid) {
    let root = root.as_raw_nonzero().get();
    for _ in 0..ROUNDS {
        let left: Vec<Process> = tree(&all(), root)
            .into_iter()
            .filter(|process| process.pid != root && !process.zombie)
            .collect();
        if left.is_empty() {
            return;
        }
        for process in left {
            kill(process.pid);
        }
    }
}

/// Kills all that the first child of `root` has started, but not itself, until none is left; what was orphaned to `root`
/// is its, too.
pub(super) fn kill_below_first(root: i32) {
    for _ in 0..ROUNDS {
        let tree = tree(&all(), root);
        let children = tree.iter().filter(|process| process.parent == root);
        let first = children.min_by_key(|process| process.started);
        let first = first.map(|process| process.pid);
        let left: Vec<i32> = tree
            .iter()
            .filter(|process| !process.zombie)
            .map(|process| process.pid)
            .filter(|pid| *pid != root && Some(*pid) != first)
            .collect();
        if left.is_empty() {
            return;
        }
        left.into_iter().for_each(kill);
    }
}

/// Kills what carries `variable` in its environment, wherever it was adopted to; answers how many there were.
pub(super) fn kill_marked(variable: &str) -> usize {
    let marked = |process: &Process| {
        let environment = fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
        environment
            .split(|byte| *byte == 0)
            .any(|entry| entry == variable.as_bytes())
    };
    let own = std::process::id();
    let found: Vec<Process> = all()
        .into_iter()
        .filter(|process| !process.zombie && u32::try_from(process.pid) != Ok(own))
        .filter(marked)
        .collect();
    for process in &found {
        kill(process.pid);
    }
    found.len()
}

fn kill(pid: i32) {
    if let Some(pid) = Pid::from_raw(pid) {
        // Gone already, which is what was wanted.
        let _ = rustix::process::kill_process(pid, Signal::KILL);
    }
}

/// Memory of a process in bytes: its share of what it shares (PSS), or what is its own where that is hidden.
pub(super) fn memory(pid: i32) -> u64 {
    let proportional = || {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let line = rollup.lines().find(|line| line.starts_with("Pss:"))?;
        line.split_whitespace()
            .nth(1)?
            .parse::<u64>()
            .ok()
            .map(|kib| kib * 1024)
    };
    let private = || {
        let statm = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
        let mut pages = statm
            .split_whitespace()
            .skip(1)
            .filter_map(|field| field.parse::<u64>().ok());
        let (resident, shared) = (pages.next()?, pages.next()?);
        Some(
            resident.saturating_sub(shared)
                * u64::try_from(rustix::param::page_size()).unwrap_or(4096),
        )
    };
    proportional().or_else(private).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_confuse() {
        let stat = "42 (a) (b c) S 7 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 3 0 987 0 0";
        let process = parse(stat).unwrap();
        assert_eq!(
            (
                process.pid,
                process.parent,
                process.threads,
                process.started
            ),
            (42, 7, 3, 987)
        );
    }

    #[test]
    fn a_tree_holds_grandchildren_and_nobody_else() {
        let process = |pid, parent| Process {
            pid,
            parent,
            threads: 1,
            started: 0,
            zombie: false,
        };
        let all = [
            process(1, 0),
            process(5, 1),
            process(6, 5),
            process(7, 6),
            process(8, 1),
        ];
        let pids: Vec<i32> = tree(&all, 5).iter().map(|process| process.pid).collect();
        assert_eq!(pids, [5, 6, 7]);
    }

    #[test]
    fn this_test_uses_memory() {
        assert!(memory(std::process::id().cast_signed()) > 100_000);
    }
}

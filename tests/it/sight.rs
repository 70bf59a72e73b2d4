//! What can be seen of machines from outside of Nestling: processes and folders.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// A machine, by the folder of its environment and its generation.
pub(crate) type Machine = (String, u32);

/// One process for its whole life: a number that is used again comes with another start.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Process {
    pid: u32,
    started: u64,
    pub(crate) command: String,
}

/// Every machine of a data folder that has a process, with all of them: whoever names its folder in an argument,
/// and whoever lives in a sandbox into which the folder is mounted.
pub(crate) fn alive(data: &Path) -> BTreeMap<Machine, BTreeSet<Process>> {
    let mut found: BTreeMap<Machine, BTreeSet<Process>> = BTreeMap::new();
    // A mount names the folder as its file system does: without whatever that file system is mounted at.
    let parts: Vec<_> = data.iter().rev().take(2).collect();
    let (name, parent) = (parts[0].to_str().unwrap(), parts[1].to_str().unwrap());
    let folder = format!("{parent}/{name}/machines/environments/");
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    for pid in processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
        let Some((command, started)) = process(pid) else {
            continue;
        };
        let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
        let machine = named(&command, &folder).or_else(|| named(&mounts, &folder));
        if let Some(machine) = machine {
            found.entry(machine).or_default().insert(Process {
                pid,
                started,
                command,
            });
        }
    }
    found
}

impl Process {
    /// Whether it still lives.
    pub(crate) fn lives(&self) -> bool {
        process(self.pid).is_some_and(|(_, started)| started == self.started)
    }

    pub(crate) fn kill(&self) {
        let pid = i32::try_from(self.pid)
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid.filter(|_| self.lives()) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

/// The folder of a machine.
pub(crate) fn folder(data: &Path, machine: &Machine) -> PathBuf {
    let environments = data.join("machines/environments");
    environments.join(&machine.0).join(machine.1.to_string())
}

/// The folders of all machines that have one.
pub(crate) fn folders(data: &Path) -> BTreeSet<Machine> {
    let mut found = BTreeSet::new();
    for environment in names(&data.join("machines/environments")) {
        for inside in names(&data.join("machines/environments").join(&environment)) {
            if let Ok(generation) = inside.parse() {
                found.insert((environment.clone(), generation));
            }
        }
    }
    found
}

/// How many unix sockets a process listens on. Each machine has two at the server: its reports come in by one, its
/// way out is the other.
pub(crate) fn listens(pid: u32) -> usize {
    let held: BTreeSet<String> = names(&PathBuf::from(format!("/proc/{pid}/fd")))
        .iter()
        .filter_map(|fd| fs::read_link(format!("/proc/{pid}/fd/{fd}")).ok())
        .filter_map(|target| target.into_os_string().into_string().ok())
        .collect();
    let all = fs::read_to_string("/proc/net/unix").unwrap();
    let listening = all.lines().filter(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // Flags say that it accepts connections; the inode is how a descriptor names it.
        fields.get(3) == Some(&"00010000")
            && fields
                .get(6)
                .is_some_and(|inode| held.contains(&format!("socket:[{inode}]")))
    });
    listening.count()
}

/// The machine of an environment, by what its folder ends in: `production`, `pr-1`.
pub(crate) fn machine(data: &Path, kind: &str, generation: u32) -> Machine {
    let environments = names(&data.join("machines/environments"));
    let ending = format!("-{kind}");
    let mut found = environments
        .into_iter()
        .filter(|name| name.ends_with(&ending));
    (found.next().unwrap_or(ending.clone()), generation)
}

pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

fn process(pid: u32) -> Option<(String, u64)> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything: fields are counted after it.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let (state, started) = (fields.first()?, fields.get(19)?);
    let command = String::from_utf8_lossy(&line).replace('\0', " ");
    (*state != "Z").then_some((command, started.parse().ok()?))
}

/// The first `{environment}/{generation}` after the folder in a text.
fn named(text: &str, folder: &str) -> Option<Machine> {
    text.match_indices(folder).find_map(|(at, _)| {
        let rest = &text[at + folder.len()..];
        let mut parts = rest.split(|letter: char| letter == '/' || letter.is_whitespace());
        Some((parts.next()?.to_owned(), parts.next()?.parse().ok()?))
    })
}

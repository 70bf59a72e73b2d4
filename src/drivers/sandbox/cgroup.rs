//! Control groups: v2 where it is delegated to us, v1 as root, else none.
//!
//! Groups are made beneath the server's own, so that machines stay within whatever limits the server itself has.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use nestling_domain::ids::{EnvironmentId, Generation};

use crate::messages::machines::Size;

/// How long a group may stay busy after its last process ended: the kernel takes a moment.
const BUSY: Duration = Duration::from_secs(2);
const BUSY_POLL: Duration = Duration::from_millis(10);

/// What this box offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cgroups {
    /// One tree with memory and pids.
    V2(PathBuf),
    /// A tree for each; either may be missing.
    V1 {
        memory: Option<PathBuf>,
        pids: Option<PathBuf>,
    },
    /// Neither: the server watches by itself.
    None,
}

impl Cgroups {
    /// Looks for what can be used, and makes the parent of all machines of this data folder.
    pub(super) fn detect(data: &Path) -> Self {
        let (Ok(own), Ok(mounts)) = (
            fs::read_to_string("/proc/self/cgroup"),
            fs::read_to_string("/proc/self/mountinfo"),
        ) else {
            return Cgroups::None;
        };
        // Two servers with two data folders on one box must not meet.
        let name = format!("nestling-{:x}", hash(data.as_os_str().as_encoded_bytes()));
        if let Some(path) = own_v2(&own, &mounts)
            && delegated(&path)
            && fs::create_dir_all(path.join(&name)).is_ok()
            && fs::write(
                path.join(&name).join("cgroup.subtree_control"),
                "+memory +pids",
            )
            .is_ok()
        {
            return Cgroups::V2(path.join(name));
        }
        let usable = |controller: &str, file: &str| {
            let path = own_v1(&own, &mounts, controller)?.join(&name);
            fs::create_dir_all(&path).ok()?;
            // Readable is not enough: what may not be written limits nothing.
            fs::OpenOptions::new()
                .write(true)
                .open(path.join(file))
                .ok()?;
            Some(path)
        };
        match (
            usable("memory", "memory.limit_in_bytes"),
            usable("pids", "pids.max"),
        ) {
            (None, None) => Cgroups::None,
            (memory, pids) => Cgroups::V1 { memory, pids },
        }
    }

    pub(super) fn limits_memory(&self) -> bool {
        matches!(
            self,
            Cgroups::V2(_)
                | Cgroups::V1 {
                    memory: Some(_),
                    ..
                }
        )
    }

    pub(super) fn limits_processes(&self) -> bool {
        matches!(self, Cgroups::V2(_) | Cgroups::V1 { pids: Some(_), .. })
    }

    /// For people: `cgroup v2`, `cgroup v1`, `no cgroup`.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Cgroups::V2(_) => "cgroup v2",
            Cgroups::V1 { .. } => "cgroup v1",
            Cgroups::None => "no cgroup",
        }
    }

    /// The groups of one machine.
    pub(super) fn of(&self, environment: &EnvironmentId, generation: Generation) -> Group {
        let name = format!("{environment}.{generation}");
        match self {
            Cgroups::V2(parent) => Group {
                memory: Some(parent.join(&name)),
                pids: None,
                v2: true,
            },
            Cgroups::V1 { memory, pids } => {
                let at =
                    |parent: &Option<PathBuf>| parent.as_ref().map(|parent| parent.join(&name));
                Group {
                    memory: at(memory),
                    pids: at(pids),
                    v2: false,
                }
            }
            Cgroups::None => Group {
                memory: None,
                pids: None,
                v2: false,
            },
        }
    }

    /// Removes the empty groups of machines that are no more, and the parents when they are empty too.
    pub(super) fn sweep(&self) {
        for parent in self.parents() {
            for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
                // A group with processes stays, which is what we want.
                let _ = fs::remove_dir(entry.path());
            }
        }
    }

    /// Removes the parents, when no machine is left in them.
    pub(super) fn leave(&self) {
        for parent in self.parents() {
            let _ = fs::remove_dir(parent);
        }
    }

    fn parents(&self) -> Vec<&PathBuf> {
        match self {
            Cgroups::V2(parent) => vec![parent],
            Cgroups::V1 { memory, pids } => memory.iter().chain(pids).collect(),
            Cgroups::None => Vec::new(),
        }
    }
}

/// The groups of one machine.
#[derive(Debug, Clone)]
pub(super) struct Group {
    memory: Option<PathBuf>,
    pids: Option<PathBuf>,
    v2: bool,
}

impl Group {
    /// Makes them with their limits; answers the files into which the launcher has to write itself.
    pub(super) fn create(&self, size: Size) -> io::Result<Vec<PathBuf>> {
        let bytes = (size.memory_mib << 20).to_string();
        for folder in self.folders() {
            fs::create_dir_all(folder)?;
        }
        if let (Some(group), true) = (&self.memory, self.v2) {
            fs::write(group.join("memory.max"), &bytes)?;
            fs::write(group.join("pids.max"), size.processes.to_string())?;
            // Kernels without swap or with an older v2 lack these.
            let _ = fs::write(group.join("memory.swap.max"), "0");
            // Never the whole group: what is too big is killed, and the runner starts its app again.
        } else if let Some(group) = &self.memory {
            fs::write(group.join("memory.limit_in_bytes"), &bytes)?;
            let _ = fs::write(group.join("memory.memsw.limit_in_bytes"), &bytes);
        }
        if let Some(group) = &self.pids {
            fs::write(group.join("pids.max"), size.processes.to_string())?;
        }
        // To move a whole process the kernel first stops all forks on this box, which takes about 10 ms; the launcher has
        // one thread, which moves at once. In v2 a thread cannot leave the groups of its process.
        let file = if self.v2 { "cgroup.procs" } else { "tasks" };
        Ok(self.folders().map(|group| group.join(file)).collect())
    }

    /// The file in which the kernel counts what it killed for want of memory, where it does.
    pub(super) fn memory_events(&self) -> Option<PathBuf> {
        let file = if self.v2 {
            "memory.events"
        } else {
            "memory.oom_control"
        };
        Some(self.memory.as_ref()?.join(file))
    }

    /// Whether the kernel ended a process of it for want of memory.
    pub(super) fn ran_out_of_memory(&self) -> bool {
        self.memory_events()
            .is_some_and(|file| memory_kills(&file) > 0)
    }

    /// How often a process could not be made because of the limit.
    pub(super) fn refused_processes(&self) -> u64 {
        let group = if self.v2 { &self.memory } else { &self.pids };
        let Some(group) = group else { return 0 };
        let text = fs::read_to_string(group.join("pids.events")).unwrap_or_default();
        text.lines()
            .filter_map(|line| line.strip_prefix("max "))
            .find_map(|count| count.trim().parse().ok())
            .unwrap_or_default()
    }

    /// The processes in it, by their pids on this box.
    pub(super) fn processes(&self) -> Vec<i32> {
        let Some(group) = self.folders().next() else {
            return Vec::new();
        };
        let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Removes them, once their last process is gone.
    pub(super) async fn remove(&self) -> io::Result<()> {
        for group in self.folders() {
            let deadline = tokio::time::Instant::now() + BUSY;
            loop {
                match fs::remove_dir(group) {
                    Ok(()) => break,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                    Err(error) if tokio::time::Instant::now() > deadline => return Err(error),
                    Err(_) => tokio::time::sleep(BUSY_POLL).await,
                }
            }
        }
        Ok(())
    }

    fn folders(&self) -> impl Iterator<Item = &PathBuf> {
        self.memory.iter().chain(&self.pids)
    }
}

/// How often something was killed for want of memory, by a file of the kernel's or of ours.
pub(super) fn memory_kills(file: &Path) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.strip_prefix("oom_kill "))
        .find_map(|count| count.trim().parse().ok())
        .unwrap_or_default()
}

/// Whether we may limit beneath `path`: memory and pids are ours to hand out, once we left the group itself
/// (a group with processes of its own cannot).
fn delegated(path: &Path) -> bool {
    let controllers = fs::read_to_string(path.join("cgroup.controllers")).unwrap_or_default();
    let has = |name: &str| {
        controllers
            .split_whitespace()
            .any(|controller| controller == name)
    };
    if !has("memory") || !has("pids") {
        return false;
    }
    let hand_out = || fs::write(path.join("cgroup.subtree_control"), "+memory +pids").is_ok();
    let leave = || {
        fs::create_dir_all(path.join("server")).is_ok()
            && fs::write(path.join("server/cgroup.procs"), "0").is_ok()
    };
    hand_out() || (leave() && hand_out())
}

fn own_v2(own: &str, mounts: &str) -> Option<PathBuf> {
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    // A restarted server finds itself in the leaf that it made before.
    let path = path.strip_suffix("/server").unwrap_or(path);
    Some(join(&mount_of(mounts, "cgroup2", None)?, path))
}

fn own_v1(own: &str, mounts: &str, controller: &str) -> Option<PathBuf> {
    let listed = |names: &str| names.split(',').any(|name| name == controller);
    let path = own
        .lines()
        .filter_map(|line| line.split_once(':')?.1.split_once(':'))
        .find(|(names, _)| listed(names))?
        .1;
    Some(join(&mount_of(mounts, "cgroup", Some(controller))?, path))
}

fn join(mount: &str, path: &str) -> PathBuf {
    Path::new(mount).join(path.trim_start_matches('/'))
}

fn mount_of(mounts: &str, kind: &str, option: Option<&str>) -> Option<String> {
    mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut right = right.split_whitespace();
        let fits = right.next()? == kind
            && option.is_none_or(|option| {
                right
                    .nth(1)
                    .is_some_and(|all| all.split(',').any(|one| one == option))
            });
        fits.then(|| left.split_whitespace().nth(4).map(str::to_owned))?
    })
}

fn hash(bytes: &[u8]) -> u32 {
    // FNV-1a: a short name that is the same after every start.
    bytes.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "31 29 0:26 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
        32 29 0:27 / /sys/fs/cgroup/pids rw,relatime shared:3 - cgroup cgroup rw,pids\n\
        33 29 0:28 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
    const OWN: &str = "8:pids:/\n4:cpu,memory:/system.slice/nestling.service\n0::/system.slice/nestling.service/server\n";

    #[test]
    fn our_own_groups_are_found() {
        assert_eq!(
            own_v1(OWN, MOUNTS, "memory"),
            Some("/sys/fs/cgroup/memory/system.slice/nestling.service".into())
        );
        assert_eq!(
            own_v1(OWN, MOUNTS, "pids"),
            Some("/sys/fs/cgroup/pids".into())
        );
        assert_eq!(own_v1(OWN, MOUNTS, "blkio"), None);
        assert_eq!(
            own_v2(OWN, MOUNTS),
            Some("/sys/fs/cgroup/unified/system.slice/nestling.service".into())
        );
    }

    #[test]
    fn a_v2_group_gets_all_its_limits_and_tells_of_want() {
        let parent = tempfile::tempdir().unwrap();
        let cgroups = Cgroups::V2(parent.path().to_owned());
        let group = cgroups.of(&EnvironmentId("shop".to_owned()), Generation(3));
        let procs = group
            .create(Size {
                memory_mib: 64,
                processes: 20,
                files: 9,
                disk_mib: 9,
            })
            .unwrap();
        let folder = parent.path().join("shop.3");
        assert_eq!(procs, [folder.join("cgroup.procs")]);
        assert_eq!(
            fs::read_to_string(folder.join("memory.max")).unwrap(),
            "67108864"
        );
        assert_eq!(fs::read_to_string(folder.join("pids.max")).unwrap(), "20");
        assert!(!group.ran_out_of_memory());
        fs::write(
            folder.join("memory.events"),
            "low 0\noom 1\noom_kill 1\noom_group_kill 0\n",
        )
        .unwrap();
        assert!(group.ran_out_of_memory());
    }
}

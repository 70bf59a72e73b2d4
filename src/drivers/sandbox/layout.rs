//! Where everything of a machine lies on this box.
//!
//! ```text
//! DATA/machines/                       0700
//!   numbers.json                       who has which uid and gid, for ever
//!   seccomp.bpf                        the system call filter
//!   etc/                               what every machine sees of this box's /etc
//!   cache/{group}/                     bound to /cache
//!   environments/{environment}/
//!     fence.json                       the highest generation ever asked for
//!     own/                             who its machines are, for their /etc
//!     state/                           bound to /state
//!     {generation}/
//!       lock                           held while anything of the machine lives
//!       order.json                     what `machine-init` was told
//!       launched                       made by the machine itself, once it holds the lock
//!       namespace.json                 written by bubblewrap: pid 1 as this box sees it
//!       record.json                    pid 1, its start time, the boot
//!       exit.json                      written by pid 1: how the runner ended
//!       verdict                        why the machine ended, for people
//!       output                         what runner and sandbox said, bounded
//!       run/ server/ work/             bound into the machine
//! ```

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use nestling_domain::ids::{EnvironmentId, Generation};
use serde::{Deserialize, Serialize};

/// The longest name of an environment that may become a folder.
const LONGEST_NAME: usize = 100;

/// The folder of all machines.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(super) fn new(data: &Path) -> io::Result<Self> {
        let root = data.join("machines");
        let layout = Layout { root };
        for folder in [layout.root.clone(), layout.environments(), layout.caches()] {
            private_dir(&folder)?;
        }
        // Absolute, because machines outlive our working folder.
        Ok(Layout {
            root: layout.root.canonicalize()?,
        })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn numbers(&self) -> PathBuf {
        self.root.join("numbers.json")
    }

    pub(super) fn seccomp(&self) -> PathBuf {
        self.root.join("seccomp.bpf")
    }

    pub(super) fn etc(&self) -> PathBuf {
        self.root.join("etc")
    }

    pub(super) fn caches(&self) -> PathBuf {
        self.root.join("cache")
    }

    pub(super) fn environments(&self) -> PathBuf {
        self.root.join("environments")
    }

    /// The folder of an environment; refuses what could leave `environments/`.
    pub(super) fn environment(&self, id: &EnvironmentId) -> Result<EnvironmentDir, String> {
        check_name("environment", &id.0)?;
        Ok(EnvironmentDir {
            path: self.environments().join(&id.0),
        })
    }

    pub(super) fn cache(&self, group: &str) -> Result<PathBuf, String> {
        check_name("cache group", group)?;
        Ok(self.caches().join(group))
    }

    /// Every machine that has a folder, dead or alive.
    pub(super) fn machines(&self) -> io::Result<Vec<(EnvironmentId, Generation, MachineDir)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.environments())? {
            let Ok(name) = entry?.file_name().into_string() else {
                continue;
            };
            let id = EnvironmentId(name);
            let Ok(environment) = self.environment(&id) else {
                continue;
            };
            for generation in environment.generations()? {
                found.push((id.clone(), generation, environment.machine(generation)));
            }
        }
        found.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        Ok(found)
    }
}

/// The folder of one environment.
#[derive(Debug, Clone)]
pub(super) struct EnvironmentDir {
    pub(super) path: PathBuf,
}

impl EnvironmentDir {
    pub(super) fn fence(&self) -> PathBuf {
        self.path.join("fence.json")
    }

    pub(super) fn state(&self) -> PathBuf {
        self.path.join("state")
    }

    pub(super) fn own(&self) -> PathBuf {
        self.path.join("own")
    }

    pub(super) fn machine(&self, generation: Generation) -> MachineDir {
        MachineDir {
            path: self.path.join(generation.to_string()),
        }
    }

    /// The generations that have a folder, lowest first.
    pub(super) fn generations(&self) -> io::Result<Vec<Generation>> {
        let entries = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut found = Vec::new();
        for entry in entries {
            if let Some(number) = entry?
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
            {
                found.push(Generation(number));
            }
        }
        found.sort();
        Ok(found)
    }
}

/// The folder of one machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct MachineDir {
    pub(super) path: PathBuf,
}

impl MachineDir {
    pub(super) fn lock(&self) -> PathBuf {
        self.path.join("lock")
    }
    pub(super) fn order(&self) -> PathBuf {
        self.path.join("order.json")
    }
    pub(super) fn launched(&self) -> PathBuf {
        self.path.join("launched")
    }
    pub(super) fn namespace(&self) -> PathBuf {
        self.path.join("namespace.json")
    }
    pub(super) fn record(&self) -> PathBuf {
        self.path.join("record.json")
    }
    pub(super) fn exit(&self) -> PathBuf {
        self.path.join("exit.json")
    }
    pub(super) fn verdict(&self) -> PathBuf {
        self.path.join("verdict")
    }
    pub(super) fn output(&self) -> PathBuf {
        self.path.join("output")
    }
    pub(super) fn run(&self) -> PathBuf {
        self.path.join("run")
    }
    pub(super) fn server(&self) -> PathBuf {
        self.path.join("server")
    }
    pub(super) fn work(&self) -> PathBuf {
        self.path.join("work")
    }
}

/// Makes a folder (and its parents) that only its owner may enter.
pub(super) fn private_dir(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

/// Replaces a file so that a reader, also after this process was killed, sees the old content or the new. After a
/// loss of power it may be empty, or the old one: for what speaks of machines, of which none is left then. Waiting for
/// the disk four times at each start of a machine would take longer than the start itself.
pub(super) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    private_file(&fresh)?.write_all(content)?;
    fs::rename(&fresh, path)
}

/// Replaces a file so that a reader, also after a loss of power, sees the old content or the new.
pub(super) fn write_durably(path: &Path, content: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = private_file(&fresh)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}

/// Reads a JSON file of ours; `None` when there is none or it is not whole.
pub(super) fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn check_name(what: &str, name: &str) -> Result<(), String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(plain) {
        return Ok(());
    }
    let shown: String = name.chars().take(LONGEST_NAME).collect();
    Err(format!(
        "{shown:?} cannot name the {what} of a machine: letters, digits, `-` and `_` only, at most {LONGEST_NAME}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_would_leave_the_folder_is_refused() {
        let data = tempfile::tempdir().unwrap();
        let layout = Layout::new(data.path()).unwrap();
        for name in [
            "",
            "..",
            "a/b",
            "../x",
            "a b",
            "ü",
            "a\0b",
            &"a".repeat(101),
        ] {
            assert!(
                layout.environment(&EnvironmentId(name.to_owned())).is_err(),
                "{name:?} was accepted"
            );
        }
        assert!(
            layout
                .environment(&EnvironmentId("0123456789abcdef-pr-12".to_owned()))
                .is_ok()
        );
    }

    #[test]
    fn only_numbered_folders_are_machines() {
        let data = tempfile::tempdir().unwrap();
        let layout = Layout::new(data.path()).unwrap();
        let environment = layout
            .environment(&EnvironmentId("shop".to_owned()))
            .unwrap();
        for name in ["state", "3", "11", "x"] {
            private_dir(&environment.path.join(name)).unwrap();
        }
        assert_eq!(
            environment.generations().unwrap(),
            [Generation(3), Generation(11)]
        );
    }
}

//! The sandbox of a step: what its processes may see and touch.
//!
//! Public, so that the escape probes of the server run in this very sandbox and not in a copy of its flags.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use tokio::process::Command;

use crate::Isolation;

// No `Debug`: its environment holds secrets.
/// One command of a step.
#[derive(Clone)]
pub struct Step {
    /// The program and its arguments. A bare name is looked up within the step's sandbox, in the step's own `PATH`:
    /// what the app puts there is its own business.
    pub argv: Vec<String>,
    /// Where it runs.
    pub folder: PathBuf,
    /// Its whole environment.
    pub environment: BTreeMap<String, String>,
    /// Whether it sees the app's persistent folder: only the started app does.
    pub state: bool,
}

/// The folders of a machine, as steps see them.
#[derive(Debug, Clone)]
pub struct Sandbox {
    /// Whether there is a sandbox at all.
    pub isolation: Isolation,
    /// Bubblewrap, as [`bubblewrap`] finds it; not looked at where there is no sandbox.
    pub bubblewrap: PathBuf,
    /// Folders that every step may write.
    pub writable: Vec<PathBuf>,
    /// Stands as `/tmp`.
    pub temporary: PathBuf,
    /// The app's persistent folder.
    pub state: PathBuf,
    /// Tools and certificates that lie outside of the system's folders.
    pub readable: Vec<PathBuf>,
}

/// The folders of a system that hold programs; all else stays hidden.
const SYSTEM: [&str; 8] = [
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/opt",
];

/// Where programs are looked for if the runner itself was not told.
pub(crate) const USUAL_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Bytes of `/dev/shm`, as of a container: enough for a browser in a test.
const SHARED_MEMORY: &str = "67108864";

/// Variables that steer the dynamic linker: set inside the sandbox, they must not touch its own program.
const LINKER: [&str; 4] = ["LD_", "GLIBC_TUNABLES", "GCONV_PATH", "LOCPATH"];

impl Sandbox {
    /// The command that runs a step.
    pub fn command(&self, step: &Step) -> Command {
        let mut command = match self.isolation {
            Isolation::Nested => self.nested(step),
            Isolation::None => plain(step),
        };
        command.current_dir("/").stdin(std::process::Stdio::null());
        if self.isolation == Isolation::None {
            command
                .current_dir(&step.folder)
                .envs(&step.environment)
                .process_group(0);
        }
        command
    }

    fn nested(&self, step: &Step) -> Command {
        // The one program that runs outside of the sandbox, and with the step's environment: never by a bare name,
        // which would be looked up in the step's `PATH`.
        let mut command = Command::new(&self.bubblewrap);
        command.env_clear();
        command.args([
            "--unshare-user",
            "--unshare-pid",
            "--unshare-ipc",
            "--unshare-uts",
            "--disable-userns",
        ]);
        command.args(["--cap-drop", "ALL", "--new-session", "--die-with-parent"]);
        for folder in SYSTEM {
            match fs::read_link(folder) {
                Ok(target) => command.arg("--symlink").arg(target).arg(folder),
                Err(_) => command.arg("--ro-bind-try").arg(folder).arg(folder),
            };
        }
        command.args(["--proc", "/proc", "--dev", "/dev"]);
        // Memory that no disk limit sees: little of it, and none beside it.
        command.args(["--size", SHARED_MEMORY, "--tmpfs", "/dev/shm"]);
        command.args(["--remount-ro", "/dev"]);
        command.arg("--bind").arg(&self.temporary).arg("/tmp");
        for path in &self.readable {
            command.arg("--ro-bind-try").arg(path).arg(path);
        }
        for path in &self.writable {
            command.arg("--bind").arg(path).arg(path);
        }
        if step.state {
            command.arg("--bind").arg(&self.state).arg(&self.state);
        }
        for (name, value) in &step.environment {
            // Arguments are visible in this machine only to the runner, but secrets stay out of them: a
            // linker variable is never one.
            if LINKER.iter().any(|linker| name.starts_with(linker)) {
                command.args(["--setenv", name, value]);
            } else {
                command.env(name, value);
            }
        }
        // What is left writable is what was bound: the sandbox's own root would be memory without a limit.
        command.args(["--remount-ro", "/"]);
        command
            .arg("--chdir")
            .arg(&step.folder)
            .arg("--")
            .args(&step.argv);
        command
    }
}

/// Where bubblewrap is, by the runner's own `PATH`.
///
/// # Errors
///
/// When it is in none of its folders.
pub fn bubblewrap() -> io::Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_else(|| USUAL_PATH.into());
    env::split_paths(&path)
        .map(|folder| folder.join("bwrap"))
        .find(|file| file.is_absolute() && file.is_file())
        .ok_or_else(|| {
            let why = "bubblewrap, which keeps the app apart from its runner, is not on this machine: install the package bubblewrap";
            io::Error::new(io::ErrorKind::NotFound, why)
        })
}

/// The app's own program on one's own computer: without a sandbox there is nothing to keep it from.
fn plain(step: &Step) -> Command {
    let (program, arguments) = step
        .argv
        .split_first()
        .map_or(("true", &[][..]), |(first, rest)| (first.as_str(), rest));
    let mut command = Command::new(program);
    command.env_clear().args(arguments);
    command
}

/// What must be bound so that these programs run: their real prefix where it is not the system's (a version
/// manager keeps them in a home), and where `/etc/resolv.conf` really lies.
pub(crate) fn outside_of_system(programs: &[&str], path: &str, files: &[OsString]) -> Vec<PathBuf> {
    let mut needed: Vec<PathBuf> = programs
        .iter()
        .filter_map(|program| {
            env::split_paths(path)
                .map(|folder| folder.join(program))
                .find(|file| file.is_file())
        })
        .filter_map(|file| Some(file.parent()?.parent()?.to_owned()))
        .collect();
    needed.extend(files.iter().map(PathBuf::from));
    needed.extend(fs::canonicalize("/etc/resolv.conf"));
    needed.retain(|path| path.is_absolute() && path.parent().is_some() && !is_system(path));
    needed.sort();
    needed.dedup();
    needed
}

fn is_system(path: &Path) -> bool {
    SYSTEM.iter().any(|folder| path.starts_with(folder))
}

//! The data folder, and the lock that keeps a second server out of it.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, test_kill_process};

/// How long the folder of a server that is no more is waited for: a command that it was starting when it was
/// killed has the lock until it is a program of its own.
const ORPHANED: Duration = Duration::from_secs(5);
/// Between two looks at it.
const LOOK: Duration = Duration::from_millis(5);

/// The longest content of a lock file that is read: a process id.
const PID_BYTES: u64 = 20;

/// A data folder that is ours: while this value lives, no other server can take it. The lock belongs to the
/// open file, so that it ends with the process however that ends, and is not inherited by machines.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another server has it.
    #[error(
        "the data folder {} is in use by another nestling{}; stop that one, or choose another folder with --data",
        path.display(),
        pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )]
    InUse {
        /// The folder.
        path: PathBuf,
        /// The other server's process, when it said so.
        pid: Option<u32>,
    },
    /// It cannot be made or written.
    #[error(
        "could not use the data folder {}: {source}; it must be a folder that the server's user can write, with space left",
        path.display()
    )]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl DataDir {
    /// Makes the folder when there is none (0700: it holds keys), and takes its lock.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let unusable = |source| DataDirError::Unusable {
            path: path.to_owned(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(unusable)?;
        let path = fs::canonicalize(path).map_err(unusable)?;
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join("lock"))
            .map_err(unusable)?;
        match take(&mut lock, is_alive) {
            Ok(()) => {}
            Err(Taken::By(pid)) => return Err(DataDirError::InUse { path, pid }),
            Err(Taken::Unknown(source)) => return Err(unusable(source)),
        }
        write_pid(&mut lock).map_err(unusable)?;
        keep_out_of_git(&path).map_err(unusable)?;
        Ok(DataDir { path, _lock: lock })
    }

    /// The folder, as an absolute path without links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The database file.
    pub fn database(&self) -> PathBuf {
        self.path.join("nestling.db")
    }

    /// The folder of the blobs.
    pub fn blobs(&self) -> PathBuf {
        self.path.join("blobs")
    }
}

/// The folder may lie in a repository, and by default does: no `git add` takes its keys along.
fn keep_out_of_git(path: &Path) -> io::Result<()> {
    let file = path.join(".gitignore");
    if file.exists() {
        return Ok(());
    }
    fs::write(
        file,
        "# The keys and the data of Nestling belong to no commit.\n*\n",
    )
}

/// Why the lock was not had.
#[derive(Debug)]
enum Taken {
    By(Option<u32>),
    Unknown(io::Error),
}

/// Takes the lock. Who wrote the name into it may be no more, while what it was starting has not let go.
#[expect(
    clippy::disallowed_methods,
    reason = "no actor is there before the folder is"
)]
fn take(lock: &mut File, is_alive: impl Fn(u32) -> bool) -> Result<(), Taken> {
    let deadline = Instant::now() + ORPHANED;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => {
                let pid = read_pid(lock);
                if pid.is_none_or(&is_alive) || Instant::now() >= deadline {
                    return Err(Taken::By(pid));
                }
                thread::sleep(LOOK);
            }
            Err(TryLockError::Error(source)) => return Err(Taken::Unknown(source)),
        }
    }
}

/// Whether there is such a process, ours or not.
fn is_alive(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

fn read_pid(lock: &mut File) -> Option<u32> {
    let mut text = String::new();
    lock.seek(SeekFrom::Start(0)).ok()?;
    lock.take(PID_BYTES).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_pid(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.seek(SeekFrom::Start(0))?;
    writeln!(lock, "{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, process::Command};

    use super::*;

    #[test]
    fn a_second_server_on_the_same_folder_is_told_which_folder_and_who_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let first = DataDir::open(folder.path()).unwrap();
        let error = DataDir::open(folder.path()).unwrap_err().to_string();
        let folder_name = first.path().display().to_string();
        let text = error
            .replace(&folder_name, "DATA")
            .replace(&std::process::id().to_string(), "PID");
        insta::assert_snapshot!(text, @"the data folder DATA is in use by another nestling (process PID); stop that one, or choose another folder with --data");

        drop(first);
        DataDir::open(folder.path()).expect("the folder is free again");
    }

    #[test]
    fn what_a_killed_server_was_starting_holds_its_folder_for_a_moment_only() {
        let folder = tempfile::tempdir().unwrap();
        let killed = DataDir::open(folder.path()).unwrap();
        let path = killed.path().join("lock");
        drop(killed);
        // What it was starting has its lock.
        let starting = File::open(&path).unwrap();
        starting.lock().unwrap();

        let lets_go = Cell::new(Some(starting));
        let is_alive = |pid| {
            assert_eq!(pid, std::process::id());
            lets_go.take();
            false
        };
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .unwrap();
        take(&mut lock, is_alive).expect("it is free once that has let go");
    }

    #[test]
    fn a_process_is_alive_until_it_has_been_waited_for() {
        assert!(is_alive(std::process::id()));
        let mut child = Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        assert!(!is_alive(pid));
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = DataDir::open(&file.join("data")).unwrap_err().to_string();
        let text = error.replace(&folder.path().display().to_string(), "HERE");
        insta::assert_snapshot!(text, @"could not use the data folder HERE/file/data: Not a directory (os error 20); it must be a folder that the server's user can write, with space left");
    }

    #[test]
    fn a_folder_inside_a_repository_is_no_part_of_it() {
        let repository = tempfile::tempdir().unwrap();
        let git = |arguments: &[&str]| {
            let mut git = Command::new("git");
            git.args(arguments).current_dir(repository.path());
            let output = git.output().unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        git(&["init", "--quiet"]);
        let data = DataDir::open(&repository.path().join("nestling-data")).unwrap();
        fs::write(data.path().join("master.key"), "opens everything").unwrap();
        git(&["add", "--all"]);
        assert_eq!(git(&["status", "--short"]), "");
    }

    #[test]
    fn the_folder_is_for_the_server_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::open(&folder.path().join("data")).unwrap();
        let mode = fs::metadata(data.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}

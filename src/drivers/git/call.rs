//! One call of the git program.

use std::{
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, Command},
};

use zeroize::Zeroizing;

use super::{Git, GitError};

/// For calls that read refs, commits and trees: 40 ms with 5,000 branches, so this is a disk that is away.
const QUICK: Duration = Duration::from_secs(10);
/// For calls that copy objects: the first mirror of a big repository.
const LONG: Duration = Duration::from_mins(10);
/// The most that a call may answer: the files of a repository with 500,000 of them.
const MOST_OUTPUT: usize = 64 * 1024 * 1024;
/// How much of its error output is kept.
const MOST_ERROR: usize = 8 * 1024;
/// How much of a reason is shown.
const LONGEST_REASON: usize = 300;

/// One call, before it is made.
pub(super) struct Call {
    options: Vec<OsString>,
    subcommand: String,
    args: Vec<OsString>,
    stdin: Vec<u8>,
    stdout: Option<std::fs::File>,
    held: Option<std::fs::File>,
    most: usize,
    long: bool,
    protocol: &'static str,
    index: Option<PathBuf>,
    alternates: OsString,
    header: Option<(String, Zeroizing<String>)>,
}

/// How a call ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) code: Option<i32>,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

impl Call {
    /// A call inside this git directory, named outright: git searches no parent folder for another.
    pub(super) fn at<A: AsRef<OsStr>>(
        git_dir: &Path,
        subcommand: &str,
        args: impl IntoIterator<Item = A>,
    ) -> Self {
        let mut at = OsString::from("--git-dir=");
        at.push(git_dir);
        Self::new(vec![at], subcommand, args)
    }

    /// A call in this folder, where git finds the repository by itself.
    pub(super) fn within<A: AsRef<OsStr>>(
        folder: &Path,
        subcommand: &str,
        args: impl IntoIterator<Item = A>,
    ) -> Self {
        let options = vec!["-C".into(), folder.as_os_str().to_owned()];
        Self::new(options, subcommand, args)
    }

    fn new<A: AsRef<OsStr>>(
        options: Vec<OsString>,
        subcommand: &str,
        args: impl IntoIterator<Item = A>,
    ) -> Self {
        Call {
            options,
            subcommand: subcommand.to_owned(),
            args: args
                .into_iter()
                .map(|arg| arg.as_ref().to_owned())
                .collect(),
            stdin: Vec::new(),
            stdout: None,
            held: None,
            most: MOST_OUTPUT,
            long: false,
            // A missing object of a partial clone must not be fetched behind our back.
            protocol: "none",
            index: None,
            alternates: OsString::new(),
            header: None,
        }
    }

    /// With these options of git itself, in front of the subcommand; of two `-c` the last one wins.
    pub(super) fn options(mut self, options: &[&str]) -> Self {
        self.options.extend(options.iter().map(OsString::from));
        self
    }

    pub(super) fn stdin(self, stdin: impl Into<Vec<u8>>) -> Self {
        Call {
            stdin: stdin.into(),
            ..self
        }
    }

    /// Its output goes to this file instead of to memory.
    pub(super) fn into_file(self, file: std::fs::File) -> Self {
        Call {
            stdout: Some(file),
            ..self
        }
    }

    /// It holds this file open while it lives, also when we do not: in the place of its input.
    pub(super) fn holding(self, file: std::fs::File) -> Self {
        Call {
            held: Some(file),
            ..self
        }
    }

    pub(super) fn most(self, most: usize) -> Self {
        Call { most, ..self }
    }

    /// It copies objects: it may take long.
    pub(super) fn long(self) -> Self {
        Call { long: true, ..self }
    }

    /// It has its index in this file.
    pub(super) fn index(self, file: &Path) -> Self {
        Call {
            index: Some(file.to_owned()),
            ..self
        }
    }

    /// It finds objects in these folders, too.
    pub(super) fn objects_in<'f>(mut self, folders: impl IntoIterator<Item = &'f Path>) -> Self {
        for folder in folders {
            if !self.alternates.is_empty() {
                self.alternates.push(":");
            }
            self.alternates.push(quoted(folder));
        }
        self
    }

    /// It speaks to the server at this address, and to it alone with this header, which no argument shows.
    pub(super) fn over_http(self, url: &str, header: Zeroizing<String>) -> Self {
        Call {
            protocol: if url.starts_with("https:") {
                "https"
            } else {
                "http"
            },
            header: Some((format!("http.{url}.extraHeader"), header)),
            ..self
        }
    }

    /// Git's own way to be configured by its environment, which only its own user can read.
    fn header(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.header.iter().flat_map(|(key, value)| {
            [
                ("GIT_CONFIG_COUNT", "1"),
                ("GIT_CONFIG_KEY_0", key),
                ("GIT_CONFIG_VALUE_0", value),
            ]
        })
    }

    fn alternates(&self) -> Option<(&'static str, &OsStr)> {
        let some = !self.alternates.is_empty();
        some.then_some(("GIT_ALTERNATE_OBJECT_DIRECTORIES", &self.alternates))
    }

    /// It reads another repository on this machine.
    pub(super) fn over_files(self) -> Self {
        Call {
            protocol: "file",
            ..self
        }
    }
}

impl Git {
    /// Makes a call that must succeed; what it wrote.
    pub(super) async fn run(&self, call: Call) -> Result<Vec<u8>, GitError> {
        Ok(self.succeed(call).await?.stdout)
    }

    /// The same, with what it warned of.
    pub(super) async fn succeed(&self, call: Call) -> Result<Ended, GitError> {
        let what = call.subcommand.clone();
        let ended = self.ask(call).await?;
        if ended.code == Some(0) {
            return Ok(ended);
        }
        let said = reason(&ended);
        Err(GitError::Refused { what, said })
    }

    /// Makes a call whose exit code is part of its answer.
    pub(super) async fn ask(&self, mut call: Call) -> Result<Ended, GitError> {
        let what = call.subcommand.clone();
        let (slots, limit) = if call.long {
            (&self.long, LONG)
        } else {
            (&self.quick, QUICK)
        };
        let broken = |source| GitError::Broken {
            what: what.clone(),
            source,
        };
        let _slot = slots
            .acquire()
            .await
            .map_err(|closed| broken(io::Error::other(closed)))?;
        let mut child = self.command(&mut call).spawn().map_err(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                GitError::Absent
            } else {
                broken(error)
            }
        })?;
        let group = Group::of(&child);
        let talk = talk(&mut child, &call.stdin, call.most);
        let Ok(talked) = tokio::time::timeout(limit, talk).await else {
            return Err(GitError::TimedOut {
                what,
                seconds: limit.as_secs(),
            });
        };
        let ended = talked.map_err(broken)?;
        let Some(ended) = ended else {
            return Err(GitError::TooMuch {
                what,
                limit: call.most,
            });
        };
        group.ended();
        Ok(ended)
    }

    fn command(&self, call: &mut Call) -> Command {
        let mut command = Command::new("git");
        command
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "TMPDIR"))
            .envs([("LC_ALL", "C"), ("GIT_CONFIG_NOSYSTEM", "1")])
            .envs([("GIT_TERMINAL_PROMPT", "0"), ("GIT_OPTIONAL_LOCKS", "0")])
            .envs([("GIT_NO_LAZY_FETCH", "1"), ("GIT_NO_REPLACE_OBJECTS", "1")])
            .env("GIT_ALLOW_PROTOCOL", call.protocol)
            .env("GIT_CONFIG_GLOBAL", self.home.join("config"))
            .env("HOME", &self.home)
            .envs(call.index.as_ref().map(|file| ("GIT_INDEX_FILE", file)))
            .envs(call.alternates())
            .envs(call.header())
            // These win over what the repository itself configures.
            .args([
                "-c",
                "core.fsmonitor=false",
                "-c",
                "core.hooksPath=/dev/null",
            ])
            .args(["-c", "gc.auto=0", "-c", "maintenance.auto=false"])
            .args(&call.options)
            .arg(&call.subcommand)
            .args(&call.args)
            .current_dir("/")
            .stdin(call.held.take().map_or_else(Stdio::piped, Stdio::from))
            .stdout(call.stdout.take().map_or_else(Stdio::piped, Stdio::from))
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        command
    }
}

/// Feeds a child and hears it out; `None` when it says more than `most`.
async fn talk(child: &mut Child, stdin: &[u8], most: usize) -> io::Result<Option<Ended>> {
    let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        if let Some(mut input) = input {
            // One that ends early does not read all; its exit code says more than our broken pipe.
            let _ = input.write_all(stdin).await;
            let _ = input.shutdown().await;
        }
    };
    let hear = async {
        let Some(output) = output else {
            return Ok((Vec::new(), false));
        };
        bounded(output, most, Beyond::Stop).await
    };
    let complain = async {
        let Some(errors) = errors else {
            return Ok((Vec::new(), false));
        };
        bounded(errors, MOST_ERROR, Beyond::Skip).await
    };
    let both = async { futures::future::try_join(hear, complain).await };
    let ((), heard) = futures::future::join(feed, both).await;
    let ((stdout, too_much), (stderr, _)) = heard?;
    if too_much {
        return Ok(None);
    }
    let code = child.wait().await?.code();
    Ok(Some(Ended {
        code,
        stdout,
        stderr,
    }))
}

/// What to do with what a stream says beyond its limit.
#[derive(PartialEq)]
enum Beyond {
    Stop,
    Skip,
}

/// Reads a stream up to `most` bytes; whether there was more.
async fn bounded(
    mut from: impl AsyncRead + Unpin,
    most: usize,
    beyond: Beyond,
) -> io::Result<(Vec<u8>, bool)> {
    let mut all = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX);
    (&mut from).take(limit).read_to_end(&mut all).await?;
    let mut more = false;
    let mut rest = vec![0; 4096];
    while from.read(&mut rest).await? > 0 {
        more = true;
        if beyond == Beyond::Stop {
            break;
        }
    }
    Ok((all, more))
}

/// The process group of a call: killed as a whole unless the call has ended, so that no helper program of a
/// call that was given up lives on.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Group(id.and_then(Pid::from_raw))
    }

    fn ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may be gone already.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// The line of git's error output that says why.
pub(super) fn reason(ended: &Ended) -> String {
    let text = String::from_utf8_lossy(&ended.stderr);
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let told = lines().find(|line| line.starts_with("fatal:") || line.starts_with("error:"));
    let told = told.or_else(|| lines().next_back());
    let code = || {
        ended
            .code
            .map_or("a signal".to_owned(), |code| format!("exit code {code}"))
    };
    let reason = told.map_or_else(code, ToOwned::to_owned);
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    reason.chars().map(shown).take(LONGEST_REASON).collect()
}

/// A path as git reads it in a list whose parts are told apart by colons.
fn quoted(path: &Path) -> OsString {
    use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
    let mut quoted = vec![b'"'];
    for &byte in path.as_os_str().as_bytes() {
        if matches!(byte, b'"' | b'\\') {
            quoted.push(b'\\');
        }
        quoted.push(byte);
    }
    quoted.push(b'"');
    OsString::from_vec(quoted)
}

/// A path as git prints it in an answer that ends with a newline.
pub(super) fn path_of(answer: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    let answer = answer.strip_suffix(b"\n").unwrap_or(answer);
    PathBuf::from(OsStr::from_bytes(answer))
}

//! Git plumbing: plain async functions around the `git` program.
//!
//! A repository and its configuration are somebody else's: nothing in them may make our git run a program,
//! ask a question, write a file or take longer than a named time. So every call has a bare environment, a
//! configuration of our own in place of the user's, no protocol but the one it needs, arguments as a list,
//! refs only as `refs/heads/…`, bounded output and a timeout. A watched repository is only ever read.

mod call;
mod fingerprint;
mod large;
mod mirror;
mod mirrors;
mod open;
mod pack;
mod refs;
mod remote;
#[cfg(test)]
pub(crate) mod sample;
mod submodules;
#[cfg(test)]
mod tests;
mod tree;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::sync::Semaphore;

pub use fingerprint::{Fingerprint, fingerprint};
pub use large::LargeFile;
pub use mirrors::{unused_mirrors, use_mirror};
pub use open::{NotOpened, Opened};
pub use pack::{BUNDLE_REF, Beside, prune_bundles};
pub use refs::{Current, Head, Heads, LeftOut};
pub use remote::Remote;
pub use submodules::{Submodule, SubmoduleError};
pub use tree::{Content, File, Link, Tree};

/// Quick calls at once: a folder that hangs holds one of them for at most its timeout.
const QUICK_CALLS: usize = 16;
/// Long calls (mirroring, packing) at once: they read disks, not wait.
const LONG_CALLS: usize = 2;

/// The configuration that stands in place of the user's and the system's. It is a file because the program that
/// serves a fetch takes no `-c` from us. Any owner is fine: we run nothing that a repository configures. What is fetched stays one pack, which
/// is there whole or not at all, whenever we are killed. It is not forced to the disk, for which deployments would wait:
/// after a loss of power a mirror that git cannot use is made anew. A server that says nothing for 20 s ends a fetch: while it
/// packs it gives a sign every 5 s, and what a killed server of ours has left fetching holds its mirror while it waits.
const CONFIGURATION: &str = "\
[safe]
\tdirectory = *
[uploadpack]
\tallowAnySHA1InWant = true
[protocol]
\tversion = 2
[core]
\tfsmonitor = false
\thooksPath = /dev/null
\tquotePath = false
\tfsync = none
[gc]
\tauto = 0
[maintenance]
\tauto = false
[transfer]
\tunpackLimit = 1
[http]
\tlowSpeedLimit = 1
\tlowSpeedTime = 20
[fetch]
\twriteCommitGraph = false
\trecurseSubmodules = false
";

/// The git program, made safe to point at other people's repositories.
#[derive(Debug, Clone)]
pub struct Git {
    home: PathBuf,
    quick: Arc<Semaphore>,
    long: Arc<Semaphore>,
}

impl Git {
    /// Git with its own configuration, which is written into `DATA/git`.
    pub fn new(data: &Path) -> io::Result<Self> {
        let home = data.join("git");
        std::fs::create_dir_all(&home)?;
        std::fs::write(home.join("config"), CONFIGURATION)?;
        Ok(Git {
            home,
            quick: Arc::new(Semaphore::new(QUICK_CALLS)),
            long: Arc::new(Semaphore::new(LONG_CALLS)),
        })
    }
}

/// Why git did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// There is no git.
    #[error("the program git was not found: install git 2.32 or newer")]
    Absent,
    /// It could not be run, or talked to.
    #[error("git {what} could not be run: {source}")]
    Broken {
        /// The subcommand.
        what: String,
        /// What the system says.
        source: io::Error,
    },
    /// It took too long, and was killed.
    #[error(
        "git {what} did not end within {seconds} s: is the disk slow, or a network folder away?"
    )]
    TimedOut {
        /// The subcommand.
        what: String,
        /// How long it had.
        seconds: u64,
    },
    /// It said more than we are willing to hold.
    #[error("git {what} answered more than {limit} bytes")]
    TooMuch {
        /// The subcommand.
        what: String,
        /// What we hold.
        limit: usize,
    },
    /// It said no.
    #[error("git {what} failed: {said}")]
    Refused {
        /// The subcommand.
        what: String,
        /// What it wrote to its error output: the last line that says why.
        said: String,
    },
    /// The content of a file that is kept in Git LFS is not in the repository.
    #[error(
        "{path}{} kept in Git LFS, and the content is not in the repository: run `git lfs fetch` there, then redeploy",
        match others { 0 => " is".to_owned(), others => format!(" and {others} more are") }
    )]
    LargeFileAbsent {
        /// The first of them.
        path: String,
        /// How many more there are.
        others: usize,
    },
    /// The files that are kept in Git LFS are more than each deployment should copy.
    #[error(
        "the files kept in Git LFS have {mib} MiB, and at most {most} MiB are copied to a machine: fetch them in the build instead"
    )]
    LargeFilesTooBig {
        /// What they have.
        mib: u64,
        /// What they may have.
        most: u64,
    },
    /// Its submodules cannot be packed, nor fetched by a machine.
    #[error(transparent)]
    Submodule(#[from] SubmoduleError),
    /// Its answer is not in the form that it documents.
    #[error("git {what} answered something that cannot be read: {detail}")]
    Unreadable {
        /// The subcommand.
        what: String,
        /// What was wrong with it.
        detail: String,
    },
}

//! What `nestling machine-init` is told, and how that becomes the arguments of bubblewrap. No secret is in it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{layout::MachineDir, numbers::Owner};

/// Where the binary that is pid 1 lies inside the sandbox.
pub const INIT_INSIDE: &str = "/opt/nestling/nestling";

/// How machines are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// A bubblewrap sandbox. Nothing starts when it does not hold.
    Sandbox,
    /// None: plain processes with all rights of the server. For your own code only.
    None,
}

/// A folder or file of this box, as the machine sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bind {
    pub(super) source: PathBuf,
    pub(super) target: String,
    pub(super) writable: bool,
}

/// A memory file system of a machine, with its size in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Scratch {
    pub(super) target: String,
    pub(super) bytes: u64,
}

/// The whole order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) machine: MachineDir,
    pub(super) isolation: Isolation,
    pub(super) bwrap: PathBuf,
    /// Whom to become; `None` stays who the server is.
    pub(super) owner: Option<Owner>,
    /// The files of control groups into which the launcher writes itself.
    pub(super) cgroups: Vec<PathBuf>,
    pub(super) files: u64,
    pub(super) file_bytes: u64,
    pub(super) binds: Vec<Bind>,
    pub(super) symlinks: Vec<(String, String)>,
    pub(super) scratch: Vec<Scratch>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) hostname: String,
    pub(super) seccomp: Option<PathBuf>,
    /// The argv of pid 1.
    pub(super) init: Vec<String>,
}

impl Order {
    /// The arguments of bubblewrap, but for the descriptors that only the launcher knows.
    ///
    /// Never `--die-with-parent`: machines outlive the server. Not `--disable-userns`: the runner makes the
    /// app's own sandbox inside, with that flag.
    pub(super) fn bwrap_arguments(
        &self,
        namespace_fd: i32,
        seccomp_fd: Option<i32>,
    ) -> Vec<String> {
        let mut list: Vec<String> = Vec::new();
        let mut add = |words: &[&str]| list.extend(words.iter().map(|word| (*word).to_owned()));
        add(&[
            "--unshare-all",
            "--unshare-user",
            "--cap-drop",
            "ALL",
            "--new-session",
            "--as-pid-1",
            "--hostname",
            &self.hostname,
        ]);
        add(&["--info-fd", &namespace_fd.to_string()]);
        if let Some(fd) = seccomp_fd {
            add(&["--seccomp", &fd.to_string()]);
        }
        add(&["--proc", "/proc", "--dev", "/dev"]);
        for (target, link) in &self.symlinks {
            add(&["--symlink", target, link]);
        }
        for scratch in &self.scratch {
            add(&[
                "--perms",
                "1777",
                "--size",
                &scratch.bytes.to_string(),
                "--tmpfs",
                &scratch.target,
            ]);
        }
        for bind in &self.binds {
            let flag = if bind.writable { "--bind" } else { "--ro-bind" };
            add(&[flag, &bind.source.to_string_lossy(), &bind.target]);
        }
        // `/dev` and `/` are memory file systems without a size; read-only ones cannot be filled.
        add(&[
            "--remount-ro",
            "/dev",
            "--remount-ro",
            "/",
            "--chdir",
            "/",
            "--clearenv",
        ]);
        for (name, value) in &self.environment {
            add(&["--setenv", name, value]);
        }
        add(&["--"]);
        list.extend(self.init.iter().cloned());
        list
    }
}

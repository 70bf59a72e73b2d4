//! `nestling check`: whether this box has what the server needs; what is missing comes with what to do.

mod aws;
mod dns;
mod fly;
mod github;
mod store;

use std::{
    fmt,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{process::Command, time::timeout};

use super::drivers::{not_bound, sandbox_config};
use crate::{
    config::{Config, ForgeDriver, Isolation, MachinesDriver},
    drivers::{
        data_dir::{DataDir, DataDirError},
        sandbox::Sandbox,
    },
    telemetry,
};

/// The longest a program of this box may take to say its version.
const VERSION: Duration = Duration::from_secs(10);
/// The longest the registry of npm may take: an install that waits longer for one answer is no use.
const REGISTRY: Duration = Duration::from_secs(15);
/// The oldest Node that runs what Nestling itself brings along for Wing apps.
const OLDEST_NODE: u32 = 20;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub what: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// The words for it: what there is, or what is wrong and what to do.
    pub says: String,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// The server runs without it, less well.
    Poor,
    /// The server, or most apps, cannot run without it.
    Missing,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.verdict {
            Verdict::Ok => "ok",
            Verdict::Poor => "poor",
            Verdict::Missing => "MISSING",
        };
        write!(f, "{:<16} {word:<8} {}", self.what, self.says)
    }
}

/// Looks at everything, most basic first. Nothing is left behind but the data folder.
pub async fn check(config: &Config) -> Vec<Finding> {
    let mut findings = vec![
        program("git", "git", |_| None).await,
        program("node", "nodejs", old_node).await,
        program("npm", "npm", |_| None).await,
    ];
    let folder = data_folder(&config.server.data_dir);
    findings.push(folder.finding.clone());
    if let Some(path) = &folder.path {
        findings.push(free_space(path, config.builds.min_free_mib));
        findings.extend(match config.machines.driver {
            MachinesDriver::Local => machines(config, path).await,
            MachinesDriver::Fly => fly::findings(config, path).await,
        });
    }
    findings.push(port(config, folder.is_in_use));
    findings.extend(Box::pin(aws::findings(config)).await);
    findings.extend(dns::finding_of(config).await);
    findings.extend(Box::pin(github::findings(config, &folder)).await);
    findings.push(registry().await);
    findings
}

fn finding(what: &'static str, verdict: Verdict, says: impl Into<String>) -> Finding {
    Finding {
        what,
        verdict,
        says: says.into(),
    }
}

/// A program of this box that says its version; `doubt` says what is wrong with that.
async fn program(
    what: &'static str,
    package: &str,
    doubt: impl Fn(&str) -> Option<String>,
) -> Finding {
    let install = format!("install it (Debian: apt-get install {package})");
    match output(what, &["--version"], VERSION).await {
        Ok(version) => match doubt(&version) {
            None => finding(what, Verdict::Ok, version),
            Some(doubt) => finding(what, Verdict::Missing, format!("{doubt}: {install}")),
        },
        Err(why) => finding(what, Verdict::Missing, format!("{why}: {install}")),
    }
}

fn old_node(version: &str) -> Option<String> {
    let number = version.trim_start_matches('v').split('.').next()?;
    let is_old = number.parse::<u32>().ok()? < OLDEST_NODE;
    is_old.then(|| format!("{version} is older than {OLDEST_NODE}, which is needed"))
}

/// The first line that a program says, or why it says none.
async fn output(program: &str, arguments: &[&str], within: Duration) -> Result<String, String> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = match timeout(within, command.output()).await {
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(format!("there is no {program} in PATH"));
        }
        Ok(output) => output.map_err(|error| format!("{program} cannot be run ({error})"))?,
        Err(_) => {
            return Err(format!(
                "{program} did not end within {} s",
                within.as_secs()
            ));
        }
    };
    let first = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let line = text.lines().find(|line| !line.trim().is_empty());
        line.unwrap_or_default().trim().to_owned()
    };
    if output.status.success() {
        return Ok(first(&output.stdout));
    }
    Err(format!(
        "{program} {} failed ({})",
        arguments.join(" "),
        first(&output.stderr)
    ))
}

struct Folder {
    finding: Finding,
    /// Where it is, when it can be used.
    path: Option<PathBuf>,
    /// Whether a server works on it now.
    is_in_use: bool,
}

fn data_folder(path: &Path) -> Folder {
    const WHAT: &str = "data folder";
    match DataDir::open(path) {
        Ok(folder) => Folder {
            finding: finding(WHAT, Verdict::Ok, folder.path().display().to_string()),
            path: Some(folder.path().to_owned()),
            is_in_use: false,
        },
        Err(DataDirError::InUse { path, .. }) => Folder {
            finding: finding(
                WHAT,
                Verdict::Ok,
                format!("{}, where a server runs now", path.display()),
            ),
            path: Some(path),
            is_in_use: true,
        },
        Err(error @ DataDirError::Unusable { .. }) => Folder {
            finding: finding(WHAT, Verdict::Missing, error.to_string()),
            path: None,
            is_in_use: false,
        },
    }
}

fn free_space(folder: &Path, least: u64) -> Finding {
    const WHAT: &str = "free space";
    match rustix::fs::statvfs(folder) {
        Err(error) => finding(
            WHAT,
            Verdict::Missing,
            format!("the disk of {} cannot be read: {error}", folder.display()),
        ),
        Ok(disk) => match disk.f_bavail.saturating_mul(disk.f_frsize) >> 20 {
            free if free < least => finding(
                WHAT,
                Verdict::Missing,
                format!(
                    "{free} MiB, and builds need {least} MiB: free some space, or lower builds.min_free_mib"
                ),
            ),
            free => finding(WHAT, Verdict::Ok, format!("{free} MiB")),
        },
    }
}

/// Whether machines can be had, which is found out by starting one.
async fn machines(config: &Config, folder: &Path) -> Vec<Finding> {
    const WHAT: &str = "sandbox";
    let order = match sandbox_config(config, folder, &folder.join("machines.sock")) {
        Ok(order) => order,
        Err(error) => return vec![finding(WHAT, Verdict::Missing, telemetry::told(&error))],
    };
    let holds = match Sandbox::probe(&order).await {
        Ok(holds) => holds,
        Err(reason) => {
            let way_on = match config.forge.driver {
                ForgeDriver::Local => ". For your own code only: nestling up --isolation none",
                ForgeDriver::GitHub => "",
            };
            let says = format!("{reason}{way_on}");
            return vec![finding(WHAT, Verdict::Missing, says)];
        }
    };
    let verdict = match config.machines.local.isolation {
        Isolation::Auto => Verdict::Ok,
        Isolation::None => Verdict::Poor,
    };
    let groups = if holds.memory_by_kernel && holds.processes_by_kernel {
        finding("control groups", Verdict::Ok, holds.cgroup)
    } else {
        let says = format!(
            "{}: limits of memory and processes are kept by watching, which is later; delegate a group to this user (systemd: Delegate=yes), or run as root",
            holds.cgroup
        );
        finding("control groups", Verdict::Poor, says)
    };
    vec![finding(WHAT, verdict, holds.to_string()), groups]
}

fn port(config: &Config, is_in_use: bool) -> Finding {
    const WHAT: &str = "port";
    let listen = config.server.listen;
    match TcpListener::bind(listen) {
        Ok(_) => finding(WHAT, Verdict::Ok, format!("{listen} is free")),
        Err(error) if is_in_use && error.kind() == std::io::ErrorKind::AddrInUse => {
            let says = format!("{listen} is taken, by the server that runs on the data folder");
            finding(WHAT, Verdict::Ok, says)
        }
        Err(error) => finding(
            WHAT,
            Verdict::Missing,
            telemetry::told(&not_bound(listen, &error)),
        ),
    }
}

/// Whether npm reaches its registry, the way that installs do.
async fn registry() -> Finding {
    const WHAT: &str = "npm registry";
    match output("npm", &["ping"], REGISTRY).await {
        Ok(_) => finding(WHAT, Verdict::Ok, "answers"),
        Err(why) => finding(
            WHAT,
            Verdict::Poor,
            format!(
                "{why}: apps with dependencies that are not cached cannot be installed; look at the network, and at npm config get registry"
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_old_node_is_doubted() {
        for fine in ["v20.0.0", "v20.20.2", "v24.1.0", "20.1", "nightly"] {
            assert_eq!(old_node(fine), None, "{fine}");
        }
        assert_eq!(
            old_node("v18.19.1").unwrap(),
            "v18.19.1 is older than 20, which is needed"
        );
    }
}

//! What holds on this box: found out by starting a sandbox, not by believing.

use std::{fmt, fs, time::Duration};

use nestling_domain::ids::{EnvironmentId, Generation};

use super::{
    Config, Isolation, Reason, Sandbox, inside, layout,
    order::INIT_INSIDE,
    selftest::{FINDINGS, Findings},
    usage,
};
use crate::messages::machines::{Size, Spec};

/// A sandbox starts within milliseconds; on a box that is on its knees it may take longer.
const TIME: Duration = Duration::from_secs(20);
/// Enough for a program that looks around.
const SIZE: Size = Size {
    memory_mib: 256,
    processes: 64,
    files: 256,
    disk_mib: 64,
};

/// What holds; its text is the one line for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// How machines are kept apart.
    pub isolation: Isolation,
    /// Whether each environment runs as a user of its own.
    pub own_users: bool,
    /// Whether system calls are filtered.
    pub filtered: bool,
    /// `cgroup v2`, `cgroup v1` or `no cgroup`.
    pub cgroup: &'static str,
    /// Whether the kernel, rather than the server's watcher, limits memory.
    pub memory_by_kernel: bool,
    /// Whether the kernel, rather than the server's watcher, limits processes.
    pub processes_by_kernel: bool,
}

impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = |kernel| if kernel { "the kernel" } else { "watching" };
        match self.isolation {
            Isolation::Sandbox => write!(
                f,
                "machines: sandboxed by bubblewrap, {}, ",
                if self.own_users {
                    "a user each"
                } else {
                    "all as this user"
                }
            )?,
            Isolation::None => write!(
                f,
                "machines: NOT isolated (--isolation none): run only your own code, "
            )?,
        }
        if self.filtered {
            write!(f, "system calls filtered, ")?;
        }
        let (memory, processes) = (by(self.memory_by_kernel), by(self.processes_by_kernel));
        write!(
            f,
            "memory limited by {memory}, processes by {processes} ({}), disk by watching",
            self.cgroup
        )?;
        if self.isolation == Isolation::Sandbox {
            write!(f, ", outbound only through the egress proxy")?;
        }
        Ok(())
    }
}

pub(super) async fn probe(config: &Config) -> Result<Capabilities, Reason> {
    let data = config
        .data
        .join(format!("self-test-{}", std::process::id()));
    let outcome = try_out(config, &data).await;
    let removed = usage::remove_tree(&data);
    let capabilities = outcome?;
    removed.map_err(|error| {
        Reason(format!(
            "could not remove the self-test in {}: {error}",
            data.display()
        ))
    })?;
    Ok(capabilities)
}

async fn try_out(config: &Config, data: &std::path::Path) -> Result<Capabilities, Reason> {
    let cannot = |error: std::io::Error| {
        Reason(format!(
            "the sandbox could not be tried out in {}: {error}",
            data.display()
        ))
    };
    layout::private_dir(data).map_err(cannot)?;
    let mut config = Config {
        data: data.to_owned(),
        ..config.clone()
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .map_err(cannot)?;
    let port = listener.local_addr().map_err(cannot)?.port();
    config.program = vec![INIT_INSIDE.to_owned()];
    config.program.extend(config.init.1.iter().cloned());
    config
        .program
        .extend([inside::SELF_TEST.to_owned(), port.to_string()]);
    let sandbox = Sandbox::open(config)?;
    let inner = &sandbox.inner;
    let mut capabilities = Capabilities {
        isolation: inner.config.isolation,
        own_users: inner.root && inner.config.isolation == Isolation::Sandbox,
        filtered: false,
        cgroup: inner.cgroups.name(),
        memory_by_kernel: inner.cgroups.limits_memory(),
        processes_by_kernel: inner.cgroups.limits_processes(),
    };
    if inner.config.isolation == Isolation::Sandbox {
        capabilities.filtered = look(&sandbox).await?.filtered;
    }
    inner.cgroups.leave();
    Ok(capabilities)
}

async fn look(sandbox: &Sandbox) -> Result<Findings, Reason> {
    let (environment, generation) = (EnvironmentId("self-test".to_owned()), Generation(1));
    let spec = Spec {
        token: String::new(),
        cache: "self-test".to_owned(),
        size: SIZE,
    };
    let machine = sandbox
        .inner
        .machine(&environment, generation)
        .map_err(Reason)?;
    sandbox
        .ensure(&environment, generation, &spec)
        .await
        .map_err(|error| Reason(error.to_string()))?;
    let ended = tokio::time::timeout(TIME, sandbox.watch(&environment, generation)).await;
    let findings = fs::read(machine.run().join(FINDINGS))
        .ok()
        .and_then(|bytes| serde_json::from_slice::<Findings>(&bytes).ok());
    sandbox
        .destroy(&environment, &[], generation, true)
        .await
        .map_err(|error| Reason(error.to_string()))?;
    let remedy = "user namespaces must be allowed (sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces, or kernel.apparmor_restrict_unprivileged_userns=0)";
    match (findings, ended) {
        (Some(findings), _) if findings.open.is_empty() => Ok(findings),
        (Some(findings), _) => Err(Reason(format!(
            "the sandbox does not hold on this box: {}",
            findings.open.join("; ")
        ))),
        (None, Ok(end)) => Err(Reason(format!(
            "the sandbox does not start on this box: {}; {remedy}",
            end.reason
        ))),
        (None, Err(_)) => Err(Reason(format!(
            "the sandbox did not answer within {} s; {remedy}",
            TIME.as_secs()
        ))),
    }
}

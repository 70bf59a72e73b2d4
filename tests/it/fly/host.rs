//! What machines of the model of Fly run here: the real runner, as processes of this box.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use nestling_protocol::{machine::STATE_DIR, network::PROXY_PORT};
use nestling_world::fly::{Boot, Check, Ended, Health, Host};

use crate::server::free_port;

/// Each in a folder and a pid namespace of its own, which ends as a whole. It is no sandbox: what runs here is ours.
#[derive(Debug)]
pub(crate) struct Runners {
    folder: PathBuf,
    /// Of whoever signed the server's certificate, where machines trust nobody else.
    trusted: Option<PathBuf>,
    running: BTreeMap<String, Runs>,
}

/// A machine that runs: its process, and where its proxy listens on this box, which nobody knows but Fly.
#[derive(Debug)]
struct Runs {
    child: Child,
    proxy: SocketAddr,
}

impl Runners {
    /// Machines have their disks below this folder.
    pub(crate) fn below(folder: &Path) -> Self {
        Runners {
            folder: folder.to_owned(),
            trusted: None,
            running: BTreeMap::new(),
        }
    }

    /// The same, which trust who signed this certificate.
    pub(crate) fn trusting(self, certificate: PathBuf) -> Self {
        Runners {
            trusted: Some(certificate),
            ..self
        }
    }

    /// What is on a volume, beyond the machines that mount it.
    fn volume(&self, id: &str) -> PathBuf {
        self.folder.join("volumes").join(id)
    }

    fn spawn(&self, boot: &Boot) -> std::io::Result<Runs> {
        let proxy = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let disk = self.folder.join(&boot.machine);
        let run = disk.join("run");
        fs::create_dir_all(&run)?;
        for file in &boot.files {
            // All of them are for the runner's own folder.
            let path = run.join(Path::new(&file.path).file_name().unwrap_or_default());
            fs::write(&path, &file.contents)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(file.mode))?;
        }
        let mut command = Command::new("bwrap");
        command.args(["--dev-bind", "/", "/", "--proc", "/proc"]);
        command.args(["--unshare-pid", "--die-with-parent", "--"]);
        command.args([env!("CARGO_BIN_EXE_nestling"), "runner", "--plain"]);
        let mounted = boot.mounts.iter().find(|(_, path)| path == STATE_DIR);
        let state = mounted.map_or_else(|| disk.join("state"), |(id, _)| self.volume(id));
        fs::create_dir_all(&state)?;
        command.arg("--state-dir").arg(state);
        for place in ["run", "server", "work", "cache"] {
            command.arg(format!("--{place}-dir")).arg(disk.join(place));
        }
        command.arg("--proxy-listen").arg(proxy.to_string());
        let trusted = self.trusted.iter().map(|path| ("SSL_CERT_FILE", path));
        command.envs(&boot.env).envs(trusted).stdin(Stdio::null());
        let child = command.stdout(Stdio::null()).spawn()?;
        Ok(Runs { child, proxy })
    }
}

impl Host for Runners {
    fn start(&mut self, boot: &Boot) -> Result<(), String> {
        let runs = self.spawn(boot).map_err(|error| error.to_string())?;
        self.running.insert(boot.machine.clone(), runs);
        Ok(())
    }

    fn signal(&mut self, _machine: &str, _signal: &str) {}

    fn halt(&mut self, machine: &str) {
        if let Some(mut runs) = self.running.remove(machine) {
            let _ = runs.child.kill();
            let _ = runs.child.wait();
        }
    }

    fn suspend(&mut self, machine: &str) {
        self.halt(machine);
    }

    fn resume(&mut self, _machine: &str) -> Result<(), String> {
        Err("its memory is not kept".to_owned())
    }

    fn destroy(&mut self, machine: &str) {
        self.halt(machine);
        let _ = fs::remove_dir_all(self.folder.join(machine));
    }

    fn destroy_volume(&mut self, volume: &str) {
        let _ = fs::remove_dir_all(self.volume(volume));
    }

    fn address(&self, machine: &str, port: u16) -> Option<SocketAddr> {
        let runs = self.running.get(machine)?;
        (port == PROXY_PORT).then_some(runs.proxy)
    }

    fn health(&self, machine: &str, _check: &Check) -> Health {
        if self.running.contains_key(machine) {
            Health::Passing
        } else {
            Health::Failing("it does not run".to_owned())
        }
    }

    fn ended(&mut self) -> Vec<Ended> {
        let mut ended = Vec::new();
        self.running.retain(|machine, runs| {
            let Ok(Some(status)) = runs.child.try_wait() else {
                return true;
            };
            ended.push(Ended {
                machine: machine.clone(),
                exit_code: status.code().unwrap_or(137),
            });
            false
        });
        ended
    }
}

//! The life of one machine: start, attach, stop, remove.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use nestling_domain::ids::{EnvironmentId, Generation};
use nestling_protocol::machine::{
    CACHE_DIR, EGRESS_SOCKET, RUN_DIR, SERVER_DIR, SERVER_SOCKET, STATE_DIR, TOKEN_FILE, WORK_DIR,
};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{
    EnvironmentDir, Inner, Live,
    fence::Fence,
    guard::{self, Guard},
    identity, inside,
    launch::give,
    layout::{self, MachineDir, read_json, write_durably},
    numbers::Owner,
    order::{Bind, INIT_INSIDE, Isolation, Order, Scratch},
    processes, sockets, usage,
};
use crate::messages::machines::{MachineError, Size, Spec};

/// The order to stop is repeated: the first may come before anyone inside listens.
const REMIND: Duration = Duration::from_millis(250);
/// `/dev/shm`: what browsers and databases need; counts as memory.
const SHARED_MEMORY: u64 = 256 << 20;
/// `/tmp` at most; counts as memory.
const TMP: u64 = 1 << 30;
/// Rounds of killing what a machine without isolation left behind.
const ROUNDS: u32 = 50;
/// Names the machine in the environment of its processes, by which those without a namespace are found.
const MARK: &str = "NESTLING_MACHINE";

/// What an adopting server has to know, beside the order.
#[derive(Debug, Serialize, Deserialize)]
struct Terms {
    cache: String,
    memory_mib: u64,
    processes: u64,
    files: u64,
    disk_mib: u64,
}

impl Inner {
    pub(super) async fn start(
        &self,
        environment: &EnvironmentId,
        generation: Generation,
        folder: &EnvironmentDir,
        spec: &Spec,
    ) -> Result<(), MachineError> {
        let cache = self
            .layout
            .cache(&spec.cache)
            .map_err(MachineError::Rejected)?;
        let machine = folder.machine(generation);
        let failed = |what: &str, error: &dyn std::fmt::Display| {
            MachineError::Failed(format!(
                "could not start generation {generation} of {environment}: {what}: {error}"
            ))
        };
        let lock = self
            .prepare(environment, generation, folder, &cache, spec)
            .map_err(|error| failed("its folder", &error))?;
        self.attach_sockets(environment, generation, folder)
            .map_err(|error| failed("its sockets", &error))?;
        let exit = File::create(machine.exit()).map_err(|error| failed("its exit file", &error))?;
        let output = output_file(&machine).map_err(|error| failed("its output file", &error))?;
        let (program, arguments) = &self.config.init;
        let child = tokio::process::Command::new(program)
            .args(arguments)
            .arg(machine.order())
            .stdin(Stdio::from(lock))
            .stdout(Stdio::from(exit))
            .stderr(Stdio::from(output))
            .spawn();
        let mut child = child.map_err(|error| failed("its launcher", &error))?;
        // Only to reap it, while this server lives: how the machine fares, the guard sees by itself.
        tokio::spawn(async move { child.wait().await });
        self.attend(environment, generation, folder);
        Ok(())
    }

    /// Makes the folder with all that the launcher needs; answers the lock, held.
    fn prepare(
        &self,
        environment: &EnvironmentId,
        generation: Generation,
        folder: &EnvironmentDir,
        cache: &Path,
        spec: &Spec,
    ) -> io::Result<File> {
        let machine = folder.machine(generation);
        layout::private_dir(&machine.path)?;
        let lock = identity::take_lock(&machine.lock())?
            .ok_or_else(|| io::Error::other("it lives already"))?;
        // What a start that was cut short left.
        for folder in [
            machine.run(),
            machine.server(),
            machine.work(),
            machine.etc(),
        ] {
            usage::remove_tree(&folder)?;
            fs::create_dir(&folder)?;
        }
        layout::private_dir(&folder.state())?;
        layout::private_dir(cache)?;
        let home = machine.work().join("home");
        fs::create_dir(&home)?;
        let token = machine.run().join(TOKEN_FILE);
        write_durably(&token, spec.token.as_bytes())?;
        let owner = self.owner(environment, &spec.cache)?;
        if let Some(Owner { uid, gid }) = owner {
            for path in [&machine.run(), &machine.work(), &home, &folder.state()] {
                give(path, uid, gid, 0o700)?;
            }
            give(&token, uid, gid, 0o600)?;
            give(cache, 0, gid, 0o2770)?;
        }
        fs::set_permissions(machine.server(), fs::Permissions::from_mode(0o755))?;
        write_etc(&machine.etc(), owner)?;
        let size = spec.size;
        let terms = Terms {
            cache: spec.cache.clone(),
            memory_mib: size.memory_mib,
            processes: size.processes,
            files: size.files,
            disk_mib: size.disk_mib,
        };
        write_durably(&terms_file(&machine), &serde_json::to_vec(&terms)?)?;
        let cgroups = self.cgroups.of(environment, generation).create(size)?;
        let order = self.order(environment, generation, folder, cache, owner, cgroups, size);
        write_durably(&machine.order(), &serde_json::to_vec_pretty(&order)?)?;
        Ok(lock)
    }

    fn owner(&self, environment: &EnvironmentId, cache: &str) -> io::Result<Option<Owner>> {
        if !self.root || self.config.isolation == Isolation::None {
            return Ok(None);
        }
        self.numbers
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .of(environment, cache)
            .map(Some)
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "one call, of what the order is made of"
    )]
    fn order(
        &self,
        environment: &EnvironmentId,
        generation: Generation,
        folder: &EnvironmentDir,
        cache: &Path,
        owner: Option<Owner>,
        cgroups: Vec<PathBuf>,
        size: Size,
    ) -> Order {
        let machine = folder.machine(generation);
        let sandboxed = self.config.isolation == Isolation::Sandbox;
        let own = [
            (machine.run(), RUN_DIR, true),
            (machine.server(), SERVER_DIR, false),
            (folder.state(), STATE_DIR, true),
            (machine.work(), WORK_DIR, true),
            (cache.to_owned(), CACHE_DIR, true),
            (self.config.init.0.clone(), INIT_INSIDE, false),
            (machine.etc().join("hosts"), "/etc/hosts", false),
            (machine.etc().join("passwd"), "/etc/passwd", false),
            (machine.etc().join("group"), "/etc/group", false),
        ];
        let place = |inside: &str| match own
            .iter()
            .find(|(_, target, _)| !sandboxed && *target == inside)
        {
            Some((source, ..)) => source.to_string_lossy().into_owned(),
            None => inside.to_owned(),
        };
        let mut variables = vec![
            ("HOME".to_owned(), format!("{}/home", place(WORK_DIR))),
            ("LANG".to_owned(), "C.UTF-8".to_owned()),
            (
                "PATH".to_owned(),
                if sandboxed {
                    self.system.path.clone()
                } else {
                    std::env::var("PATH").unwrap_or_default()
                },
            ),
            ("TMPDIR".to_owned(), "/tmp".to_owned()),
            (MARK.to_owned(), self.mark(environment, generation)),
        ];
        for (name, inside) in [
            ("RUN", RUN_DIR),
            ("SERVER", SERVER_DIR),
            ("STATE", STATE_DIR),
            ("WORK", WORK_DIR),
            ("CACHE", CACHE_DIR),
        ] {
            variables.push((format!("NESTLING_{name}_DIR"), place(inside)));
        }
        variables.extend(self.system.variables.iter().cloned());
        let mut init = vec![place(INIT_INSIDE)];
        init.extend(self.config.init.1.iter().cloned());
        init.push(inside::FLAG.to_owned());
        init.extend(self.config.program.iter().map(|word| {
            if word == INIT_INSIDE {
                place(INIT_INSIDE)
            } else {
                word.clone()
            }
        }));
        let mut binds = self.system.binds.clone();
        binds.extend(own.iter().map(|(source, target, writable)| Bind {
            source: source.clone(),
            target: (*target).to_owned(),
            writable: *writable,
        }));
        let mut symlinks = self.system.symlinks.clone();
        symlinks.push(("/tmp".to_owned(), "/var/tmp".to_owned()));
        Order {
            machine,
            isolation: self.config.isolation,
            bwrap: self.bwrap.clone(),
            owner,
            cgroups,
            files: size.files,
            file_bytes: size.disk_mib << 20,
            binds,
            symlinks,
            scratch: vec![
                Scratch {
                    target: "/tmp".to_owned(),
                    bytes: TMP.min(size.memory_mib << 19),
                },
                Scratch {
                    target: "/dev/shm".to_owned(),
                    bytes: SHARED_MEMORY.min(size.memory_mib << 19),
                },
            ],
            environment: variables,
            hostname: "machine".to_owned(),
            seccomp: self.filter.clone(),
            init,
        }
    }

    fn mark(&self, environment: &EnvironmentId, generation: Generation) -> String {
        format!(
            "{}:{environment}:{generation}",
            self.layout.root().display()
        )
    }

    /// Takes up a machine that lives already.
    pub(super) fn attach(
        &self,
        environment: &EnvironmentId,
        generation: Generation,
        folder: &EnvironmentDir,
    ) -> io::Result<()> {
        self.attach_sockets(environment, generation, folder)?;
        self.attend(environment, generation, folder);
        Ok(())
    }

    fn attach_sockets(
        &self,
        environment: &EnvironmentId,
        generation: Generation,
        folder: &EnvironmentDir,
    ) -> io::Result<()> {
        let server = folder.machine(generation).server();
        let (upstream, way_out) = (
            sockets::bind(&server, SERVER_SOCKET)?,
            sockets::bind(&server, EGRESS_SOCKET)?,
        );
        let relay = tokio::spawn(sockets::relay(
            upstream,
            Arc::from(self.config.server_socket.as_path()),
        ));
        let egress = tokio::spawn(
            Arc::clone(&self.egress).serve(way_out, format!("{environment}/{generation}")),
        );
        let (tell, ended) = watch::channel(None);
        self.live().insert(
            (environment.clone(), generation),
            Live {
                ended,
                tell: Some(tell),
                tasks: vec![relay.abort_handle(), egress.abort_handle()],
            },
        );
        Ok(())
    }

    fn attend(&self, environment: &EnvironmentId, generation: Generation, folder: &EnvironmentDir) {
        let Some(guard) = self.guard(environment, generation, folder) else {
            return;
        };
        let Some(tell) = self
            .live()
            .get_mut(&(environment.clone(), generation))
            .and_then(|live| live.tell.take())
        else {
            return;
        };
        let name = environment.clone();
        let task = tokio::spawn(async move {
            let reason = guard.keep().await;
            tracing::info!(environment.id = %name, %generation, "the machine of {name} at generation {generation} ended: {reason}");
            // Nobody may be waiting to hear it; it is in the machine's folder too.
            let _ = tell.send(Some(reason));
        });
        if let Some(live) = self.live().get_mut(&(environment.clone(), generation)) {
            live.tasks.push(task.abort_handle());
        }
    }

    /// What it takes to watch a machine; `None` when its terms cannot be read, so that it never really began.
    pub(super) fn guard(
        &self,
        environment: &EnvironmentId,
        generation: Generation,
        folder: &EnvironmentDir,
    ) -> Option<Guard> {
        let machine = folder.machine(generation);
        let terms: Terms = read_json(&terms_file(&machine))?;
        let order: Order = read_json(&machine.order())?;
        Some(Guard {
            cache: self.layout.cache(&terms.cache).ok()?,
            cache_mib: self.config.cache_mib,
            uid: order.owner.map(|owner| owner.uid),
            size: Size {
                memory_mib: terms.memory_mib,
                processes: terms.processes,
                files: terms.files,
                disk_mib: terms.disk_mib,
            },
            group: self.cgroups.of(environment, generation),
            watch_memory: !self.cgroups.limits_memory(),
            watch_processes: !self.cgroups.limits_processes(),
            state: folder.state(),
            machine,
        })
    }

    pub(super) async fn destroy(
        &self,
        environment: &EnvironmentId,
        folder: &EnvironmentDir,
        keep: &[Generation],
        erase: bool,
    ) -> Result<(), String> {
        let about = |what: &str, error: &dyn std::fmt::Display| {
            format!("could not remove {what} of {environment}: {error}")
        };
        if !folder.path.exists() {
            return Ok(());
        }
        let fence = Fence::load(&folder.fence()).map_err(|error| about("machines", &error))?;
        fence
            .without(keep)
            .save(&folder.fence())
            .map_err(|error| about("machines", &error))?;
        let mut doomed = folder
            .generations()
            .map_err(|error| about("machines", &error))?;
        doomed.retain(|generation| !keep.contains(generation));
        let stops = doomed
            .iter()
            .map(|generation| self.stop(environment, *generation));
        for outcome in futures::future::join_all(stops).await {
            outcome?;
        }
        for generation in doomed {
            self.live().remove(&(environment.clone(), generation));
            let group = self.cgroups.of(environment, generation);
            group
                .remove()
                .await
                .map_err(|error| about("the control group", &error))?;
            remove(folder.machine(generation).path)
                .await
                .map_err(|error| about(&format!("the files of generation {generation}"), &error))?;
        }
        if erase {
            remove(folder.state())
                .await
                .map_err(|error| about("the state folder", &error))?;
            let mut numbers = self
                .numbers
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            numbers
                .forget(environment)
                .map_err(|error| about("the user", &error))?;
        }
        Ok(())
    }

    async fn stop(
        &self,
        environment: &EnvironmentId,
        generation: Generation,
    ) -> Result<(), String> {
        let machine = self.machine(environment, generation)?;
        if identity::lives(&machine) {
            guard::condemn(&machine, "it was stopped");
            match identity::init(&machine).await {
                Some(init) => end(init, self.config.stop_grace).await,
                // Nobody said which is pid 1: all that its control group holds.
                None => kill_all(&self.cgroups.of(environment, generation).processes()),
            }
        }
        if self.config.isolation == Isolation::None {
            let mark = format!("{MARK}={}", self.mark(environment, generation));
            let killed = tokio::task::spawn_blocking(move || {
                (0..ROUNDS).any(|_| processes::kill_marked(&mark) == 0)
            })
            .await;
            if !killed.unwrap_or_default() {
                return Err(format!(
                    "processes of generation {generation} of {environment} keep coming back: end them by hand"
                ));
            }
        }
        if guard::released(&machine).await {
            return Ok(());
        }
        Err(format!(
            "generation {generation} of {environment} does not end: see who holds {}",
            machine.lock().display()
        ))
    }
}

/// Asks pid 1 to end with its runner, and ends it when it does not in time.
async fn end(init: identity::Init, grace: Duration) {
    let deadline = tokio::time::Instant::now() + grace;
    while tokio::time::Instant::now() < deadline {
        if !init.signal(Signal::TERM)
            || tokio::time::timeout(REMIND.min(grace), init.ended())
                .await
                .is_ok()
        {
            return;
        }
    }
    init.signal(Signal::KILL);
    // Nothing withstands that, but a process in the midst of a device's answer may take a moment.
    let _ = tokio::time::timeout(grace.max(REMIND), init.ended()).await;
}

fn kill_all(pids: &[i32]) {
    for pid in pids
        .iter()
        .filter_map(|pid| rustix::process::Pid::from_raw(*pid))
    {
        let _ = rustix::process::kill_process(pid, Signal::KILL);
    }
}

async fn remove(path: PathBuf) -> io::Result<()> {
    tokio::task::spawn_blocking(move || usage::remove_tree(&path))
        .await
        .map_err(io::Error::other)?
}

fn terms_file(machine: &MachineDir) -> PathBuf {
    machine.path.join("terms.json")
}

fn output_file(machine: &MachineDir) -> io::Result<File> {
    File::options()
        .create(true)
        .read(true)
        .append(true)
        .mode(0o600)
        .open(machine.output())
}

/// The stubs of `/etc`: who one is, and that `localhost` is here.
fn write_etc(folder: &Path, owner: Option<Owner>) -> io::Result<()> {
    let own = Owner {
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
    };
    let Owner { uid, gid } = owner.unwrap_or(own);
    let files = [
        (
            "hosts",
            "127.0.0.1 localhost machine\n::1 localhost machine\n".to_owned(),
        ),
        (
            "passwd",
            format!(
                "root:x:0:0::/nonexistent:/usr/sbin/nologin\nnestling:x:{uid}:{gid}::{WORK_DIR}/home:/bin/sh\nnobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n"
            ),
        ),
        (
            "group",
            format!("root:x:0:\nnestling:x:{gid}:\nnogroup:x:65534:\n"),
        ),
    ];
    for (name, content) in files {
        let path = folder.join(name);
        fs::write(&path, content)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
    }
    Ok(())
}

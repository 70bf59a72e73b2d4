//! What a machine is made of: its folder, and the order for the launcher.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use nestling_domain::ids::{EnvironmentId, Generation};
use nestling_protocol::machine::{
    CACHE_DIR, MEMORY_EVENTS, RUN_DIR, SERVER_DIR, STATE_DIR, TOKEN_FILE, WORK_DIR,
};
use serde::{Deserialize, Serialize};

use super::{
    EnvironmentDir, Inner, caches, etc,
    guard::Guard,
    identity, inside,
    launch::give,
    layout::{self, MachineDir, read_json, write_whole},
    numbers::Owner,
    order::{Bind, INIT_INSIDE, Isolation, Order, Scratch},
    usage,
};
use crate::messages::machines::{Size, Spec};

/// `/dev/shm`: what browsers and databases need; counts as memory.
const SHARED_MEMORY: u64 = 256 << 20;
/// `/tmp` at most; counts as memory.
const TMP: u64 = 1 << 30;
/// Names the machine in the environment of its processes, by which those without a namespace are found.
pub(super) const MARK: &str = "NESTLING_MACHINE";

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
    /// Makes the folder with all that the launcher needs; answers the lock, held.
    pub(super) fn prepare(
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
        for folder in [machine.run(), machine.server(), machine.work()] {
            usage::remove_tree(&folder)?;
            fs::create_dir(&folder)?;
        }
        layout::private_dir(&folder.state())?;
        layout::private_dir(cache)?;
        caches::touch(cache)?;
        let home = machine.work().join("home");
        fs::create_dir(&home)?;
        let token = machine.run().join(TOKEN_FILE);
        write_whole(&token, spec.token.as_bytes())?;
        let owner = self.owner(environment, &spec.cache)?;
        if let Some(Owner { uid, gid }) = owner {
            for path in [&machine.run(), &machine.work(), &home, &folder.state()] {
                give(path, uid, gid, 0o700)?;
            }
            give(&token, uid, gid, 0o600)?;
            give(cache, 0, gid, 0o2770)?;
        }
        fs::set_permissions(machine.server(), fs::Permissions::from_mode(0o755))?;
        write_memory_events(&machine, 0)?;
        etc::introduce(&folder.own(), owner)?;
        let size = spec.size;
        let terms = Terms {
            cache: spec.cache.clone(),
            memory_mib: size.memory_mib,
            processes: size.processes,
            files: size.files,
            disk_mib: size.disk_mib,
        };
        write_whole(&terms_file(&machine), &serde_json::to_vec(&terms)?)?;
        let cgroups = self.cgroups.of(environment, generation).create(size)?;
        let order = self.order(environment, generation, folder, cache, owner, cgroups, size);
        write_whole(&machine.order(), &serde_json::to_vec_pretty(&order)?)?;
        Ok(lock)
    }

    fn owner(&self, environment: &EnvironmentId, cache: &str) -> io::Result<Option<Owner>> {
        if !self.root || self.config.isolation == Isolation::None {
            return Ok(None);
        }
        self.numbers().of(environment, cache).map(Some)
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
            (self.layout.etc(), etc::SHARED, false),
            (folder.own(), etc::OWN, false),
        ];
        // In the place of our own file, which lies there for it.
        let kernels = self.cgroups.of(environment, generation).memory_events();
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
        binds.extend(kernels.map(|source| Bind {
            source,
            target: format!("{SERVER_DIR}/{MEMORY_EVENTS}"),
            writable: false,
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

    pub(super) fn mark(&self, environment: &EnvironmentId, generation: Generation) -> String {
        format!(
            "{}:{environment}:{generation}",
            self.layout.root().display()
        )
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
}

/// Says to the runner how often something was killed for its memory, where no control group does.
pub(super) fn write_memory_events(machine: &MachineDir, kills: u64) -> io::Result<()> {
    let file = machine.server().join(MEMORY_EVENTS);
    fs::write(&file, format!("oom_kill {kills}\n"))?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644))
}

/// Which dependency cache a machine was made with.
pub(super) fn cache_group(machine: &MachineDir) -> Option<String> {
    let terms: Terms = read_json(&terms_file(machine))?;
    Some(terms.cache)
}

fn terms_file(machine: &MachineDir) -> PathBuf {
    machine.path.join("terms.json")
}

//! The life of one machine: start, attach, stop, remove.

use std::{
    fs::File, io, os::unix::fs::OpenOptionsExt as _, path::PathBuf, process::Stdio, sync::Arc,
    time::Duration,
};

use nestling_domain::ids::{EnvironmentId, Generation};
use nestling_protocol::machine::{EGRESS_SOCKET, SERVER_SOCKET};
use rustix::process::Signal;
use tokio::sync::{OwnedMutexGuard, watch};

use super::{
    EnvironmentDir, Inner, Isolation, Live, Sandbox, fence::Fence, guard, identity,
    layout::MachineDir, plan::MARK, processes, sockets, usage, verdict,
};
use crate::messages::machines::{MachineError, Spec};

/// The order to stop is repeated: the first may come before anyone inside listens.
const REMIND: Duration = Duration::from_millis(250);
/// Rounds of killing what a machine without isolation left behind.
const ROUNDS: u32 = 50;
/// How long the last traces of a machine may take to go.
const LET_GO: Duration = Duration::from_secs(3);
const REMOVE_AGAIN: Duration = Duration::from_millis(20);

impl Sandbox {
    /// Ensures that of this environment no machine up to `upto` lives but those of `keep`, and answers those that are no
    /// more. Their files stay until [`destroy`](Self::destroy), but for what they have built.
    pub async fn end(
        &self,
        environment: &EnvironmentId,
        keep: &[Generation],
        upto: Generation,
    ) -> Result<Vec<Generation>, MachineError> {
        let (folder, _gate) = self.enter(environment).await?;
        let (doomed, _) = partition(environment, &folder, keep, upto)?;
        self.inner.fence_off(environment, &folder, keep, upto)?;
        let ended = self.inner.stop_all(environment, &doomed).await;
        ended.map_err(MachineError::Failed)?;
        for generation in &doomed {
            // What fills a disk goes at once: what is kept of its log may need the room.
            let work = folder.machine(*generation).work();
            remove(work)
                .await
                .map_err(|error| MachineError::Failed(about(environment, "the build", &error)))?;
        }
        Ok(doomed)
    }

    /// Ensures that of this environment no machine up to `upto` is left but those of `keep`, and with `erase`
    /// no state folder either; see [`Destroy`](crate::messages::machines::Destroy).
    pub async fn destroy(
        &self,
        environment: &EnvironmentId,
        keep: &[Generation],
        upto: Generation,
        erase: bool,
    ) -> Result<(), MachineError> {
        let (folder, _gate) = self.enter(environment).await?;
        let (doomed, stays) = partition(environment, &folder, keep, upto)?;
        if let (true, Some(one)) = (erase, stays.first()) {
            return Err(MachineError::Rejected(format!(
                "the state of {environment} cannot go while generation {one} stays"
            )));
        }
        self.inner.fence_off(environment, &folder, keep, upto)?;
        self.inner
            .remove(environment, &folder, doomed, erase)
            .await
            .map_err(MachineError::Failed)
    }

    /// The folder of an environment, for one at a time.
    async fn enter(
        &self,
        environment: &EnvironmentId,
    ) -> Result<(EnvironmentDir, OwnedMutexGuard<()>), MachineError> {
        let folder = self
            .inner
            .layout
            .environment(environment)
            .map_err(MachineError::Rejected)?;
        Ok((folder, self.inner.gate(environment).lock_owned().await))
    }
}

/// The generations that are to go, and those that stay.
fn partition(
    environment: &EnvironmentId,
    folder: &EnvironmentDir,
    keep: &[Generation],
    upto: Generation,
) -> Result<(Vec<Generation>, Vec<Generation>), MachineError> {
    let all = folder.generations().map_err(|error| {
        MachineError::Failed(format!(
            "could not list the machines of {environment}: {error}"
        ))
    })?;
    let doomed = |generation: &Generation| *generation <= upto && !keep.contains(generation);
    Ok(all.into_iter().partition(doomed))
}

fn about(environment: &EnvironmentId, what: &str, error: &dyn std::fmt::Display) -> String {
    format!("could not remove {what} of {environment}: {error}")
}

#[allow(
    clippy::unused_async,
    clippy::unused_self,
    reason = "one form for all that is done to a machine"
)]
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
        tracing::debug!(environment.id = %environment, %generation, "started the launcher of {environment} at generation {generation}");
        // Only to reap it, while this server lives: how the machine fares, the guard sees by itself.
        tokio::spawn(async move { child.wait().await });
        self.attend(environment, generation, folder);
        Ok(())
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
            let end = guard.keep().await;
            tracing::info!(environment.id = %name, %generation, "the machine of {name} at generation {generation} ended: {}", end.reason);
            // Nobody may be waiting to hear it; it is in the machine's folder too.
            let _ = tell.send(Some(end));
        });
        if let Some(live) = self.live().get_mut(&(environment.clone(), generation)) {
            live.tasks.push(task.abort_handle());
        }
    }

    /// Writes down that nothing up to `upto` starts any more, but for `keep`.
    fn fence_off(
        &self,
        environment: &EnvironmentId,
        folder: &EnvironmentDir,
        keep: &[Generation],
        upto: Generation,
    ) -> Result<(), MachineError> {
        if !folder.path.exists() {
            return Ok(());
        }
        let fenced = Fence::load(&folder.fence())
            .and_then(|fence| fence.without(keep, upto).save(&folder.fence()));
        fenced.map_err(|error| {
            MachineError::Failed(format!("could not fence {environment}: {error}"))
        })
    }

    async fn stop_all(
        &self,
        environment: &EnvironmentId,
        doomed: &[Generation],
    ) -> Result<(), String> {
        let stops = doomed
            .iter()
            .map(|generation| self.stop(environment, *generation));
        for outcome in futures::future::join_all(stops).await {
            outcome?;
        }
        Ok(())
    }

    async fn remove(
        &self,
        environment: &EnvironmentId,
        folder: &EnvironmentDir,
        doomed: Vec<Generation>,
        erase: bool,
    ) -> Result<(), String> {
        let about = |what: &str, error: &dyn std::fmt::Display| about(environment, what, error);
        self.stop_all(environment, &doomed).await?;
        for generation in doomed {
            self.let_go(environment, generation).await;
            let group = self.cgroups.of(environment, generation);
            group
                .remove()
                .await
                .map_err(|error| about("the control group", &error))?;
            let gone = remove(folder.machine(generation).path).await;
            gone.map_err(|error| about(&format!("the files of generation {generation}"), &error))?;
        }
        if erase {
            for doomed in [folder.state(), folder.own()] {
                remove(doomed)
                    .await
                    .map_err(|error| about("the state folder", &error))?;
            }
            self.numbers()
                .forget(environment)
                .map_err(|error| about("the user", &error))?;
        }
        Ok(())
    }

    /// Waits for who watches the machine, which still writes into its folder, and closes its sockets.
    async fn let_go(&self, environment: &EnvironmentId, generation: Generation) {
        let key = (environment.clone(), generation);
        let ended = self.live().get(&key).map(|live| live.ended.clone());
        if let Some(mut ended) = ended {
            // Not there when it never began: its sender is gone, and that answers too.
            let _ = tokio::time::timeout(LET_GO, ended.wait_for(Option::is_some)).await;
        }
        self.live().remove(&key);
    }

    async fn stop(
        &self,
        environment: &EnvironmentId,
        generation: Generation,
    ) -> Result<(), String> {
        let machine = self.machine(environment, generation)?;
        if identity::lives(&machine) {
            verdict::condemn(&machine, "it was stopped", None, true);
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

/// Removes a folder; again while the last processes, already condemned, still write into it.
async fn remove(path: PathBuf) -> io::Result<()> {
    let deadline = tokio::time::Instant::now() + LET_GO;
    loop {
        let doomed = path.clone();
        let outcome = tokio::task::spawn_blocking(move || usage::remove_tree(&doomed))
            .await
            .map_err(io::Error::other)?;
        match outcome {
            Err(error)
                if error.kind() == io::ErrorKind::DirectoryNotEmpty
                    && tokio::time::Instant::now() < deadline =>
            {
                tokio::time::sleep(REMOVE_AGAIN).await;
            }
            outcome => return outcome,
        }
    }
}

fn output_file(machine: &MachineDir) -> io::Result<File> {
    File::options()
        .create(true)
        .read(true)
        .append(true)
        .mode(0o600)
        .open(machine.output())
}

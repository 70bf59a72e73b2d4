//! A running step: its output into a log, its end, and the end of everything that it started.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nestling_protocol::log::Source;
use nestling_protocol::report::Exit;
use rustix::process::{Pid as RawPid, Signal, kill_process, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Child;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::Isolation;
use crate::log::{LINE_LIMIT, Logger};
use crate::memory;
use crate::sandbox::{Sandbox, Step};
use crate::tree::{self, Pid};

/// How long output may still arrive after a step's processes are gone.
const DRAIN: Duration = Duration::from_secs(2);
/// How often to look whether processes that were asked to end are gone.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The most that is kept of an output that is to be read as a test report.
const CAPTURE_LIMIT: usize = 5 * 1024 * 1024;

/// The first part of one of a step's two outputs, kept to be read. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Capture {
    of: Source,
    /// Whether the log has it, too.
    logged: bool,
    kept: Arc<Mutex<Vec<u8>>>,
}

impl Capture {
    /// Keeps what is said on one of the two.
    pub(crate) fn of(of: Source) -> Self {
        Capture {
            of,
            logged: true,
            kept: Arc::default(),
        }
    }

    /// Keeps what is said on standard output.
    pub(crate) fn of_output() -> Self {
        Capture::of(Source::Out)
    }

    /// The same, and the log says nothing of it: it is for us and not for people.
    pub(crate) fn of_output_alone() -> Self {
        Capture {
            logged: false,
            ..Capture::of_output()
        }
    }

    /// What was kept, secrets masked.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.kept.lock().unwrap_or_else(PoisonError::into_inner))
            .into_owned()
    }

    /// Whether there was more than is kept.
    pub(crate) fn is_full(&self) -> bool {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.len() >= CAPTURE_LIMIT
    }

    fn keep(&self, bytes: &[u8]) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let room = CAPTURE_LIMIT.saturating_sub(kept.len()).min(bytes.len());
        kept.extend_from_slice(&bytes[..room]);
    }
}

/// Which processes of a step are asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whom {
    /// All of them, whatever started them.
    All,
    /// The one that was started; it sees to its own children.
    First,
}

/// A step that runs. Dropped, it and all that it started are killed.
pub(crate) struct Running {
    child: Child,
    pid: Pid,
    isolation: Isolation,
    readers: JoinSet<()>,
    /// Where the server says that something was killed for its memory, and how often that was so at the start.
    memory: PathBuf,
    memory_kills: Option<u64>,
    killed_by_us: bool,
    ended: Option<Exit>,
}

impl Running {
    /// Starts a step; what it says goes to `log`, and its standard output to `capture` too. `server_dir` is where the
    /// server says that something was killed for its memory.
    pub(crate) fn start(
        (sandbox, server_dir): (&Sandbox, &Path),
        step: &Step,
        log: &Logger,
        capture: Option<Capture>,
    ) -> io::Result<Self> {
        let mut command = sandbox.command(step);
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let memory_kills = memory::kills(server_dir);
        let mut child = memory::first_to_go(|| command.spawn())?;
        let pid = child
            .id()
            .and_then(|pid| Pid::try_from(pid).ok())
            .unwrap_or(0);
        let mut readers = JoinSet::new();
        if let Some(out) = child.stdout.take() {
            readers.spawn(read(out, Source::Out, log.clone(), capture.clone()));
        }
        if let Some(err) = child.stderr.take() {
            readers.spawn(read(err, Source::Err, log.clone(), capture));
        }
        Ok(Running {
            child,
            pid,
            isolation: sandbox.isolation,
            readers,
            memory: server_dir.to_owned(),
            memory_kills,
            killed_by_us: false,
            ended: None,
        })
    }

    /// The processes of the step, as this machine counts them.
    pub(crate) fn processes(&self) -> Vec<Pid> {
        let mut all: Vec<Pid> = tree::descendants(self.pid).into_iter().collect();
        if self.isolation == Isolation::None {
            all.push(self.pid);
        }
        all
    }

    /// Waits until the step has ended and all of its output is in the log.
    pub(crate) async fn ended(&mut self) -> Exit {
        if let Some(exit) = self.ended {
            return exit;
        }
        let status = self.child.wait().await;
        self.kill_all();
        if timeout(DRAIN, async {
            while self.readers.join_next().await.is_some() {}
        })
        .await
        .is_err()
        {
            self.readers.abort_all();
        }
        let exit = status.map_or(Exit::Code(-1), |status| self.meaning(status));
        self.ended = Some(exit);
        exit
    }

    /// Waits for the end, at most until the deadline; then all of it is killed.
    pub(crate) async fn ended_by(&mut self, deadline: Instant) -> Exit {
        tokio::select! {
            exit = self.ended() => return exit,
            () = sleep_until(deadline) => {}
        }
        self.kill().await;
        Exit::Timeout
    }

    /// Asks the step to end (SIGTERM), and kills what is left after `grace`.
    pub(crate) async fn stop(&mut self, grace: Duration, whom: Whom) {
        if self.ended.is_some() {
            return;
        }
        let gone = async {
            let mut asked: BTreeSet<Pid> = BTreeSet::new();
            loop {
                // What a script starts next is asked too.
                for pid in self.asked(whom) {
                    if asked.insert(pid) {
                        signal(pid, Signal::TERM);
                    }
                }
                if !asked.iter().any(|pid| tree::is_alive(*pid)) {
                    return;
                }
                sleep(LOOK_EVERY).await;
            }
        };
        let _ = timeout(grace, gone).await;
        self.kill().await;
    }

    /// Who is asked to end. Not the sandbox's own processes, and no shell that waits for a command: with
    /// them the rest would end at once.
    fn asked(&self, whom: Whom) -> Vec<Pid> {
        let below = self.processes();
        let reaper = below.iter().copied().find(|pid| tree::is_reaper(*pid));
        let top = match self.isolation {
            Isolation::None => Some(self.pid),
            Isolation::Nested => reaper.and_then(tree::first_child),
        };
        match whom {
            Whom::First => top.into_iter().collect(),
            Whom::All => below
                .into_iter()
                .filter(|pid| Some(*pid) != reaper && !tree::is_waiting_shell(*pid))
                .collect(),
        }
    }

    /// Kills all of it and waits until it is gone.
    pub(crate) async fn kill(&mut self) {
        self.killed_by_us = true;
        self.kill_all();
        self.ended().await;
    }

    fn kill_all(&mut self) {
        let _ = self.child.start_kill();
        if self.isolation == Isolation::None
            && let Some(group) = RawPid::from_raw(self.pid)
        {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    fn meaning(&self, status: ExitStatus) -> Exit {
        let signal = match (status.signal(), status.code()) {
            (Some(signal), _) => Some(signal),
            // Sandboxes and shells say "ended by signal n" as 128 + n.
            (None, Some(code @ 129..=159)) => Some(code - 128),
            (None, _) => None,
        };
        match signal {
            Some(9) if !self.killed_by_us && memory::kills(&self.memory) > self.memory_kills => {
                Exit::Memory
            }
            Some(signal) => Exit::Signal(signal),
            None => Exit::Code(status.code().unwrap_or(-1)),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.kill_all();
        }
    }
}

fn signal(pid: Pid, signal: Signal) {
    if let Some(pid) = RawPid::from_raw(pid) {
        let _ = kill_process(pid, signal);
    }
}

/// Reads a stream into the log: masked, split into lines, cut where a line is too long.
async fn read(
    mut stream: impl AsyncRead + Unpin,
    from: Source,
    log: Logger,
    capture: Option<Capture>,
) {
    let capture = capture.filter(|capture| capture.of == from);
    let logged = capture.as_ref().is_none_or(|capture| capture.logged);
    let mut masked = log.mask().stream();
    let mut rest: Vec<u8> = Vec::new();
    let mut chunk = vec![0; 16 * 1024];
    let mut cutting = false;
    loop {
        let (bytes, last) = match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => (masked.end(), true),
            Ok(length) => (masked.feed(&chunk[..length]), false),
        };
        if let Some(capture) = &capture {
            capture.keep(&bytes);
        }
        if !logged {
            if last {
                return;
            }
            continue;
        }
        rest.extend_from_slice(&bytes);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            if !std::mem::take(&mut cutting) {
                log.line(from, text(&rest[..end]));
            }
            rest.drain(..=end);
        }
        if rest.len() > LINE_LIMIT {
            // The rest of an endless line is not kept in memory.
            if !std::mem::replace(&mut cutting, true) {
                log.line(from, text(&rest));
            }
            rest.clear();
        }
        if last {
            if !rest.is_empty() && !cutting {
                log.line(from, text(&rest));
            }
            return;
        }
    }
}

fn text(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    String::from_utf8_lossy(line).into_owned()
}

/// The words for an end, for a person.
pub(crate) fn words(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("ended with code {code}"),
        Exit::Signal(9) => "was killed (signal 9); the usual cause is that it used more memory than its machine has".into(),
        Exit::Signal(25) => "was ended by signal 25, because it wrote a file larger than the whole disk of its machine (machines.local.disk_mib)".into(),
        Exit::Signal(signal) => format!("was ended by signal {signal}"),
        Exit::Memory => "used more memory than its machine has and was killed".into(),
        Exit::Timeout => "took too long and was killed".into(),
    }
}

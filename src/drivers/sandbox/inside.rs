//! Pid 1 of a machine: starts the runner, passes on the order to stop, reaps, and ends with it.
//!
//! That it is pid 1 makes the machine simple: when the runner ends, pid 1 ends, and the kernel ends whatever
//! else lives in the namespace. Its standard input is the machine's lock and goes to nobody else, so "the lock
//! is held" and "the machine lives" are one fact. Its standard output is the exit file.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Read as _, Write as _},
    os::{fd::AsFd as _, unix::fs::FileExt as _},
    process::{Child, Command, ExitCode, Stdio},
    thread,
    time::Duration,
};

use rustix::process::{DumpableBehavior, Pid, Signal, WaitOptions, WaitStatus};
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};

use super::{processes, selftest};

pub(super) const FLAG: &str = "--inside";
pub(super) const SELF_TEST: &str = "--self-test";

/// The most that is kept of what runner and sandbox say; the runner's own logs go elsewhere, so this only
/// has to hold a panic or a complaint of bubblewrap.
const OUTPUT_BYTES: u64 = 1 << 20;
/// Below everything else on this box, so that busy machines do not slow the server or each other's start. Here and not
/// earlier, so that the start itself is not slowed by them: the runner does the same before it runs anything.
const NICE: i32 = 10;
/// How long to wait for the last words of a runner whose children still hold its pipe.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// How the runner ended, as pid 1 writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Exit {
    pub(super) code: Option<i32>,
    pub(super) signal: Option<i32>,
}

/// Runs as pid 1 with the runner's argv.
pub(super) fn run(program: &[OsString]) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime.and_then(|runtime| runtime.block_on(keep(program))) {
        Ok(exit) => {
            // The server reads this to say why; the lock, not this file, says that the machine ended.
            let _ = serde_json::to_writer(io::stdout(), &exit).map(|()| io::stdout().flush());
            exit.code
                .and_then(|code| u8::try_from(code).ok())
                .map_or(ExitCode::FAILURE, ExitCode::from)
        }
        Err(error) => {
            let _ = writeln!(
                io::stderr(),
                "could not start {}: {error}",
                program
                    .first()
                    .map_or("nothing".into(), |name| name.to_string_lossy())
            );
            ExitCode::from(126)
        }
    }
}

/// Looks around inside a sandbox and writes down what it sees, for [`Sandbox::probe`](super::Sandbox::probe).
pub(super) fn self_test(port: &[OsString]) -> ExitCode {
    let port = port
        .first()
        .and_then(|text| text.to_str()?.parse().ok())
        .unwrap_or_default();
    match selftest::look_around(port) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "the self-test could not report: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn keep(program: &[OsString]) -> io::Result<Exit> {
    // What shares our user must neither trace us nor read our descriptors.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    // Without a namespace, orphans come to us all the same.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let mut stop = signal(SignalKind::terminate())?;
    let mut children = signal(SignalKind::child())?;
    let (name, arguments) = program
        .split_first()
        .ok_or_else(|| io::Error::other("no program is named"))?;
    let mut child = Command::new(name)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let runner = i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| io::Error::other("the runner has no pid"))?;
    // Refused, it costs others some time and nothing else.
    let _ = rustix::process::nice(NICE);
    listen(&mut child)?;
    loop {
        tokio::select! {
            Some(()) = stop.recv() => {
                // Already gone: then its end is on the way to us.
                let _ = rustix::process::kill_process(runner, Signal::TERM);
            }
            Some(()) = children.recv() => {
                if let Some(exit) = reap(runner) {
                    processes::kill_descendants(rustix::process::getpid());
                    tokio::time::sleep(LAST_WORDS).await;
                    return Ok(exit);
                }
            }
        }
    }
}

fn reap(runner: Pid) -> Option<Exit> {
    let mut ended = None;
    while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
        if pid == runner {
            ended = Some(exit_of(status));
        }
    }
    ended
}

fn exit_of(status: WaitStatus) -> Exit {
    Exit {
        code: status.exit_status(),
        signal: status.terminating_signal(),
    }
}

fn listen(child: &mut Child) -> io::Result<()> {
    let mut pumps: Vec<Box<dyn io::Read + Send>> = Vec::new();
    if let Some(pipe) = child.stdout.take() {
        pumps.push(Box::new(pipe));
    }
    if let Some(pipe) = child.stderr.take() {
        pumps.push(Box::new(pipe));
    }
    for mut pipe in pumps {
        let mut output = Bounded {
            file: File::from(io::stderr().as_fd().try_clone_to_owned()?),
        };
        thread::Builder::new()
            .name("output".to_owned())
            .spawn(move || {
                let mut buffer = [0; 8192];
                while let Ok(n @ 1..) = pipe.read(&mut buffer) {
                    // A full disk must not block the runner: its words are lost then.
                    let _ = output.append(&buffer[..n]);
                }
            })?;
    }
    Ok(())
}

/// A file that keeps the newer half of what is written once it is full.
struct Bounded {
    file: File,
}

impl Bounded {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        if length > OUTPUT_BYTES {
            let mut newer = vec![0; usize::try_from(OUTPUT_BYTES / 2).unwrap_or_default()];
            self.file
                .read_exact_at(&mut newer, length - OUTPUT_BYTES / 2)?;
            self.file.write_all_at(&newer, 0)?;
            self.file.set_len(OUTPUT_BYTES / 2)?;
        }
        // Opened for appending, so that both pumps and bubblewrap write at the end.
        self.file.write_all(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_stays_bounded_and_keeps_the_newest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("output");
        let file = File::options()
            .create(true)
            .read(true)
            .append(true)
            .open(&path)
            .unwrap();
        let mut output = Bounded { file };
        for _ in 0..400 {
            output.append(&[b'x'; 8192]).unwrap();
        }
        output.append(b"the last words").unwrap();
        let kept = std::fs::read(&path).unwrap();
        assert!(
            kept.len() as u64 <= OUTPUT_BYTES + 16384,
            "{} bytes",
            kept.len()
        );
        assert!(kept.ends_with(b"the last words"));
    }
}

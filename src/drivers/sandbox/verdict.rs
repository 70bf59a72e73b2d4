//! Why a machine ended: the first reason that was written down, else what can be told from its traces.

use std::{
    fs,
    io::{self, Read as _, Seek as _, SeekFrom},
};

use nestling_protocol::report::Exit as AppExit;
use serde::{Deserialize, Serialize};

use super::{
    identity,
    inside::Exit,
    layout::{MachineDir, read_json, write_durably},
};
use crate::messages::machines::End;

/// The signal that the kernel ends a process with whose memory it needs.
const KILLED: i32 = 9;
/// How much of its last words stands in the reason.
const LAST_WORDS: u64 = 600;

/// As it stands in the machine's folder.
#[derive(Debug, Serialize, Deserialize)]
struct Verdict {
    reason: String,
    retry: bool,
    #[serde(default)]
    exit: Option<AppExit>,
}

/// What was written down.
pub(super) fn read(machine: &MachineDir) -> Option<End> {
    let Verdict {
        reason,
        retry,
        exit,
    } = read_json(&machine.verdict())?;
    Some(End {
        reason,
        retry,
        exit,
        tail: Vec::new(),
    })
}

/// Writes down why a machine is about to end, or has; the first reason stays.
pub(super) fn condemn(machine: &MachineDir, reason: &str, exit: Option<AppExit>, retry: bool) {
    if machine.verdict().exists() {
        return;
    }
    let verdict = Verdict {
        reason: reason.to_owned(),
        retry,
        exit,
    };
    let written = serde_json::to_vec(&verdict)
        .map_err(io::Error::other)
        .and_then(|bytes| write_durably(&machine.verdict(), &bytes));
    if let Err(error) = written {
        tracing::warn!(%error, "could not write down why {} ended ({reason}): {error}", machine.path.display());
    }
}

/// Whether nothing of it ended by itself: its runner was killed, or pid 1 before it could say how the runner ended.
pub(super) fn was_killed(machine: &MachineDir) -> bool {
    let exit: Option<Exit> = read_json(&machine.exit());
    exit.is_none_or(|exit| exit.signal == Some(KILLED))
}

/// Why a machine that is gone has ended.
pub(super) fn reach(machine: &MachineDir) -> End {
    if let Some(end) = read(machine) {
        return end;
    }
    let exit: Option<Exit> = read_json(&machine.exit());
    let record: Option<identity::Record> = read_json(&machine.record());
    let what = match (exit, record) {
        (
            Some(Exit {
                code: Some(code), ..
            }),
            _,
        ) => format!("its runner ended with exit code {code}"),
        (
            Some(Exit {
                signal: Some(signal),
                ..
            }),
            _,
        ) => format!("its runner was killed by signal {signal}"),
        (_, Some(record)) if record.boot != identity::boot() => "the box was restarted".to_owned(),
        (_, Some(_)) => "it was killed from outside".to_owned(),
        (_, None) => "its sandbox did not start".to_owned(),
    };
    let words = last_words(machine);
    let reason = if words.is_empty() {
        what
    } else {
        format!("{what}: {words}")
    };
    condemn(machine, &reason, None, true);
    End {
        reason,
        retry: true,
        ..End::default()
    }
}

/// The end of what runner and sandbox said, as one line without control characters.
fn last_words(machine: &MachineDir) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = fs::File::open(machine.output())?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LAST_WORDS)))?;
        let mut bytes = Vec::new();
        file.take(LAST_WORDS).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let text = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.split(|c: char| c.is_control())
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" | ")
}

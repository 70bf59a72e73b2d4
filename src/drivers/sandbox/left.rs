//! What a machine that has ended left of its log: the lines that its runner wrote down and did not put any more.
//!
//! A limit ends a machine without a word before. Its runner writes each line into a file of its own first, so these
//! files are all that is left of its last lines; secrets are masked in them already, because the runner masks before
//! it writes. The folder is the machine's, which may be hostile: no link is followed, what is read is bounded, and
//! what is not a line is passed over.

use std::{
    ffi::CStr,
    fs::File,
    io::{self, Read as _},
    os::fd::OwnedFd,
    path::Path,
};

use nestling_domain::ids::{EnvironmentId, Generation};
use nestling_protocol::{
    log::{Line, Log, Source},
    machine::LOGS,
};
use rustix::fs::{CWD, Dir, FileType, Mode, OFlags};

use super::{Sandbox, identity};

/// Files of one log that are taken up, the newest: twice what the longest log has.
const MOST_SEGMENTS: usize = 256;
/// Names that are looked at in a folder: a runner leaves no more than its segments.
const MOST_NAMES: usize = 4096;
/// Bytes of one file: a runner closes it at half of that.
const LONGEST_SEGMENT: u64 = 1024 * 1024;
/// Bytes of one line's text, as the runner cuts it.
const LONGEST_LINE: usize = 16 * 1024;
/// The highest number of a line: what JSON readers hold exactly.
const HIGHEST: u64 = 1 << 53;
/// Lines that the last words have.
const TAIL: usize = 40;
/// The end of the name of a file whose lines are put, all of them.
const SEALED: &str = ".sealed";

/// What a machine left of its log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Left {
    /// The segments with lines that may not have been put, oldest first.
    pub segments: Vec<(Log, u32)>,
    /// What its app said last, or its setup when no app has said anything; as it was said.
    pub tail: Vec<String>,
}

impl Sandbox {
    /// What this machine left; nothing while it lives, or when there is none.
    pub async fn left(&self, environment: &EnvironmentId, generation: Generation) -> Left {
        let Ok(machine) = self.inner.machine(environment, generation) else {
            return Left::default();
        };
        let look = move || {
            if identity::lives(&machine) {
                return Left::default();
            }
            look(&machine.run())
        };
        tokio::task::spawn_blocking(look).await.unwrap_or_default()
    }

    /// The lines of one segment that it left, in order.
    pub async fn left_lines(
        &self,
        environment: &EnvironmentId,
        generation: Generation,
        log: Log,
        segment: u32,
    ) -> io::Result<Vec<Line>> {
        let machine = self
            .inner
            .machine(environment, generation)
            .map_err(io::Error::other)?;
        let read = move || lines(&folder(&machine.run(), log)?, &name(segment));
        tokio::task::spawn_blocking(read)
            .await
            .map_err(io::Error::other)?
    }
}

fn look(run: &Path) -> Left {
    let mut left = Left::default();
    for log in [Log::Deployment, Log::Runtime] {
        let Ok(folder) = folder(run, log) else {
            continue;
        };
        let found = segments(&folder).unwrap_or_default();
        let open = found.iter().filter(|(_, sealed)| !sealed);
        left.segments.extend(open.map(|(number, _)| (log, *number)));
        let tail = tail(&folder, &found);
        if !tail.is_empty() {
            left.tail = tail;
        }
    }
    left
}

/// What was said last by anybody but the runner.
fn tail(folder: &OwnedFd, found: &[(u32, bool)]) -> Vec<String> {
    let mut tail = Vec::new();
    for (number, sealed) in found.iter().rev() {
        let end = if *sealed { SEALED } else { "" };
        let lines = lines(folder, &(name(*number) + end)).unwrap_or_default();
        let said = lines.into_iter().rev();
        tail.extend(
            said.filter(|line| line.from != Source::Runner)
                .map(|line| line.text)
                .take(TAIL - tail.len()),
        );
        if tail.len() == TAIL {
            break;
        }
    }
    tail.reverse();
    tail
}

/// The numbers of the newest segments, lowest first, and whether each is put.
fn segments(folder: &OwnedFd) -> io::Result<Vec<(u32, bool)>> {
    let entries = Dir::read_from(folder)?.filter_map(Result::ok);
    let mut found: Vec<(u32, bool)> = entries
        .take(MOST_NAMES)
        .filter_map(|entry| number(entry.file_name()))
        .collect();
    found.sort_unstable();
    let from = found.len().saturating_sub(MOST_SEGMENTS);
    Ok(found.split_off(from))
}

fn number(file: &CStr) -> Option<(u32, bool)> {
    let file = file.to_str().ok()?;
    let (digits, sealed) = match file.strip_suffix(SEALED) {
        Some(digits) => (digits, true),
        None => (file, false),
    };
    let named = digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_digit());
    Some((digits.parse().ok().filter(|_| named)?, sealed))
}

fn name(segment: u32) -> String {
    format!("{segment:06}")
}

fn folder(run: &Path, log: Log) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let run = rustix::fs::openat(CWD, run, flags, Mode::empty())?;
    let logs = rustix::fs::openat(run, LOGS, flags, Mode::empty())?;
    Ok(rustix::fs::openat(logs, log.name(), flags, Mode::empty())?)
}

/// The lines of a file, each with a higher number than the one before.
fn lines(folder: &OwnedFd, name: &str) -> io::Result<Vec<Line>> {
    // A pipe without a writer would keep us waiting.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(folder, name, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&file)?;
    if !FileType::from_raw_mode(stat.st_mode).is_file() {
        return Ok(Vec::new());
    }
    let mut bytes = Vec::new();
    File::from(file)
        .take(LONGEST_SEGMENT)
        .read_to_end(&mut bytes)?;
    let mut next = 0;
    let mut lines = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        // The last one may have been cut off by the end.
        let Ok(line) = serde_json::from_slice::<Line>(line) else {
            continue;
        };
        if (next..=HIGHEST).contains(&line.n) && line.text.len() <= LONGEST_LINE {
            next = line.n + 1;
            lines.push(line);
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::{fs::symlink, net::UnixListener},
        path::PathBuf,
    };

    use super::*;

    /// A run folder whose runtime log has these files.
    fn run_with(files: &[(&str, String)]) -> (tempfile::TempDir, PathBuf) {
        let run = tempfile::tempdir().unwrap();
        let log = run.path().join(LOGS).join("runtime");
        fs::create_dir_all(&log).unwrap();
        for (name, text) in files {
            fs::write(log.join(name), text).unwrap();
        }
        (run, log)
    }

    fn said(n: u64, from: &str, text: &str) -> String {
        format!("{{\"n\":{n},\"at\":7,\"from\":\"{from}\",\"text\":\"{text}\"}}\n")
    }

    fn numbers(run: &Path, segment: u32) -> Vec<u64> {
        let lines = lines(&folder(run, Log::Runtime).unwrap(), &name(segment));
        lines.unwrap().iter().map(|line| line.n).collect()
    }

    #[test]
    fn what_was_not_put_is_found_with_the_last_words() {
        let first = said(0, "runner", "starting") + &said(1, "out", "one");
        let second = said(2, "err", "two") + &said(3, "runner", "noted") + "{\"n\":4,\"at";
        let (run, _) = run_with(&[("000001.sealed", first), ("000002", second)]);
        let left = look(run.path());
        assert_eq!(left.segments, [(Log::Runtime, 2)]);
        assert_eq!(left.tail, ["one", "two"]);
        assert_eq!(numbers(run.path(), 2), [2, 3]);
    }

    #[test]
    fn a_hostile_folder_gives_nothing_but_lines() {
        let outside = tempfile::tempdir().unwrap();
        let secret = outside.path().join("secret");
        fs::write(&secret, said(0, "out", "the secret of the box")).unwrap();
        let forged = [
            said(5, "out", "first"),
            "no line at all\n".to_owned(),
            said(5, "out", "twice"),
            said(u64::MAX, "out", "out of range"),
            said(6, "out", &"x".repeat(LONGEST_LINE + 1)),
            said(7, "out", "last"),
        ];
        let long = said(8, "out", "x").repeat(200_000);
        let (run, log) = run_with(&[("000001", forged.concat()), ("000005", long)]);
        symlink(&secret, log.join("000002")).unwrap();
        fs::create_dir(log.join("000003")).unwrap();
        let _socket = UnixListener::bind(log.join("000004")).unwrap();
        rustix::fs::mkfifoat(CWD, log.join("000006"), Mode::RWXU).unwrap();
        for name in ["1", "0000010", "..000008", "00000a", "000009.sealed.sealed"] {
            fs::write(log.join(name), said(9, "out", "not a segment")).unwrap();
        }
        assert_eq!(numbers(run.path(), 1), [5, 7]);
        assert_eq!(numbers(run.path(), 5), [8]);
        assert_eq!(numbers(run.path(), 6), [0; 0]);
        let left = look(run.path());
        assert_eq!(left.segments.len(), 6, "{:?}", left.segments);
        assert_eq!(left.tail, ["first", "last", "x"]);
    }

    #[test]
    fn a_link_in_the_place_of_a_folder_is_not_followed() {
        let elsewhere = run_with(&[("000001", said(0, "out", "of another machine"))]);
        let run = tempfile::tempdir().unwrap();
        symlink(elsewhere.0.path().join(LOGS), run.path().join(LOGS)).unwrap();
        assert_eq!(look(run.path()), Left::default());
    }
}

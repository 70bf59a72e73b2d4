//! The files behind a log, and how much it may say.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use nestling_protocol::log::{Line, Log};

/// A put that leaves a segment at this size seals it.
pub(super) const SEALED_FROM: u64 = 64 * 1024;
/// A segment that is not put in time is closed here, so that no object grows beyond a megabyte.
const CLOSED_FROM: u64 = 512 * 1024;
/// The put that seals a segment, however small: what is put again grows with the log, not its square.
pub(super) const LAST_PUT: u32 = 4;
/// How much one log may say before it is cut: more than anyone reads, less than a disk feels.
const VOLUME: u64 = 50 * 1024 * 1024;
/// How fast the runtime log earns its volume again: a day's worth of a chatty app. A deployment log does not.
const EARNED_PER_SECOND: u64 = VOLUME / (24 * 60 * 60);
/// A log that was cut speaks again once it has earned this much, not line by line: within two minutes.
const REOPEN_AT: u64 = 64 * 1024;

/// The segments of one log on disk: `000001`, `000002`, …, one line of JSON each line.
pub(super) struct Buffer {
    folder: PathBuf,
    file: Option<File>,
    current: u32,
    bytes: u64,
    bytes_put: u64,
    puts: u32,
    /// Segments that are complete but not yet put.
    closed: VecDeque<u32>,
}

/// What is to be put next.
pub(super) struct Due {
    pub(super) segment: u32,
    pub(super) path: PathBuf,
    pub(super) length: u64,
    pub(super) sealed: bool,
}

impl Buffer {
    /// Opens the folder and says which line number comes next. What an earlier boot left is put again.
    pub(super) fn open(folder: &Path) -> io::Result<(Self, u64)> {
        fs::create_dir_all(folder)?;
        let mut names: Vec<String> = fs::read_dir(folder)?
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        let mut buffer = Buffer {
            folder: folder.to_owned(),
            file: None,
            current: 1,
            bytes: 0,
            bytes_put: 0,
            puts: 0,
            closed: VecDeque::new(),
        };
        let mut next = 0;
        for name in names {
            let Ok(segment) = name.trim_end_matches(".sealed").parse::<u32>() else {
                continue;
            };
            next = next_line(&folder.join(&name))?.unwrap_or(next).max(next);
            buffer.current = segment + 1;
            if !name.ends_with(".sealed") {
                buffer.closed.push_back(segment);
            }
        }
        Ok((buffer, next))
    }

    /// Appends a line; whether a segment is full and should be put at once.
    pub(super) fn append(&mut self, line: &Line) -> bool {
        let Ok(mut json) = serde_json::to_vec(line) else {
            return false;
        };
        json.push(b'\n');
        // A full disk loses lines of the log, but never stops the app.
        let Ok(file) = self.current_file() else {
            return false;
        };
        if file.write_all(&json).is_err() {
            return false;
        }
        self.bytes += json.len() as u64;
        if self.bytes >= CLOSED_FROM {
            self.close();
            return true;
        }
        false
    }

    /// What is to be put now; `all` seals the current segment too. Counts as one put of it.
    pub(super) fn due(&mut self, all: bool) -> Option<Due> {
        if let Some(segment) = self.closed.front().copied() {
            let path = self.path(segment);
            let length = fs::metadata(&path).map_or(0, |data| data.len());
            return Some(Due {
                segment,
                path,
                length,
                sealed: true,
            });
        }
        if self.bytes == 0 || (self.bytes == self.bytes_put && !all) {
            return None;
        }
        if all || self.bytes >= SEALED_FROM || self.puts + 1 == LAST_PUT {
            self.close();
            return self.due(all);
        }
        self.puts += 1;
        self.bytes_put = self.bytes;
        Some(Due {
            segment: self.current,
            path: self.path(self.current),
            length: self.bytes,
            sealed: false,
        })
    }

    /// Marks a sealed segment as put. The last one stays, so that a later boot goes on counting.
    pub(super) fn sealed(&mut self, segment: u32) {
        self.closed.retain(|closed| *closed != segment);
        let done = self.path(segment);
        let _ = fs::rename(&done, done.with_extension("sealed"));
        if segment > 1 {
            let _ = fs::remove_file(self.path(segment - 1).with_extension("sealed"));
        }
    }

    fn close(&mut self) {
        self.closed.push_back(self.current);
        self.current += 1;
        self.file = None;
        (self.bytes, self.bytes_put, self.puts) = (0, 0, 0);
    }

    fn current_file(&mut self) -> io::Result<&mut File> {
        let path = self.path(self.current);
        match &mut self.file {
            Some(file) => Ok(file),
            none @ None => {
                Ok(none.insert(OpenOptions::new().create(true).append(true).open(path)?))
            }
        }
    }

    fn path(&self, segment: u32) -> PathBuf {
        self.folder.join(format!("{segment:06}"))
    }
}

fn next_line(path: &Path) -> io::Result<Option<u64>> {
    let content = fs::read_to_string(path)?;
    let last = content
        .lines()
        .rev()
        .find_map(|line| serde_json::from_str::<Line>(line).ok());
    Ok(last.map(|line| line.n + 1))
}

/// How much a log may still say.
pub(super) struct Allowance {
    left: u64,
    earns: u64,
    since: Option<u64>,
    open: bool,
    skipped: u64,
}

/// What becomes of a line.
pub(super) enum Verdict {
    /// It is kept.
    Keep,
    /// It is left out, and counted.
    Skip,
    /// This is said first; then the line is kept if the log is open.
    Announce(String),
}

impl Allowance {
    pub(super) fn new(log: Log) -> Self {
        let earns = match log {
            Log::Deployment => 0,
            Log::Runtime => EARNED_PER_SECOND,
        };
        Allowance {
            left: VOLUME,
            earns,
            since: None,
            open: true,
            skipped: 0,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// Decides over a line of this length, at this time in milliseconds.
    pub(super) fn take(&mut self, length: usize, now: u64) -> Verdict {
        let seconds = now.saturating_sub(*self.since.get_or_insert(now)) / 1000;
        if seconds > 0 {
            self.since = Some(now);
            self.left = self
                .left
                .saturating_add(self.earns.saturating_mul(seconds))
                .min(VOLUME);
        }
        if !self.open && self.left >= REOPEN_AT {
            self.open = true;
            self.left = self.left.saturating_sub(length as u64);
            let skipped = std::mem::take(&mut self.skipped);
            return Verdict::Announce(format!(
                "{skipped} lines were left out here: the log said too much"
            ));
        }
        if !self.open {
            self.skipped += 1;
            return Verdict::Skip;
        }
        if let Some(left) = self.left.checked_sub(length as u64) {
            self.left = left;
            return Verdict::Keep;
        }
        self.open = false;
        self.skipped = 1;
        let rest = match REOPEN_AT.checked_div(self.earns) {
            None => "what follows is left out".to_owned(),
            Some(seconds) => format!("it goes on in {} minutes", seconds.div_ceil(60)),
        };
        Verdict::Announce(format!(
            "this log is cut here: it has said more than {} MiB, {rest}",
            VOLUME / (1024 * 1024)
        ))
    }
}

#[cfg(test)]
mod tests {
    use nestling_protocol::log::Source;

    use super::*;

    fn line(n: u64, length: usize) -> Line {
        Line {
            n,
            at: 0,
            from: Source::Out,
            text: "x".repeat(length),
        }
    }

    #[test]
    fn the_fourth_put_of_a_small_segment_seals_it() {
        let folder = tempfile::tempdir().unwrap();
        let (mut buffer, _) = Buffer::open(folder.path()).unwrap();
        let mut seen = Vec::new();
        for n in 0..5 {
            buffer.append(&line(n, 10));
            let due = buffer.due(false).unwrap();
            assert!(
                buffer.due(false).is_none_or(|again| again.sealed),
                "nothing new, nothing to put"
            );
            if due.sealed {
                buffer.sealed(due.segment);
            }
            seen.push((due.segment, due.sealed));
        }
        assert_eq!(
            seen,
            [(1, false), (1, false), (1, false), (1, true), (2, false)]
        );
    }

    #[test]
    fn a_put_at_64_kib_seals_and_a_later_boot_goes_on_counting() {
        let folder = tempfile::tempdir().unwrap();
        let (mut buffer, _) = Buffer::open(folder.path()).unwrap();
        for n in 0..5 {
            buffer.append(&line(n, 16_000));
        }
        let due = buffer.due(false).unwrap();
        assert!(due.sealed && due.length > SEALED_FROM);
        buffer.sealed(due.segment);
        buffer.append(&line(5, 10));
        drop(buffer);
        let (mut later, next) = Buffer::open(folder.path()).unwrap();
        assert_eq!(next, 6);
        let left = later.due(false).unwrap();
        assert_eq!(
            (left.segment, left.sealed),
            (2, true),
            "what the earlier boot had not sealed is put whole"
        );
    }

    #[test]
    fn a_log_bomb_is_cut_once_and_a_runtime_log_speaks_again() {
        let mut allowance = Allowance::new(Log::Runtime);
        let megabyte = 1024 * 1024;
        let kept = (0..60)
            .filter(|_| matches!(allowance.take(megabyte, 0), Verdict::Keep))
            .count();
        assert_eq!(kept, 50);
        assert!(matches!(allowance.take(1, 1000), Verdict::Skip));
        assert!(matches!(allowance.take(1, 60 * 1000), Verdict::Skip));
        let later = allowance.take(1, 2 * 60 * 1000);
        assert!(matches!(later, Verdict::Announce(text) if text.starts_with("12 lines")));
        let mut deployment = Allowance::new(Log::Deployment);
        for _ in 0..51 {
            deployment.take(megabyte, 0);
        }
        assert!(
            matches!(deployment.take(1, u64::MAX), Verdict::Skip),
            "a deployment log never earns"
        );
    }
}

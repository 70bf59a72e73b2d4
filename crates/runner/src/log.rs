//! The deployment's two logs: buffered to files, put in segments, sent live.
//!
//! A line is first written to the current segment's file in the run folder, then queued for the live
//! view. Segments are what counts: they are put until the server has them, so that a server that was away
//! loses no line. The live queue is bounded and best effort.

mod buffer;
mod live;
mod segments;

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nestling_protocol::log::{Line, Log, Source};
use tokio::sync::Notify;

use crate::clock;
use crate::mask::Mask;
use crate::server::Server;
use crate::stop::Stop;
use buffer::{Allowance, Buffer};

/// Longer lines are cut: a line is for reading.
pub(crate) const LINE_LIMIT: usize = 16 * 1024;
/// How many lines a failure shows.
const TAIL_LINES: usize = 40;
/// How much of each: a failure is one report, and reports are small.
const TAIL_LINE: usize = 2 * 1024;
/// Live lines that wait for a server that is away; older ones are dropped, the segments have them.
const LIVE_LIMIT: usize = 256 * 1024;
/// Said in the place of the end of a line that was cut.
const CUT: &str = " … (line cut)";

/// One of the two logs. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Logger(Arc<Inner>);

struct Inner {
    log: Log,
    generation: u32,
    mask: Mask,
    server: Server,
    stop: Stop,
    state: Mutex<State>,
    /// Told when a segment is full, so that it need not wait for its turn.
    full: Notify,
    /// Held while segments are put: one writer at a time keeps their order.
    putting: tokio::sync::Mutex<()>,
}

struct State {
    next: u64,
    buffer: Buffer,
    allowance: Allowance,
    live: VecDeque<Line>,
    live_bytes: usize,
    tail: VecDeque<String>,
}

impl State {
    /// Keeps a line of a process for the tail.
    fn remember(&mut self, from: Source, text: &str) {
        if from == Source::Runner {
            return;
        }
        self.tail.push_back(text.to_owned());
        if self.tail.len() > TAIL_LINES {
            self.tail.pop_front();
        }
    }
}

impl Logger {
    /// Opens a log in `folder` and begins to send it.
    pub(crate) fn open(
        folder: &Path,
        log: Log,
        generation: u32,
        mask: Mask,
        server: Server,
        stop: Stop,
    ) -> io::Result<Self> {
        let (buffer, next) = Buffer::open(&folder.join(log.name()))?;
        let allowance = Allowance::new(log);
        let state = State {
            next,
            buffer,
            allowance,
            live: VecDeque::new(),
            live_bytes: 0,
            tail: VecDeque::new(),
        };
        let logger = Logger(Arc::new(Inner {
            log,
            generation,
            mask,
            server,
            stop,
            state: Mutex::new(state),
            full: Notify::new(),
            putting: tokio::sync::Mutex::new(()),
        }));
        logger.send_live();
        logger.put_regularly();
        Ok(logger)
    }

    /// A line of the runner's own; masked here.
    pub(crate) fn say(&self, text: impl AsRef<str>) {
        let masked = self.0.mask.whole(text.as_ref());
        for line in masked.lines() {
            self.line(Source::Runner, line.to_owned());
        }
    }

    /// A line of a process, already masked.
    pub(crate) fn line(&self, from: Source, mut text: String) {
        if text.len() > LINE_LIMIT {
            text.truncate(text.floor_char_boundary(LINE_LIMIT - CUT.len()));
            text.push_str(CUT);
        }
        let mut state = self.state();
        let now = clock::now_millis();
        match state.allowance.take(text.len(), now) {
            buffer::Verdict::Keep => {}
            buffer::Verdict::Skip => {
                // A failure still shows how it came about.
                state.remember(from, &text);
                return;
            }
            buffer::Verdict::Announce(notice) => {
                self.write(&mut state, Source::Runner, now, notice);
                if !state.allowance.is_open() {
                    state.remember(from, &text);
                    return;
                }
            }
        }
        self.write(&mut state, from, now, text);
    }

    /// The last lines since [`Logger::begin_step`], at most forty.
    pub(crate) fn tail(&self) -> Vec<String> {
        let state = self.state();
        let shown =
            |line: &String| line[..line.floor_char_boundary(TAIL_LINE.min(line.len()))].to_owned();
        state.tail.iter().map(shown).collect()
    }

    /// Forgets the tail: a step begins.
    pub(crate) fn begin_step(&self) {
        self.state().tail.clear();
    }

    /// The mask that everything of this log passes.
    pub(crate) fn mask(&self) -> &Mask {
        &self.0.mask
    }

    fn write(&self, state: &mut State, from: Source, at: u64, text: String) {
        let line = Line {
            n: state.next,
            at,
            from,
            text,
        };
        state.next += 1;
        state.remember(from, &line.text);
        if state.buffer.append(&line) {
            self.0.full.notify_one();
        }
        state.live_bytes += line.text.len();
        state.live.push_back(line);
        while state.live_bytes > LIVE_LIMIT {
            let Some(oldest) = state.live.pop_front() else {
                break;
            };
            state.live_bytes -= oldest.text.len();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Way;

    #[tokio::test]
    async fn the_tail_of_a_log_that_is_cut_is_what_was_said_last() {
        let folder = tempfile::tempdir().unwrap();
        let stop = Stop::new();
        let away = Server::new(
            Way::Socket(folder.path().join("nobody")),
            "token".into(),
            stop.clone(),
        );
        let mask = Mask::new([]);
        let log = Logger::open(folder.path(), Log::Deployment, 1, mask, away, stop).unwrap();
        // More than a log may say.
        for _ in 0..4000 {
            log.line(Source::Out, "x".repeat(LINE_LIMIT));
        }
        assert!(!log.state().allowance.is_open());
        for n in 0..TAIL_LINES {
            log.line(Source::Err, format!("cause {n}"));
        }
        let expected: Vec<String> = (0..TAIL_LINES).map(|n| format!("cause {n}")).collect();
        assert_eq!(log.tail(), expected);
    }
}

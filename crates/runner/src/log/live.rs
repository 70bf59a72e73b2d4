//! Live lines, best effort.

use std::time::Duration;

use nestling_protocol::log::{Line, Lines};
use nestling_protocol::path;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::Logger;
use crate::server::Attempt;

/// Five batches a second: in time for the eye, bearable for the server.
const SEND_EVERY: Duration = Duration::from_millis(200);
/// The most that one batch holds, its JSON included.
const BATCH_LIMIT: usize = 64 * 1024;
/// What a line needs in JSON beside its text.
const LINE_OVERHEAD: usize = 80;
/// How long to leave a server alone that did not answer.
const AWAY_PAUSE: Duration = Duration::from_secs(1);

impl Logger {
    /// Sends what was said, in batches, for as long as the runner lives.
    pub(super) fn send_live(&self) {
        let logger = self.clone();
        tokio::spawn(async move {
            let mut ticks = interval(SEND_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                match logger.send_batch().await {
                    Ok(()) => {}
                    Err(Attempt::Stale) => return logger.0.stop.now(),
                    Err(Attempt::Away(_) | Attempt::Refused(..) | Attempt::Disk(_)) => {
                        sleep(AWAY_PAUSE).await;
                    }
                }
            }
        });
    }

    /// Sends what still waits, once; for the end, when nothing more is said.
    pub(crate) async fn send_rest(&self) {
        while !self.state().live.is_empty() {
            if self.send_batch().await.is_err() {
                return;
            }
        }
    }

    async fn send_batch(&self) -> Result<(), Attempt> {
        let lines = self.next_batch();
        if lines.is_empty() {
            return Ok(());
        }
        let batch = Lines {
            generation: self.0.generation,
            log: self.0.log,
            lines,
        };
        let sent = self.0.server.post_plain(path::LOGS, &batch).await;
        if sent.is_err() {
            let mut state = self.state();
            for line in batch.lines.into_iter().rev() {
                state.live_bytes += line.text.len();
                state.live.push_front(line);
            }
        }
        sent
    }

    fn next_batch(&self) -> Vec<Line> {
        let mut state = self.state();
        let (mut lines, mut size) = (Vec::new(), 0);
        while let Some(line) = state.live.front() {
            size += json_length(&line.text) + LINE_OVERHEAD;
            let gap = lines.last().is_some_and(|last: &Line| last.n + 1 != line.n);
            if gap || (size > BATCH_LIMIT && !lines.is_empty()) {
                break;
            }
            if let Some(line) = state.live.pop_front() {
                state.live_bytes -= line.text.len();
                lines.push(line);
            }
        }
        lines
    }
}

fn json_length(text: &str) -> usize {
    text.bytes()
        .map(|byte| {
            if byte < 0x20 {
                6
            } else {
                1 + usize::from(matches!(byte, b'"' | b'\\'))
            }
        })
        .sum()
}

//! What happened in a run, line by line, and its hash.

use nestling_domain::ids::Timestamp;

use super::world::BEGIN;

/// The lines of a run.
#[derive(Default)]
pub(super) struct Story {
    lines: Vec<String>,
    hash: u64,
}

impl Story {
    /// Something happened at this moment.
    pub(super) fn tell(&mut self, at: Timestamp, what: &str) {
        let since = at.since(BEGIN);
        let line = format!("{:>5}.{:03} {what}", since.as_secs(), since.subsec_millis());
        // FNV-1a, over everything that was told before, too.
        for byte in line.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.lines.push(line);
    }

    /// The same for two runs in which the same happened at the same moments.
    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    pub(super) fn lines(&self) -> &[String] {
        &self.lines
    }
}

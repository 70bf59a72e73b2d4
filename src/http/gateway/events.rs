//! Where the messages of an event stream end, so that an end of ours never falls into one.

/// The longest end of a message: two line ends of two bytes each.
const LONGEST_END: usize = 4;

/// Follows an event stream, in whatever pieces its bytes come.
#[derive(Debug)]
pub(super) struct Events {
    /// Line ends in a row, so far: two end a message.
    line_ends: u8,
    after_return: bool,
}

impl Default for Events {
    fn default() -> Self {
        // Before the first byte no message is under way.
        Events {
            line_ends: 2,
            after_return: false,
        }
    }
}

impl Events {
    /// Whether no message is under way.
    pub(super) fn between(&self) -> bool {
        self.line_ends >= 2
    }

    /// Takes the next bytes. A line ends with CR LF, LF or CR (HTML, section 9.2.5).
    pub(super) fn take(&mut self, bytes: &[u8]) {
        // What came before the last few bytes cannot matter any more.
        for byte in &bytes[bytes.len().saturating_sub(LONGEST_END)..] {
            match byte {
                b'\n' if self.after_return => {}
                b'\n' | b'\r' => self.line_ends = self.line_ends.saturating_add(1),
                _ => self.line_ends = 0,
            }
            self.after_return = *byte == b'\r';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Events;

    #[test]
    fn a_message_ends_with_an_empty_line_however_lines_end_and_pieces_fall() {
        for (stream, between) in [
            ("", true),
            ("data: 1\n\n", true),
            ("data: 1\r\n\r\n", true),
            ("data: 1\r\r", true),
            (":\n\n", true),
            ("data: 1\n", false),
            ("data: 1\r\n", false),
            ("data: 1\n\ndata: 2", false),
            ("data: 1\n\ndata: 2\n", false),
        ] {
            for size in 1..=stream.len().max(1) {
                let mut events = Events::default();
                for piece in stream.as_bytes().chunks(size) {
                    events.take(piece);
                }
                assert_eq!(events.between(), between, "{stream:?} in pieces of {size}");
            }
        }
    }
}

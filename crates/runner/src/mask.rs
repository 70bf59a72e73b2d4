//! Masking: no secret leaves the machine in a log, a report or a test result.
//!
//! One automaton over bytes knows every shape in which a value is likely to be printed: as it is,
//! JSON-escaped, URL-encoded, base64 at its three alignments, and each line of a value of several lines.
//! A stream is masked across its chunks: only the longest end that may begin a pattern is held back.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// What stands where a secret stood.
pub(crate) const MASKED: &str = "***";
/// Shorter values are not masked: they would blacken half of every log and hide nothing.
pub(crate) const SHORTEST: usize = 6;

/// Every shape of every secret. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Mask(Arc<Patterns>);

struct Patterns {
    /// Sorted, so that "does any pattern begin with this" is a binary search.
    sorted: Vec<Vec<u8>>,
    longest: usize,
    automaton: Option<AhoCorasick>,
}

impl Mask {
    /// A mask for these values. Those that are too short are left out, see [`SHORTEST`].
    pub(crate) fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut patterns = BTreeSet::new();
        for value in values {
            for part in std::iter::once(value).chain(value.lines().map(str::trim)) {
                if part.len() >= SHORTEST {
                    shapes(part, &mut patterns);
                }
            }
        }
        let sorted: Vec<Vec<u8>> = patterns.into_iter().collect();
        let longest = sorted.iter().map(Vec::len).max().unwrap_or(0);
        // Building fails only beyond four billion states: more than a bundle can hold.
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .build(&sorted)
            .ok();
        Mask(Arc::new(Patterns {
            sorted,
            longest,
            automaton,
        }))
    }

    /// Masks a text that is complete.
    pub(crate) fn whole(&self, text: &str) -> String {
        let mut stream = self.stream();
        let mut masked = stream.feed(text.as_bytes());
        masked.extend(stream.end());
        String::from_utf8_lossy(&masked).into_owned()
    }

    /// Begins to mask a stream.
    pub(crate) fn stream(&self) -> MaskedStream {
        MaskedStream {
            mask: self.clone(),
            held: Vec::new(),
            covered: 0,
            inside: false,
        }
    }

    /// Where the longest end of `bytes` begins that may become a pattern with more bytes.
    fn hold_from(&self, bytes: &[u8]) -> usize {
        let patterns = &self.0.sorted;
        let first = bytes.len().saturating_sub(self.0.longest.saturating_sub(1));
        (first..bytes.len())
            .find(|start| {
                let end = &bytes[*start..];
                let at = patterns.partition_point(|pattern| pattern.as_slice() < end);
                // Equal patterns are found by the automaton; a longer one may still come.
                patterns[at..]
                    .iter()
                    .take(2)
                    .any(|pattern| pattern.len() > end.len() && pattern.starts_with(end))
            })
            .unwrap_or(bytes.len())
    }
}

/// A stream on its way through the mask.
pub(crate) struct MaskedStream {
    mask: Mask,
    held: Vec<u8>,
    /// How many of the held bytes are already known to belong to a secret.
    covered: usize,
    /// Whether the last byte that was let go belonged to a secret.
    inside: bool,
}

impl MaskedStream {
    /// Takes a chunk and gives what may be shown of everything so far.
    pub(crate) fn feed(&mut self, chunk: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(chunk);
        let until = self.mask.hold_from(&self.held);
        self.release(until)
    }

    /// Gives the rest: nothing more comes.
    pub(crate) fn end(&mut self) -> Vec<u8> {
        self.release(self.held.len())
    }

    fn release(&mut self, until: usize) -> Vec<u8> {
        let mut ranges = vec![(0, self.covered)];
        if let Some(automaton) = &self.mask.0.automaton {
            ranges.extend(
                automaton
                    .find_overlapping_iter(&self.held)
                    .map(|found| (found.start(), found.end())),
            );
        }
        ranges.sort_unstable();
        let mut shown = Vec::with_capacity(until);
        let (mut at, mut covered) = (0, 0);
        for (start, end) in ranges {
            if start >= until {
                break;
            }
            if start > covered {
                self.show(at.max(covered), start, &mut shown);
            }
            if end > covered.max(start) {
                self.hide(&mut shown);
                covered = end;
            }
            at = covered;
        }
        if covered < until {
            self.show(covered, until, &mut shown);
        }
        self.held.drain(..until);
        self.covered = covered.saturating_sub(until);
        shown
    }

    fn show(&mut self, from: usize, to: usize, shown: &mut Vec<u8>) {
        if from < to {
            shown.extend_from_slice(&self.held[from..to]);
            self.inside = false;
        }
    }

    fn hide(&mut self, shown: &mut Vec<u8>) {
        if !self.inside {
            shown.extend_from_slice(MASKED.as_bytes());
        }
        self.inside = true;
    }
}

/// Adds every shape of a value that is worth hiding.
fn shapes(value: &str, patterns: &mut BTreeSet<Vec<u8>>) {
    let mut add = |shape: String| {
        if shape.len() >= SHORTEST {
            patterns.insert(shape.into_bytes());
        }
    };
    add(value.to_owned());
    if let Ok(json) = serde_json::to_string(value) {
        let json = json.trim_matches('"').to_owned();
        add(json.replace('/', "\\/"));
        add(json);
    }
    for (upper, keep) in [
        (true, "-_.~"),
        (false, "-_.~"),
        (true, "-_.!~*'()"),
        (false, "-_.!~*'()"),
    ] {
        let encoded = url_encoded(value, upper, keep);
        add(encoded.replace("%20", "+"));
        add(encoded);
    }
    for offset in 0..3 {
        add(base64_inside(value.as_bytes(), offset, &STANDARD_NO_PAD));
        add(base64_inside(value.as_bytes(), offset, &URL_SAFE_NO_PAD));
    }
}

fn url_encoded(value: &str, upper: bool, keep: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || keep.as_bytes().contains(&byte) {
            encoded.push(char::from(byte));
        } else if upper {
            let _ = write!(encoded, "%{byte:02X}");
        } else {
            let _ = write!(encoded, "%{byte:02x}");
        }
    }
    encoded
}

/// The characters of the base64 of `…value…` that depend on the value alone, when it begins `offset` bytes
/// into a group of three.
fn base64_inside(value: &[u8], offset: usize, engine: &impl Engine) -> String {
    let mut padded = vec![0; offset];
    padded.extend_from_slice(value);
    let encoded = engine.encode(&padded);
    let first = (offset * 8).div_ceil(6);
    let last = (padded.len() * 8) / 6;
    encoded.get(first..last).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "s3cr3t/p&ss w\"rd-ü";

    fn in_chunks(mask: &Mask, text: &[u8], size: usize) -> String {
        let mut stream = mask.stream();
        let mut shown = Vec::new();
        for chunk in text.chunks(size) {
            shown.extend(stream.feed(chunk));
        }
        shown.extend(stream.end());
        String::from_utf8_lossy(&shown).into_owned()
    }

    #[test]
    fn a_secret_is_hidden_in_every_shape_and_however_it_is_split() {
        let mask = Mask::new([SECRET]);
        let json = serde_json::to_string(SECRET).unwrap();
        let mut shapes = vec![
            SECRET.to_owned(),
            json.trim_matches('"').to_owned(),
            "s3cr3t%2Fp%26ss%20w%22rd-%C3%BC".into(),
            "s3cr3t%2fp%26ss+w%22rd-%c3%bc".into(),
        ];
        for before in ["", "a", "ab"] {
            let all = STANDARD_NO_PAD.encode(format!("{before}{SECRET}{before}"));
            shapes.push(all);
        }
        for shape in shapes {
            for size in [1, 2, 3, 7, 1000] {
                let shown = in_chunks(&mask, format!("before [{shape}] after").as_bytes(), size);
                assert!(
                    shown.starts_with("before [") && shown.ends_with("] after"),
                    "{shape} in {size}: {shown}"
                );
                let between = shown
                    .trim_start_matches("before [")
                    .trim_end_matches("] after");
                // At a base64 edge up to three characters depend on the neighbours too.
                assert!(
                    between.contains(MASKED) && between.len() <= MASKED.len() + 6,
                    "{shape} in {size}: {shown}"
                );
            }
        }
    }

    #[test]
    fn each_line_of_a_key_is_hidden_also_alone() {
        let mask = Mask::new(["-----BEGIN KEY-----\nabcdefghij\nklmnopqrst\n"]);
        assert_eq!(
            mask.whole("saw klmnopqrst and abcdefghij"),
            "saw *** and ***"
        );
    }

    #[test]
    fn overlapping_secrets_leave_nothing_of_either() {
        let mask = Mask::new(["abcdef123", "123456789", "abcdef"]);
        for size in [1, 4, 100] {
            assert_eq!(
                in_chunks(&mask, b"x abcdef123456789 y abcdef z abcde", size),
                "x *** y *** z abcde"
            );
        }
    }

    #[test]
    fn only_what_may_become_a_secret_is_held_back() {
        let mask = Mask::new(["password1"]);
        let mut stream = mask.stream();
        assert_eq!(stream.feed(b"the passw"), b"the ");
        assert_eq!(stream.feed(b"ay is long\n"), b"passway is long\n");
    }

    #[test]
    fn short_values_are_left_alone() {
        assert_eq!(Mask::new(["true", "1"]).whole("true 1"), "true 1");
        assert_eq!(Mask::new([]).whole("as it is"), "as it is");
    }
}

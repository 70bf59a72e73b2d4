//! Many patterns, looked for at once.

use std::collections::BTreeSet;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

/// Patterns that are found wherever they stand, also when they overlap.
pub(super) struct Patterns {
    /// Sorted, so that "does any pattern begin with this" is a binary search.
    sorted: Vec<Vec<u8>>,
    longest: usize,
    /// Whether any pattern begins with this byte: most ends of a text are ruled out by it.
    begins: [bool; 256],
    automaton: Option<AhoCorasick>,
}

impl Patterns {
    pub(super) fn new(patterns: BTreeSet<Vec<u8>>) -> Self {
        let sorted: Vec<Vec<u8>> = patterns.into_iter().collect();
        let longest = sorted.iter().map(Vec::len).max().unwrap_or(0);
        let mut begins = [false; 256];
        for first in sorted.iter().filter_map(|pattern| pattern.first()) {
            begins[usize::from(*first)] = true;
        }
        // Building fails only beyond four billion states: more than a bundle can hold. Not a DFA: for the keys of
        // one app it takes tens of megabytes.
        let automaton = (!sorted.is_empty())
            .then(|| {
                AhoCorasick::builder()
                    .match_kind(MatchKind::Standard)
                    .kind(Some(AhoCorasickKind::ContiguousNFA))
                    .build(&sorted)
                    .ok()
            })
            .flatten();
        Patterns {
            sorted,
            longest,
            begins,
            automaton,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.automaton.is_none()
    }

    /// From where to where patterns stand.
    pub(super) fn find<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = super::Range> + 'a {
        self.automaton
            .iter()
            .flat_map(move |automaton| automaton.find_overlapping_iter(text))
            .map(|found| (found.start(), found.end()))
    }

    /// Where the longest end of `text` begins that may become a pattern with more bytes.
    pub(super) fn begun(&self, text: &[u8]) -> Option<usize> {
        let first = text.len().saturating_sub(self.longest.saturating_sub(1));
        (first..text.len()).find(|start| {
            let end = &text[*start..];
            if !self.begins[usize::from(end[0])] {
                return false;
            }
            let at = self
                .sorted
                .partition_point(|pattern| pattern.as_slice() < end);
            // Equal patterns are found by the automaton; a longer one may still come.
            self.sorted[at..]
                .iter()
                .take(2)
                .any(|pattern| pattern.len() > end.len() && pattern.starts_with(end))
        })
    }
}

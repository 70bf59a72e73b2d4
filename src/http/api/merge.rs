//! Lines of one log from two sources, put in order: no gap and no double. Pure.

use std::collections::BTreeMap;

use nestling_protocol::log::Line;

/// Lines held because an earlier one is missing; beyond it the newest are let go, and count as missing, too.
const HELD: usize = 4_096;

/// Puts lines in order by their number.
#[derive(Debug)]
pub(super) struct Merge {
    /// The number of the line that comes next.
    next: u64,
    /// The number after the last line that is known to exist.
    known: u64,
    /// Lines that came before their turn.
    held: BTreeMap<u64, Line>,
    /// Lines whose turn it is.
    ready: Vec<Line>,
}

impl Merge {
    /// Begins with line number `from`.
    pub(super) fn new(from: u64) -> Self {
        Merge {
            next: from,
            known: from,
            held: BTreeMap::new(),
            ready: Vec::new(),
        }
    }

    /// The number of the line that comes next.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Takes a line; one that was taken before changes nothing.
    pub(super) fn offer(&mut self, line: Line) {
        if line.n < self.next {
            return;
        }
        self.known = self.known.max(line.n.saturating_add(1));
        self.held.entry(line.n).or_insert(line);
        self.advance();
        if self.held.len() > HELD {
            // Its segment brings it again; the earlier ones are needed sooner.
            self.held.pop_last();
        }
    }

    /// The lines whose turn it is.
    pub(super) fn take(&mut self) -> Vec<Line> {
        std::mem::take(&mut self.ready)
    }

    /// Whether a line is missing before one that is known to exist.
    pub(super) fn misses(&self) -> bool {
        self.next < self.known
    }

    /// The missing lines will not come: go on with what is held. Answers how many are left out.
    pub(super) fn give_up(&mut self) -> u64 {
        let first = self.held.first_key_value();
        let next = first.map_or(self.known, |(first, _)| *first);
        let left_out = next.saturating_sub(self.next);
        self.next = self.next.max(next);
        self.advance();
        left_out
    }

    fn advance(&mut self) {
        while let Some(line) = self.held.remove(&self.next) {
            self.next = line.n.saturating_add(1);
            self.ready.push(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use nestling_protocol::log::Source;
    use proptest::prelude::*;

    use super::*;

    fn line(n: u64) -> Line {
        Line {
            n,
            at: 0,
            from: Source::Out,
            text: format!("line {n}"),
        }
    }

    fn numbers(lines: &[Line]) -> Vec<u64> {
        lines.iter().map(|line| line.n).collect()
    }

    #[test]
    fn a_hole_holds_what_follows_until_it_is_filled_or_given_up() {
        let mut merge = Merge::new(0);
        for n in [0, 1, 3, 4] {
            merge.offer(line(n));
        }
        assert_eq!(numbers(&merge.take()), [0, 1]);
        assert!(merge.misses());
        merge.offer(line(2));
        assert_eq!(numbers(&merge.take()), [2, 3, 4]);
        assert!(!merge.misses());
        merge.offer(line(9));
        assert!(merge.take().is_empty());
        assert_eq!(merge.give_up(), 4);
        assert_eq!(numbers(&merge.take()), [9]);
        merge.offer(line(7));
        assert!(merge.take().is_empty(), "what was given up stays so");
    }

    #[test]
    fn a_flood_over_a_hole_keeps_the_earliest_and_misses_what_it_let_go() {
        let last = HELD as u64 + 1_000;
        let mut merge = Merge::new(0);
        (1..last).for_each(|n| merge.offer(line(n)));
        assert!(merge.take().is_empty(), "line 0 may still come");
        merge.offer(line(0));
        let brought = HELD as u64 + 1;
        assert_eq!(numbers(&merge.take()), (0..brought).collect::<Vec<_>>());
        assert!(merge.misses(), "also when no line follows");
        // A whole segment is in order, however long it is.
        (0..last).for_each(|n| merge.offer(line(n)));
        assert_eq!(numbers(&merge.take()), (brought..last).collect::<Vec<_>>());
        assert!(!merge.misses());
    }

    #[test]
    fn what_was_let_go_and_never_comes_is_given_up_to_its_end() {
        let last = HELD as u64 + 10;
        let mut merge = Merge::new(0);
        (1..last).for_each(|n| merge.offer(line(n)));
        assert_eq!(merge.give_up(), 1);
        assert_eq!(merge.take().len(), HELD);
        assert_eq!(merge.give_up(), 9);
        assert!(!merge.misses());
        assert_eq!(merge.give_up(), 0);
    }

    proptest! {
        #[test]
        fn whatever_order_they_come_in_each_comes_once_and_in_order(
            mut order in Just((0..40u64).collect::<Vec<_>>()).prop_shuffle(),
            doubles in prop::collection::vec(0..40u64, 0..40),
            from in 0..40u64,
        ) {
            order.extend(doubles);
            let mut merge = Merge::new(from);
            let mut seen = Vec::new();
            for n in order {
                merge.offer(line(n));
                seen.extend(numbers(&merge.take()));
            }
            prop_assert_eq!(seen, (from..40).collect::<Vec<_>>());
            prop_assert!(!merge.misses());
        }
    }
}

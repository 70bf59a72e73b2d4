//! Lines of one log from two sources, put in order: no gap and no double. Pure.

use std::collections::BTreeMap;

use nestling_protocol::log::Line;

/// Lines held because an earlier one is missing; beyond it the earlier one is given up.
const HELD: usize = 4_096;

/// Puts lines in order by their number.
#[derive(Debug)]
pub(super) struct Merge {
    /// The number of the line that comes next.
    next: u64,
    /// Lines that came before their turn.
    held: BTreeMap<u64, Line>,
}

impl Merge {
    /// Begins with line number `from`.
    pub(super) fn new(from: u64) -> Self {
        Merge {
            next: from,
            held: BTreeMap::new(),
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
        self.held.entry(line.n).or_insert(line);
        if self.held.len() > HELD {
            self.give_up();
        }
    }

    /// The lines whose turn it is.
    pub(super) fn take(&mut self) -> Vec<Line> {
        let mut ready = Vec::new();
        while let Some(line) = self.held.remove(&self.next) {
            self.next = line.n.saturating_add(1);
            ready.push(line);
        }
        ready
    }

    /// Whether lines are held because an earlier one is missing. Ask after [`Merge::take`].
    pub(super) fn misses(&self) -> bool {
        !self.held.is_empty()
    }

    /// The missing lines will not come: go on with what is held.
    pub(super) fn give_up(&mut self) {
        if let Some((first, _)) = self.held.first_key_value() {
            self.next = self.next.max(*first);
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
        merge.give_up();
        assert_eq!(numbers(&merge.take()), [9]);
        merge.offer(line(7));
        assert!(merge.take().is_empty(), "what was given up stays so");
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

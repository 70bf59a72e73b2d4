//! Numbers that look random, and are the same for the same seed.

/// A generator: `SplitMix64`, which is small and good enough to choose what goes wrong.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn of(seed: u64) -> Self {
        Dice(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `end`; 0 if that is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % end).unwrap_or(0)
    }

    /// True so often in a hundred.
    pub(crate) fn percent(&mut self, share: u8) -> bool {
        self.below(100) < usize::from(share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_about_what_was_asked_for_and_the_same_again() {
        let draw = |seed| {
            let mut dice = Dice::of(seed);
            (0..10_000).filter(|_| dice.percent(20)).count()
        };
        assert!((1_800..2_200).contains(&draw(1)), "{}", draw(1));
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }
}

//! Chance of a seed.

/// Falls the same for the same seed.
pub(crate) struct Dice(u64);

impl Dice {
    /// Those of a seed for one purpose, so that what is rolled for one does not change what is rolled for another.
    pub(crate) fn new(seed: u64, purpose: u64) -> Self {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (purpose << 56))
    }

    /// Any number, by `SplitMix64`.
    pub(crate) fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// One of the first so many numbers.
    pub(crate) fn below(&mut self, count: u64) -> u64 {
        self.any() % count.max(1)
    }

    /// So often of a thousand times.
    pub(crate) fn happens(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    /// So many milliseconds.
    pub(crate) fn span(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most.saturating_sub(least) + 1)
    }

    /// One of several.
    pub(crate) fn one_of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        let place = self.below(all.len() as u64);
        all.get(usize::try_from(place).unwrap_or_default())
    }
}

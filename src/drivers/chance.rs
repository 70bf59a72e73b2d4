//! Chance: what makes those who failed together not come back together.

/// A byte by chance; 0 where the system has none to give.
pub fn byte() -> u8 {
    #[cfg(test)]
    if let Some(simulated) = simulated::byte() {
        return simulated;
    }
    let mut chance = [0_u8];
    let _ = aws_lc_rs::rand::fill(&mut chance);
    chance[0]
}

/// Chance of the simulation, on the thread that it runs on: the same for the same seed.
#[cfg(test)]
pub(crate) mod simulated {
    use std::cell::Cell;

    thread_local! {
        static LAST: Cell<Option<u64>> = const { Cell::new(None) };
    }

    /// From now on chance is what follows from this seed.
    pub(crate) fn begin(seed: u64) {
        LAST.set(Some(seed));
    }

    pub(super) fn byte() -> Option<u8> {
        // The generator of Knuth's MMIX, of which the upper bits are good.
        let next = LAST.get()?.wrapping_mul(6_364_136_223_846_793_005);
        let next = next.wrapping_add(1_442_695_040_888_963_407);
        LAST.set(Some(next));
        Some(next.to_be_bytes()[0])
    }
}

//! How much one look at everything may end.
//!
//! A look finds that something is gone, or that nobody wants it. Each of these is asked about for itself before it ends; yet whoever answers too little
//! is wrong about all of them at once. So one look ends few, and the rest only after the next look has found the same.

/// So many may always end by one look: what people merge in the minutes that a lost webhook takes.
const ALWAYS: usize = 3;
/// Of more, one in so many: a server of a hundred previews is not emptied before somebody can have read about it.
const ONE_IN: usize = 10;

/// How many one look may end, of so many that live.
pub fn most(live: usize) -> usize {
    ALWAYS.max(live / ONE_IN)
}

//! How much one look at everything may end.
//!
//! A look finds pull requests that are gone while environments of them are not. Each of these asks for itself before it closes;
//! yet a GitHub that shows too little is wrong to all of them at once. So one look makes few of them ask, and the rest only
//! after the next look has found the same.

use std::collections::BTreeSet;

use crate::{budget::most, ids::RepositoryId, record::Fact};

/// A pull request that a look did not find, with environments that are not closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// Its repository.
    pub repository: RepositoryId,
    /// Its number.
    pub number: u32,
    /// How many environments it has that are not closed.
    pub environments: usize,
    /// What they are to be told.
    pub fact: Fact,
}

/// What becomes of those that are gone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ending {
    /// These are told now.
    pub now: Vec<Gone>,
    /// These wait until another look has found the same.
    pub held: Vec<Gone>,
}

impl Gone {
    /// Which pull request it is.
    pub fn name(&self) -> (RepositoryId, u32) {
        (self.repository, self.number)
    }
}

/// Which of those that are `gone` one look ends, of so many `live` environments: those that an earlier look held back come first.
/// The environments of a pull request go together, so that the first one may be more than [`most`] by itself.
pub fn ending(gone: Vec<Gone>, held: &BTreeSet<(RepositoryId, u32)>, live: usize) -> Ending {
    let most = most(live);
    let (seen_twice, new): (Vec<_>, Vec<_>) =
        gone.into_iter().partition(|one| held.contains(&one.name()));
    let mut ending = Ending::default();
    let mut ended = 0;
    for one in seen_twice.into_iter().chain(new) {
        let fits = ending.now.is_empty() || ended + one.environments <= most;
        if fits && ending.held.is_empty() {
            ended += one.environments;
            ending.now.push(one);
        } else {
            ending.held.push(one);
        }
    }
    ending
}

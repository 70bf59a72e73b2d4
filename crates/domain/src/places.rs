//! Places: how many previews an app has at once. They are given in the order in which they were asked for, and none is taken
//! away.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    ids::Timestamp,
    lifecycle::{Lifecycle, State, Why},
};

/// What a preview has of the places of its app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stand {
    /// A place: it runs, is on its way, or sleeps and is to wake for its visitor.
    Holds,
    /// None, and it stands in line for one since this moment.
    Waits(Timestamp),
    /// None, and it wants none: it is closed, stopped, failed, or was not yet looked at.
    Neither,
}

impl Stand {
    /// What the life of a preview says.
    pub fn of(life: &Lifecycle) -> Self {
        match &life.state {
            State::Creating { next: None, .. } => Stand::Neither,
            State::Creating { .. } | State::Running { .. } | State::Restarting { .. } => {
                Stand::Holds
            }
            State::Stopped { why, since, .. } => match why {
                Why::Idle => Stand::Holds,
                Why::Waits(waits) if waits.place => Stand::Waits(*since),
                Why::Waits(_) | Why::Closed | Why::Person | Why::Policy(_) | Why::Failed(_) => {
                    Stand::Neither
                }
            },
        }
    }
}

/// That there is no place now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full {
    /// How many hold one.
    pub held: usize,
    /// How many may at once.
    pub most: usize,
}

impl Full {
    /// For people, with what would change it.
    pub fn words(self, app: &str) -> String {
        let Full { held, most } = self;
        format!(
            "{held} of {most} previews of {app} run or sleep, which is its limit: close or stop another one, or ask for this one with the comment `/preview`"
        )
    }
}

/// The places of one app. `E` names a preview.
#[derive(Debug, Clone)]
pub struct Places<E> {
    holding: BTreeSet<E>,
    /// Since when each waits.
    waiting: BTreeMap<E, Timestamp>,
    /// Those of them that could not be told that it is their turn: nobody waits for them.
    passed: BTreeSet<E>,
}

impl<E> Default for Places<E> {
    fn default() -> Self {
        Places {
            holding: BTreeSet::new(),
            waiting: BTreeMap::new(),
            passed: BTreeSet::new(),
        }
    }
}

impl<E: Ord + Clone> Places<E> {
    /// Takes a place, of `most` at once; one that holds a place keeps it. Where none is free for it, it stands in line from `at`
    /// on: a free place is for whoever waits longer. `beyond` takes one whatever the limit says.
    pub fn take(&mut self, one: &E, at: Timestamp, most: usize, beyond: bool) -> Result<(), Full> {
        if self.holding.contains(one) {
            return Ok(());
        }
        self.passed.remove(one);
        self.waiting.entry(one.clone()).or_insert(at);
        let ahead = self.ahead(one).unwrap_or_default();
        if !beyond && self.holding.len() + ahead >= most {
            let held = self.holding.len();
            return Err(Full { held, most });
        }
        self.waiting.remove(one);
        self.holding.insert(one.clone());
        Ok(())
    }

    /// This is what its record says. Whether one of those that wait may have its turn now.
    pub fn stands(&mut self, one: &E, stand: Stand) -> bool {
        let held = self.holding.remove(one);
        let waited = self.waiting.remove(one).is_some();
        self.passed.remove(one);
        match stand {
            Stand::Holds => {
                self.holding.insert(one.clone());
            }
            Stand::Waits(since) => {
                self.waiting.insert(one.clone(), since);
            }
            Stand::Neither => {}
        }
        let left = (held && stand != Stand::Holds) || (waited && stand == Stand::Neither);
        left && !self.waiting.is_empty()
    }

    /// It cannot be told: until it is heard of again nobody waits for it. Whether it stood in line.
    pub fn pass(&mut self, one: &E) -> bool {
        self.waiting.contains_key(one) && self.passed.insert(one.clone())
    }

    /// Those for whom there is a place now, the longest waiting first.
    pub fn turns(&self, most: usize) -> Vec<E> {
        let free = most.saturating_sub(self.holding.len());
        self.line().into_iter().take(free).collect()
    }

    /// How many go before this one, while it waits.
    pub fn ahead(&self, one: &E) -> Option<usize> {
        self.line().iter().position(|waiting| waiting == one)
    }

    /// Those that wait, the longest waiting first.
    pub fn line(&self) -> Vec<E> {
        let told = self.waiting.iter();
        let told = told.filter(|(one, _)| !self.passed.contains(one));
        let mut line: Vec<_> = told.map(|(one, since)| (*since, one)).collect();
        line.sort();
        line.into_iter().map(|(_, one)| one.clone()).collect()
    }

    /// How many hold a place.
    pub fn held(&self) -> usize {
        self.holding.len()
    }
}

/// What people are told about a preview in line with so many `ahead` of it.
pub fn line(ahead: usize) -> String {
    match ahead {
        0 => "next in line for a place".to_owned(),
        1 => "1 preview goes before it".to_owned(),
        more => format!("{more} previews go before it"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FULL: Full = Full { held: 1, most: 1 };

    #[test]
    fn a_free_place_is_for_whoever_waits_longest_and_not_for_whoever_comes_now() {
        let mut places = Places::default();
        assert_eq!(places.take(&1, Timestamp(1), 1, false), Ok(()));
        assert_eq!(places.take(&1, Timestamp(2), 1, false), Ok(()), "its own");
        assert_eq!(places.take(&3, Timestamp(3), 1, false), Err(FULL));
        assert_eq!(places.take(&2, Timestamp(4), 1, false), Err(FULL));
        assert_eq!((places.ahead(&3), places.ahead(&2)), (Some(0), Some(1)));
        assert!(places.stands(&1, Stand::Neither));
        assert_eq!(places.turns(1), [3]);
        let late = places.take(&4, Timestamp(5), 1, false);
        assert_eq!(late, Err(Full { held: 0, most: 1 }));
        assert_eq!(places.take(&3, Timestamp(6), 1, false), Ok(()));
        assert_eq!(places.turns(1), [0; 0]);
    }

    #[test]
    fn what_a_person_asks_for_gets_a_place_beyond_the_limit_and_nobody_loses_his() {
        let mut places = Places::default();
        places.take(&1, Timestamp(1), 1, false).unwrap();
        assert_eq!(places.take(&2, Timestamp(2), 1, true), Ok(()));
        assert_eq!(places.held(), 2);
        assert!(!places.stands(&1, Stand::Neither), "nobody waits");
        let full = places.take(&3, Timestamp(3), 1, false);
        assert_eq!(full, Err(FULL), "there are as many as may be");
    }

    #[test]
    fn nobody_waits_for_one_that_cannot_be_told() {
        let mut places = Places::default();
        places.stands(&1, Stand::Waits(Timestamp(1)));
        places.stands(&2, Stand::Waits(Timestamp(2)));
        assert_eq!(places.turns(1), [1]);
        assert!(places.pass(&1));
        assert!(!places.pass(&3), "nobody of that name");
        assert_eq!(places.turns(1), [2]);
        // It is heard of again: it still waits longest.
        assert_eq!(places.take(&1, Timestamp(9), 1, false), Ok(()));
    }

    /// What happens to a few previews of one app.
    #[derive(Debug, Clone)]
    enum Act {
        Take(u8),
        TakeBeyond(u8),
        Leave(u8),
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let one = 0u8..8;
        let act = prop_oneof![
            5 => one.clone().prop_map(Act::Take),
            1 => one.clone().prop_map(Act::TakeBeyond),
            3 => one.prop_map(Act::Leave),
        ];
        prop::collection::vec(act, 0..60)
    }

    proptest! {
        #[test]
        fn never_more_than_the_limit_but_by_a_persons_word_and_always_in_order(most in 1usize..5, acts in acts()) {
            let mut places = Places::default();
            // Who waits, in order; and who runs beyond the limit by a person's word.
            let (mut line, mut beyond) = (Vec::<u8>::new(), BTreeSet::new());
            for (at, act) in acts.into_iter().enumerate() {
                let now = Timestamp(at as u64);
                match act {
                    Act::Take(one) => {
                        let held_it = places.holding.contains(&one);
                        let place = line.iter().position(|known| *known == one).unwrap_or(line.len());
                        let free = most.saturating_sub(places.held());
                        let taken = places.take(&one, now, most, false).is_ok();
                        prop_assert_eq!(taken, held_it || place < free);
                        line.retain(|known| !taken || *known != one);
                        if !taken && !line.contains(&one) {
                            line.push(one);
                        }
                    }
                    Act::TakeBeyond(one) => {
                        if !places.holding.contains(&one) {
                            beyond.insert(one);
                        }
                        places.take(&one, now, most, true).unwrap();
                        line.retain(|known| *known != one);
                    }
                    Act::Leave(one) => {
                        places.stands(&one, Stand::Neither);
                        beyond.remove(&one);
                        line.retain(|known| *known != one);
                    }
                }
                let unasked = places.holding.iter().filter(|one| !beyond.contains(one)).count();
                prop_assert!(unasked <= most, "{unasked} of {most}");
                prop_assert_eq!(places.line(), line.clone());
                // A free place is never kept from the line.
                let free = most.saturating_sub(places.held());
                prop_assert_eq!(places.turns(most).len(), free.min(line.len()));
            }
        }

        #[test]
        fn what_is_read_from_records_is_what_was_told_one_by_one(stands in prop::collection::vec((0u8..12, 0u8..3, 0u64..5), 0..40)) {
            let stand = |kind, since| match kind {
                0 => Stand::Holds,
                1 => Stand::Waits(Timestamp(since)),
                _ => Stand::Neither,
            };
            let (mut told, mut last) = (Places::default(), BTreeMap::new());
            for (one, kind, since) in stands {
                told.stands(&one, stand(kind, since));
                last.insert(one, stand(kind, since));
            }
            let mut read = Places::default();
            for (one, stand) in &last {
                read.stands(one, *stand);
            }
            prop_assert_eq!(told.line(), read.line());
            prop_assert_eq!(told.holding, read.holding);
        }
    }
}

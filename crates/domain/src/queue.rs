//! The queue for slots: how many builds run at once, fairly between groups.
//!
//! The group that builds least goes first; among equals the one that has waited longest.

use std::collections::BTreeMap;

/// Builds that hold slots and builds that wait. `B` names a build, `G` the group (a repository) it belongs to.
#[derive(Debug, Clone)]
pub struct Queue<B, G> {
    slots: usize,
    building: BTreeMap<B, G>,
    /// In order of arrival.
    waiting: Vec<(B, G)>,
}

impl<B: Ord + Clone, G: Ord + Clone> Queue<B, G> {
    /// An empty queue for this many builds at once, at least one.
    pub fn new(slots: usize) -> Self {
        Queue {
            slots: slots.max(1),
            building: BTreeMap::new(),
            waiting: Vec::new(),
        }
    }

    /// A build wants a slot. One that waits or builds already keeps its place.
    pub fn ask(&mut self, build: B, group: G) {
        if !self.building.contains_key(&build)
            && !self.waiting.iter().any(|(known, _)| *known == build)
        {
            self.waiting.push((build, group));
        }
    }

    /// A build holds a slot already, whatever the limit says.
    pub fn adopt(&mut self, build: B, group: G) {
        self.waiting.retain(|(known, _)| *known != build);
        self.building.insert(build, group);
    }

    /// Takes slots and places from every build that `ends` names; whether anything changed.
    pub fn free(&mut self, ends: impl Fn(&B) -> bool) -> bool {
        let before = self.building.len() + self.waiting.len();
        self.building.retain(|build, _| !ends(build));
        self.waiting.retain(|(build, _)| !ends(build));
        before != self.building.len() + self.waiting.len()
    }

    /// Gives free slots to those whose turn it is.
    pub fn grant(&mut self) -> Vec<B> {
        let mut granted = Vec::new();
        while self.building.len() < self.slots {
            let Some(place) = self.turn() else { break };
            let (build, group) = self.waiting.remove(place);
            self.building.insert(build.clone(), group);
            granted.push(build);
        }
        granted
    }

    /// Whether this build holds a slot.
    pub fn builds(&self, build: &B) -> bool {
        self.building.contains_key(build)
    }

    /// Those that hold a slot.
    pub fn building(&self) -> Vec<B> {
        self.building.keys().cloned().collect()
    }

    /// Those that wait, in the order in which slots would be granted if all that build went on.
    pub fn waiting(&self) -> Vec<B> {
        let mut copy = self.clone();
        copy.slots = usize::MAX;
        copy.grant()
    }

    /// How many may build at once.
    pub fn slots(&self) -> usize {
        self.slots
    }

    fn turn(&self) -> Option<usize> {
        let load = |group: &G| {
            self.building
                .values()
                .filter(|builds| *builds == group)
                .count()
        };
        (0..self.waiting.len()).min_by_key(|place| (load(&self.waiting[*place].1), *place))
    }
}

/// What people are told about a build in the queue with so many `ahead` of it.
pub fn place(ahead: usize) -> String {
    match ahead {
        0 => "next in line for a build slot".to_owned(),
        1 => "1 build goes before it".to_owned(),
        more => format!("{more} builds go before it"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_busy_repository_does_not_make_a_quiet_one_wait() {
        let mut queue = Queue::new(2);
        for build in 1..=5 {
            queue.ask(build, "busy");
        }
        assert_eq!(queue.grant(), [1, 2]);
        queue.ask(9, "quiet");
        assert_eq!(queue.waiting(), [9, 3, 4, 5]);
        assert!(queue.free(|build| *build == 1));
        assert_eq!(queue.grant(), [9]);
    }

    #[test]
    fn asking_again_keeps_the_place_and_what_is_adopted_counts() {
        let mut queue = Queue::new(1);
        queue.adopt(7, "a");
        queue.ask(1, "a");
        queue.ask(2, "a");
        queue.ask(1, "a");
        assert!(queue.grant().is_empty());
        assert_eq!(queue.waiting(), [1, 2]);
        queue.free(|build| *build == 7);
        assert_eq!(queue.grant(), [1]);
    }

    #[test]
    fn it_says_who_builds_and_whether_anything_was_freed() {
        let mut queue = Queue::new(3);
        assert_eq!(queue.slots(), 3);
        assert_eq!(Queue::<u8, u8>::new(0).slots(), 1, "there is always a slot");
        queue.ask(1, "a");
        queue.adopt(1, "a");
        assert!(
            queue.waiting().is_empty(),
            "what is adopted no longer waits"
        );
        queue.ask(2, "a");
        queue.ask(3, "b");
        queue.adopt(2, "a");
        assert_eq!(queue.waiting(), [3], "and only that");
        assert!(queue.builds(&1) && !queue.builds(&3));
        assert!(!queue.free(|build| *build == 9), "nothing of that name");
        assert!(queue.free(|build| *build == 3));
        assert!(queue.free(|build| *build == 1));
        assert!(!queue.builds(&1) && queue.builds(&2));
    }

    proptest! {
        #[test]
        fn never_more_than_the_slots_and_everybody_gets_one(slots in 1usize..5, asks in prop::collection::vec((0u32..20, 0u8..4), 0..40)) {
            let mut queue = Queue::new(slots);
            let mut wanted = std::collections::BTreeSet::new();
            for (build, group) in asks {
                queue.ask(build, group);
                wanted.insert(build);
            }
            let mut served = std::collections::BTreeSet::new();
            loop {
                let granted = queue.grant();
                prop_assert!(queue.building().len() <= slots);
                served.extend(granted);
                let Some(first) = queue.building().first().copied() else { break };
                queue.free(|build| *build == first);
            }
            prop_assert_eq!(served, wanted);
        }
    }
}

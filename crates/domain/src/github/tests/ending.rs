//! How much one look may end.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::{
    budget::most,
    github::{Gone, ending},
    ids::RepositoryId,
    lifecycle::Trigger,
    record::Fact,
};

fn gone(number: u32, environments: usize) -> Gone {
    Gone {
        repository: RepositoryId(7),
        number,
        environments,
        fact: Fact::PullRequest {
            number,
            branch: "blue".to_owned(),
            title: "Blue".to_owned(),
            commit: None,
            trigger: Trigger::Close,
        },
    }
}

fn numbers(all: &[Gone]) -> Vec<u32> {
    all.iter().map(|one| one.number).collect()
}

#[test]
fn a_few_go_at_once_and_more_than_that_wait_for_another_look() {
    let few = (1..=3).map(|number| gone(number, 1)).collect();
    let ended = ending(few, &BTreeSet::new(), 20);
    assert_eq!((numbers(&ended.now), ended.held), (vec![1, 2, 3], vec![]));

    let many: Vec<Gone> = (1..=8).map(|number| gone(number, 1)).collect();
    let first = ending(many.clone(), &BTreeSet::new(), 20);
    assert_eq!(numbers(&first.now), [1, 2, 3]);
    let held = first.held.iter().map(Gone::name).collect();
    // The next look finds that one of them is there after all, and another one gone.
    let still = [9, 4, 5, 7, 8].map(|number| gone(number, 1)).into();
    let second = ending(still, &held, 20);
    assert_eq!(numbers(&second.now), [4, 5, 7]);
    assert_eq!(numbers(&second.held), [8, 9]);
    assert_eq!((most(29), most(30), most(41)), (3, 3, 4));
}

proptest! {
    /// One look ends no more than it may, but for one pull request; whatever is gone is gone after looks enough; and nothing is
    /// held back twice for something that came later.
    #[test]
    fn each_look_ends_few_and_in_the_end_all(
        sizes in prop::collection::vec(1_usize..6, 0..40),
        more in 0_usize..200,
    ) {
        let mut gone: Vec<Gone> = (1..).zip(sizes).map(|(number, size)| gone(number, size)).collect();
        let mut live = more + gone.iter().map(|one| one.environments).sum::<usize>();
        let mut held = BTreeSet::new();
        let mut ended = Vec::new();
        while !gone.is_empty() {
            let look = ending(gone.clone(), &held, live);
            let now: usize = look.now.iter().map(|one| one.environments).sum();
            let first = look.now[0].environments;
            prop_assert!(now <= most(live).max(first), "{now} of {live}");
            prop_assert_eq!(look.now.len() + look.held.len(), gone.len());
            ended.extend(numbers(&look.now));
            held = look.held.iter().map(Gone::name).collect();
            live -= now;
            gone = look.held;
        }
        prop_assert!(ended.is_sorted(), "{ended:?}");
    }
}

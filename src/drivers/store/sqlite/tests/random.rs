//! Whatever many writers do to few environments: one winner per version, and events in order.

use std::collections::BTreeMap;

use nestling_domain::{environment::Environment, ids::Version, record::EventNumber};
use proptest::prelude::*;

use super::*;
use crate::drivers::store::{Save, StoreError};

/// One try of one writer: on which environment, and how far its knowledge is off.
#[derive(Debug, Clone)]
struct Try {
    number: u32,
    off_by: i64,
}

fn tries() -> impl Strategy<Value = Vec<Vec<Try>>> {
    let one = (
        1..=3_u32,
        prop_oneof![6 => Just(0), 1 => Just(-1), 1 => Just(1)],
    )
        .prop_map(|(number, off_by)| Try { number, off_by });
    proptest::collection::vec(proptest::collection::vec(one, 1..12), 2..6)
}

/// Saves what follows the version that the writer believes is there; answers what it wrote.
async fn attempt(store: &AnyStore, writer: usize, one: &Try) -> Option<Environment> {
    let wanted = preview("shop", one.number);
    let there = store.environment(&wanted.id).await.unwrap();
    let version = there.map_or(0, |environment| environment.version.0);
    let believed = version.saturating_add_signed(one.off_by);
    let environment = Environment {
        version: Version(believed + 1),
        title: format!("by {writer}"),
        ..wanted
    };
    let save = Save {
        happened: vec![skipped("first"), skipped("second")],
        by: format!("{writer}"),
        expected: (believed > 0).then_some(Version(believed)),
        ..save_of(&environment)
    };
    match store.save(save).await {
        Ok(events) => {
            assert!(events[0].number < events[1].number);
            Some(environment)
        }
        Err(StoreError::Conflict(_)) => None,
        Err(other) => panic!("{other}"),
    }
}

async fn story(store: AnyStore, writers: Vec<Vec<Try>>) {
    let running = writers.into_iter().enumerate().map(|(writer, tries)| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut won = Vec::new();
            for one in tries {
                won.extend(attempt(&store, writer, &one).await);
            }
            won
        })
    });
    let mut winners = BTreeMap::<String, BTreeMap<u64, Environment>>::new();
    for writer in running.collect::<Vec<_>>() {
        for environment in writer.await.unwrap() {
            let versions = winners.entry(environment.id.0.clone()).or_default();
            let two = versions.insert(environment.version.0, environment);
            assert!(two.is_none(), "two winners of one version: {two:?}");
        }
    }
    let events = store.events(EventNumber(0), usize::MAX).await.unwrap();
    for (id, versions) in &winners {
        let last = u64::try_from(versions.len()).unwrap();
        assert!(
            versions.keys().copied().eq(1..=last),
            "a version of {id} is missing"
        );
        let there = store.environment(&versions[&last].id).await.unwrap();
        assert_eq!(there.as_ref(), versions.get(&last));
        let seen = events.iter().filter(|event| event.environment.0 == *id);
        let seen: Vec<_> = seen
            .map(|event| (event.version.0, event.by.clone()))
            .collect();
        let expected = versions.values().flat_map(|won| {
            let by = won.title.trim_start_matches("by ").to_owned();
            vec![(won.version.0, by); 2]
        });
        assert_eq!(seen, expected.collect::<Vec<_>>(), "the events of {id}");
    }
    let total: usize = winners.values().map(|versions| 2 * versions.len()).sum();
    assert_eq!(events.len(), total, "a refused save left an event");
}

fn run(store: impl Fn() -> Fresh, writers: Vec<Vec<Try>>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build();
    runtime.unwrap().block_on(async {
        let (store, _keep) = store();
        story(store, writers).await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn in_a_file_every_version_has_one_winner_and_events_are_in_order(writers in tries()) {
        run(|| {
            let (store, folder) = store_in_a_file();
            (Arc::new(store), Box::new(folder))
        }, writers);
    }

    #[test]
    fn in_memory_every_version_has_one_winner_and_events_are_in_order(writers in tries()) {
        run(|| (Arc::new(Sqlite::in_memory().unwrap()), Box::new(())), writers);
    }
}

//! Many at once: conditions hold, and nobody disturbs anybody else.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use nestling_domain::record::{Delivery, EventNumber, Fact};

use super::*;

pub(crate) async fn of_many_saves_with_one_version_exactly_one_wins(store: AnyStore) {
    let mut shop = preview("shop", 1);
    save_first(&store, &shop).await;
    for round in 0..10 {
        let rivals = (0..16).map(|rival| {
            let store = store.clone();
            let mut environment = next(&shop);
            environment.title = format!("round {round}, rival {rival}");
            let happened = vec![skipped(&environment.title)];
            let save = Save {
                happened,
                ..save_of(&environment)
            };
            tokio::spawn(async move { (environment, store.save(save).await) })
        });
        let outcomes = join_all(rivals).await.into_iter().map(Result::unwrap);
        let (won, lost): (Vec<_>, Vec<_>) = outcomes.partition(|(_, outcome)| outcome.is_ok());
        assert_eq!((won.len(), lost.len()), (1, 15));
        for (_, outcome) in lost {
            assert_conflict(outcome);
        }
        shop = won[0].0.clone();
        assert_eq!(
            store.environment(&shop.id).await.unwrap(),
            Some(shop.clone())
        );
    }
    let events = store.events(EventNumber(0), 1000).await.unwrap();
    let versions: Vec<_> = events.iter().map(|event| event.version.0).collect();
    assert_eq!(
        versions,
        (2..=11).collect::<Vec<_>>(),
        "one event per winner, in order"
    );
}

pub(crate) async fn racing_environments_do_not_disturb_each_other(store: AnyStore) {
    let writers = (1..=20).map(|number| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut environment = preview("shop", number);
            save_first(&store, &environment).await;
            for _ in 0..20 {
                (environment, _) = save_next(&store, &environment, "again").await;
                // A neighbour's conflict in the same commit.
                assert_conflict(store.save(save_of(&preview("shop", number))).await);
            }
        })
    });
    for end in join_all(writers).await {
        end.unwrap();
    }
    let events = store.events(EventNumber(0), 10_000).await.unwrap();
    let mut versions = BTreeMap::<_, Vec<u64>>::new();
    for event in events {
        versions
            .entry(event.environment.0)
            .or_default()
            .push(event.version.0);
    }
    assert_eq!(versions.len(), 20);
    for (id, versions) in versions {
        assert_eq!(versions, (2..=21).collect::<Vec<_>>(), "order of {id}");
    }
}

pub(crate) async fn apps_that_race_for_a_name_all_get_one_of_their_own(store: AnyStore) {
    let racers = (0..12).map(|number| {
        let store = store.clone();
        tokio::spawn(async move { store.put_app(&app(number, "", "shop")).await.unwrap() })
    });
    let recorded: Vec<_> = join_all(racers)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let slugs: BTreeSet<_> = recorded.iter().map(|app| app.slug.as_str()).collect();
    assert_eq!(slugs.len(), 12);
    assert!(slugs.contains("shop"));
    for app in &recorded {
        let found = store.app_by_slug("local", &app.slug).await.unwrap();
        assert_eq!(found.as_ref(), Some(app));
    }
}

pub(crate) async fn branches_that_race_for_a_number_all_get_one_of_their_own(store: AnyStore) {
    let racers = (0..24).map(|n| {
        let store = store.clone();
        let branch = format!("branch-{}", n % 12);
        tokio::spawn(async move {
            store
                .number_pull_request(RepositoryId(1), &branch)
                .await
                .unwrap()
        })
    });
    let numbered = join_all(racers).await.into_iter().map(Result::unwrap);
    let numbers: BTreeSet<_> = numbered
        .map(|pull_request| (pull_request.branch, pull_request.number))
        .collect();
    assert_eq!(numbers.len(), 12, "the same branch got the same number");
    let numbers: BTreeSet<_> = numbers.into_iter().map(|(_, number)| number).collect();
    assert_eq!(numbers, (1..=12).collect());
}

pub(crate) async fn a_delivery_that_comes_twice_at_once_is_taken_once(store: AnyStore) {
    let delivery = Delivery {
        id: "twice".to_owned(),
        at: NOON,
        repository: Some(RepositoryId(1)),
        fact: Fact::Production {
            branch: "main".to_owned(),
            commit: commit('c').id,
        },
    };
    let racers = (0..16).map(|_| {
        let (store, delivery) = (store.clone(), delivery.clone());
        tokio::spawn(async move { store.receive(&delivery).await.unwrap() })
    });
    let taken = join_all(racers)
        .await
        .into_iter()
        .filter(|new| *new.as_ref().unwrap())
        .count();
    assert_eq!(taken, 1);
    assert_eq!(store.pending(10).await.unwrap(), [delivery]);
}

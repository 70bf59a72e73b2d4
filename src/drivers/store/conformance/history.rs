//! Deployments, events and cursors.

use nestling_domain::{
    ids::{EnvironmentId, Timestamp},
    record::EventNumber,
};

use super::*;

pub(crate) async fn events_are_numbered_in_the_order_of_the_saves(store: AnyStore) {
    let (shop, admin) = (preview("shop", 1), preview("admin", 1));
    let mut save = save_of(&shop);
    save.by = "push".to_owned();
    save.happened = vec![skipped("one"), skipped("two")];
    let first = store.save(save).await.unwrap();
    save_first(&store, &admin).await;
    let (_, second) = save_next(&store, &admin, "three").await;
    let (_, third) = save_next(&store, &shop, "four").await;

    let all = store.events(EventNumber(0), 10).await.unwrap();
    assert_eq!(
        all,
        [first.clone(), second.clone(), third.clone()].concat(),
        "as the saves answered"
    );
    assert!(all.is_sorted_by(|a, b| a.number < b.number));
    assert_eq!(
        (first[0].by.as_str(), first[0].at, first[0].version),
        ("push", NOON, Version(1))
    );
    assert_eq!(all[3].version, Version(2));

    assert_eq!(store.events(first[1].number, 1).await.unwrap(), second);
    assert_eq!(store.events(third[0].number, 10).await.unwrap(), []);
    let of_shop = store.events_of(&shop.id, None, 2).await.unwrap();
    assert_eq!(
        of_shop,
        [third[0].clone(), first[1].clone()],
        "newest first"
    );
    let before = store
        .events_of(&shop.id, Some(first[1].number), 10)
        .await
        .unwrap();
    assert_eq!(before, first[..1]);
}

pub(crate) async fn a_refused_save_leaves_no_event_and_no_deployment(store: AnyStore) {
    let shop = preview("shop", 1);
    save_first(&store, &shop).await;
    let late = Save {
        happened: vec![skipped("never happened")],
        deployments: vec![record(&shop.id, 1)],
        input: Some((
            nestling_domain::ids::InputId("late".to_owned()),
            "no".to_owned(),
        )),
        ..save_of(&shop)
    };
    assert_conflict(store.save(late).await);
    assert_eq!(store.events(EventNumber(0), 10).await.unwrap(), []);
    assert_eq!(store.deployments(&shop.id, None, 10).await.unwrap(), []);
    let input = nestling_domain::ids::InputId("late".to_owned());
    assert_eq!(store.answered(&shop.id, &input).await.unwrap(), None);
}

pub(crate) async fn the_number_of_a_removed_event_is_never_given_again(store: AnyStore) {
    let shop = preview("shop", 1);
    save_first(&store, &shop).await;
    let (_, gone) = save_next(&store, &shop, "soon forgotten").await;
    store.forget_environment(&shop.id).await.unwrap();
    save_first(&store, &shop).await;
    let (_, new) = save_next(&store, &shop, "a new life").await;
    assert!(new[0].number > gone[0].number, "a consumer would miss it");
}

pub(crate) async fn a_cursor_only_moves_forward(store: AnyStore) {
    assert_eq!(store.cursor("live").await.unwrap(), EventNumber(0));
    store.advance("live", EventNumber(5)).await.unwrap();
    store.advance("live", EventNumber(3)).await.unwrap();
    store.advance("audit", EventNumber(1)).await.unwrap();
    assert_eq!(store.cursor("live").await.unwrap(), EventNumber(5));
    assert_eq!(store.cursor("audit").await.unwrap(), EventNumber(1));
}

pub(crate) async fn deployments_are_listed_newest_first_and_updated_in_place(store: AnyStore) {
    let mut shop = preview("shop", 1);
    let other = preview("shop", 11);
    save_first(&store, &other).await;
    for generation in 1..=12 {
        let save = Save {
            deployments: vec![record(&shop.id, generation)],
            ..save_of(&shop)
        };
        store.save(save).await.unwrap();
        shop = next(&shop);
    }
    let mut ended = record(&shop.id, 2);
    ended.shown = Shown::Superseded;
    ended.ended_at = Some(NOON);
    let save = Save {
        deployments: vec![ended.clone()],
        ..save_of(&shop)
    };
    store.save(save).await.unwrap();

    let generations = |records: Vec<DeploymentRecord>| -> Vec<u32> {
        records
            .into_iter()
            .map(|record| record.generation.0)
            .collect()
    };
    let newest = store.deployments(&shop.id, None, 3).await.unwrap();
    assert_eq!(generations(newest), [12, 11, 10]);
    let older = store
        .deployments(&shop.id, Some(Generation(4)), 10)
        .await
        .unwrap();
    assert_eq!(generations(older), [3, 2, 1]);
    assert_eq!(
        store.deployment(&shop.id, Generation(2)).await.unwrap(),
        Some(ended)
    );
    assert_eq!(
        store.deployment(&shop.id, Generation(13)).await.unwrap(),
        None
    );
    assert_eq!(store.deployments(&other.id, None, 10).await.unwrap(), []);
}

pub(crate) async fn pruning_keeps_the_newest_fifty_deployments(store: AnyStore) {
    let (busy, quiet) = (preview("shop", 1), preview("shop", 2));
    for (environment, count) in [(&busy, 60), (&quiet, 50)] {
        let records = (1..=count).map(|generation| record(&environment.id, generation));
        let save = Save {
            deployments: records.collect(),
            ..save_of(environment)
        };
        store.save(save).await.unwrap();
    }
    store.prune(NOON).await.unwrap();
    let left = async |id: &EnvironmentId| {
        let records = store.deployments(id, None, 100).await.unwrap();
        (
            records.len(),
            records.last().map(|record| record.generation.0),
        )
    };
    assert_eq!(left(&busy.id).await, (50, Some(11)));
    assert_eq!(left(&quiet.id).await, (50, Some(1)));
}

pub(crate) async fn pruning_keeps_events_that_a_consumer_has_not_read(store: AnyStore) {
    let shop = preview("shop", 1);
    save_first(&store, &shop).await;
    let (shop, first) = save_next(&store, &shop, "read by both").await;
    let (_, second) = save_next(&store, &shop, "read by one").await;
    store.advance("live", second[0].number).await.unwrap();
    store.advance("audit", first[0].number).await.unwrap();
    let left = async |now: Timestamp| {
        store.prune(now).await.unwrap();
        store.events(EventNumber(0), 10).await.unwrap()
    };
    let both = [first, second.clone()].concat();
    assert_eq!(left(NOON.plus(days(30))).await, both, "too young to go");
    assert_eq!(
        left(NOON.plus(days(400))).await,
        second,
        "one consumer is behind"
    );
    store.advance("audit", second[0].number).await.unwrap();
    assert_eq!(left(NOON.plus(days(400))).await, []);
}

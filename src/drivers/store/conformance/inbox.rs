//! Deliveries, and the upkeep of everything that ages.

use std::collections::BTreeMap;

use nestling_domain::{
    ids::InputId,
    record::{Delivery, DeliveryState, Fact},
};

use super::*;

fn delivery(id: &str, minute: u64) -> Delivery {
    Delivery {
        id: id.to_owned(),
        at: Timestamp(NOON.0 + minute * 60_000),
        repository: Some(RepositoryId(7)),
        fact: Fact::Production {
            branch: "main".to_owned(),
            commit: commit('c').id,
        },
    }
}

fn done(decision: &str) -> DeliveryState {
    let decisions = BTreeMap::from([("shop-production".to_owned(), decision.to_owned())]);
    DeliveryState::Done { decisions }
}

pub(crate) async fn a_delivery_is_taken_once_and_pending_until_settled(store: AnyStore) {
    let (first, second) = (delivery("one", 1), delivery("two", 0));
    assert!(store.receive(&first).await.unwrap());
    assert!(store.receive(&second).await.unwrap());
    let repeat = Delivery {
        at: NOON.plus(days(1)),
        ..first.clone()
    };
    assert!(
        !store.receive(&repeat).await.unwrap(),
        "a repeat is ignored"
    );
    assert_eq!(
        store.pending(10).await.unwrap(),
        [second.clone(), first.clone()],
        "oldest first"
    );
    assert_eq!(store.pending(1).await.unwrap(), [second]);

    store.settle("two", &done("queued")).await.unwrap();
    assert_eq!(store.pending(10).await.unwrap(), [first.clone()]);
    assert!(
        !store.receive(&delivery("two", 5)).await.unwrap(),
        "also after it was settled"
    );
    store.settle("one", &DeliveryState::Pending).await.unwrap();
    assert_eq!(store.pending(10).await.unwrap(), [first]);
    assert_rejected(store.settle("three", &done("?")).await, "three");
}

pub(crate) async fn deliveries_are_listed_newest_first_with_what_became_of_them(store: AnyStore) {
    for minute in 0..4 {
        store
            .receive(&delivery(&format!("d{minute}"), minute))
            .await
            .unwrap();
    }
    store
        .settle("d1", &done("skipped: not ours"))
        .await
        .unwrap();
    let ids = |listed: Vec<(Delivery, DeliveryState)>| -> Vec<(String, DeliveryState)> {
        listed
            .into_iter()
            .map(|(delivery, state)| (delivery.id, state))
            .collect()
    };
    let newest = store.deliveries(None, 2).await.unwrap();
    let pending = |id: &str| (id.to_owned(), DeliveryState::Pending);
    assert_eq!(ids(newest), [pending("d3"), pending("d2")]);
    let older = store.deliveries(Some("d2"), 10).await.unwrap();
    assert_eq!(
        ids(older),
        [("d1".to_owned(), done("skipped: not ours")), pending("d0")]
    );
    assert_eq!(store.deliveries(Some("gone"), 10).await.unwrap(), []);
}

pub(crate) async fn deliveries_of_one_moment_are_all_listed(store: AnyStore) {
    for id in ["a", "b", "c"] {
        store.receive(&delivery(id, 0)).await.unwrap();
    }
    let mut listed = Vec::new();
    let mut after: Option<String> = None;
    while let Some((next, _)) = store.deliveries(after.as_deref(), 1).await.unwrap().pop() {
        listed.push(next.id.clone());
        after = Some(next.id);
    }
    assert_eq!(listed, ["c", "b", "a"]);
}

/// Whatever a fact holds comes back as it was put, also one that speaks of no repository.
pub(crate) async fn a_webhook_comes_back_as_it_was_recorded(store: AnyStore) {
    let body = br#"{"action":"deleted","installation":{"id":5},"repositories":[{"id":7,"full_name":"acme/shop"}]}"#;
    let webhook = nestling_domain::github::read("installation", body).unwrap();
    let event = "installation".to_owned();
    let facts = [
        Fact::Webhook {
            event: event.clone(),
            webhook: Box::new(webhook),
        },
        Fact::Unreadable {
            event,
            why: "it is not JSON".to_owned(),
        },
    ];
    for (id, fact) in ["one", "one unreadable"].into_iter().zip(facts) {
        let delivery = Delivery {
            repository: None,
            fact,
            ..delivery(id, 0)
        };
        assert!(store.receive(&delivery).await.unwrap());
        assert!(store.pending(10).await.unwrap().contains(&delivery));
    }
}

pub(crate) async fn pruning_removes_settled_deliveries_and_old_answers_only(store: AnyStore) {
    store.receive(&delivery("settled", 0)).await.unwrap();
    store.receive(&delivery("pending", 0)).await.unwrap();
    store.settle("settled", &done("queued")).await.unwrap();
    let shop = preview("shop", 1);
    let input = InputId("delivery".to_owned());
    let save = Save {
        input: Some((input.clone(), "done".to_owned())),
        ..save_of(&shop)
    };
    store.save(save).await.unwrap();

    store.prune(NOON.plus(days(3))).await.unwrap();
    assert_eq!(
        store.deliveries(None, 10).await.unwrap().len(),
        2,
        "too young to go"
    );
    assert!(store.answered(&shop.id, &input).await.unwrap().is_some());

    store.prune(NOON.plus(days(365))).await.unwrap();
    let left = store.deliveries(None, 10).await.unwrap();
    assert_eq!(
        left,
        [(delivery("pending", 0), DeliveryState::Pending)],
        "never acknowledged, never lost"
    );
    assert_eq!(store.answered(&shop.id, &input).await.unwrap(), None);
    assert_eq!(store.environment(&shop.id).await.unwrap(), Some(shop));
}

pub(crate) async fn a_store_that_works_says_so(store: AnyStore) {
    store.check().await.unwrap();
    store.check().await.unwrap();
}

//! What is larger than DynamoDB's items, batches and pages.

use nestling_domain::{
    ids::{RepositoryId, Timestamp},
    record::{Delivery, DeliveryState, EventNumber, Fact},
};

use super::*;

fn delivery(id: &str, bytes: usize) -> Delivery {
    Delivery {
        id: id.to_owned(),
        at: Timestamp(1_800_000_000_000),
        repository: Some(RepositoryId(7)),
        fact: Fact::Unreadable {
            event: "push".to_owned(),
            why: "ü".repeat(bytes / 2),
        },
    }
}

#[tokio::test]
async fn a_large_delivery_comes_back_whole_and_one_that_is_too_large_is_refused_in_words() {
    let model = Model::start().unwrap();
    let store = store_in(&model).await;
    let sizes = [10, 60 << 10, 70 << 10, 400 << 10, 2 << 20];
    let all: Vec<_> = (0..)
        .zip(sizes)
        .map(|(number, bytes)| delivery(&format!("d{number}"), bytes))
        .collect();
    for one in &all {
        assert!(store.receive(one).await.unwrap());
        assert!(!store.receive(one).await.unwrap());
    }
    assert_eq!(store.pending(10).await.unwrap(), all);
    let done = DeliveryState::Done {
        decisions: std::collections::BTreeMap::new(),
    };
    for one in &all {
        store.settle(&one.id, &done).await.unwrap();
    }
    let listed = store.deliveries(None, 10).await.unwrap();
    let listed: Vec<_> = listed.into_iter().rev().collect();
    let settled: Vec<_> = all.into_iter().map(|one| (one, done.clone())).collect();
    assert_eq!(listed, settled);

    let error = store.receive(&delivery("d9", 4 << 20)).await.unwrap_err();
    assert!(matches!(error, StoreError::Rejected(_)), "{error}");
    assert!(error.to_string().contains("takes 3072 KiB"), "{error}");
}

#[tokio::test]
async fn an_environment_that_no_item_holds_is_refused_in_words() {
    let model = Model::start().unwrap();
    let store: AnyStore = Arc::new(store_in(&model).await);
    let mut shop = preview("shop", 1);
    save_first(&store, &shop).await;
    shop = next_of(&shop);
    shop.title = "x".repeat(400 << 10);
    let error = store.save(save_of(&shop)).await.unwrap_err();
    assert!(matches!(error, StoreError::Rejected(_)), "{error}");
    assert!(
        error.to_string().contains("an environment has 4"),
        "{error}"
    );
    shop.title = "x".repeat(300 << 10);
    store.save(save_of(&shop)).await.unwrap();
    assert_eq!(store.environment(&shop.id).await.unwrap(), Some(shop));
}

/// More than a page of a megabyte, and more than a hundred of one batch.
#[tokio::test]
async fn long_lists_are_read_to_their_end() {
    let model = Model::start().unwrap();
    let store: AnyStore = Arc::new(store_in(&model).await);
    for number in 1..=230 {
        let mut shop = preview("shop", number);
        shop.title = "x".repeat(8 << 10);
        let save = crate::drivers::store::Save {
            happened: vec![skipped(&"y".repeat(8 << 10))],
            due_at: Some(Timestamp(1)),
            ..save_of(&shop)
        };
        store.save(save).await.unwrap();
    }
    let app = preview("shop", 1).app;
    assert_eq!(store.environments_of_app(&app).await.unwrap().len(), 230);
    assert_eq!(
        store.environments(None, 1000).await.unwrap().items.len(),
        230
    );
    assert_eq!(store.events(EventNumber(0), 1000).await.unwrap().len(), 230);
    assert_eq!(store.due(Timestamp(1), 1000).await.unwrap().len(), 230);
    assert_eq!(store.due(Timestamp(1), 100).await.unwrap().len(), 100);
    let visits = (1..=230).map(|number| (preview("shop", number).id, Timestamp(5)));
    store.put_visits(&visits.collect::<Vec<_>>()).await.unwrap();
    let last = preview("shop", 230).id;
    assert_eq!(store.visit(&last).await.unwrap(), Some(Timestamp(5)));
}

//! Which of two servers acts.

use std::time::Instant;

use super::*;

const SPANS: Spans = Spans {
    gone: Duration::from_millis(400),
    beat: Duration::from_millis(40),
    margin: Duration::from_millis(100),
};

/// A server that has just started on these tables.
async fn server(model: &Model, name: &str) -> (AnyStore, Owner) {
    let store = store_at(&model.base()).await;
    let owner = store.owner(name, &format!("folder of {name}"), SPANS);
    (Arc::new(store), owner)
}

async fn world() -> Model {
    let model = Model::start().unwrap();
    store_in(&model).await;
    model
}

/// Makes rounds until it acts, or says why it never did.
async fn until_it_acts(owner: &mut Owner) -> u64 {
    let began = Instant::now();
    loop {
        let standing = owner.round().await;
        if let Ok(Standing::Acts(epoch)) = standing {
            return epoch;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{standing:?}");
        tokio::time::sleep(SPANS.beat).await;
    }
}

#[tokio::test]
async fn one_acts_and_the_other_reads_until_the_first_is_gone() {
    let model = world().await;
    let (first, mut its_owner) = server(&model, "first").await;
    let (second, mut waiting) = server(&model, "second").await;
    assert_eq!(its_owner.round().await, Ok(Standing::Acts(1)));
    let waits = Standing::Waits("first".to_owned());
    assert_eq!(waiting.round().await, Ok(waits.clone()));

    let shop = preview("shop", 1);
    save_first(&first, &shop).await;
    assert_eq!(
        second.environment(&shop.id).await.unwrap(),
        Some(shop.clone())
    );
    let refused = second.save(save_of(&next_of(&shop))).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unknown(_)), "{refused}");

    // Both go on for longer than a server that is gone may be silent.
    let began = Instant::now();
    while began.elapsed() < SPANS.gone * 2 {
        assert_eq!(its_owner.round().await, Ok(Standing::Acts(1)));
        assert_eq!(waiting.round().await, Ok(waits.clone()));
    }

    // The first beats no more, and knows by its own clock that it may not write before anybody else may.
    let began = Instant::now();
    assert_eq!(until_it_acts(&mut waiting).await, 2);
    assert!(began.elapsed() + SPANS.margin >= SPANS.gone, "too early");
    let late = first.save(save_of(&next_of(&shop))).await.unwrap_err();
    assert!(matches!(late, StoreError::Unknown(_)), "{late}");
    second.save(save_of(&next_of(&shop))).await.unwrap();
    let waits = Standing::Waits("second".to_owned());
    assert_eq!(its_owner.round().await, Ok(waits));
}

#[tokio::test]
async fn one_that_leaves_in_order_is_followed_at_once() {
    let model = world().await;
    let (first, mut its_owner) = server(&model, "first").await;
    let (_, mut waiting) = server(&model, "second").await;
    its_owner.round().await.unwrap();
    waiting.round().await.unwrap();
    its_owner.leave().await.unwrap();
    let late = first.save(save_of(&preview("shop", 1))).await.unwrap_err();
    assert!(matches!(late, StoreError::Unknown(_)), "{late}");
    assert_eq!(waiting.round().await, Ok(Standing::Acts(2)));
}

#[tokio::test]
async fn one_that_starts_again_on_its_folder_does_not_wait_for_the_one_before() {
    let model = world().await;
    let store = store_at(&model.base()).await;
    for epoch in 1..=3 {
        let mut owner = store.owner(&format!("start {epoch}"), "the folder", SPANS);
        assert_eq!(owner.round().await, Ok(Standing::Acts(epoch)));
    }
}

#[tokio::test]
async fn of_many_that_start_at_once_one_acts() {
    let model = world().await;
    let mut owners = Vec::new();
    for number in 0..8 {
        owners.push(server(&model, &format!("server {number}")).await.1);
    }
    let rounds = owners.iter_mut().map(Owner::round);
    let standings = futures::future::join_all(rounds).await;
    let acts = standings
        .iter()
        .filter(|one| **one == Ok(Standing::Acts(1)));
    assert_eq!(acts.count(), 1, "{standings:?}");
}

#[tokio::test]
async fn a_lost_answer_makes_nobody_act_twice_and_nobody_wait_for_himself() {
    let model = world().await;
    let (store, mut owner) = server(&model, "first").await;
    model.order("TransactWriteItems", Fault::LostAnswer, Times::Only(1));
    assert_eq!(owner.round().await, Ok(Standing::Acts(1)));
    model.order("UpdateItem", Fault::LostAnswer, Times::Only(1));
    assert_eq!(owner.round().await, Ok(Standing::Acts(1)));
    save_first(&store, &preview("shop", 1)).await;
    // Beats that never get through are none, and writing ends before anybody else may begin.
    model.order("UpdateItem", Fault::Cut, Times::Always);
    let began = Instant::now();
    while owner.round().await.is_ok() {
        assert!(began.elapsed() < Duration::from_secs(20));
    }
    while store.check().await.is_ok() {
        assert!(began.elapsed() < Duration::from_secs(20));
    }
    let refused = store.save(save_of(&preview("shop", 2))).await.unwrap_err();
    assert!(refused.to_string().contains("may not write"), "{refused}");
}

//! Numbers of events, with several servers.

use nestling_domain::record::EventNumber;

use super::*;

#[tokio::test]
async fn two_servers_never_give_the_same_number_and_each_environment_counts_up() {
    let model = Model::start().unwrap();
    let one: AnyStore = Arc::new(store_in(&model).await);
    let two: AnyStore = Arc::new(store_at(&model.base()).await);
    let mut shop = preview("shop", 1);
    save_first(&one, &shop).await;
    let mut numbers = Vec::new();
    // The one took its block first; a save after the other's must still have a higher number.
    for store in [&one, &two, &one, &one, &two, &one] {
        let (next, events) = save_next(store, &shop, "again").await;
        numbers.extend(events.into_iter().map(|event| event.number));
        shop = next;
    }
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    let events = one.events(EventNumber(0), 100).await.unwrap();
    let listed: Vec<_> = events.iter().map(|event| event.number).collect();
    assert_eq!(listed, numbers);
}

#[tokio::test]
async fn nobody_reads_past_a_number_that_is_on_its_way() {
    let model = Model::start().unwrap();
    let store = store_in(&model).await;
    let any: AnyStore = Arc::new(store.clone());
    let (first, second) = (preview("shop", 1), preview("shop", 2));
    save_first(&any, &first).await;
    save_first(&any, &second).await;
    let slow = store.numbers(1, 0).await.unwrap();
    let (second, events) = save_next(&any, &second, "quicker").await;
    assert!(events[0].number.0 > slow.first);
    assert_eq!(any.events(EventNumber(0), 10).await.unwrap(), []);
    assert_eq!(any.events_of(&second.id, None, 10).await.unwrap(), events);
    slow.over();
    assert_eq!(any.events(EventNumber(0), 10).await.unwrap(), events);
}

#[tokio::test]
async fn what_may_still_arrive_is_waited_for_and_not_for_ever() {
    let sequence = Sequence::default();
    assert_eq!(sequence.read_up_to(), None);
    let model = Model::start().unwrap();
    let store = store_in(&model).await;
    let given = store.numbers(3, 0).await.unwrap();
    let first = given.first;
    drop(given);
    assert_eq!(store.0.sequence.read_up_to(), Some(first));
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(31)).await;
    assert_eq!(store.0.sequence.read_up_to(), None);
}

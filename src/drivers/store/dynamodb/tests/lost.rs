//! Whichever request loses its answer or its way, the world ends as if none had.

use std::collections::BTreeMap;

use nestling_domain::{
    ids::{Class, InputId, RepositoryId},
    orders::Order,
    record::{Content, Delivery, DeliveryState, EventNumber, Fact, Value},
};
use nestling_world::aws::dynamodb::Items;

use super::*;
use crate::drivers::store::{
    Save,
    conformance::{NOON, app, days, record, serving},
};

/// Something of everything that the store writes.
async fn story(store: &AnyStore) {
    let recorded = store.put_app(&app(7, "", "shop")).await.unwrap();
    let mut shop = preview(&recorded.id.0, 1);
    for round in 1..=3 {
        let mut life = shop.clone();
        life.lifecycle.state = serving(round);
        let save = Save {
            due_at: Some(NOON.plus(days(u64::from(round)))),
            input: Some((InputId(format!("input {round}")), "done".to_owned())),
            happened: vec![skipped("one"), skipped("two")],
            deployments: vec![record(&shop.id, round)],
            ..save_of(&life)
        };
        store.save(save).await.unwrap();
        shop = next_of(&shop);
    }
    shop.branch = "renamed".to_owned();
    store.save(save_of(&shop)).await.unwrap();
    // Nothing but the record: a put that has no token.
    shop = next_of(&shop);
    shop.title = "another title".to_owned();
    store.save(save_of(&shop)).await.unwrap();
    store.put_visits(&[(shop.id.clone(), NOON)]).await.unwrap();

    let delivery = Delivery {
        id: "delivery".to_owned(),
        at: NOON,
        repository: Some(RepositoryId(7)),
        fact: Fact::Unreadable {
            event: "push".to_owned(),
            why: "x".repeat(100 << 10),
        },
    };
    assert!(store.receive(&delivery).await.unwrap());
    let done = DeliveryState::Done {
        decisions: BTreeMap::new(),
    };
    store.settle("delivery", &done).await.unwrap();

    let numbered = store
        .number_pull_request(RepositoryId(7), "feature")
        .await
        .unwrap();
    assert_eq!(numbered.number, 1);
    store.put_pull_request(&numbered).await.unwrap();
    let order = store.order(RepositoryId(7), 1, &Order::Keep).await.unwrap();
    assert!(order.unwrap().orders.kept);

    let value = Value {
        app: recorded.id.clone(),
        class: Class::Preview,
        name: nestling_domain::app::VariableName::parse("MODE").unwrap(),
        content: Content::Plain {
            text: "fast".to_owned(),
        },
        updated_at: NOON,
    };
    store.put_value(&value).await.unwrap();
    let gone = store
        .delete_value(&recorded.id, Class::Preview, &value.name)
        .await
        .unwrap();
    assert!(gone);
    store.put_value(&value).await.unwrap();

    let other = store.put_app(&app(8, "", "shop")).await.unwrap();
    assert_ne!(other.slug, recorded.slug);
    store.delete_app(&recorded.id, NOON).await.unwrap();
    let returned = Delivery {
        id: "return".to_owned(),
        ..delivery
    };
    store.bring_back(&recorded, &returned).await.unwrap();
    store.advance("audit", EventNumber(1)).await.unwrap();
    let passing = preview(&recorded.id.0, 2);
    save_first(store, &passing).await;
    store.forget_environment(&passing.id).await.unwrap();
    store.prune(NOON.plus(days(1))).await.unwrap();
}

/// What lies in the tables, without what counts up whenever it is asked, blocks of numbers, and without who wrote, which is by chance.
fn world(model: &Model) -> Vec<(String, Items)> {
    model.act(|state| {
        let tables = state.tables.iter();
        let tables = tables.map(|(name, table)| {
            let mut items = table.items.clone();
            items.retain(|(pk, _), _| pk != keys::SEQUENCE);
            for item in items.values_mut() {
                item.remove("writer");
            }
            (name.clone(), items)
        });
        tables.collect()
    })
}

async fn told(fault: Option<(usize, Fault)>) -> (Vec<(String, Items)>, Vec<String>) {
    let model = Model::start().unwrap();
    let store = store_in(&model).await;
    // Whoever asks for a block of numbers twice gets another one.
    store.number().await.unwrap();
    let store: AnyStore = Arc::new(store);
    model.act(|state| {
        state.asked.clear();
        state.window = Duration::ZERO;
        if let Some((place, fault)) = fault {
            let place = u32::try_from(place).unwrap();
            state.faults.later("*", place, fault, Times::Only(1));
        }
    });
    story(&store).await;
    let asked = model.act(|state| {
        assert!(state.faults.is_spent(), "the fault never came");
        let asked = state.asked.iter();
        asked.map(|asked| asked.operation.clone()).collect()
    });
    (world(&model), asked)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_of_any_request_ends_in_the_same_world_as_none() {
    let (whole, asked) = told(None).await;
    assert!(asked.len() > 50, "{asked:?}");
    // What is done and not told matters where something is written, at every place; what is not done matters nowhere, or anywhere.
    let writes = |operation: &str| !operation.contains("Get") && operation != "Query";
    let places = asked.iter().enumerate();
    let done = places
        .clone()
        .filter(|(_, operation)| writes(operation))
        .flat_map(|place| {
            [Fault::LostAnswer, Fault::DoneButStatus(500)].map(|fault| (place, fault))
        });
    let undone = [
        Fault::Cut,
        Fault::Throttled,
        Fault::Status(500),
        // They are renewed a moment later.
        Fault::Refused("ExpiredTokenException"),
    ];
    let undone = places.zip(undone.into_iter().cycle());
    for ((place, operation), fault) in done.chain(undone) {
        let (world, _) = told(Some((place, fault.clone()))).await;
        assert_eq!(world, whole, "{fault:?} of request {place}, {operation}");
    }
}

//! What the record of an environment keeps beside the environment, and when it leaves.

use nestling_domain::{
    deployment::Shown,
    ids::{EnvironmentId, Generation},
    record::{DeploymentRecord, EventNumber},
};
use nestling_world::aws::dynamodb::{Item, Value};

use super::*;
use crate::drivers::store::{
    Save,
    conformance::{NOON, record},
};

async fn world() -> (Model, AnyStore) {
    let model = Model::start().unwrap();
    let store = store_in(&model).await;
    (model, Arc::new(store))
}

/// How many items of an environment have keys that begin so.
fn items_of(model: &Model, id: &EnvironmentId, begin: &str) -> usize {
    let pk = keys::environment(id);
    model.act(|state| {
        let keys = state.tables["nestling"].items.keys();
        keys.filter(|(one, sk)| *one == pk && sk.starts_with(begin))
            .count()
    })
}

fn ended(id: &EnvironmentId, generation: u32) -> DeploymentRecord {
    DeploymentRecord {
        shown: Shown::Stopped,
        // As of one that found a slot at once.
        phases: vec![(Shown::Queued, NOON), (Shown::Deploying, NOON)],
        ended_at: Some(NOON),
        ..record(id, generation)
    }
}

#[tokio::test]
async fn what_was_told_is_read_whole_wherever_it_is_kept() {
    let (model, any) = world().await;
    let mut shop = preview("shop", 1);
    save_first(&any, &shop).await;
    let mut told = Vec::new();
    for round in 1..=60_u64 {
        // Something that does not pack well.
        let reason = format!("{:x}", round.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (next, events) = save_next(&any, &shop, &reason).await;
        told.extend(events);
        shop = next;
    }
    assert_eq!(any.events(EventNumber(0), 100).await.unwrap(), told);
    told.reverse();
    assert_eq!(any.events_of(&shop.id, None, 100).await.unwrap(), told);
    for (after, limit) in [(0, 5), (15, 20), (30, 40)] {
        let before = Some(told[after].number);
        let page = any.events_of(&shop.id, before, limit).await.unwrap();
        let wanted: Vec<_> = told.iter().skip(after + 1).take(limit).cloned().collect();
        assert_eq!(page, wanted, "{limit} before the one at {after}");
    }
    let moved = items_of(&model, &shop.id, keys::EVENTS_OF);
    assert!((1..20).contains(&moved), "{moved} items for 60 saves");

    any.forget_environment(&shop.id).await.unwrap();
    assert_eq!(any.events(EventNumber(0), 100).await.unwrap(), []);
    assert_eq!(any.events_of(&shop.id, None, 100).await.unwrap(), []);
}

#[tokio::test]
async fn a_deployment_has_an_item_of_its_own_once_it_has_ended() {
    let (model, any) = world().await;
    let shop = preview("shop", 1);
    let save = Save {
        deployments: vec![record(&shop.id, 1)],
        ..save_of(&shop)
    };
    any.save(save).await.unwrap();
    assert_eq!(items_of(&model, &shop.id, keys::DEPLOYMENTS), 0);
    let one = any.deployment(&shop.id, Generation(1)).await.unwrap();
    assert_eq!(one, Some(record(&shop.id, 1)));

    let save = Save {
        deployments: vec![ended(&shop.id, 1), record(&shop.id, 2)],
        ..save_of(&next_of(&shop))
    };
    any.save(save).await.unwrap();
    assert_eq!(items_of(&model, &shop.id, keys::DEPLOYMENTS), 1);
    let both = any.deployments(&shop.id, None, 10).await.unwrap();
    assert_eq!(both, [record(&shop.id, 2), ended(&shop.id, 1)]);
    let older = any.deployments(&shop.id, Some(Generation(2)), 10).await;
    assert_eq!(older.unwrap(), [ended(&shop.id, 1)]);
}

#[tokio::test]
async fn the_fifty_first_deployment_ends_the_first_ones_item() {
    let (model, any) = world().await;
    let mut shop = preview("shop", 1);
    for generation in 1..=52 {
        shop.lifecycle.generation = Generation(generation);
        let save = Save {
            deployments: vec![ended(&shop.id, generation)],
            ..save_of(&shop)
        };
        any.save(save).await.unwrap();
        shop = next_of(&shop);
    }
    assert_eq!(items_of(&model, &shop.id, keys::DEPLOYMENTS), 50);
    let all = any.deployments(&shop.id, None, 100).await.unwrap();
    assert_eq!(all.last().unwrap().generation, Generation(3));
}

/// Plain JSON, and an item for each deployment and for what each save told.
#[tokio::test]
async fn what_an_earlier_version_wrote_is_read_and_written_anew() {
    let (model, any) = world().await;
    let shop = preview("shop", 1);
    let save = Save {
        happened: vec![skipped("one"), skipped("two")],
        deployments: vec![record(&shop.id, 1)],
        ..save_of(&shop)
    };
    let mut events = any.save(save).await.unwrap();
    events.reverse();
    let pk = keys::environment(&shop.id);
    let text = |text: String| Value::S(text);
    model.act(|state| {
        let items = &mut state.tables.get_mut("nestling").unwrap().items;
        let mut listed = items.iter();
        let listed = listed.find(|((pk, _), _)| pk.starts_with("EVENTS#"));
        let told = listed.unwrap().1.clone();
        let json = serde_json::to_string(&record(&shop.id, 1)).unwrap();
        let deployment = Item::from([("body".to_owned(), text(json))]);
        let first = events.last().unwrap().number.0;
        for (sk, mut item) in [
            (keys::event(first), told),
            (keys::deployment(Generation(1)), deployment),
        ] {
            item.insert("pk".to_owned(), text(pk.clone()));
            item.insert("sk".to_owned(), text(sk.clone()));
            items.insert((pk.clone(), sk), item);
        }
        let whole = items.get_mut(&(pk.clone(), pk.clone())).unwrap();
        whole.remove("writer");
        let json = serde_json::to_string(&shop).unwrap();
        whole.insert("body".to_owned(), text(json));
    });
    assert_eq!(
        any.environment(&shop.id).await.unwrap().as_ref(),
        Some(&shop)
    );
    assert_eq!(any.events_of(&shop.id, None, 10).await.unwrap(), events);
    let deployments = any.deployments(&shop.id, None, 10).await.unwrap();
    assert_eq!(deployments, [record(&shop.id, 1)]);

    let (shop, more) = save_next(&any, &shop, "three").await;
    assert_eq!(
        any.environment(&shop.id).await.unwrap().as_ref(),
        Some(&shop)
    );
    let events = [more, events].concat();
    assert_eq!(any.events_of(&shop.id, None, 10).await.unwrap(), events);
    let deployments = any.deployments(&shop.id, None, 10).await.unwrap();
    assert_eq!(deployments, [record(&shop.id, 1)]);
    let body = model.act(|state| {
        let items = &state.tables["nestling"].items;
        items[&(pk.clone(), pk.clone())]["body"].clone()
    });
    assert!(matches!(body, Value::B(_)), "{body:?}");
    any.forget_environment(&shop.id).await.unwrap();
    assert_eq!(any.events(EventNumber(0), 10).await.unwrap(), []);
}

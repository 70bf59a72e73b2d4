//! What the life of a preview costs: opened, pushed to three times, closed; in write units as DynamoDB counts them. And what everything
//! else costs that a server does again and again (docs/costs.md).

use std::collections::BTreeMap;

use nestling_domain::{
    environment::Environment,
    ids::{EnvironmentId, Kind, RepositoryId},
    lifecycle::{Event, Times as Spans, Trigger},
    record::{Delivery, DeliveryState, Fact},
};
use nestling_world::aws::dynamodb::{Item, Value, size};

use super::*;
use crate::{
    drivers::store::conformance::NOON,
    world::{House, app as app_called, commit, until},
};

/// What the original system writes: four whole copies in a transaction, whenever the status changes.
const COPIES: u64 = 4;

/// Two units for each KiB that a transaction writes.
fn in_transaction(item: &Item) -> u64 {
    2 * u64::try_from(size(item).div_ceil(1024)).unwrap()
}

/// The environment that an item holds, if it is a record by id; and the item as the original pattern writes it: the whole
/// environment as plain JSON, with the same attributes, and nothing that only our way of writing needs.
fn plain(item: &Item) -> Option<(Environment, Item)> {
    let text = |name: &str| match item.get(name) {
        Some(Value::S(text)) => text.as_str(),
        _ => "",
    };
    let is_by_id = text("pk") == text("sk") && text("pk").starts_with("ENVIRONMENT#");
    let body = item.get("body").filter(|_| is_by_id)?;
    let Value::B(packed) = body else {
        panic!("it is not packed: {body:?}");
    };
    let body = packed::unpack(packed).unwrap();
    let json = body.split('\n').next().unwrap();
    let mut plain = item.clone();
    plain.remove("writer");
    plain.insert("body".to_owned(), Value::S(json.to_owned()));
    Some((serde_json::from_str(json).unwrap(), plain))
}

/// What requests cost, from one of them on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cost {
    writes: u64,
    reads_twice: u64,
    requests: usize,
}

impl Cost {
    /// Of everything since then.
    fn since(model: &Model, begin: usize) -> Self {
        model.act(|state| Cost {
            writes: state.write_units(begin),
            reads_twice: state.read_units_twice(begin),
            requests: state.asked.len() - begin,
        })
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, half) = (self.reads_twice / 2, self.reads_twice % 2 * 5);
        write!(
            f,
            "{} write units, {whole}.{half} read units, {} requests",
            self.writes, self.requests
        )
    }
}

/// How much was asked until now.
fn mark(model: &Model) -> usize {
    model.act(|state| state.asked.len())
}

#[actix::test]
async fn a_life_costs_less_than_half_of_what_the_original_pattern_does() {
    let model = Model::start().unwrap();
    let store = store_in(&model).await;
    let shop = app_called("shop");
    store.put_app(&shop).await.unwrap();
    let quick = |neighbours: &mut crate::actors::environment::Neighbours| {
        neighbours.times = Spans {
            absent_again: Duration::from_millis(100),
            ..Spans::default()
        };
    };
    let sign = Box::new(|_: &_, _| String::new());
    let house = House::arranged(Arc::new(store.clone()), sign, quick).await;
    house.outside.runners.set(true);
    model.act(|state| state.written = Some(Vec::new()));
    let begin = mark(&model);
    let id = EnvironmentId::derive(&shop.id, Kind::Preview(1));
    for push in 1..=4 {
        let one = mark(&model);
        *house.outside.head.borrow_mut() = Some(commit(push));
        let hint = Event::Hint {
            commit: Some(commit(push).id),
            trigger: Trigger::Push,
        };
        house.tell(&shop, Kind::Preview(1), hint).await.unwrap();
        until(&store, &id, "ran", |one| {
            let serving = one.lifecycle.serving();
            let is_it = serving.is_some_and(|serving| serving.commit.id == commit(push).id);
            is_it && one.lifecycle.world.draining.is_none()
        })
        .await;
        let what = if push == 1 { "opened" } else { "pushed to" };
        eprintln!("{what}: {}", Cost::since(&model, one));
    }
    let closing = mark(&model);
    *house.outside.head.borrow_mut() = None;
    let hint = Event::Hint {
        commit: None,
        trigger: Trigger::Push,
    };
    house.tell(&shop, Kind::Preview(1), hint).await.unwrap();
    until(&store, &id, "was gone", |one| {
        one.lifecycle.is_closed() && one.lifecycle.world.machines.is_empty()
    })
    .await;

    eprintln!("closed: {}", Cost::since(&model, closing));

    let cost = Cost::since(&model, begin);
    let written = model.act(|state| state.written.take().unwrap());
    let saves: Vec<(Environment, u64)> = written
        .iter()
        .filter_map(plain)
        .map(|(environment, plain)| (environment, COPIES * in_transaction(&plain)))
        .collect();
    let mut changes = saves.clone();
    changes.dedup_by_key(|(environment, _)| environment.lifecycle.shown().name());
    let all: u64 = saves.iter().map(|(_, units)| units).sum();
    let theirs: u64 = changes.iter().map(|(_, units)| units).sum();
    eprintln!(
        "the whole life, {} saves, {} changes of status: {cost}; the original pattern {theirs} write units for the changes of status alone, {all} for all saves",
        saves.len(),
        changes.len()
    );
    let ours = cost.writes;
    assert!(2 * ours <= theirs, "{ours} write units against {theirs}");
}

#[tokio::test]
async fn what_comes_again_and_again_costs_what_the_guide_says() {
    let model = Model::start().unwrap();
    let store = store_in(&model).await;
    let any: AnyStore = Arc::new(store.clone());
    let shop = preview("shop", 1);
    save_first(&any, &shop).await;
    store.number().await.unwrap();
    let mut told = Vec::new();
    let mut tell = |what: &str, begin: usize| {
        let cost = Cost::since(&model, begin);
        eprintln!("{what}: {cost}");
        told.push(cost.writes);
    };

    let begin = mark(&model);
    let delivery = Delivery {
        id: "0190b6f0-4a3e-11ef-9c0e-5d1f3c7c9a55".to_owned(),
        at: NOON,
        repository: Some(RepositoryId(7)),
        fact: Fact::PullRequest {
            number: 1,
            branch: "feature-1".to_owned(),
            title: "a change".to_owned(),
            commit: Some(commit(1).id),
            trigger: Trigger::Push,
        },
    };
    assert!(any.receive(&delivery).await.unwrap());
    tell("a webhook received", begin);
    let begin = mark(&model);
    let done = DeliveryState::Done {
        decisions: BTreeMap::from([(shop.id.to_string(), "it asks what is true now".to_owned())]),
    };
    any.settle(&delivery.id, &done).await.unwrap();
    tell("the same settled", begin);
    let begin = mark(&model);
    assert!(!any.receive(&delivery).await.unwrap());
    tell("the same received again", begin);

    let begin = mark(&model);
    any.put_visits(&[(shop.id.clone(), NOON)]).await.unwrap();
    tell("a visit remembered", begin);
    let begin = mark(&model);
    any.due(NOON, 10).await.unwrap();
    tell("a sweep that finds nothing due", begin);
    let begin = mark(&model);
    any.environments(None, 500).await.unwrap();
    tell("a round that looks at one preview", begin);
    let begin = mark(&model);
    any.check().await.unwrap();
    tell("a look whether the store can write", begin);
    let begin = mark(&model);
    any.prune(NOON).await.unwrap();
    tell("a round of pruning that finds nothing old", begin);
    let mut owner = store.owner("server", "folder", super::Spans::default());
    owner.round().await.unwrap();
    let begin = mark(&model);
    owner.round().await.unwrap();
    tell("a beat of who acts", begin);
    assert_eq!(
        told,
        [6, 4, 0, 1, 0, 0, 1, 0, 1],
        "docs/costs.md says these"
    );
}

//! What the life of a preview costs: opened, pushed to three times, closed; in write units as DynamoDB counts them.

use nestling_domain::{
    environment::Environment,
    ids::Kind,
    lifecycle::{Event, Times as Spans, Trigger},
};
use nestling_world::aws::dynamodb::{Item, Value, size};

use super::*;
use crate::world::{House, app as app_called, commit, until};

/// What the original system writes: four whole copies in a transaction, whenever the status changes.
const COPIES: u64 = 4;

/// Two units for each KiB that a transaction writes.
fn in_transaction(item: &Item) -> u64 {
    2 * u64::try_from(size(item).div_ceil(1024)).unwrap()
}

/// The environment that an item holds, if it is a record by id.
fn environment_of(item: &Item) -> Option<Environment> {
    let text = |name: &str| match item.get(name) {
        Some(Value::S(text)) => text.as_str(),
        _ => "",
    };
    let is_by_id = text("pk") == text("sk") && text("pk").starts_with("ENVIRONMENT#");
    is_by_id.then(|| serde_json::from_str(text("body")).unwrap())
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
    let begin = model.act(|state| {
        state.written = Some(Vec::new());
        state.asked.len()
    });
    let id = nestling_domain::ids::EnvironmentId::derive(&shop.id, Kind::Preview(1));
    for push in 1..=4 {
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
    }
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

    let (ours, reads, requests, written) = model.act(|state| {
        let written = state.written.take().unwrap();
        (
            state.write_units(begin),
            state.read_units_twice(begin) / 2,
            state.asked.len() - begin,
            written,
        )
    });
    let saves: Vec<(Environment, u64)> = written
        .iter()
        .filter_map(|item| Some((environment_of(item)?, COPIES * in_transaction(item))))
        .collect();
    let mut changes = saves.clone();
    changes.dedup_by_key(|(environment, _)| environment.lifecycle.shown().name());
    let all: u64 = saves.iter().map(|(_, units)| units).sum();
    let theirs: u64 = changes.iter().map(|(_, units)| units).sum();
    eprintln!(
        "{} saves, {} changes of status, {requests} requests: {ours} write units and {reads} read units; the original pattern {theirs} for the changes of status alone, {all} for all saves",
        saves.len(),
        changes.len()
    );
    assert!(2 * ours <= all, "{ours} write units against {all}");
}

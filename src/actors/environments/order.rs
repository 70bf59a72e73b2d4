//! Order for one environment holds from many concurrent senders.

use std::{collections::HashMap, sync::Arc};

use actix::prelude::*;
use futures::future::join_all;
use nestling_domain::{
    ids::{EnvironmentId, Generation, Kind},
    lifecycle::{Command, Event},
};

use crate::{
    drivers::store::sqlite::Sqlite,
    messages::environments::Route,
    world::{House, app, apply, commit},
};

const ENVIRONMENTS: u32 = 100;
const EVENTS: u32 = 1_000;
const SENDERS: u32 = 8;

/// Each sender orders deployments without waiting for answers. Each order gets the next generation, so a
/// sender's own orders must get growing generations, and all orders of an environment each its own.
#[actix::test]
async fn what_one_sender_says_first_is_decided_first() {
    let store = Arc::new(Sqlite::in_memory().unwrap());
    let house = House::start(store, Box::new(|_, _| "token".to_owned())).await;
    *house.outside.head.borrow_mut() = Some(commit(1));
    let apps: Vec<_> = (0..ENVIRONMENTS)
        .map(|n| app(&format!("app-{n}")))
        .collect();
    let mut senders = Vec::new();
    for sender in 0..SENDERS {
        let (recipient, apps) = (house.environments.route.clone(), apps.clone());
        let (done, answers) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let system = System::new();
            let decided = system.block_on(async move {
                let mut decided: HashMap<usize, Vec<Generation>> = HashMap::new();
                // In rounds small enough for the door: 8 senders × 25 orders wait for one environment at most.
                let rounds = EVENTS / SENDERS / 25;
                for round in 0..rounds {
                    for (place, app) in apps.iter().enumerate() {
                        let orders = (0..25).map(|n| {
                            let order =
                                Command::Deploy(commit(u64::from(sender * 1_000 + round * 25 + n)));
                            recipient.send(Route {
                                id: EnvironmentId::derive(&app.id, Kind::Production),
                                apply: apply(app, Kind::Production, Event::Command(order)),
                            })
                        });
                        let orders: Vec<_> = orders.collect();
                        for applied in join_all(orders).await {
                            let applied = applied.unwrap().unwrap();
                            decided
                                .entry(place)
                                .or_default()
                                .push(applied.environment.lifecycle.generation);
                        }
                    }
                }
                decided
            });
            done.send(decided).unwrap();
        });
        senders.push(answers);
    }
    let mut all: HashMap<usize, Vec<Generation>> = HashMap::new();
    for answers in senders {
        for (place, generations) in answers.await.unwrap() {
            assert!(
                generations.is_sorted_by(|a, b| a < b),
                "orders of one sender were decided in another order"
            );
            all.entry(place).or_default().extend(generations);
        }
    }
    for (place, mut generations) in all {
        generations.sort();
        generations.dedup();
        // The forge's own answer may have queued a deployment in between, so numbers may be skipped, never shared.
        assert_eq!(
            generations.len(),
            EVENTS as usize,
            "every order of app {place} is a deployment of its own"
        );
    }
}

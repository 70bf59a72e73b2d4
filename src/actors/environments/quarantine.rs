//! A bug in one environment is contained, and its neighbours do not notice.

use std::sync::Arc;

use nestling_domain::{
    ids::{EnvironmentId, Kind},
    lifecycle::{Command, Event, Trigger},
};

use crate::{
    drivers::store::sqlite::Sqlite,
    messages::{environment::NotApplied, environments::Quarantined},
    world::{House, app, commit, until},
};

fn opened() -> Event {
    Event::Hint {
        commit: None,
        trigger: Trigger::Push,
    }
}

#[actix::test]
async fn three_deaths_in_a_minute_quarantine_an_environment_and_never_delay_another() {
    let (cursed, healthy) = (app("cursed"), app("healthy"));
    let id = EnvironmentId::derive(&cursed.id, Kind::Production);
    let store = Arc::new(Sqlite::in_memory().unwrap());
    let bug = id.clone();
    let sign = move |id: &EnvironmentId, _| {
        assert!(*id != bug, "a bug that strikes {id}");
        "token".to_owned()
    };
    let house = House::start(store, Box::new(sign)).await;
    house.outside.runners.set(true);
    *house.outside.head.borrow_mut() = Some(commit(1));

    house
        .tell(&cursed, Kind::Production, opened())
        .await
        .unwrap();
    house
        .tell(&healthy, Kind::Production, opened())
        .await
        .unwrap();

    let neighbour = EnvironmentId::derive(&healthy.id, Kind::Production);
    until(&*house.store, &neighbour, "ran", |record| {
        record.lifecycle.state_name() == "running"
    })
    .await;
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    let reason = loop {
        if let Some(reason) = house.address.send(Quarantined).await.unwrap().remove(&id) {
            break reason;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "it was never quarantined"
        );
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    };
    assert_eq!(
        reason,
        "3 deaths within 60 s; the server's log has each panic"
    );

    let refused = house
        .tell(&cursed, Kind::Production, opened())
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, NotApplied::Quarantined { .. }),
        "{refused}"
    );
    let neighbour = house
        .tell(
            &healthy,
            Kind::Production,
            Event::Command(Command::Redeploy),
        )
        .await
        .unwrap();
    assert_eq!(neighbour.environment.lifecycle.generation.0, 2);

    let looks = house.store.environment(&id).await.unwrap().unwrap();
    let looks = looks.lifecycle.looks;
    let stopped = house
        .tell(&cursed, Kind::Production, Event::Command(Command::Stop))
        .await;
    assert!(
        stopped.is_ok() || matches!(stopped, Err(NotApplied::Uncertain(_))),
        "an order of a person releases it"
    );
    // What was told to it in quarantine is not lost.
    until(&*house.store, &id, "asked what is true now", |record| {
        record.lifecycle.looks > looks
    })
    .await;
}

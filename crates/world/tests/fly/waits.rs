//! To wait for a machine.

use std::time::Duration;

use anyhow::Result;
use nestling_world::fly::{Phase, Times};
use serde_json::json;
use tokio::time::timeout;

use crate::support::{World, machine};

#[tokio::test]
async fn who_waits_is_answered_when_it_happens() -> Result<()> {
    let world = World::with_app().await?;
    world
        .fly
        .act(|fly| fly.faults.hold("shop", Phase::Created, 300, Times::Only(1)));
    let made = world
        .post("/apps/shop/machines", machine("one", json!({})))
        .await?
        .expect(200);
    let one = format!("/apps/shop/machines/{}", made["id"].as_str().unwrap());
    let up = world.get(&format!("{one}/wait")).await?.expect(200);
    assert_eq!((&up["ok"], &up["state"]), (&json!(true), &json!("started")));
    assert_eq!(up["version"], made["instance_id"]);
    let any = world
        .get(&format!(
            "{one}/wait?state=stopped,started,failed&version={}",
            made["instance_id"].as_str().unwrap()
        ))
        .await?;
    assert_eq!(any.expect(200)["state"], "started");
    assert_eq!(
        world
            .get(&format!("{one}/wait?state=settled"))
            .await?
            .expect(200)["state"],
        "started"
    );

    let gone = format!("{one}/wait?state=destroyed&timeout=10");
    let path = format!("{one}?force=true");
    let (gone, removed) = tokio::join!(world.get(&gone), world.delete(&path));
    removed?.expect(200);
    assert_eq!(gone?.expect(200)["state"], "destroyed");
    world.finish()
}

#[tokio::test]
async fn who_waits_in_vain_hears_so_after_a_minute_at_most() -> Result<()> {
    let world = World::with_app().await?;
    // For two hours and more it is created, and nothing else happens.
    world.fly.act(|fly| {
        fly.faults
            .hold("shop", Phase::Created, 7_300_000, Times::Only(1));
    });
    let made = world
        .post("/apps/shop/machines", machine("one", json!({})))
        .await?
        .expect(200);
    let one = format!("/apps/shop/machines/{}", made["id"].as_str().unwrap());
    let wait = format!("{one}/wait?timeout=1");
    let late = world.get(&wait).await?;
    assert_eq!(late.status, 408);
    let words =
        "deadline_exceeded: machine failed to reach desired state, started, currently created";
    assert_eq!(late.error(), words);
    // Nobody waits longer than a minute, whatever they ask for.
    let wait = format!("{one}/wait?timeout=600");
    let mut waiting = Box::pin(world.get(&wait));
    assert!(
        timeout(Duration::from_millis(200), &mut waiting)
            .await
            .is_err()
    );
    world.fly.act(|fly| fly.clock.advance(60_000));
    assert_eq!(waiting.await?.status, 408);
    world.fly.act(|fly| fly.clock.advance(7_300_000));
    world.get(&format!("{one}/wait")).await?.expect(200);
    world.finish()
}

#[tokio::test]
async fn who_looks_takes_nothing_from_who_waits() -> Result<()> {
    let world = World::with_app().await?;
    let new = machine("one", json!({}));
    let made = world.post("/apps/shop/machines", new).await?.expect(200);
    let id = made["id"].as_str().unwrap();
    let wait = format!("/apps/shop/machines/{id}/wait");
    let looking = async {
        // Whatever happens is seen here first.
        while !world.fly.look(|fly| fly.is_healthy(id)) {
            tokio::task::yield_now().await;
        }
    };
    let both = async { tokio::join!(world.get(&wait), looking) };
    let (waited, ()) = timeout(Duration::from_secs(10), both).await?;
    waited?.expect(200);
    world.finish()
}

#[tokio::test]
async fn what_cannot_be_waited_for_is_refused() -> Result<()> {
    let (world, id) = World::with_machine().await?;
    let one = format!("/apps/shop/machines/{id}/wait");
    let stopped = world.get(&format!("{one}?state=stopped")).await?;
    assert_eq!(stopped.status, 400);
    assert!(
        stopped.error().contains("instance_id is required"),
        "{stopped:?}"
    );
    assert_eq!(world.get(&format!("{one}?state=happy")).await?.status, 400);
    assert_eq!(
        world
            .get("/apps/shop/machines/00000000000000/wait")
            .await?
            .status,
        404
    );
    let version = world.fly.look(|fly| fly.machines[&id].instance.clone());
    let newest = world.fly.look(|fly| fly.machines[&id].events[0].id.clone());
    let known = world
        .get(&format!("{one}?from_event_id={newest}&timeout=1"))
        .await?;
    assert_eq!(known.status, 408, "what is known already does not count");
    world
        .get(&format!("{one}?version={version}"))
        .await?
        .expect(200);
    world.finish()
}

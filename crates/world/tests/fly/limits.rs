//! Fly's limits: per action and per machine or app.

use anyhow::Result;
use nestling_world::fly::{Action, Fault, Times};
use serde_json::json;

use crate::support::World;

#[tokio::test]
async fn whoever_is_too_quick_is_told_so() -> Result<()> {
    let (world, id) = World::with_machine().await?;
    world.fly.act(|fly| {
        fly.limits.hold = true;
        let now = fly.clock.now();
        fly.clock.stop_at(now);
    });
    let one = format!("/apps/shop/machines/{id}");
    let cordon = format!("{one}/cordon");
    for _ in 0..3 {
        world.post(&cordon, json!({})).await?.expect(200);
    }
    let refused = world.post(&cordon, json!({})).await?;
    assert_eq!((refused.status, refused.header("retry-after")), (429, ""));
    // Another action, and looking, are counted by themselves.
    world
        .post(&format!("{one}/uncordon"), json!({}))
        .await?
        .expect(200);
    for _ in 0..10 {
        world.get(&one).await?.expect(200);
    }
    assert_eq!(world.get(&one).await?.status, 429);
    world.fly.act(|fly| fly.clock.advance(1_000));
    world.post(&cordon, json!({})).await?.expect(200);
    for _ in 0..5 {
        world.get(&one).await?.expect(200);
    }
    world.fly.act(|fly| fly.manners.retry_after = true);
    let refused = world.post(&cordon, json!({})).await?;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "1"));
    let refusals = world
        .fly
        .look(|fly| fly.ledger.count_of(Action::CordonMachine, 429));
    assert_eq!(refusals, 2);
    world.finish()
}

#[tokio::test]
async fn a_limit_can_be_ordered_with_and_without_a_time() -> Result<()> {
    let (world, id) = World::with_machine().await?;
    let one = format!("/apps/shop/machines/{id}");
    for (fault, header) in [(Fault::Limited(None), ""), (Fault::Limited(Some(7)), "7")] {
        world
            .fly
            .act(|fly| fly.order(&format!("GET {one}"), fault, Times::Only(1)));
        let refused = world.get(&one).await?;
        assert_eq!(
            (refused.status, refused.header("retry-after")),
            (429, header)
        );
        world.get(&one).await?.expect(200);
    }
    world.finish()
}

#[tokio::test]
async fn a_hundred_apps_are_deleted_in_a_minute_and_no_more() -> Result<()> {
    let world = World::start()?;
    for n in 0..101 {
        let app = json!({ "name": format!("pr-{n}"), "org_slug": "acme" });
        world.post("/apps", app).await?.expect(201);
    }
    world.fly.act(|fly| {
        fly.limits.hold = true;
        let now = fly.clock.now();
        fly.clock.stop_at(now);
    });
    for n in 0..100 {
        world.delete(&format!("/apps/pr-{n}")).await?.expect(202);
    }
    assert_eq!(world.delete("/apps/pr-100").await?.status, 429);
    world.fly.act(|fly| fly.clock.advance(60_000));
    world.delete("/apps/pr-100").await?.expect(202);
    world.finish()
}

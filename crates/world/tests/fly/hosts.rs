//! Physical hosts that die and come back.

use anyhow::Result;
use nestling_world::fly::Phase;
use serde_json::json;

use crate::support::{World, machine};

#[tokio::test]
async fn a_machine_on_a_dead_host_is_told_as_unreachable_and_cannot_be_changed() -> Result<()> {
    let (world, id) = World::with_machine().await?;
    let one = format!("/apps/shop/machines/{id}");
    world.fly.act(|fly| fly.lose_host(&id, false))?;
    let shown = world.get(&one).await?.expect(200);
    assert_eq!(
        (&shown["host_status"], &shown["state"]),
        (&json!("unreachable"), &json!("started"))
    );
    assert!(shown.get("config").is_none());
    assert_eq!(shown["incomplete_config"]["metadata"]["env"], "1");
    for path in ["stop", "cordon", "restart"] {
        let refused = world.post(&format!("{one}/{path}"), json!({})).await?;
        assert_eq!(refused.status, 503, "{path}");
    }
    assert_eq!(world.fly.act(|fly| fly.visit("shop")), None);
    // Another machine goes elsewhere.
    let two = world
        .post("/apps/shop/machines", machine("two", json!({})))
        .await?
        .expect(200);
    world
        .reaches(two["id"].as_str().unwrap(), Phase::Started)
        .await?;
    world.fly.act(|fly| fly.find_host(&id))?;
    world.reaches(&id, Phase::Started).await?;
    let shown = world.get(&one).await?.expect(200);
    assert_eq!(shown["host_status"], "ok");
    world.finish()
}

#[tokio::test]
async fn a_removal_on_a_dead_host_is_taken_and_happens_when_it_is_back() -> Result<()> {
    let (world, id) = World::with_machine().await?;
    let one = format!("/apps/shop/machines/{id}");
    world.fly.act(|fly| fly.lose_host(&id, true))?;
    world
        .delete(&format!("{one}?force=true"))
        .await?
        .expect(200);
    world.fly.act(|fly| fly.clock.advance(3_600_000));
    assert_eq!(world.get(&one).await?.expect(200)["state"], "destroying");
    world.fly.act(|fly| fly.find_host(&id))?;
    world.reaches(&id, Phase::Destroyed).await?;
    world.finish()
}

#[tokio::test]
async fn what_an_app_leaves_on_a_dead_host_runs_until_the_host_is_back() -> Result<()> {
    let (world, id) = World::with_machine().await?;
    world.fly.act(|fly| fly.lose_host(&id, true))?;
    world.delete("/apps/shop").await?.expect(202);
    world
        .fly
        .until("the end of the app", |fly| fly.apps.is_empty())
        .await?;
    let left = world.fly.look(|fly| fly.left_over("acme"));
    assert_eq!(left.len(), 1);
    assert!(
        left[0].starts_with(&format!("machine {id}, which still runs on ams")),
        "{left:?}"
    );
    world.fly.act(nestling_world::fly::State::find_hosts);
    assert!(world.fly.look(|fly| fly.left_over("acme").is_empty()));
    world.finish()
}

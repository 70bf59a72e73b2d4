//! Fly's own description beside everything that is asked and answered.

use anyhow::Result;
use hyper::Method;
use nestling_world::fly::{KNOWN_MISTAKES, State};
use serde_json::json;

use crate::support::{World, described, machine};

#[tokio::test]
async fn a_request_that_fly_does_not_describe_is_found_out() -> Result<()> {
    if !described() {
        return Ok(());
    }
    let (world, id) = World::with_machine().await?;
    let one = format!("/apps/shop/machines/{id}");
    // The filter by metadata is one of an app's list only.
    world
        .get("/orgs/acme/machines?metadata.env=1")
        .await?
        .expect(200);
    world
        .get("/apps/shop/machines?sort=name")
        .await?
        .expect(200);
    world
        .get("/apps/shop/machines?include_deleted=maybe")
        .await?
        .expect(200);
    let mut new = machine("two", json!({}));
    new["skip_lunch"] = json!(true);
    new["config"]["guest"]["memory"] = json!(512);
    new["config"]["services"][0]["ports"][0]["port"] = json!("443");
    world.post("/apps/shop/machines", new).await?.expect(200);
    world
        .post(&format!("{one}/start"), json!({ "now": true }))
        .await?
        .expect(200);
    let told = world.finish().unwrap_err().to_string();
    for words in [
        "there is no parameter metadata.env",
        "there is no parameter sort",
        "include_deleted cannot be maybe",
        "skip_lunch",
        "memory",
        "/config/services/0/ports/0/port",
        "a body where none is described",
    ] {
        assert!(told.contains(words), "{words} in {told}");
    }
    Ok(())
}

#[tokio::test]
async fn what_the_description_has_wrong_is_forgiven_for_a_reason() -> Result<()> {
    let (world, id) = World::with_machine().await?;
    let one = format!("/apps/shop/machines/{id}");
    let mut new = machine("one", json!({}));
    new["config"]["services"][0]["autostop"] = json!(true);
    new["config"]["checks"]["up"]["interval"] = json!(1_000_000_000);
    world.post(&one, new).await?.expect(200);
    world
        .post("/apps/shop/secrets", json!({ "values": { "A": null } }))
        .await?
        .expect(200);
    let pairs = json!({ "metadata": { "gen": null } });
    world
        .api(Method::PATCH, &format!("{one}/metadata"), "", Some(pairs))
        .await?
        .expect(204);
    assert_eq!(
        world
            .post("/apps", json!({ "name": "shop", "org_slug": "acme" }))
            .await?
            .status,
        422
    );
    let instance = world.fly.look(|fly| fly.machines[&id].instance.clone());
    world
        .get(&format!(
            "{one}/wait?state=started,stopped&version={instance}"
        ))
        .await?
        .expect(200);
    assert!(KNOWN_MISTAKES.iter().all(|known| known.reason.len() > 20));
    world.fly.look(State::finish)
}

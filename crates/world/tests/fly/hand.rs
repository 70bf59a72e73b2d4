//! The model used by hand.

use anyhow::Result;
use hyper::Method;
use nestling_world::fly::Phase;
use serde_json::{Value, json};

use crate::support::{Reply, World};

async fn act(world: &World, act: &str, body: Value) -> Result<Reply> {
    world
        .ask(Method::POST, &format!("/_world/{act}"), &[], Some(body))
        .await
}

#[tokio::test]
async fn a_person_makes_things_go_wrong_and_sees_what_is_there() -> Result<()> {
    let (world, id) = World::with_machine().await?;
    let page = async || -> Result<String> {
        let page = world.ask(Method::GET, "/_world/state", &[], None).await?;
        Ok(String::from_utf8(page.raw.to_vec())?)
    };
    world
        .fly
        .until("its health", |fly| fly.is_healthy(&id))
        .await?;
    let shown = page().await?;
    assert!(shown.starts_with("shop of acme in shop\n"), "{shown}");
    assert!(
        shown.contains(&format!(
            "machine {id} one in ams, started, healthy env=1 gen=1"
        )),
        "{shown}"
    );
    act(&world, "sick", json!({ "machine": id, "sick": true }))
        .await?
        .expect(200);
    assert!(!page().await?.contains("healthy"));
    act(&world, "lose-host", json!({ "machine": id }))
        .await?
        .expect(200);
    assert!(page().await?.contains("its host does not answer"));
    act(&world, "find-host", json!({ "machine": id }))
        .await?
        .expect(200);
    world.reaches(&id, Phase::Started).await?;
    act(
        &world,
        "fault",
        json!({ "route": "GET /apps/shop", "status": 503 }),
    )
    .await?
    .expect(200);
    assert_eq!(world.get("/apps/shop").await?.status, 503);
    act(
        &world,
        "fault",
        json!({ "route": "GET /apps/shop/machines", "kind": "empty" }),
    )
    .await?
    .expect(200);
    assert_eq!(
        world.get("/apps/shop/machines").await?.expect(200),
        json!([])
    );
    act(&world, "capacity", json!({ "region": "ams", "left": 0 }))
        .await?
        .expect(200);
    act(&world, "leases", json!({ "shape": "flat" }))
        .await?
        .expect(200);
    let made = act(&world, "organisation", json!({ "slug": "new" }))
        .await?
        .expect(200);
    assert!(made["token"].as_str().unwrap().starts_with("fm2_"));
    act(&world, "advance", json!({ "seconds": 60 }))
        .await?
        .expect(200);
    act(&world, "storm", json!({ "percent": 20, "seed": 4 }))
        .await?
        .expect(200);
    act(&world, "clear", json!({})).await?.expect(200);

    let wrong = act(&world, "explode", json!({})).await?;
    assert_eq!(
        (wrong.status, wrong.error()),
        (422, "there is no act explode; GET /_world lists them")
    );
    let missing = act(&world, "capacity", json!({})).await?;
    assert_eq!(missing.error(), "capacity needs \"region\"");
    let nowhere = act(&world, "capacity", json!({ "region": "mars" })).await?;
    assert_eq!(nowhere.error(), "there is no region mars");
    let help = world.ask(Method::GET, "/_world", &[], None).await?;
    assert!(String::from_utf8(help.raw.to_vec())?.contains("lose-host"));
    world.finish()
}

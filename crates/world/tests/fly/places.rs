//! Regions without room, quotas, and hosts that are full.

use anyhow::Result;
use serde_json::{Value, json};

use crate::support::{World, machine};

fn in_region(name: &str, region: &str) -> Value {
    let mut new = machine(name, json!({}));
    new["region"] = json!(region);
    new
}

#[tokio::test]
async fn a_region_without_room_says_so_and_another_takes_the_machine() -> Result<()> {
    let world = World::with_app().await?;
    let path = "/apps/shop/machines";
    world.fly.act(|fly| fly.set_capacity("ams", Some(1)))?;
    let one = world.post(path, in_region("one", "ams")).await?.expect(200);
    let full = world.post(path, in_region("two", "ams")).await?;
    assert_eq!(
        (full.status, &full.body["status"]),
        (422, &json!("insufficient_capacity"))
    );
    world.fly.act(|fly| fly.manners.capacity_status = 503);
    assert_eq!(world.post(path, in_region("two", "ams")).await?.status, 503);
    world.post(path, in_region("two", "fra")).await?.expect(200);
    let body = json!({ "org_slug": "acme", "region": "ams,fra", "count": 1 });
    let room = world.post("/platform/placements", body).await?.expect(200);
    assert_eq!(
        room["regions"],
        json!([{ "region": "fra", "count": 1, "concurrency": 1 }])
    );
    // A machine that goes gives its place back.
    let gone = format!("{path}/{}?force=true", one["id"].as_str().unwrap());
    world.delete(&gone).await?.expect(200);
    world
        .fly
        .until("room", |fly| fly.regions["ams"].capacity == Some(1))
        .await?;
    world
        .post(path, in_region("three", "ams"))
        .await?
        .expect(200);
    let regions = world.get("/platform/regions").await?.expect(200);
    let codes: Vec<&Value> = regions["regions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["code"])
        .collect();
    assert!(codes.contains(&&json!("ams")) && codes.contains(&&json!("fra")));
    world.finish()
}

#[tokio::test]
async fn an_organisation_has_a_quota_in_each_region() -> Result<()> {
    let world = World::with_app().await?;
    world
        .fly
        .act(|fly| fly.set_memory_quota("acme", Some(1_024)))?;
    let path = "/apps/shop/machines";
    for name in ["one", "two"] {
        world.post(path, in_region(name, "ams")).await?.expect(200);
    }
    let over = world.post(path, in_region("three", "ams")).await?;
    assert_eq!(over.status, 403);
    let words = "organization \"acme\" is using 1536 MB of memory in ams which is over the allowed quota. please consider other regions";
    assert_eq!(over.error(), words);
    world
        .post(path, in_region("three", "fra"))
        .await?
        .expect(200);
    let compute = json!({ "cpu_kind": "shared", "cpus": 1, "memory_mb": 512 });
    let body = json!({ "org_slug": "acme", "region": "ams,fra", "compute": compute });
    let room = world.post("/platform/placements", body).await?.expect(200);
    assert_eq!(
        room["regions"],
        json!([{ "region": "fra", "count": 1, "concurrency": 1 }])
    );
    world.finish()
}

#[tokio::test]
async fn a_full_host_refuses_its_own_machines_and_volumes() -> Result<()> {
    let (world, id) = World::with_machine().await?;
    let volume = world
        .post(
            "/apps/shop/volumes",
            json!({ "name": "data", "region": "ams" }),
        )
        .await?
        .expect(200);
    world.fly.act(|fly| {
        fly.fill_host(&id, true)?;
        // The volume stands on the same host.
        let host = fly.machines[&id].hardware.clone();
        let volume = fly.volumes.get_mut(volume["id"].as_str().unwrap()).unwrap();
        volume.hardware = host;
        anyhow::Ok(())
    })?;
    let grown = world
        .post(
            &format!("/apps/shop/machines/{id}"),
            machine("one", json!({})),
        )
        .await?;
    assert_eq!(grown.status, 409);
    assert!(grown.error().contains("insufficient memory"), "{grown:?}");
    let mut new = in_region("two", "ams");
    new["config"]["mounts"] = json!([{ "volume": volume["id"], "path": "/data" }]);
    let bound = world.post("/apps/shop/machines", new).await?;
    assert_eq!(
        (bound.status, &bound.body["status"]),
        (412, &json!("volume_placement_capacity"))
    );
    // Whoever needs no volume goes to another host.
    world
        .post("/apps/shop/machines", in_region("three", "ams"))
        .await?
        .expect(200);
    world.finish()
}

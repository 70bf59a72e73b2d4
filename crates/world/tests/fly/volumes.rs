//! Volumes: disks that stand in one place.

use anyhow::Result;
use hyper::Method;
use nestling_world::fly::Phase;
use serde_json::json;

use crate::support::{World, machine};

#[tokio::test]
async fn a_volume_is_mounted_by_one_machine_in_its_own_region() -> Result<()> {
    let world = World::with_app().await?;
    let new = json!({ "name": "data", "region": "fra", "size_gb": 2 });
    let made = world.post("/apps/shop/volumes", new).await?.expect(200);
    let id = made["id"].as_str().unwrap();
    assert!(id.starts_with("vol_"), "{id}");
    let with_volume = |name: &str, region: &str| {
        let mut new = machine(name, json!({}));
        new["config"]["mounts"] = json!([{ "volume": id, "path": "/data" }]);
        match region {
            "" => drop(new.as_object_mut().unwrap().remove("region")),
            region => new["region"] = json!(region),
        }
        new
    };
    let elsewhere = world
        .post("/apps/shop/machines", with_volume("one", "ams"))
        .await?;
    assert_eq!(elsewhere.status, 400);
    let words =
        format!("Mounts source volume \"{id}\" is in the wrong region (\"fra\" != \"ams\")");
    assert_eq!(elsewhere.error(), words);
    let one = world
        .post("/apps/shop/machines", with_volume("one", ""))
        .await?
        .expect(200);
    assert_eq!(one["region"], "fra");
    let volume = format!("/apps/shop/volumes/{id}");
    let bound = world.get(&volume).await?.expect(200);
    assert_eq!(bound["attached_machine_id"], one["id"]);
    let two = world
        .post("/apps/shop/machines", with_volume("two", "fra"))
        .await?;
    assert_eq!(two.status, 412);
    assert!(
        two.error().contains("currently bound to machine"),
        "{two:?}"
    );
    assert_eq!(world.delete(&volume).await?.status, 412);
    // Another volume, or none, needs another machine.
    let machine_id = one["id"].as_str().unwrap();
    let path = format!("/apps/shop/machines/{machine_id}");
    assert_eq!(
        world.post(&path, machine("one", json!({}))).await?.status,
        400
    );

    world
        .delete(&format!("{path}?force=true"))
        .await?
        .expect(200);
    world.reaches(machine_id, Phase::Destroyed).await?;
    assert_eq!(
        world.get(&volume).await?.expect(200)["attached_machine_id"],
        json!(null)
    );
    let going = world.delete(&volume).await?.expect(200);
    assert_eq!(going["state"], "pending_destroy");
    world
        .fly
        .until("the end of the volume", |fly| fly.volumes.is_empty())
        .await?;
    assert_eq!(world.get(&volume).await?.status, 404);
    assert_eq!(
        world.get("/apps/shop/volumes").await?.expect(200),
        json!([])
    );
    world.finish()
}

#[tokio::test]
async fn a_volume_grows_and_is_copied() -> Result<()> {
    let world = World::with_app().await?;
    let new = json!({ "name": "data", "region": "fra", "size_gb": 2 });
    let made = world.post("/apps/shop/volumes", new).await?.expect(200);
    let volume = format!("/apps/shop/volumes/{}", made["id"].as_str().unwrap());
    let bigger = world
        .api(
            Method::PUT,
            &format!("{volume}/extend"),
            "",
            Some(json!({ "size_gb": 5 })),
        )
        .await?;
    let bigger = bigger.expect(200);
    assert_eq!(
        (&bigger["volume"]["size_gb"], &bigger["needs_restart"]),
        (&json!(5), &json!(false))
    );
    let smaller = world
        .api(
            Method::PUT,
            &format!("{volume}/extend"),
            "",
            Some(json!({ "size_gb": 3 })),
        )
        .await?;
    assert_eq!(smaller.status, 400);
    let kept = world
        .api(
            Method::PUT,
            &volume,
            "",
            Some(json!({ "snapshot_retention": 14 })),
        )
        .await?;
    assert_eq!(kept.expect(200)["snapshot_retention"], 14);
    world
        .post(&format!("{volume}/snapshots"), json!({}))
        .await?
        .expect(200);
    let copies = world.get(&format!("{volume}/snapshots")).await?.expect(200);
    assert_eq!(copies.as_array().unwrap().len(), 1);
    world.finish()
}

#[tokio::test]
async fn a_volume_that_cannot_be_is_refused() -> Result<()> {
    let world = World::with_app().await?;
    for (new, words) in [
        (
            json!({ "name": "My Data", "region": "ams" }),
            "small letters",
        ),
        (
            json!({ "name": "data", "region": "mars" }),
            "unknown region",
        ),
        (
            json!({ "name": "data", "region": "ams", "size_gb": 501 }),
            "size_gb 501",
        ),
        (
            json!({ "name": "data", "region": "ams", "snapshot_retention": 61 }),
            "snapshot_retention",
        ),
    ] {
        let refused = world.post("/apps/shop/volumes", new).await?;
        assert_eq!(refused.status, 400);
        assert!(refused.error().contains(words), "{refused:?}");
    }
    world.fly.act(|fly| fly.set_capacity("ams", Some(0)))?;
    let full = world
        .post(
            "/apps/shop/volumes",
            json!({ "name": "data", "region": "ams" }),
        )
        .await?;
    assert_eq!((full.status, full.error()), (400, "no capacity"));
    world.finish()
}

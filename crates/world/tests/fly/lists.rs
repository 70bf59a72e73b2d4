//! Lists of a whole organisation, and what they leave out.

use anyhow::Result;
use nestling_world::fly::{Fault, Times};
use serde_json::json;

use crate::support::{World, machine};

async fn with_machines(count: usize) -> Result<World> {
    let world = World::with_app().await?;
    for n in 0..count {
        let mut new = machine(&format!("m{n}"), json!({ "env": n.to_string() }));
        new["region"] = json!(if n % 2 == 0 { "ams" } else { "fra" });
        world.post("/apps/shop/machines", new).await?.expect(200);
    }
    Ok(world)
}

#[tokio::test]
async fn all_machines_and_volumes_of_an_organisation_come_in_pages() -> Result<()> {
    let world = with_machines(5).await?;
    let other = json!({ "name": "blog", "org_slug": "acme" });
    world.post("/apps", other).await?.expect(201);
    world
        .post("/apps/blog/machines", machine("m5", json!({})))
        .await?
        .expect(200);
    for name in ["a", "b", "c"] {
        let new = json!({ "name": name, "region": "ams" });
        world.post("/apps/blog/volumes", new).await?.expect(200);
    }
    // Machines move in the list while they come up.
    world
        .fly
        .until("all of them", |fly| fly.next_change().is_none())
        .await?;
    for (kind, count) in [("machines", 6), ("volumes", 3)] {
        let mut seen = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = world
                .get(&format!("/orgs/acme/{kind}?limit=2{cursor}"))
                .await?
                .expect(200);
            let list = page[kind].as_array().unwrap();
            assert!(list.len() <= 2);
            seen.extend(
                list.iter()
                    .map(|one| one["id"].as_str().unwrap().to_owned()),
            );
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), count, "{kind}");
    }
    let one = world
        .get("/orgs/acme/machines?region=fra")
        .await?
        .expect(200);
    let list = one["machines"].as_array().unwrap();
    assert_eq!(list.len(), 2);
    let first = list.iter().find(|one| one["name"] == "m1").unwrap();
    assert_eq!(first["app_name"], "shop");
    assert_eq!(first["config"]["metadata"], json!({ "env": "1" }));
    let short = world
        .get("/orgs/acme/machines?summary=true")
        .await?
        .expect(200);
    assert!(short["machines"][0].get("config").is_none());
    assert_eq!(world.get("/orgs/other/machines").await?.status, 404);
    assert_eq!(
        world
            .get("/orgs/acme/machines?cursor=rubbish")
            .await?
            .status,
        400
    );
    world.finish()
}

#[tokio::test]
async fn only_what_was_changed_since_is_told_if_that_is_asked_for() -> Result<()> {
    let world = with_machines(2).await?;
    world.fly.act(|fly| fly.clock.advance(3_600_000));
    let since = world
        .fly
        .look(|fly| nestling_world::fly::iso(fly.clock.now() - 60_000));
    world
        .fly
        .until("rest", |fly| fly.next_change().is_none())
        .await?;
    let path = format!("/orgs/acme/machines?updated_after={since}");
    let before = world.get(&path).await?.expect(200)["machines"]
        .as_array()
        .unwrap()
        .len();
    world.fly.act(|fly| fly.clock.advance(3_600_000));
    let since = world
        .fly
        .look(|fly| nestling_world::fly::iso(fly.clock.now() - 60_000));
    let path = format!("/orgs/acme/machines?updated_after={since}");
    let after = world.get(&path).await?.expect(200);
    assert!(before <= 2);
    assert_eq!(after["machines"], json!([]));
    world.finish()
}

#[tokio::test]
async fn a_list_may_be_empty_or_partial_although_there_is_more() -> Result<()> {
    let world = with_machines(4).await?;
    let count = async |path: &str, field: &str| -> Result<usize> {
        let list = world.get(path).await?.expect(200);
        let list = if field.is_empty() {
            &list
        } else {
            &list[field]
        };
        Ok(list.as_array().unwrap().len())
    };
    for (path, field) in [
        ("/apps/shop/machines", ""),
        ("/orgs/acme/machines", "machines"),
    ] {
        for (fault, expected) in [(Fault::EmptyList, 0), (Fault::PartialList, 2)] {
            world
                .fly
                .act(|fly| fly.order(&format!("GET {path}"), fault, Times::Only(1)));
            assert_eq!(count(path, field).await?, expected, "{path} {fault:?}");
            assert_eq!(count(path, field).await?, 4);
        }
    }
    world
        .fly
        .act(|fly| fly.order("GET /apps", Fault::EmptyList, Times::Only(1)));
    assert_eq!(count("/apps?org_slug=acme", "apps").await?, 0);
    // An honest part: the list says which regions it could not ask.
    world.fly.act(|fly| fly.silence("fra", true))?;
    let partial = world.get("/orgs/acme/machines").await?.expect(200);
    assert_eq!(partial["machines"].as_array().unwrap().len(), 2);
    assert_eq!(partial["error_regions"], json!(["fra"]));
    world.finish()
}

#[tokio::test]
async fn a_list_may_not_know_a_machine_yet_that_is_found_by_its_id() -> Result<()> {
    let world = with_machines(1).await?;
    world.fly.act(|fly| fly.manners.delays.list = 5_000);
    let new = machine("late", json!({ "env": "late" }));
    let made = world.post("/apps/shop/machines", new).await?.expect(200);
    let id = made["id"].as_str().unwrap();
    let path = "/apps/shop/machines?metadata.env=late";
    assert_eq!(world.get(path).await?.expect(200), json!([]));
    world
        .get(&format!("/apps/shop/machines/{id}"))
        .await?
        .expect(200);
    // Its name is taken all the same.
    let again = world
        .post("/apps/shop/machines", machine("late", json!({})))
        .await?;
    assert_eq!(again.status, 409);
    assert!(again.error().contains(id), "{again:?}");
    world.fly.act(|fly| fly.clock.advance(5_000));
    let list = world.get(path).await?.expect(200);
    assert_eq!(list[0]["id"], id);
    world.finish()
}

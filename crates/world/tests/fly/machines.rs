//! Machines: what they go through.

use anyhow::Result;
use hyper::Method;
use nestling_world::fly::{Action, Phase, Times};
use serde_json::{Value, json};

use crate::support::{IMAGE, World, machine};

#[tokio::test]
async fn a_machine_comes_up_is_replaced_stopped_and_removed() -> Result<()> {
    let world = World::with_app().await?;
    let new = machine("one", json!({ "env": "7" }));
    let made = world.post("/apps/shop/machines", new).await?.expect(200);
    assert_eq!(made["state"], "created");
    assert_eq!(made["image_ref"]["repository"], "nestling-runner");
    assert!(made["private_ip"].as_str().unwrap().starts_with("fdaa:"));
    let one = format!("/apps/shop/machines/{}", made["id"].as_str().unwrap());
    let id = made["id"].as_str().unwrap();
    world.reaches(id, Phase::Started).await?;
    world
        .fly
        .until("its check", |fly| fly.is_healthy(id))
        .await?;
    let up = world.get(&one).await?.expect(200);
    assert_eq!(
        (&up["state"], &up["host_status"]),
        (&json!("started"), &json!("ok"))
    );
    assert_eq!(up["checks"][0]["status"], "passing");
    assert_eq!(up["config"]["image"], IMAGE);

    // Long enough that it is seen on its way.
    world.fly.act(|fly| {
        fly.faults
            .hold("shop", Phase::Replacing, 500, Times::Only(1));
        fly.faults
            .hold("shop", Phase::Stopping, 500, Times::Only(1));
    });
    let mut next = machine("one", json!({ "env": "7", "gen": "2" }));
    next["current_version"] = up["instance_id"].clone();
    let changed = world.post(&one, next.clone()).await?.expect(200);
    assert_eq!(changed["state"], "replacing");
    assert_ne!(changed["instance_id"], up["instance_id"]);
    assert_eq!(changed["private_ip"], up["private_ip"]);
    // Whoever changes what they saw before is told that it has changed since.
    assert_eq!(world.post(&one, next).await?.status, 412);
    let early = world.post(&format!("{one}/start"), json!({})).await?;
    assert!(
        early.error().contains("machine getting replaced"),
        "{early:?}"
    );
    world.reaches(id, Phase::Started).await?;
    let versions = world.get(&format!("{one}/versions")).await?.expect(200);
    assert_eq!(versions.as_array().unwrap().len(), 2);

    let running = world.delete(&one).await?;
    assert_eq!(running.status, 412);
    assert!(
        running.error().contains("unable to destroy machine"),
        "{running:?}"
    );
    let stop = json!({ "signal": "SIGTERM", "timeout": "5s" });
    world.post(&format!("{one}/stop"), stop).await?.expect(200);
    let early = world.post(&format!("{one}/start"), json!({})).await?;
    assert!(early.error().contains("still active"), "{early:?}");
    world.reaches(id, Phase::Stopped).await?;
    let started = world.post(&format!("{one}/start"), json!({})).await?;
    assert_eq!(started.expect(200)["previous_state"], "stopped");
    world.reaches(id, Phase::Started).await?;
    world
        .delete(&format!("{one}?force=true"))
        .await?
        .expect(200);
    world.reaches(id, Phase::Destroyed).await?;
    // It is told as destroyed, and in no list unless somebody asks for those.
    assert_eq!(world.get(&one).await?.expect(200)["state"], "destroyed");
    let list = world.get("/apps/shop/machines").await?.expect(200);
    assert_eq!(list, json!([]));
    let list = world
        .get("/apps/shop/machines?include_deleted=true")
        .await?;
    assert_eq!(list.expect(200).as_array().unwrap().len(), 1);
    world.finish()
}

#[tokio::test]
async fn a_machine_can_be_suspended_and_goes_on() -> Result<()> {
    let (world, id) = World::with_machine().await?;
    let one = format!("/apps/shop/machines/{id}");
    world
        .post(&format!("{one}/suspend"), json!({}))
        .await?
        .expect(200);
    world.reaches(&id, Phase::Suspended).await?;
    let resumed = world.post(&format!("{one}/start"), json!({})).await?;
    assert_eq!(resumed.expect(200)["previous_state"], "suspended");
    world.reaches(&id, Phase::Started).await?;
    world
        .post(&format!("{one}/restart"), json!({}))
        .await?
        .expect(200);
    world.reaches(&id, Phase::Started).await?;
    let events = world.get(&format!("{one}/events")).await?.expect(200);
    let kinds: Vec<&str> = events
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert!(
        kinds.contains(&"suspend") && kinds.contains(&"restart"),
        "{kinds:?}"
    );
    assert_eq!(kinds.last(), Some(&"launch"));
    world.finish()
}

#[tokio::test]
async fn a_name_is_taken_while_its_machine_lives_and_the_refusal_says_by_whom() -> Result<()> {
    let (world, id) = World::with_machine().await?;
    let again = world
        .post("/apps/shop/machines", machine("one", json!({})))
        .await?;
    assert_eq!(again.status, 409);
    let words = format!(
        "already_exists: unique machine name violation, machine ID {id} already exists with name \"one\""
    );
    assert_eq!(again.error(), words);
    world
        .delete(&format!("/apps/shop/machines/{id}?force=true"))
        .await?
        .expect(200);
    world.reaches(&id, Phase::Destroyed).await?;
    world
        .post("/apps/shop/machines", machine("one", json!({})))
        .await?
        .expect(200);
    world.finish()
}

#[tokio::test]
async fn traffic_comes_only_to_who_is_healthy_and_not_cordoned() -> Result<()> {
    let world = World::with_app().await?;
    let mut new = machine("one", json!({}));
    new["skip_service_registration"] = json!(true);
    let made = world.post("/apps/shop/machines", new).await?.expect(200);
    let id = made["id"].as_str().unwrap();
    world
        .fly
        .until("its check", |fly| fly.is_healthy(id))
        .await?;
    assert_eq!(world.fly.act(|fly| fly.visit("shop")), None);
    let one = format!("/apps/shop/machines/{id}");
    world
        .post(&format!("{one}/uncordon"), json!({}))
        .await?
        .expect(200);
    assert_eq!(world.fly.act(|fly| fly.visit("shop")), Some(id.to_owned()));
    world
        .post(&format!("{one}/cordon"), json!({}))
        .await?
        .expect(200);
    assert_eq!(world.get(&one).await?.expect(200)["cordoned"], true);
    assert_eq!(world.fly.act(|fly| fly.visit("shop")), None);
    world.finish()
}

#[tokio::test]
async fn who_sleeps_is_woken_by_a_visitor() -> Result<()> {
    let (world, id) = World::with_machine().await?;
    world
        .post(&format!("/apps/shop/machines/{id}/stop"), json!({}))
        .await?
        .expect(200);
    world.reaches(&id, Phase::Stopped).await?;
    assert_eq!(world.fly.act(|fly| fly.visit("shop")), None);
    world.reaches(&id, Phase::Started).await?;
    world
        .fly
        .until("its check", |fly| fly.is_healthy(&id))
        .await?;
    assert_eq!(world.fly.act(|fly| fly.visit("shop")), Some(id));
    world.finish()
}

#[tokio::test]
async fn a_program_that_ends_is_started_again_by_its_policy() -> Result<()> {
    let world = World::with_app().await?;
    let start = async |name: &str, more: Value| -> Result<String> {
        let mut new = machine(name, json!({}));
        let config = new["config"].as_object_mut().unwrap();
        config.extend(more.as_object().unwrap().clone());
        let made = world.post("/apps/shop/machines", new).await?.expect(200);
        let id = made["id"].as_str().unwrap().to_owned();
        world.reaches(&id, Phase::Started).await?;
        world.fly.act(|fly| fly.exit(&id, 1))?;
        Ok(id)
    };
    let always = start("always", json!({ "restart": { "policy": "always" } })).await?;
    world.reaches(&always, Phase::Started).await?;
    let never = start("never", json!({ "restart": { "policy": "no" } })).await?;
    world.reaches(&never, Phase::Stopped).await?;
    let gone = json!({ "restart": { "policy": "no" }, "auto_destroy": true });
    let gone = start("gone", gone).await?;
    world.reaches(&gone, Phase::Destroyed).await?;
    let events = world
        .get(&format!("/apps/shop/machines/{never}/events?limit=1"))
        .await?;
    assert_eq!(
        events.expect(200)[0]["request"]["exit_event"]["exit_code"],
        1
    );
    world.finish()
}

#[tokio::test]
async fn metadata_finds_machines_and_changes_without_a_restart() -> Result<()> {
    let (world, id) = World::with_machine().await?;
    let two = machine("two", json!({ "env": "2" }));
    world.post("/apps/shop/machines", two).await?.expect(200);
    let names = async |query: &str| -> Result<Vec<String>> {
        let list = world
            .get(&format!("/apps/shop/machines?{query}"))
            .await?
            .expect(200);
        let list = list.as_array().unwrap().clone();
        Ok(list
            .iter()
            .map(|one| one["name"].as_str().unwrap().to_owned())
            .collect())
    };
    assert_eq!(names("metadata.env=1").await?, ["one"]);
    assert_eq!(names("metadata.env=1&metadata.gen=2").await?, [""; 0]);
    assert_eq!(names("region=fra").await?, [""; 0]);
    let pairs = format!("/apps/shop/machines/{id}/metadata");
    world
        .post(&format!("{pairs}/gen"), json!({ "value": "2" }))
        .await?
        .expect(204);
    assert_eq!(names("metadata.env=1&metadata.gen=2").await?, ["one"]);
    let patch = json!({ "metadata": { "gen": null, "seen": "yes" } });
    let patched = world.api(Method::PATCH, &pairs, "", Some(patch)).await?;
    assert_eq!(patched.status, 204);
    assert_eq!(
        world.get(&pairs).await?.expect(200),
        json!({ "env": "1", "seen": "yes" })
    );
    let stale = json!({ "metadata": { "a": "b" }, "machine_version": "01OLD" });
    let stale = world.api(Method::PATCH, &pairs, "", Some(stale)).await?;
    assert_eq!(stale.status, 412);
    world.delete(&format!("{pairs}/seen")).await?.expect(204);
    assert_eq!(world.get(&format!("{pairs}/seen")).await?.status, 404);
    let value = world.get(&format!("{pairs}/env")).await?.expect(200);
    assert_eq!(value["value"], "1");
    let started = world.fly.look(|fly| fly.machines[&id].phase);
    assert_eq!(started, Phase::Started);
    let changes = world
        .fly
        .look(|fly| fly.ledger.count(Action::UpdateMachine));
    assert_eq!(changes, 0);
    world.finish()
}

#[tokio::test]
async fn a_configuration_that_cannot_be_is_refused_with_its_reason() -> Result<()> {
    let world = World::with_app().await?;
    for (place, value, words) in [
        ("/config/image", json!(""), "config.image is required"),
        ("/config/guest/memory_mb", json!(300), "memory_mb"),
        ("/config/guest/cpus", json!(3), "number of CPUs"),
        ("/config/guest/cpu_kind", json!("fast"), "cpu_kind"),
        (
            "/config/metadata",
            json!({ "gen": 1 }),
            "config.metadata.gen is no string",
        ),
        (
            "/config/services/0/protocol",
            json!("http"),
            "protocol tcp or udp",
        ),
        ("/region", json!("mars"), "unknown region"),
    ] {
        let mut new = machine("one", json!({}));
        *new.pointer_mut(place).unwrap() = value;
        let refused = world.post("/apps/shop/machines", new).await?;
        assert_eq!(refused.status, 400, "{place}");
        assert!(refused.error().contains(words), "{refused:?}");
    }
    world.fly.act(|fly| fly.remove_image(IMAGE));
    let missing = world
        .post("/apps/shop/machines", machine("one", json!({})))
        .await?;
    assert_eq!(missing.status, 400);
    assert!(missing.error().contains("MANIFEST_UNKNOWN"), "{missing:?}");
    assert!(world.fly.look(|fly| fly.machines.is_empty()));
    world.finish()
}

//! Secrets: written by whoever may, read by machines only.

use std::sync::{Arc, Mutex};

use anyhow::Result;
use nestling_world::fly::{Boot, Check, Ended, Health, Host, Phase};
use serde_json::{Value, json};

use crate::support::{World, machine};

/// A host that remembers what it was to start, and starts nothing.
#[derive(Clone, Debug, Default)]
struct Memory(Arc<Mutex<Vec<Boot>>>);

impl Memory {
    fn last(&self) -> Boot {
        self.0.lock().unwrap().last().unwrap().clone()
    }
}

impl Host for Memory {
    fn start(&mut self, boot: &Boot) -> Result<(), String> {
        self.0.lock().unwrap().push(boot.clone());
        Ok(())
    }
    fn signal(&mut self, _: &str, _: &str) {}
    fn halt(&mut self, _: &str) {}
    fn suspend(&mut self, _: &str) {}
    fn resume(&mut self, _: &str) -> Result<(), String> {
        Ok(())
    }
    fn destroy(&mut self, _: &str) {}
    fn destroy_volume(&mut self, _: &str) {}
    fn address(&self, _: &str, _: u16) -> Option<std::net::SocketAddr> {
        None
    }
    fn health(&self, _: &str, _: &Check) -> Health {
        Health::Passing
    }
    fn ended(&mut self) -> Vec<Ended> {
        Vec::new()
    }
}

async fn remembering() -> Result<(World, Memory)> {
    let world = World::with_app().await?;
    let memory = Memory::default();
    world.fly.act(|fly| fly.run_on(memory.clone()));
    Ok((world, memory))
}

async fn started(world: &World, name: &str, more: Value) -> Result<String> {
    let mut new = machine(name, json!({}));
    for (place, value) in more.as_object().unwrap() {
        match place.strip_prefix("config.") {
            Some(key) => new["config"][key] = value.clone(),
            None => new[place] = value.clone(),
        }
    }
    let made = world.post("/apps/shop/machines", new).await?.expect(200);
    let id = made["id"].as_str().unwrap().to_owned();
    world.reaches(&id, Phase::Started).await?;
    Ok(id)
}

#[tokio::test]
async fn secrets_are_set_taken_away_and_never_shown() -> Result<()> {
    let world = World::with_app().await?;
    let path = "/apps/shop/secrets";
    let values = json!({ "values": { "TOKEN": "s3cret-value", "OTHER": "x" } });
    let set = world.post(path, values).await?.expect(200);
    assert_eq!(
        (&set["version"], set["secrets"].as_array().unwrap().len()),
        (&json!(1), 2)
    );
    let changed = world
        .post(path, json!({ "values": { "TOKEN": "new", "OTHER": null } }))
        .await?;
    let changed = changed.expect(200);
    assert_eq!(changed["version"], 2);
    assert_ne!(changed["secrets"][0]["digest"], set["secrets"][1]["digest"]);
    let one = world
        .post(&format!("{path}/THIRD"), json!({ "value": "y" }))
        .await?
        .expect(201);
    assert_eq!(
        (&one["name"], &one["version"]),
        (&json!("THIRD"), &json!(3))
    );
    let all = world
        .get(&format!("{path}?show_secrets=true&min_version=3"))
        .await?
        .expect(200);
    let names: Vec<&Value> = all["secrets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["name"])
        .collect();
    assert_eq!(names, ["THIRD", "TOKEN"]);
    assert!(all["secrets"][0].get("value").is_none());
    assert_eq!(
        world.get(&format!("{path}?min_version=4")).await?.status,
        412
    );
    assert_eq!(
        world.delete(&format!("{path}/THIRD")).await?.expect(200)["version"],
        4
    );
    assert_eq!(world.delete(&format!("{path}/THIRD")).await?.status, 404);
    assert_eq!(
        world
            .post(path, json!({ "values": { "1 A": "x" } }))
            .await?
            .status,
        400
    );
    let told = world.fly.look(|fly| format!("{fly:?}"));
    assert!(!told.contains("s3cret-value"), "a value was shown");
    assert!(!told.contains(&world.token), "a token was shown");
    world.finish()
}

#[tokio::test]
async fn a_machine_gets_secrets_as_environment_and_as_files() -> Result<()> {
    let (world, memory) = remembering().await?;
    // The value of a secret that becomes a file is base64 of its contents.
    let values = json!({ "values": { "TOKEN": "aGVsbG8=", "API_KEY": "k" } });
    world.post("/apps/shop/secrets", values).await?.expect(200);
    let files = json!([
        { "guest_path": "/run/token", "secret_name": "TOKEN", "mode": 0o600 },
        { "guest_path": "/etc/motd", "raw_value": "aGk=" },
    ]);
    started(
        &world,
        "one",
        json!({ "config.files": files, "config.env": { "PORT": "3000" } }),
    )
    .await?;
    let boot = memory.last();
    assert_eq!(
        (boot.env["API_KEY"].as_str(), boot.env["PORT"].as_str()),
        ("k", "3000")
    );
    assert_eq!(boot.env["FLY_APP_NAME"], "shop");
    assert_eq!(boot.env["FLY_PRIVATE_IP"], boot.private_ip.to_string());
    assert_eq!(
        (&boot.files[0].contents[..], boot.files[0].mode),
        (&b"hello"[..], 0o600)
    );
    assert_eq!(&boot.files[1].contents[..], b"hi");
    let told = format!("{boot:?}");
    assert!(!told.contains("hello") && !told.contains("\"k\""), "{told}");

    // A process may ask for no secrets but those that it names: then a file is all that shows the token.
    let process = json!([{ "ignore_app_secrets": true, "secrets": [{ "env_var": "KEY", "name": "API_KEY" }], "cmd": ["run"] }]);
    started(
        &world,
        "two",
        json!({ "config.files": files, "config.processes": process }),
    )
    .await?;
    let boot = memory.last();
    assert!(!boot.env.contains_key("TOKEN") && !boot.env.contains_key("API_KEY"));
    assert_eq!(
        (boot.env["KEY"].as_str(), &boot.command),
        ("k", &vec!["run".to_owned()])
    );
    assert_eq!(&boot.files[0].contents[..], b"hello");
    world.finish()
}

#[tokio::test]
async fn a_machine_keeps_its_secrets_until_it_is_changed() -> Result<()> {
    let (world, memory) = remembering().await?;
    world
        .post("/apps/shop/secrets", json!({ "values": { "A": "1" } }))
        .await?
        .expect(200);
    let id = started(&world, "one", json!({})).await?;
    world
        .post("/apps/shop/secrets", json!({ "values": { "A": "2" } }))
        .await?
        .expect(200);
    let one = format!("/apps/shop/machines/{id}");
    world
        .post(&format!("{one}/restart"), json!({}))
        .await?
        .expect(200);
    world.reaches(&id, Phase::Started).await?;
    assert_eq!(memory.last().env["A"], "1");
    world
        .post(&one, machine("one", json!({})))
        .await?
        .expect(200);
    world.reaches(&id, Phase::Started).await?;
    assert_eq!(memory.last().env["A"], "2");
    started(&world, "none", json!({ "skip_secrets": true })).await?;
    assert!(!memory.last().env.contains_key("A"));
    world.finish()
}

#[tokio::test]
async fn who_does_not_say_which_secrets_may_get_the_old_ones() -> Result<()> {
    let (world, memory) = remembering().await?;
    world.fly.act(|fly| fly.manners.delays.secrets = 5_000);
    world
        .post("/apps/shop/secrets", json!({ "values": { "A": "1" } }))
        .await?
        .expect(200);
    world.fly.act(|fly| fly.clock.advance(10_000));
    let set = world
        .post("/apps/shop/secrets", json!({ "values": { "A": "2" } }))
        .await?
        .expect(200);
    started(&world, "careless", json!({})).await?;
    assert_eq!(memory.last().env["A"], "1");
    started(
        &world,
        "careful",
        json!({ "min_secrets_version": set["version"] }),
    )
    .await?;
    assert_eq!(memory.last().env["A"], "2");
    let mut early = machine("early", json!({}));
    early["min_secrets_version"] = json!(3);
    let early = world.post("/apps/shop/machines", early).await?;
    assert_eq!(early.status, 412);
    assert!(
        early
            .error()
            .contains("min_secrets_version 3 is not yet available"),
        "{early:?}"
    );
    world.finish()
}

#[tokio::test]
async fn a_machine_whose_file_has_no_secret_does_not_start() -> Result<()> {
    let world = World::with_app().await?;
    let mut new = machine("one", json!({}));
    new["config"]["files"] = json!([{ "guest_path": "/run/token", "secret_name": "TOKEN" }]);
    let made = world.post("/apps/shop/machines", new).await?.expect(200);
    let id = made["id"].as_str().unwrap();
    world.reaches(id, Phase::Failed).await?;
    world
        .post(
            "/apps/shop/secrets",
            json!({ "values": { "TOKEN": "aGk=" } }),
        )
        .await?
        .expect(200);
    let still = format!("/apps/shop/machines/{id}/start");
    world.post(&still, json!({})).await?.expect(200);
    world.reaches(id, Phase::Failed).await?;
    world.finish()
}

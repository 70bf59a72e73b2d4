//! Addresses of apps, and certificates of hostnames.

use anyhow::Result;
use serde_json::json;

use crate::support::World;

const CHAIN: &str = "-----BEGIN CERTIFICATE-----\nMIID\n-----END CERTIFICATE-----\n";
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n";

#[tokio::test]
async fn an_app_gets_shared_and_own_addresses() -> Result<()> {
    let world = World::with_app().await?;
    let path = "/apps/shop/ip_assignments";
    let shared = world
        .post(path, json!({ "type": "shared_v4" }))
        .await?
        .expect(200);
    assert_eq!(
        (&shared["shared"], &shared["region"]),
        (&json!(true), &json!("global"))
    );
    // There is one of that kind, however often it is asked for.
    let again = world
        .post(path, json!({ "type": "shared_v4" }))
        .await?
        .expect(200);
    assert_eq!(again["ip"], shared["ip"]);
    let six = world.post(path, json!({ "type": "v6" })).await?.expect(200);
    let private = world
        .post(path, json!({ "type": "private_v6", "network": "shop" }))
        .await?
        .expect(200);
    assert!(
        private["ip"].as_str().unwrap().starts_with("fdaa:"),
        "{private}"
    );
    let own = world.post(path, json!({ "type": "v4" })).await?.expect(200);
    assert_eq!(own["shared"], false);
    assert_eq!(world.post(path, json!({ "type": "v5" })).await?.status, 422);
    let all = world.get(path).await?.expect(200);
    assert_eq!(all["ips"].as_array().unwrap().len(), 4);
    let one = format!("{path}/{}", six["ip"].as_str().unwrap());
    world.delete(&one).await?.expect(204);
    assert_eq!(world.delete(&one).await?.status, 404);
    world.finish()
}

#[tokio::test]
async fn a_certificate_is_issued_once_the_hostname_leads_to_the_app() -> Result<()> {
    let world = World::with_app().await?;
    world
        .post("/apps/shop/ip_assignments", json!({ "type": "v6" }))
        .await?
        .expect(200);
    let new = json!({ "hostname": "shop.example.com" });
    let acme = "/apps/shop/certificates/acme";
    let made = world.post(acme, new.clone()).await?.expect(201);
    assert_eq!(
        (&made["status"], &made["configured"]),
        (&json!("pending_validation"), &json!(false))
    );
    assert_eq!(made["dns_requirements"]["cname"], "shop.fly.dev");
    assert_eq!(
        made["dns_requirements"]["acme_challenge"]["name"],
        "_acme-challenge.shop.example.com"
    );
    assert_eq!(world.post(acme, new).await?.status, 422);
    let one = "/apps/shop/certificates/shop.example.com";
    let check = format!("{one}/check");
    let early = world.post(&check, json!({})).await?.expect(200);
    assert_eq!(early["status"], "pending_validation");
    world.fly.act(|fly| fly.point("shop.example.com", "shop"));
    let good = world.post(&check, json!({})).await?.expect(200);
    assert_eq!(
        (&good["status"], &good["configured"]),
        (&json!("active"), &json!(true))
    );
    assert_eq!(good["certificates"][0]["source"], "fly");
    assert_eq!(good["dns_records"]["cname"], json!(["shop.fly.dev"]));
    let list = world
        .get("/apps/shop/certificates?filter=example")
        .await?
        .expect(200);
    assert_eq!(
        (
            &list["total_count"],
            &list["certificates"][0]["has_fly_certificate"]
        ),
        (&json!(1), &json!(true))
    );
    let without = world.delete(&format!("{one}/acme")).await?.expect(200);
    assert_eq!(without["acme_requested"], false);
    world.delete(one).await?.expect(204);
    let gone = world.get(one).await?;
    assert_eq!((gone.status, gone.error()), (404, "Certificate not found"));
    world.finish()
}

#[tokio::test]
async fn an_uploaded_certificate_is_good_once_the_hostname_is_proven() -> Result<()> {
    let world = World::with_app().await?;
    let path = "/apps/shop/certificates/custom";
    let pair = |chain: &str, key: &str| json!({ "hostname": "*.example.com", "fullchain": chain, "private_key": key });
    assert_eq!(world.post(path, pair("no", KEY)).await?.status, 422);
    assert_eq!(world.post(path, pair(CHAIN, "no")).await?.status, 422);
    let made = world.post(path, pair(CHAIN, KEY)).await?.expect(201);
    assert_eq!(made["status"], "pending_ownership");
    let before = world.fly.look(|fly| {
        fly.apps["shop"].certificates["*.example.com"]
            .custom
            .clone()
    });
    world.fly.act(|fly| fly.prove("*.example.com", "shop"));
    let one = "/apps/shop/certificates/%2A.example.com";
    assert_eq!(world.get(one).await?.expect(200)["status"], "active");
    // A renewed one takes the place of the old one.
    let renewed = CHAIN.replace("MIID", "MIIF");
    world.post(path, pair(&renewed, KEY)).await?.expect(201);
    let after = world.fly.look(|fly| {
        fly.apps["shop"].certificates["*.example.com"]
            .custom
            .clone()
    });
    assert_ne!(before.unwrap().0, after.unwrap().0);
    let without = world.delete(&format!("{one}/custom")).await?.expect(200);
    assert_eq!(without["certificates"], json!([]));
    for bad in ["", "example", "a_b.example.com", "-"] {
        let refused = world
            .post("/apps/shop/certificates/acme", json!({ "hostname": bad }))
            .await?;
        assert_eq!(refused.status, 422, "{bad}");
    }
    world.finish()
}

#[tokio::test]
async fn certificates_come_in_pages() -> Result<()> {
    let world = World::with_app().await?;
    for n in 0..7 {
        let new = json!({ "hostname": format!("pr-{n}.example.com") });
        world
            .post("/apps/shop/certificates/acme", new)
            .await?
            .expect(201);
    }
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = world
            .get(&format!("/apps/shop/certificates?limit=3{cursor}"))
            .await?
            .expect(200);
        assert_eq!(page["total_count"], 7);
        let list = page["certificates"].as_array().unwrap();
        seen.extend(
            list.iter()
                .map(|one| one["hostname"].as_str().unwrap().to_owned()),
        );
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 7);
    seen.dedup();
    assert_eq!(seen.len(), 7);
    world.finish()
}

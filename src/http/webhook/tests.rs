//! Webhooks as GitHub sends them, and as others would.

mod bad_input;
mod github;

use std::sync::Arc;

use aws_lc_rs::hmac;
use hyper::{Method, StatusCode};
use nestling_domain::record::{Delivery, DeliveryState, Fact};

use super::*;
use crate::{
    drivers::store::sqlite::Sqlite,
    http::world::{Reply, TOKEN, Wire, World},
};

const SECRET: &str = "It's a Secret to Everybody";
const PREVIOUS: &str = "It was a Secret to Everybody";
/// A star: an event that concerns nobody.
const STAR: &[u8] = br#"{"action":"created","repository":{"id":7,"full_name":"acme/shop"}}"#;

/// A server that is a GitHub App, in memory.
async fn server() -> World {
    World::start_on(
        Arc::new(Sqlite::in_memory().unwrap()),
        Some(&[SECRET, PREVIOUS]),
    )
    .await
}

/// The value of the signature's header.
fn signature(secret: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let digits = hmac::sign(&key, body);
    let digits = digits.as_ref().iter().map(|byte| format!("{byte:02x}"));
    format!("sha256={}", digits.collect::<String>())
}

/// How GitHub comes: with the headers of a delivery, and no token.
fn github(world: &World, event: &str, id: &str) -> Wire {
    let wire = world.people.without("authorization");
    let wire = wire.with("content-type", "application/json");
    wire.with("x-github-event", event)
        .with("x-github-delivery", id)
}

async fn post(wire: &Wire, body: &[u8]) -> Reply {
    let body = body.to_vec().into();
    wire.send(Method::POST, PATH, body).await
}

/// Sends a webhook as it should be.
async fn send(world: &World, event: &str, id: &str, body: &[u8]) -> Reply {
    let wire = github(world, event, id);
    let wire = wire.with("x-hub-signature-256", &signature(SECRET, body));
    post(&wire, body).await
}

/// The log of deliveries, newest first.
async fn log(world: &World) -> Vec<(Delivery, DeliveryState)> {
    world.services.store.deliveries(None, 1000).await.unwrap()
}

/// Waits until a delivery is done, and answers what was decided, in one line.
async fn decided(world: &World, id: &str) -> String {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let mut log = log(world).await.into_iter();
        let found = log.find(|(delivery, _)| delivery.id == id);
        if let Some((_, DeliveryState::Done { decisions })) = found {
            let lines = decisions
                .iter()
                .map(|(about, what)| format!("{about}: {what}"));
            return lines.collect::<Vec<_>>().join("; ");
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "{id} was never done"
        );
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[actix::test]
async fn a_webhook_is_recorded_once_acknowledged_and_decided() {
    let world = server().await;
    let reply = send(&world, "star", "one", STAR).await;
    assert_eq!(
        (reply.status, reply.text().as_str()),
        (StatusCode::ACCEPTED, "")
    );
    let again = send(&world, "star", "one", STAR).await;
    assert_eq!(again.status, StatusCode::ACCEPTED);
    let log = log(&world).await;
    assert_eq!(log.len(), 1, "{log:?}");
    assert!(matches!(&log[0].0.fact, Fact::Webhook { event, .. } if event == "star"));
    assert_eq!(
        decided(&world, "one").await,
        "acme/shop: ignored: `star` (created) concerns no environment"
    );
    world.stop().await;
}

#[actix::test]
async fn while_the_secret_is_changed_both_are_taken() {
    let world = server().await;
    for (id, secret) in [("new", SECRET), ("old", PREVIOUS)] {
        let wire = github(&world, "star", id);
        let wire = wire.with("x-hub-signature-256", &signature(secret, STAR));
        assert_eq!(post(&wire, STAR).await.status, StatusCode::ACCEPTED, "{id}");
    }
    assert_eq!(log(&world).await.len(), 2);
    world.stop().await;
}

#[actix::test]
async fn an_empty_secret_signs_nothing() {
    let store = Arc::new(Sqlite::in_memory().unwrap());
    let world = World::start_on(store, Some(&["", ""])).await;
    let wire = github(&world, "star", "one");
    let wire = wire.with("x-hub-signature-256", &signature("", STAR));
    assert_eq!(post(&wire, STAR).await.status, StatusCode::UNAUTHORIZED);
    world.stop().await;
}

/// The webhook comes from outside, by a name and from a page that nobody else may come from; nothing else opens with it.
#[actix::test]
async fn w01_the_signature_is_the_only_door_and_leads_nowhere_else() {
    let world = server().await;
    let wire = github(&world, "star", "one");
    let wire = wire.with("x-hub-signature-256", &signature(SECRET, STAR));
    let wire = wire.with("origin", "https://elsewhere.example");
    let wire = wire.with("host", "tunnel.example");
    assert_eq!(post(&wire, STAR).await.status, StatusCode::ACCEPTED);
    for (n, forged) in ["", "sha256=00", "sha1=00"].into_iter().enumerate() {
        let wire = github(&world, "star", &format!("forged-{n}"));
        let wire = wire.with("x-hub-signature-256", forged);
        assert_eq!(post(&wire, STAR).await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(log(&world).await.len(), 1, "nothing unsigned is stored");
    for path in [
        "/github/webhook/",
        "/github/webhooks",
        "/github/webhook/production",
        "/v1/apps",
    ] {
        let reply = wire.send(Method::POST, path, STAR.into()).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{path}");
    }
    let get = wire.get(PATH).await;
    assert_eq!(
        (get.status, get.header("allow")),
        (StatusCode::METHOD_NOT_ALLOWED, "POST")
    );
    world.stop().await;
}

#[actix::test]
async fn a_local_server_takes_no_webhooks_and_shows_nothing_there() {
    let world = World::start().await;
    let reply = send(&world, "star", "one", STAR).await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
    assert_eq!(
        reply.detail(),
        "this server takes no webhooks: forge.driver is not \"github\""
    );
    let signed_in = world.people.bearing(TOKEN);
    assert_eq!(signed_in.get(PATH).await.status, StatusCode::NOT_FOUND);
    assert_eq!(log(&world).await, []);
    world.stop().await;
}

/// What lies on the disk at the moment of the acknowledgement is all that a kill -9 leaves.
#[actix::test]
async fn what_was_acknowledged_outlives_a_kill() {
    let (folder, left) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = Arc::new(Sqlite::open(&folder.path().join("nestling.db")).unwrap());
    let world = World::start_on(store, Some(&[SECRET])).await;
    for n in 0..5 {
        let reply = send(&world, "star", &format!("n{n}"), STAR).await;
        assert_eq!(reply.status, StatusCode::ACCEPTED);
    }
    for name in ["nestling.db", "nestling.db-wal"] {
        std::fs::copy(folder.path().join(name), left.path().join(name)).unwrap();
    }
    let store = Sqlite::open(&left.path().join("nestling.db")).unwrap();
    let deliveries = Store::deliveries(&store, None, 10).await.unwrap();
    let mut ids: Vec<String> = deliveries.into_iter().map(|(one, _)| one.id).collect();
    ids.sort();
    assert_eq!(ids, ["n0", "n1", "n2", "n3", "n4"]);
    world.stop().await;
}

#[actix::test]
async fn what_cannot_be_recorded_is_not_acknowledged_and_is_taken_when_it_comes_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nestling.db");
    let world = World::start_on(Arc::new(Sqlite::open(&path).unwrap()), Some(&[SECRET])).await;
    let outside = rusqlite::Connection::open(&path).unwrap();
    outside
        .execute_batch("ALTER TABLE deliveries RENAME TO away")
        .unwrap();
    let refused = send(&world, "star", "one", STAR).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        refused.detail(),
        "this delivery could not be recorded: send it again"
    );
    outside
        .execute_batch("ALTER TABLE away RENAME TO deliveries")
        .unwrap();
    assert_eq!(log(&world).await, []);
    let again = send(&world, "star", "one", STAR).await;
    assert_eq!(again.status, StatusCode::ACCEPTED);
    assert_eq!(log(&world).await.len(), 1);
    world.stop().await;
}

//! Leases: whoever holds one alone changes the machine.

use anyhow::Result;
use hyper::Method;
use nestling_world::fly::{Action, LeaseShape, Nonce, Phase};
use serde_json::json;

use crate::support::{World, machine};

#[tokio::test]
async fn who_holds_the_lease_alone_changes_the_machine() -> Result<()> {
    let (world, id) = World::with_machine().await?;
    let one = format!("/apps/shop/machines/{id}");
    let lease = format!("{one}/lease");
    assert_eq!(world.get(&lease).await?.status, 404);
    let taken = world
        .post(&lease, json!({ "ttl": 30, "description": "deploy" }))
        .await?;
    let taken = taken.expect(201);
    assert_eq!(taken["status"], "success");
    let nonce = taken["data"]["nonce"].as_str().unwrap().to_owned();
    assert_eq!(world.get(&lease).await?.expect(200)["data"]["nonce"], nonce);

    let other = world.post(&lease, json!({ "ttl": 30 })).await?;
    assert_eq!(other.status, 409);
    assert!(
        other.error().contains("lease currently held by acme@"),
        "{other:?}"
    );
    for (method, path) in [
        (Method::POST, format!("{one}/stop")),
        (Method::POST, format!("{one}/cordon")),
        (Method::POST, one.clone()),
        (Method::POST, format!("{one}/metadata/gen")),
        (Method::DELETE, format!("{one}?force=true")),
    ] {
        for wrong in ["", "abcdef012345"] {
            let body = (method == Method::POST).then(|| json!({}));
            let refused = world.api(method.clone(), &path, wrong, body).await?;
            assert_eq!(refused.status, 409, "{path}");
        }
    }
    let stopped = world
        .api(
            Method::POST,
            &format!("{one}/stop"),
            &nonce,
            Some(json!({})),
        )
        .await?;
    stopped.expect(200);
    world.reaches(&id, Phase::Stopped).await?;
    let bare = world.delete(&lease).await?;
    assert_eq!(bare.status, 400);
    let released = world.api(Method::DELETE, &lease, &nonce, None).await?;
    assert_eq!(released.expect(200)["data"]["ok"], true);
    // The old nonce is no key any more.
    let late = world
        .api(
            Method::POST,
            &format!("{one}/start"),
            &nonce,
            Some(json!({})),
        )
        .await?;
    assert_eq!(late.status, 409);
    world
        .post(&format!("{one}/start"), json!({}))
        .await?
        .expect(200);

    world.fly.look(|fly| {
        let of = |action| {
            let all = fly.ledger.requests.iter();
            let same = all.filter(move |asked| asked.action == Some(action));
            same.map(|asked| (asked.nonce, asked.leased))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            of(Action::StopMachine),
            [
                (Nonce::None, true),
                (Nonce::Wrong, true),
                (Nonce::Right, true)
            ]
        );
        let bare = fly.ledger.unleased_changes();
        assert_eq!(bare, [format!("StartMachine of {id} without its lease")]);
    });
    world.finish()
}

#[tokio::test]
async fn a_lease_is_prolonged_by_its_holder_and_ends_by_itself() -> Result<()> {
    let (world, id) = World::with_machine().await?;
    let lease = format!("/apps/shop/machines/{id}/lease");
    // Fly's own client says the time in the query.
    let taken = world
        .post(&format!("{lease}?ttl=30"), json!({}))
        .await?
        .expect(201);
    let nonce = taken["data"]["nonce"].as_str().unwrap().to_owned();
    world.fly.act(|fly| fly.clock.advance(20_000));
    let longer = world
        .api(
            Method::POST,
            &format!("{lease}?ttl=30"),
            &nonce,
            Some(json!({})),
        )
        .await?;
    let longer = longer.expect(201);
    assert_eq!(longer["data"]["nonce"], nonce);
    assert_eq!(
        longer["data"]["expires_at"].as_i64().unwrap()
            - taken["data"]["expires_at"].as_i64().unwrap(),
        20
    );
    world.fly.act(|fly| fly.clock.advance(31_000));
    assert_eq!(world.get(&lease).await?.status, 404);
    world.post(&lease, json!({ "ttl": 5 })).await?.expect(201);
    world.finish()
}

#[tokio::test]
async fn a_machine_may_be_born_with_a_lease() -> Result<()> {
    let world = World::with_app().await?;
    let mut new = machine("one", json!({}));
    new["lease_ttl"] = json!(60);
    let made = world.post("/apps/shop/machines", new).await?.expect(200);
    let nonce = made["nonce"].as_str().unwrap();
    let one = format!("/apps/shop/machines/{}", made["id"].as_str().unwrap());
    assert_eq!(world.get(&one).await?.expect(200).get("nonce"), None);
    assert_eq!(
        world.delete(&format!("{one}?force=true")).await?.status,
        409
    );
    let removed = world
        .api(Method::DELETE, &format!("{one}?force=true"), nonce, None)
        .await?;
    removed.expect(200);
    world.finish()
}

#[tokio::test]
async fn leases_come_in_both_documented_shapes() -> Result<()> {
    let (world, id) = World::with_machine().await?;
    world.fly.act(|fly| fly.manners.leases = LeaseShape::Flat);
    let lease = format!("/apps/shop/machines/{id}/lease");
    let taken = world.post(&lease, json!({ "ttl": 30 })).await?.expect(201);
    let nonce = taken["nonce"].as_str().unwrap();
    let released = world.api(Method::DELETE, &lease, nonce, None).await?;
    assert_eq!(released.expect(200), json!({ "ok": true }));
    world.finish()
}

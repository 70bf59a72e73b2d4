//! What goes wrong by order, and what has happened then.

use std::time::{Duration, Instant};

use anyhow::Result;
use nestling_world::fly::{Action, Fault, Phase, State, Times};
use serde_json::json;
use tokio::time::timeout;

use crate::support::{World, machine};

/// Long enough for any answer that comes at all.
const SHORT: Duration = Duration::from_millis(700);
const MACHINES: &str = "/apps/shop/machines";

fn count(world: &World) -> usize {
    world.fly.look(|fly| fly.machines_of("shop").len())
}

#[tokio::test]
async fn a_refusal_has_no_effect_whatever_its_status() -> Result<()> {
    let world = World::with_app().await?;
    let route = "POST /apps/*/machines";
    for status in [
        400, 401, 403, 404, 408, 409, 412, 422, 429, 500, 502, 503, 504,
    ] {
        world
            .fly
            .act(|fly| fly.order(route, Fault::Status(status), Times::Only(1)));
        let refused = world.post(MACHINES, machine("one", json!({}))).await?;
        assert_eq!(refused.status, status);
        // What stands before the API does not write JSON.
        let json = serde_json::from_slice::<serde_json::Value>(&refused.raw).is_ok();
        assert_eq!(json, !matches!(status, 502 | 504), "{status}");
    }
    let held =
        "machine ID d8d9 lease currently held by x@tokens.fly.io, expires at 2026-05-14T10:41:08Z";
    world
        .fly
        .act(|fly| fly.order(route, Fault::Says(409, held, ""), Times::Only(1)));
    let refused = world.post(MACHINES, machine("one", json!({}))).await?;
    assert_eq!((refused.status, refused.error()), (409, held));
    assert_eq!(count(&world), 0);
    let asked = world.fly.look(|fly| {
        (
            fly.ledger.count(Action::CreateMachine),
            fly.ledger.writes.len(),
        )
    });
    assert_eq!(asked, (14, 1), "only the app was written");
    world.finish()
}

#[tokio::test]
async fn an_answer_may_be_lost_although_it_happened() -> Result<()> {
    let world = World::with_app().await?;
    for (n, (fault, happens)) in [
        (Fault::Cut, false),
        (Fault::LostAnswer, true),
        (Fault::HalfAnswer, true),
    ]
    .into_iter()
    .enumerate()
    {
        let before = count(&world);
        world
            .fly
            .act(|fly| fly.order("POST /apps/shop/machines", fault, Times::Only(1)));
        let new = machine(&format!("m{n}"), json!({}));
        assert!(world.post(MACHINES, new).await.is_err(), "{fault:?}");
        assert_eq!(count(&world) > before, happens, "{fault:?}");
    }
    for (n, (fault, happens)) in [(Fault::NoAnswer, false), (Fault::Hangs, true)]
        .into_iter()
        .enumerate()
    {
        let before = count(&world);
        world
            .fly
            .act(|fly| fly.order("POST /apps/shop/machines", fault, Times::Only(1)));
        let new = machine(&format!("silent{n}"), json!({}));
        assert!(
            timeout(SHORT, world.post(MACHINES, new)).await.is_err(),
            "{fault:?}"
        );
        assert_eq!(count(&world) > before, happens, "{fault:?}");
    }
    // An answer without a body has no half: nothing of it comes.
    world.fly.act(|fly| {
        fly.order("DELETE /apps/shop", Fault::HalfAnswer, Times::Only(1));
    });
    assert!(world.delete("/apps/shop").await.is_err());
    let goes = |fly: &State| fly.apps.get("shop").is_none_or(|app| app.going);
    assert!(world.fly.look(goes));
    let statuses: Vec<u16> = world.fly.look(|fly| {
        let asked = fly.ledger.requests.iter();
        let created = asked.filter(|asked| asked.action == Some(Action::CreateMachine));
        created.map(|asked| asked.status).collect()
    });
    assert_eq!(statuses, [0; 5]);
    world.finish()
}

#[tokio::test]
async fn an_answer_may_say_otherwise_than_what_happened() -> Result<()> {
    let world = World::with_app().await?;
    for (n, status) in [408, 500, 503, 504].into_iter().enumerate() {
        world.fly.act(|fly| {
            fly.order(
                "POST /apps/*/machines",
                Fault::StatusAfter(status),
                Times::Only(1),
            );
        });
        let new = machine(&format!("m{n}"), json!({}));
        assert_eq!(world.post(MACHINES, new).await?.status, status);
        assert_eq!(count(&world), n + 1);
    }
    world
        .fly
        .act(|fly| fly.order("GET /apps/shop", Fault::Garbled, Times::Only(1)));
    let garbled = world.get("/apps/shop").await?;
    assert_eq!(garbled.status, 200);
    assert!(serde_json::from_slice::<serde_json::Value>(&garbled.raw).is_err());
    world
        .fly
        .act(|fly| fly.order("GET /apps/shop", Fault::Late(80), Times::Only(1)));
    let begun = Instant::now();
    world.get("/apps/shop").await?.expect(200);
    assert!(begun.elapsed() >= Duration::from_millis(80));
    world.finish()
}

#[tokio::test]
async fn an_order_can_be_for_one_app_and_for_a_later_request() -> Result<()> {
    let world = World::with_app().await?;
    let other = json!({ "name": "blog", "org_slug": "acme" });
    world.post("/apps", other).await?.expect(201);
    world
        .fly
        .act(|fly| fly.faults.later("GET /apps/shop", 1, Fault::Status(503)));
    for (path, status) in [
        ("/apps/blog", 200),
        ("/apps/shop", 200),
        ("/apps/shop", 503),
        ("/apps/shop", 200),
    ] {
        assert_eq!(world.get(path).await?.status, status, "{path}");
    }
    assert!(world.fly.look(|fly| fly.faults.is_spent()));
    world.fly.act(|fly| {
        fly.faults.seed(3);
        fly.order("GET /apps/shop", Fault::Status(500), Times::Percent(30));
    });
    let mut wrong = 0;
    for _ in 0..100 {
        wrong += u32::from(world.get("/apps/shop").await?.status == 500);
    }
    assert!((15..45).contains(&wrong), "{wrong} of 100");
    world.fly.act(|fly| fly.faults.clear());
    world.get("/apps/shop").await?.expect(200);
    world.finish()
}

#[tokio::test]
async fn a_machine_may_stay_where_it_is_for_hours() -> Result<()> {
    let world = World::with_app().await?;
    let two_hours = 2 * 3_600_000;
    world.fly.act(|fly| {
        let now = fly.clock.now();
        fly.clock.stop_at(now);
        fly.faults
            .hold("shop", Phase::Created, two_hours, Times::Only(1));
    });
    let stuck = world
        .post(MACHINES, machine("stuck", json!({})))
        .await?
        .expect(200);
    let next = world
        .post(MACHINES, machine("next", json!({})))
        .await?
        .expect(200);
    world.fly.act(|fly| fly.clock.advance(60_000));
    let phase = |made: &serde_json::Value| {
        let id = made["id"].as_str().unwrap();
        world.fly.look(|fly| fly.machines[id].phase)
    };
    assert_eq!(
        (phase(&stuck), phase(&next)),
        (Phase::Created, Phase::Started)
    );
    let path = format!("{MACHINES}/{}", stuck["id"].as_str().unwrap());
    let again = world.post(&format!("{path}/start"), json!({})).await?;
    assert!(
        again.error().contains("still attempting to start"),
        "{again:?}"
    );
    world.fly.act(|fly| fly.clock.advance(two_hours));
    assert_eq!(phase(&stuck), Phase::Started);
    // And the same on its way out.
    world.fly.act(|fly| {
        fly.faults
            .hold("*", Phase::Destroying, two_hours, Times::Only(1));
    });
    world
        .delete(&format!("{path}?force=true"))
        .await?
        .expect(200);
    world.fly.act(|fly| fly.clock.advance(3_600_000));
    assert_eq!(phase(&stuck), Phase::Destroying);
    world.fly.act(|fly| fly.clock.advance(3_700_000));
    assert_eq!(phase(&stuck), Phase::Destroyed);
    world.finish()
}

#[tokio::test]
async fn a_machine_may_never_become_healthy() -> Result<()> {
    let world = World::with_app().await?;
    world
        .fly
        .act(|fly| fly.faults.sicken("shop", Times::Only(1)));
    let made = world
        .post(MACHINES, machine("one", json!({})))
        .await?
        .expect(200);
    let id = made["id"].as_str().unwrap();
    world.reaches(id, Phase::Started).await?;
    world.fly.act(|fly| fly.clock.advance(3_600_000));
    let one = format!("{MACHINES}/{id}");
    let shown = world.get(&one).await?.expect(200);
    assert_eq!(
        (&shown["state"], &shown["checks"][0]["status"]),
        (&json!("started"), &json!("critical"))
    );
    assert_eq!(world.fly.act(|fly| fly.visit("shop")), None);
    // The next configuration is a new chance.
    world
        .post(&one, machine("one", json!({})))
        .await?
        .expect(200);
    world
        .fly
        .until("its health", |fly| fly.is_healthy(id))
        .await?;
    world.finish()
}

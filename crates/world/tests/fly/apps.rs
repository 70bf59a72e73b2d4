//! Apps: whose they are, what they are called, and what goes with them.

use anyhow::Result;
use hyper::Method;
use serde_json::json;

use crate::support::{World, machine};

#[tokio::test]
async fn an_app_is_created_found_and_deleted_with_all_that_is_in_it() -> Result<()> {
    let (world, id) = World::with_machine().await?;
    let volume = json!({ "name": "data", "region": "ams" });
    world.post("/apps/shop/volumes", volume).await?.expect(200);
    let app = world.get("/apps/shop").await?.expect(200);
    assert_eq!(app["organization"]["slug"], "acme");
    assert_eq!(
        (&app["status"], &app["network"]),
        (&json!("deployed"), &json!("shop"))
    );
    let all = world.get("/apps?org_slug=acme").await?.expect(200);
    assert_eq!(all["total_apps"], 1);
    assert_eq!(
        (
            &all["apps"][0]["machine_count"],
            &all["apps"][0]["volume_count"]
        ),
        (&json!(1), &json!(1))
    );

    world.delete("/apps/shop").await?.expect(202);
    world
        .fly
        .until("the end of the app", |fly| fly.left_over("acme").is_empty())
        .await?;
    assert_eq!(world.get("/apps/shop").await?.status, 404);
    let machine = format!("/apps/shop/machines/{id}");
    assert_eq!(world.get(&machine).await?.status, 404);
    world.finish()
}

#[tokio::test]
async fn names_are_one_namespace_for_everybody() -> Result<()> {
    let world = World::start()?;
    let stranger = format!("Bearer {}", world.stranger);
    let theirs = json!({ "name": "shop", "org_slug": "other" });
    let headers = [("authorization", stranger.as_str())];
    let made = world
        .ask(Method::POST, "/v1/apps", &headers, Some(theirs))
        .await?;
    made.expect(201);

    let taken = world
        .post("/apps", json!({ "name": "shop", "org_slug": "acme" }))
        .await?;
    assert_eq!(taken.status, 422);
    assert_eq!(taken.body["status"], "name_taken");
    assert!(
        taken.error().contains("has already been taken"),
        "{taken:?}"
    );
    // The name is taken, so the app is there; whose it is does not concern us.
    assert_eq!(world.get("/apps/shop").await?.status, 403);
    assert_eq!(world.get("/apps/shop/machines").await?.status, 403);
    assert_eq!(world.delete("/apps/shop").await?.status, 403);
    assert_eq!(world.get("/apps?org_slug=other").await?.status, 404);
    let long = "a".repeat(64);
    for name in ["", "Shop", "my_shop", "-shop", long.as_str()] {
        let bad = world
            .post("/apps", json!({ "name": name, "org_slug": "acme" }))
            .await?;
        assert_eq!(bad.status, 422, "{name}");
    }
    let nobody = world
        .post("/apps", json!({ "name": "mine", "org_slug": "nobody" }))
        .await?;
    assert_eq!(nobody.status, 404);
    world.finish()
}

#[tokio::test]
async fn a_token_is_good_until_it_ends_and_for_its_apps() -> Result<()> {
    let world = World::with_app().await?;
    let deploy = world.fly.act(|fly| fly.issue_deploy_token("acme", "shop"));
    let ask = async |authorization: &str, path: &str| {
        let headers = [("authorization", authorization)];
        world.ask(Method::GET, path, &headers, None).await
    };
    for good in [
        format!("Bearer {}", world.token),
        format!("FlyV1 {}", world.token),
        format!("Bearer FlyV1 {}", world.token),
    ] {
        assert_eq!(ask(&good, "/v1/apps/shop").await?.status, 200, "{good}");
    }
    let scoped = format!("Bearer {deploy}");
    assert_eq!(ask(&scoped, "/v1/apps/shop/machines").await?.status, 200);
    assert_eq!(ask(&scoped, "/v1/apps?org_slug=acme").await?.status, 404);
    for bad in ["", "Bearer fm2_wrong", "Basic YTpi"] {
        let refused = ask(bad, "/v1/apps/shop").await?;
        assert_eq!(refused.status, 401);
        assert_eq!(refused.error(), "Authenticate: token validation error");
    }
    // The part of Fly that keeps addresses says the same in another way.
    let refused = ask("", "/v1/apps/shop/ip_assignments").await?;
    assert_eq!((refused.status, refused.error()), (401, "Unauthorized"));
    let nowhere = ask("", "/v1/apps/shop/elsewhere").await?;
    assert_eq!(
        (nowhere.status, &nowhere.raw[..]),
        (404, &b"404 page not found\n"[..])
    );

    world.fly.act(|fly| {
        let now = fly.clock.now();
        fly.expire_token(&world.token, now + 60_000)
    })?;
    assert_eq!(world.get("/apps/shop").await?.status, 200);
    world.fly.act(|fly| fly.clock.advance(60_000));
    assert_eq!(world.get("/apps/shop").await?.status, 401);
    world.fly.look(|fly| {
        let wrong = &fly.ledger.violations;
        // The one address that nobody describes.
        assert!(
            wrong.iter().all(|words| words.contains("elsewhere")),
            "{wrong:?}"
        );
    });
    Ok(())
}

#[tokio::test]
async fn an_app_that_was_just_created_may_not_be_found_yet() -> Result<()> {
    let world = World::start()?;
    world.fly.act(|fly| fly.manners.delays.appear = 5_000);
    let quick = json!({ "name": "quick", "org_slug": "acme" });
    world.post("/apps", quick).await?.expect(201);
    let early = world
        .post("/apps/quick/machines", machine("one", json!({})))
        .await?;
    assert_eq!(early.status, 404);
    let patient = json!({ "name": "patient", "org_slug": "acme" });
    world.post("/apps?wait=true", patient).await?.expect(201);
    world.get("/apps/patient").await?.expect(200);
    world.fly.act(|fly| fly.clock.advance(5_000));
    world.get("/apps/quick").await?.expect(200);
    world.finish()
}

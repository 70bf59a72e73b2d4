//! Visits while nothing serves: before the first deployment, while one sleeps, while an exclusive app is replaced.

use std::time::{Duration, Instant};

use nestling_domain::ids::Kind;

use super::{SHOP, World, coming, route, serving, wire::request};
use crate::messages::routes::To;

fn stopped(wakes: bool) -> To {
    To::Stopped {
        reason: "it is stopped (idle)".to_owned(),
        page: "/local/shop/pr-12".to_owned(),
        wakes,
    }
}

#[actix_web::test]
async fn a_browser_sees_how_far_its_preview_is() {
    let world = World::new();
    world.shop(coming());
    let page = world.visit("/some/page").await;
    assert_eq!((page.status, page.field("retry-after")), (503, Some("2")));
    assert_eq!(page.field("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.field("cache-control"), Some("no-store"));
    for part in [
        "Its tests are running.",
        "local/shop/pr-12",
        "href=\"http://nestling.localhost:4100/local/shop/pr-12\"",
        "http-equiv=\"refresh\"",
        "/.nestling/status",
    ] {
        assert!(
            page.text().contains(part),
            "{part} is missing in {}",
            page.text()
        );
    }
    let status = world.get("/.nestling/status").await;
    let status: serde_json::Value = serde_json::from_slice(&status.body).unwrap();
    assert_eq!(
        (&status["state"], &status["text"]),
        (&"coming".into(), &"Its tests are running.".into())
    );

    let app = world.app(1);
    world.shop(serving(&app, 1));
    assert_eq!(world.visit("/").await.text(), "generation 1");
    let status: serde_json::Value =
        serde_json::from_slice(&world.get("/.nestling/status").await.body).unwrap();
    assert_eq!(
        (&status["state"], &status["generation"]),
        (&"serving".into(), &1.into())
    );
}

#[actix_web::test]
async fn a_visitor_of_an_app_that_is_started_again_is_told_why_and_gets_it_back() {
    let world = World::new();
    let app = world.app(1);
    world.shop(serving(&app, 1));
    assert_eq!(world.visit("/").await.text(), "generation 1");
    world.shop(To::Again {
        reason: "its app ended (exit code 3) and is started again".to_owned(),
        page: "/local/shop/pr-12".to_owned(),
    });
    let page = world.visit("/").await;
    assert_eq!((page.status, page.field("retry-after")), (503, Some("2")));
    for part in [
        "Starting again",
        "Its app ended (exit code 3) and is started again.",
        "href=\"http://nestling.localhost:4100/local/shop/pr-12\"",
        "/.nestling/status",
    ] {
        let text = page.text();
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    world.shop(serving(&app, 1));
    assert_eq!(world.visit("/").await.text(), "generation 1");
}

#[actix_web::test]
async fn nothing_a_reason_says_becomes_part_of_a_page() {
    let world = World::new();
    let reason = "<script>alert(1)</script>".to_owned();
    world.shop(To::Stopped {
        reason,
        page: "/local/shop/pr-12".to_owned(),
        wakes: false,
    });
    let page = world.visit("/").await.text();
    assert!(!page.contains("<script>alert"), "{page}");
    assert!(page.contains("&lt;script&gt;"), "{page}");
}

#[actix_web::test]
async fn a_program_waits_for_the_first_deployment_and_is_answered_by_it() {
    let world = World::new();
    world.shop(coming());
    let mut client = world.client().await;
    client
        .send(request("POST", "/echo", SHOP, &[], "hello"))
        .await;
    until_held(&world, 1).await;
    let app = world.app(1);
    world.shop(To::Switching);
    world.shop(serving(&app, 1));
    assert_eq!(client.reply_to("POST").await.text(), "hello");
}

#[actix_web::test]
async fn a_program_that_waits_too_long_hears_when_to_come_back() {
    let world = World::with(|bounds| bounds.coming = Duration::from_millis(150));
    world.shop(coming());
    let began = Instant::now();
    let reply = world.get("/").await;
    assert!(began.elapsed() >= Duration::from_millis(150));
    assert_eq!((reply.status, reply.field("retry-after")), (503, Some("2")));
    assert!(
        reply.text().contains("Its tests are running."),
        "{}",
        reply.text()
    );
}

#[actix_web::test]
async fn a_visit_wakes_a_sleeper_once_and_looking_at_the_status_does_not() {
    let world = World::new();
    world.shop(stopped(true));
    assert_eq!(world.get("/.nestling/status").await.status, 200);
    assert_eq!(world.woken.lock().unwrap().len(), 0);
    let page = world.visit("/").await;
    assert!(page.text().contains("Waking up"), "{}", page.text());
    let mut client = world.client().await;
    client.send(request("GET", "/", SHOP, &[], "")).await;
    until_held(&world, 1).await;
    assert_eq!(*world.woken.lock().unwrap(), [World::shop_id()]);
    world.shop(coming());
    let app = world.app(2);
    world.shop(serving(&app, 2));
    assert_eq!(client.reply_to("GET").await.text(), "generation 2");
}

#[actix_web::test]
async fn what_a_person_stopped_says_so_at_once_and_is_not_woken() {
    let world = World::new();
    world.shop(stopped(false));
    let reply = world.get("/").await;
    assert_eq!(
        (reply.status, reply.field("retry-after")),
        (503, Some("60"))
    );
    assert!(
        reply.text().starts_with("It is stopped (idle).\n"),
        "{}",
        reply.text()
    );
    assert!(world.visit("/").await.text().contains("Not running"));
    assert!(world.woken.lock().unwrap().is_empty());
}

#[actix_web::test]
async fn a_switch_holds_everybody_and_loses_nobody() {
    let world = World::with(|bounds| bounds.held = 20);
    let old = world.app(1);
    world.shop(serving(&old, 1));
    assert_eq!(world.get("/").await.text(), "generation 1");
    world.shop(To::Switching);
    drop(old);
    let mut held = Vec::new();
    for turn in 0..20 {
        let mut client = world.client().await;
        let body = if turn % 2 == 0 { "a body" } else { "" };
        client
            .send(request(
                "POST",
                "/echo",
                SHOP,
                &[("Accept", "text/html")],
                body,
            ))
            .await;
        held.push((client, body));
    }
    until_held(&world, 20).await;
    let reply = world.get("/").await;
    assert_eq!(
        (reply.status, reply.field("retry-after")),
        (503, Some("2")),
        "the bound is full"
    );
    let new = world.app(2);
    world.shop(serving(&new, 2));
    for (mut client, body) in held {
        assert_eq!(client.reply_to("POST").await.text(), body);
    }
    until_held(&world, 0).await;
}

#[actix_web::test]
async fn a_switch_that_takes_too_long_is_said_so() {
    let world = World::with(|bounds| bounds.switching = Duration::from_millis(150));
    world.shop(To::Switching);
    let reply = world.visit("/").await;
    assert_eq!(reply.status, 503);
    assert!(
        reply.text().contains("A new version is taking over."),
        "{}",
        reply.text()
    );
}

#[actix_web::test]
async fn who_waits_hears_when_the_environment_is_closed() {
    let world = World::new();
    world.shop(To::Switching);
    let mut client = world.client().await;
    client.send(request("GET", "/", SHOP, &[], "")).await;
    until_held(&world, 1).await;
    world.routes.remove(&World::shop_id());
    let reply = client.reply_to("GET").await;
    assert_eq!(reply.status, 404);
    assert!(reply.text().contains(SHOP), "{}", reply.text());
}

#[actix_web::test]
async fn an_endpoints_address_waits_with_its_environment() {
    let world = World::new();
    world.shop(To::Switching);
    world.routes.set(route("shop", Kind::Production, coming()));
    let mut client = world.client().await;
    client
        .send(request("GET", "/", "web--pr-12--shop.localhost", &[], ""))
        .await;
    until_held(&world, 1).await;
    let app = world.app(1);
    world.shop(serving(&app, 1));
    assert_eq!(client.reply_to("GET").await.text(), "generation 1");
    // A preview that is gone is not taken for an endpoint of production.
    let reply = world
        .client()
        .await
        .ask(request("GET", "/", "pr-13--shop.localhost", &[], ""))
        .await;
    assert_eq!(reply.status, 404);
}

async fn until_held(world: &World, count: usize) {
    let held = &world.gateway.shared.held;
    super::until("the requests are held", || {
        held.load(std::sync::atomic::Ordering::Relaxed) == count
    })
    .await;
}

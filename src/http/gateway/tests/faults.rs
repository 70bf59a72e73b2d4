//! Apps that fail in the middle of things, probes that find it out, and neighbours who notice nothing.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use nestling_domain::ids::{Generation, Kind};

use super::{
    SHOP, World, commit, route, serving,
    wire::{Client, request},
};
use crate::messages::routes::{Target, To, Traffic as _};

#[actix_web::test]
async fn an_app_that_is_not_there_is_said_so_with_its_commit() {
    let world = World::new();
    let app = world.app(7);
    world.shop(serving(&app, 7));
    drop(app);
    let page = world.visit("/").await;
    assert_eq!(page.status, 502);
    for part in [
        commit(7).short(),
        "http://nestling.localhost:4100/local/shop/pr-12/logs",
    ] {
        assert!(
            page.text().contains(part),
            "{part} is missing in {}",
            page.text()
        );
    }
    let reply = world.ask("POST", "/echo", &[], "body").await;
    assert_eq!(reply.status, 502);
    assert!(
        reply
            .text()
            .starts_with("local/shop/pr-12 at commit 0000000 gave no answer: "),
        "{}",
        reply.text()
    );
}

#[actix_web::test]
async fn an_app_that_closes_or_talks_nonsense_is_asked_once_more_and_then_named() {
    let world = World::new();
    let app = world.app(1);
    world.shop(serving(&app, 1));
    for (method, path, asked, words) in [
        (
            "GET",
            "/drop",
            2,
            "it closed the connection before it answered",
        ),
        (
            "POST",
            "/drop",
            1,
            "it closed the connection before it answered",
        ),
        ("GET", "/junk", 2, "what it sent is not HTTP"),
    ] {
        let before = app.requests();
        let reply = world.ask(method, path, &[], "").await;
        assert_eq!(reply.status, 502, "{method} {path}");
        assert!(
            reply.text().contains(words),
            "{method} {path}: {}",
            reply.text()
        );
        assert_eq!(app.requests() - before, asked, "{method} {path}");
    }
}

#[actix_web::test]
async fn an_app_that_closes_idle_connections_costs_no_request() {
    let world = World::new();
    let app = world.app(1);
    world.shop(serving(&app, 1));
    let mut client = world.client().await;
    for turn in 0..50 {
        let method = if turn % 2 == 0 { "GET" } else { "POST" };
        let reply = client.ask(request(method, "/once", SHOP, &[], "")).await;
        assert_eq!(reply.status, 200, "turn {turn}: {}", reply.text());
    }
}

#[actix_web::test]
async fn an_answer_that_breaks_off_never_looks_whole() {
    let world = World::new();
    let app = world.app(1);
    world.shop(serving(&app, 1));
    for path in ["/die", "/die-chunked"] {
        let reply = world.get(path).await;
        assert_eq!(reply.status, 200, "{path}");
        assert!(!reply.whole, "{path} looked whole: {}", reply.text());
    }
}

#[actix_web::test]
async fn an_answer_that_comes_before_the_body_is_passed_on() {
    let world = World::new();
    let app = world.app(1);
    world.shop(serving(&app, 1));
    let mut client = world.client().await;
    client
        .send(format!(
            "POST /early HTTP/1.1\r\nHost: {SHOP}\r\nContent-Length: 1000000\r\n\r\nsome"
        ))
        .await;
    let reply = client.reply_to("POST").await;
    assert_eq!((reply.status, reply.text()), (413, "enough".to_owned()));
    assert_eq!(world.get("/").await.text(), "generation 1");
}

#[actix_web::test]
async fn an_app_that_takes_too_long_is_given_up() {
    let world = World::with(|bounds| bounds.first_byte = Duration::from_millis(100));
    let app = world.app(1);
    world.shop(serving(&app, 1));
    assert_eq!(world.get("/hang").await.status, 504);
    assert_eq!(app.requests(), 1, "a slow app is not asked twice");
}

#[actix_web::test]
async fn a_client_that_leaves_frees_the_app() {
    let world = World::new();
    let app = world.app(1);
    world.shop(serving(&app, 1));
    let mut client = world.client().await;
    client.send(request("GET", "/hang", SHOP, &[], "")).await;
    app.has_seen(1).await;
    drop(client);
    super::until("the app hears of it", || {
        app.seen.open.load(Ordering::SeqCst) == 0
    })
    .await;
}

#[actix_web::test]
async fn a_neighbour_notices_nothing_of_an_app_that_hangs_or_of_clients_that_do_not_read() {
    let world = World::new();
    let (hanging, fine) = (world.app(1), world.neighbour(1));
    world.shop(serving(&hanging, 1));
    let To::Serving(mut neighbour) = serving(&fine, 1) else {
        unreachable!()
    };
    neighbour.endpoints.truncate(1);
    world
        .routes
        .set(route("neighbour", Kind::Production, To::Serving(neighbour)));
    let mut stuck = Vec::new();
    for turn in 0..200 {
        let mut client = world.client().await;
        let path = if turn % 4 == 0 { "/big" } else { "/hang" };
        client.send(request("GET", path, SHOP, &[], "")).await;
        stuck.push(client);
    }
    hanging.has_seen(200).await;
    let mut times = Vec::new();
    let mut client: Client = world.client().await;
    for _ in 0..300 {
        let began = Instant::now();
        let reply = client
            .ask(request("GET", "/", "neighbour.localhost", &[], ""))
            .await;
        assert_eq!((reply.status, reply.field("x-robots-tag")), (200, None));
        times.push(began.elapsed());
    }
    times.sort();
    assert!(
        times[296] < Duration::from_millis(100),
        "p99 was {:?}",
        times[296]
    );
}

fn target(world: &World, generation: u32) -> Target {
    let To::Serving(serving) = serving(&world.app(generation), generation) else {
        unreachable!()
    };
    serving.endpoints.into_iter().next().unwrap()
}

#[actix_web::test]
async fn a_probe_tells_what_came_instead() {
    let world = World::with(|bounds| bounds.probe = Duration::from_millis(200));
    let app = world.app(3);
    let To::Serving(next) = serving(&app, 3) else {
        unreachable!()
    };
    let target = &next.endpoints[0];
    let probe = async |health| {
        world
            .gateway
            .probe(&World::shop_id(), Generation(3), target, health)
            .await
    };
    assert_eq!(probe(None).await, Ok(()));
    assert_eq!(probe(Some("/healthy")).await, Ok(()));
    assert_eq!(probe(Some("healthy")).await, Ok(()));
    assert_eq!(app.requests(), 9, "three answers each");
    assert_eq!(probe(Some("/hints")).await, Ok(()), "a hint is no answer");
    for (health, words) in [
        (
            "/teapot",
            "GET /teapot was answered 418 I'm a teapot, and should be 200 to 299",
        ),
        (
            "/broken",
            "GET /broken was answered 500 Internal Server Error, and should be 200 to 299",
        ),
        (
            "/drop",
            "GET /drop got no answer: it closed the connection before it answered",
        ),
        ("/hang", "GET /hang got no answer within 0.2 s"),
        ("/junk", "GET /junk got no answer: what it sent is not HTTP"),
    ] {
        assert_eq!(probe(Some(health)).await, Err(words.to_owned()));
    }
    let gone = super::faults::target(&world, 4);
    let reason = world
        .gateway
        .probe(&World::shop_id(), Generation(4), &gone, None)
        .await
        .unwrap_err();
    assert!(reason.starts_with("GET / got no answer: "), "{reason}");
    assert_eq!(
        world.get("/").await.status,
        404,
        "what was probed is reached by nobody else"
    );
}

//! Requests that mean harm: hosts that could be mistaken, heads that two readers read differently, floods.

use std::sync::atomic::Ordering;

use tokio::io::AsyncWriteExt as _;

use super::{SHOP, World, serving, wire::request};

/// It is signed, and comes by whatever name GitHub was told.
#[actix_web::test]
async fn a_webhook_comes_by_any_name_but_a_previews_and_nothing_comes_with_it() {
    let world = World::new();
    let app = world.app(1);
    world.shop(serving(&app, 1));
    for (host, path, is_dashboard) in [
        ("tunnel.example", "/github/webhook", true),
        ("tunnel.example", "/github/webhook?x=1", true),
        ("tunnel.example", "/github/webhook/", false),
        ("tunnel.example", "/github/webhoo%6b", false),
        ("tunnel.example", "//github/webhook", false),
        ("tunnel.example", "/github/../github/webhook", false),
        ("pr-12--shop.localhost", "/github/webhook", false),
        ("user@tunnel.example", "/github/webhook", false),
    ] {
        let asked = request("POST", path, host, &[], "");
        let reply = world.client().await.ask(asked).await;
        let answered = reply.text() == "the dashboard";
        assert_eq!(answered, is_dashboard, "{host}{path}: {}", reply.text());
    }
}

#[actix_web::test]
async fn only_the_dashboards_own_names_reach_the_dashboard() {
    let world = World::new();
    let app = world.app(1);
    world.shop(serving(&app, 1));
    for host in [
        "nestling.localhost:4100",
        "NESTLING.localhost",
        "localhost:1",
        "127.0.0.1",
        "[::1]:4100",
    ] {
        let reply = world
            .client()
            .await
            .ask(request("GET", "/", host, &[], ""))
            .await;
        assert_eq!(
            (reply.status, reply.text().as_str()),
            (200, "the dashboard"),
            "{host}"
        );
    }
    for (host, status) in [
        ("nestling.localhost.evil", 421),
        ("rebound.example", 421),
        ("nestling.localhost.", 421),
        ("[fe80::1]", 421),
        ("10.0.0.1", 421),
        ("x.nestling.localhost", 404),
        ("user@nestling.localhost", 400),
        ("nestling.localhost:port", 400),
        ("pr-12--shop.localhost@nestling.localhost", 400),
    ] {
        let reply = world
            .client()
            .await
            .ask(request("GET", "/", host, &[], ""))
            .await;
        assert_eq!(reply.status, status, "{host}: {}", reply.text());
        assert!(
            reply.text().len() > 20,
            "{host} is told why: {}",
            reply.text()
        );
    }
    assert_eq!(app.requests(), 0);
}

#[actix_web::test]
async fn a_request_with_two_meanings_reaches_nobody() {
    let world = World::new();
    let app = world.app(1);
    world.shop(serving(&app, 1));
    let smuggled = format!("GET /seen HTTP/1.1\r\nHost: {SHOP}\r\n\r\n");
    let post =
        |fields: &str| format!("POST /echo HTTP/1.1\r\nHost: {SHOP}\r\n{fields}\r\n{smuggled}");
    let each = [
        post("Content-Length: 4\r\nContent-Length: 40\r\n"),
        post("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"),
        post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
        post("Transfer-Encoding: xchunked\r\n"),
        post("Transfer-Encoding : chunked\r\n"),
        post("Content-Length: +4\r\n"),
        post("Content-Length: 0x4\r\n"),
        post("X: a\r\n Content-Length: 4\r\n"),
        format!("GET / HTTP/1.1\r\nHost: {SHOP}\r\nHost: nestling.localhost\r\n\r\n"),
        format!("GET http://nestling.localhost:4100/ HTTP/1.1\r\nHost: {SHOP}\r\n\r\n"),
        "GET / HTTP/1.1\r\n\r\n".to_owned(),
        "GET / HTTP/1.0\r\n\r\n".to_owned(),
        format!("GET / HTTP/1.1\r\nHost: {SHOP}\r\nUpgrade: websocket\r\n\r\n{smuggled}"),
        format!("POST / HTTP/1.1\r\nHost: {SHOP}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 4\r\n\r\n{smuggled}"),
    ]
    .map(async |request| {
        let mut client = world.client().await;
        let reply = client.ask(&request).await;
        assert_eq!(reply.status, 400, "{request:?}");
        assert!(client.is_closed().await, "what follows is not read: {request:?}");
    });
    futures::future::join_all(each).await;
    let mut client = world.client().await;
    assert_eq!(
        client
            .ask(format!("CONNECT {SHOP} HTTP/1.1\r\nHost: {SHOP}\r\n\r\n"))
            .await
            .status,
        405
    );
    assert_eq!(app.requests(), 0, "the app saw none of it");
}

#[actix_web::test]
async fn a_broken_body_never_looks_whole_to_the_app() {
    let world = World::new();
    let app = world.app(1);
    world.shop(serving(&app, 1));
    for body in [
        "5\r\nhelloworld\r\n0\r\n\r\n",
        "zz\r\nhello\r\n",
        "5\r\nhel",
    ] {
        let mut client = world.client().await;
        client
            .send(format!(
                "POST /echo HTTP/1.1\r\nHost: {SHOP}\r\nTransfer-Encoding: chunked\r\n\r\n{body}"
            ))
            .await;
        client.stream.get_mut().shutdown().await.unwrap();
        client.ends().await;
    }
    super::until("the app's connections are gone", || {
        app.seen.open.load(Ordering::SeqCst) == 0
    })
    .await;
    assert_eq!(app.seen.whole.load(Ordering::SeqCst), 0);
}

#[actix_web::test]
async fn a_head_that_is_too_long_is_refused_on_either_side() {
    let world = World::new();
    let app = world.app(1);
    world.shop(serving(&app, 1));
    let long = "x".repeat(70_000);
    assert_eq!(
        world.ask("GET", "/", &[("X-Long", &long)], "").await.status,
        431
    );
    assert_eq!(app.requests(), 0);
    let reply = world.get("/fat").await;
    assert_eq!(reply.status, 502, "{}", reply.text());
}

#[actix_web::test]
async fn one_environment_takes_no_more_than_its_share() {
    let world = World::with(|bounds| bounds.inside = 5);
    let app = world.app(1);
    world.shop(serving(&app, 1));
    let mut waiting = Vec::new();
    for _ in 0..5 {
        let mut client = world.client().await;
        client.send(request("GET", "/hang", SHOP, &[], "")).await;
        waiting.push(client);
    }
    app.has_seen(5).await;
    let reply = world.get("/").await;
    assert_eq!((reply.status, reply.field("retry-after")), (503, Some("2")));
    waiting.pop();
    super::until("a place is free again", || {
        app.seen.open.load(Ordering::SeqCst) == 4
    })
    .await;
    assert_eq!(world.get("/").await.status, 200);
}

#[actix_web::test]
async fn a_machine_that_links_to_a_neighbours_socket_is_not_followed() {
    let world = World::new();
    let app = world.app(1);
    let neighbour = world.neighbour(2);
    world.shop(serving(&app, 1));
    std::fs::remove_file(&app.socket).unwrap();
    std::os::unix::fs::symlink(&neighbour.socket, &app.socket).unwrap();
    let page = world.visit("/").await;
    assert_eq!(page.status, 502, "{}", page.text());
    assert_eq!(neighbour.requests(), 0);
}

//! What passes the gateway, and how it looks on the other side.

use super::{
    SHOP, World,
    app::BIG,
    commit, serving,
    wire::{self, request, write_chunk},
};

#[actix_web::test]
async fn an_app_hears_who_asked_and_nothing_forged_or_ours() {
    let world = World::new();
    let app = world.app(1);
    world.shop(serving(&app, 1));
    let sent = [
        ("X-Forwarded-For", "6.6.6.6"),
        ("X-Forwarded-Proto", "https"),
        ("X_Forwarded_Host", "evil.example"),
        ("Forwarded", "for=6.6.6.6"),
        ("X-Real-IP", "6.6.6.6"),
        ("X-Nestling-Generation", "1"),
        ("Connection", "keep-alive, X-Secret"),
        ("X-Secret", "for this hop"),
        ("TE", "trailers"),
        ("Proxy-Authorization", "Basic eA=="),
        ("Cookie", "a=1; nestling_session=secret; b=2"),
        ("Authorization", "Bearer of-the-app"),
        ("X-App", "kept"),
    ];
    let seen = world
        .ask("GET", "/seen?a=%2F&b", &sent, "")
        .await
        .text()
        .to_ascii_lowercase();
    for kept in [
        "get /seen?a=%2f&b http/1.1\r\n",
        "host: pr-12--shop.localhost:4100\r\n",
        "x-forwarded-host: pr-12--shop.localhost:4100\r\n",
        "x-forwarded-proto: http\r\n",
        "x-forwarded-for: 127.0.0.1\r\n",
        "cookie: a=1; b=2\r\n",
        "authorization: bearer of-the-app\r\n",
        "x-app: kept\r\n",
    ] {
        assert!(seen.contains(kept), "{kept:?} is missing in {seen}");
    }
    for gone in [
        "6.6.6.6",
        "evil",
        "secret",
        "x-nestling",
        "trailers",
        "proxy-",
    ] {
        assert!(!seen.contains(gone), "{gone:?} is in {seen}");
    }
}

#[actix_web::test]
async fn an_answer_carries_its_commit_and_no_orders_to_proxies() {
    let world = World::new();
    let app = world.app(1);
    world.shop(serving(&app, 1));
    let reply = world.get("/orders").await;
    assert_eq!(reply.field("x-nestling-commit"), Some(commit(1).as_str()));
    assert_eq!(reply.head.all("x-robots-tag"), ["noindex"]);
    assert_eq!(reply.field("x-app"), Some("kept"));
    assert_eq!(reply.head.all("set-cookie"), ["a=1; Path=/", "b=2"]);
    for gone in [
        "fly-replay",
        "x-accel-redirect",
        "alt-svc",
        "x-hop",
        "keep-alive",
    ] {
        assert_eq!(reply.field(gone), None, "{gone}");
    }
}

#[actix_web::test]
async fn answers_without_a_body_stay_so_and_the_connection_goes_on() {
    let world = World::new();
    let app = world.app(1);
    world.shop(serving(&app, 1));
    let mut client = world.client().await;
    for (method, path, status, length) in [
        ("HEAD", "/big", 200, Some("1000000")),
        ("GET", "/204", 204, None),
        ("GET", "/304", 304, None),
        ("OPTIONS", "/teapot", 418, Some("0")),
        ("GET", "/hints", 200, Some("12")),
        ("DELETE", "/", 200, Some("12")),
        ("GET", "/trailers", 200, None),
    ] {
        let reply = client.ask(request(method, path, SHOP, &[], "")).await;
        assert_eq!(reply.status, status, "{method} {path}");
        assert_eq!(reply.field("content-length"), length, "{method} {path}");
        assert!(reply.whole, "{method} {path}");
    }
    assert_eq!(
        app.seen
            .connections
            .load(std::sync::atomic::Ordering::SeqCst),
        1,
        "one connection to the app carries all"
    );
}

#[actix_web::test]
async fn hints_and_trailers_end_here_and_the_answer_is_whole() {
    let world = World::new();
    let app = world.app(1);
    world.shop(serving(&app, 1));
    let mut client = world.client().await;
    for method in ["GET", "POST"] {
        for (path, status, body) in [
            ("/hints", 200, "generation 1"),
            ("/hints-many", 404, "generation 1"),
            ("/trailers", 200, "ok"),
            ("/", 200, "generation 1"),
        ] {
            let reply = client.ask(request(method, path, SHOP, &[], "")).await;
            assert_eq!(reply.status, status, "{method} {path}");
            assert!(reply.whole && reply.text() == body, "{method} {path}");
            for gone in ["link", "trailer", "x-t"] {
                assert_eq!(reply.field(gone), None, "{method} {path}: {gone}");
            }
        }
    }
}

#[actix_web::test]
async fn large_bodies_pass_both_ways_whole() {
    let world = World::new();
    let app = world.app(1);
    world.shop(serving(&app, 1));
    let body = "0123456789".repeat(BIG / 5);
    let reply = world.ask("POST", "/echo", &[], &body).await;
    assert!(reply.text() == body, "{} bytes came back", reply.body.len());

    let mut client = world.client().await;
    client.send(format!("PUT /echo HTTP/1.1\r\nHost: {SHOP}\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n")).await;
    assert_eq!(client.head().await.start, "HTTP/1.1 100 Continue");
    for piece in body.as_bytes().chunks(70_000) {
        write_chunk(client.stream.get_mut(), piece).await.unwrap();
    }
    write_chunk(client.stream.get_mut(), b"").await.unwrap();
    assert!(client.reply_to("PUT").await.text() == body);
    assert_eq!(world.get("/big").await.body.len(), BIG);
}

#[actix_web::test]
async fn each_piece_passes_before_the_next_is_sent() {
    let world = World::new();
    let app = world.app(1);
    world.shop(serving(&app, 1));
    let mut client = world.client().await;
    client
        .send(format!(
            "POST /duplex HTTP/1.1\r\nHost: {SHOP}\r\nTransfer-Encoding: chunked\r\n\r\n"
        ))
        .await;
    assert_eq!(
        client.head().await.field("transfer-encoding"),
        Some("chunked")
    );
    for piece in ["one", "two", "three"] {
        write_chunk(client.stream.get_mut(), piece.as_bytes())
            .await
            .unwrap();
        assert_eq!(client.chunk().await, piece.as_bytes());
    }
    write_chunk(client.stream.get_mut(), b"").await.unwrap();
    assert_eq!(client.chunk().await, b"");
}

#[actix_web::test]
async fn events_arrive_while_the_app_still_talks() {
    let world = World::new();
    let app = world.app(1);
    world.shop(serving(&app, 1));
    let mut client = world.client().await;
    client.send(request("GET", "/events", SHOP, &[], "")).await;
    assert_eq!(
        client.head().await.field("content-type"),
        Some("text/event-stream")
    );
    for _ in 0..3 {
        assert_eq!(client.chunk().await, b"data: 1\n\n");
    }
    drop(client);
    super::until("the app hears that nobody listens", || {
        app.seen.open.load(std::sync::atomic::Ordering::SeqCst) == 0
    })
    .await;
}

#[actix_web::test]
async fn a_websocket_passes_both_ways_until_goodbye() {
    let world = World::new();
    let app = world.app(1);
    world.shop(serving(&app, 1));
    let (mut client, head) = world.websocket(SHOP, "/ws", &[]).await;
    assert_eq!(head.start, "HTTP/1.1 101 Switching Protocols");
    assert_eq!(head.field("sec-websocket-accept"), Some("yes"));
    assert_eq!(head.field("upgrade"), Some("websocket"));
    assert_eq!(head.field("x-nestling-commit"), Some(commit(1).as_str()));
    for size in [0, 5, 200, 70_000] {
        let text = vec![b'a'; size];
        client.send(wire::frame(1, &text, Some([1, 2, 3, 4]))).await;
        assert_eq!(client.frame().await, Some((1, text)));
    }
    client
        .send(wire::frame(8, &1000u16.to_be_bytes(), Some([9; 4])))
        .await;
    assert_eq!(client.frame().await, Some((8, vec![3, 232])));
    assert!(client.is_closed().await);
}

#[actix_web::test]
async fn an_app_may_refuse_a_websocket() {
    let world = World::new();
    let app = world.app(1);
    world.shop(serving(&app, 1));
    let mut client = world.client().await;
    let fields = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Key", "x"),
    ];
    let reply = client
        .ask(request("GET", "/refuses-ws", SHOP, &fields, ""))
        .await;
    assert_eq!((reply.status, reply.text()), (403, "no".to_owned()));
    let reply = world
        .client()
        .await
        .ask(request("GET", "/", SHOP, &fields, ""))
        .await;
    assert_eq!(
        (reply.status, reply.text()),
        (200, "generation 1".to_owned())
    );
}

#[actix_web::test]
async fn an_old_client_gets_an_answer_without_chunks() {
    let world = World::new();
    let app = world.app(1);
    world.shop(serving(&app, 1));
    let mut client = world.client().await;
    let reply = client
        .ask(format!("GET /trailers HTTP/1.0\r\nHost: {SHOP}\r\n\r\n"))
        .await;
    assert_eq!(reply.field("transfer-encoding"), None);
    assert_eq!(reply.text(), "ok");
}

#[actix_web::test]
async fn endpoints_answer_at_their_own_labels() {
    let world = World::new();
    let app = world.app(1);
    world.shop(serving(&app, 1));
    for (host, status) in [
        ("web--pr-12--shop.localhost", 200),
        ("PR-12--SHOP.LOCALHOST:9", 200),
        ("other--pr-12--shop.localhost", 404),
        ("pr-13--shop.localhost", 404),
        ("shop.localhost", 404),
    ] {
        let reply = world
            .client()
            .await
            .ask(request("GET", "/", host, &[], ""))
            .await;
        assert_eq!(reply.status, status, "{host}: {}", reply.text());
        assert!(
            status == 200 || reply.text().contains(host),
            "{}",
            reply.text()
        );
    }
}

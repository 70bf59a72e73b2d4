//! One deployment follows another while people look.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use nestling_domain::ids::Generation;

use super::{
    SHOP, World,
    app::BIG,
    serving,
    wire::{self, Client, request},
};
use crate::messages::routes::{To, Traffic as _};

const REDEPLOYS: u32 = 20;

#[actix_web::test]
async fn twenty_redeploys_fail_no_request_and_streams_connect_again() {
    let world = World::with(|bounds| bounds.drain = Duration::from_millis(150));
    let mut app = world.app(1);
    world.shop(serving(&app, 1));
    let over = Arc::new(AtomicBool::new(false));
    let probes = tokio::spawn(probe(world.address, over.clone()));
    let events = tokio::spawn(follow(world.address, over.clone()));
    let (mut socket, _) = world.websocket(SHOP, "/ws", &[]).await;
    for generation in 2..=REDEPLOYS + 1 {
        let next = world.app(generation);
        let To::Serving(serving) = serving(&next, generation) else {
            unreachable!()
        };
        world
            .gateway
            .probe(
                &World::shop_id(),
                Generation(generation),
                &serving.endpoints[0],
                None,
            )
            .await
            .unwrap();
        socket
            .send(wire::frame(1, b"still there", Some([1; 4])))
            .await;
        assert_eq!(socket.frame().await, Some((1, b"still there".to_vec())));
        world.shop(To::Serving(serving));
        let again = async {
            assert_eq!(
                socket.frame().await,
                Some((8, vec![0x03, 0xf4])),
                "1012: service restart"
            );
            world.websocket(SHOP, "/ws", &[]).await.0
        };
        let shop = World::shop_id();
        ((), socket) = tokio::join!(
            world.gateway.drain(&shop, Generation(generation - 1)),
            again
        );
        app = next;
    }
    over.store(true, Ordering::SeqCst);
    let asked = probes.await.unwrap();
    assert!(asked > 100, "{asked} requests were asked");
    assert!(
        events.await.unwrap() >= REDEPLOYS as usize,
        "the event stream ended cleanly each time"
    );
    drop(app);
}

/// Twenty requests a second of all kinds, on old connections and new ones; every answer is whole and good.
async fn probe(address: std::net::SocketAddr, over: Arc<AtomicBool>) -> usize {
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    let kept = Arc::new(tokio::sync::Mutex::new(Client::connect(address).await));
    let mut asked = Vec::new();
    while !over.load(Ordering::SeqCst) {
        ticks.tick().await;
        let turn = asked.len();
        let kept = kept.clone();
        asked.push(tokio::spawn(async move {
            let (method, path, body) = [
                ("GET", "/big", ""),
                ("POST", "/echo", "a body"),
                ("GET", "/", ""),
            ][turn % 3];
            let request = request(method, path, SHOP, &[], body);
            let reply = if turn % 2 == 0 {
                kept.lock().await.ask(request).await
            } else {
                Client::connect(address).await.ask(request).await
            };
            assert_eq!(
                (reply.status, reply.whole),
                (200, true),
                "{method} {path}: {}",
                reply.text()
            );
            assert!(path != "/big" || reply.body.len() == BIG);
            assert!(path != "/echo" || reply.text() == "a body");
        }));
    }
    let count = asked.len();
    for one in asked {
        one.await.unwrap();
    }
    count
}

/// Follows the event stream, connecting again whenever it ends; counts the clean ends.
async fn follow(address: std::net::SocketAddr, over: Arc<AtomicBool>) -> usize {
    let mut ends = 0;
    while !over.load(Ordering::SeqCst) {
        let mut client = Client::connect(address).await;
        client.send(request("GET", "/events", SHOP, &[], "")).await;
        assert_eq!(client.head().await.start, "HTTP/1.1 200 OK");
        while !client.chunk().await.is_empty() {
            if over.load(Ordering::SeqCst) {
                return ends;
            }
        }
        ends += 1;
    }
    ends
}

#[actix_web::test]
async fn what_is_under_way_ends_on_the_old_deployment_while_new_requests_go_to_the_new() {
    let world = World::new();
    let (old, new) = (world.app(1), world.app(2));
    world.shop(serving(&old, 1));
    let mut slow = world.client().await;
    slow.send(request("GET", "/gate", SHOP, &[], "")).await;
    old.has_seen(1).await;
    world.shop(serving(&new, 2));
    assert_eq!(world.get("/").await.text(), "generation 2");
    let drained = Arc::new(AtomicUsize::new(0));
    let drain = tokio::spawn({
        let (gateway, drained) = (world.gateway.clone(), drained.clone());
        async move {
            gateway.drain(&World::shop_id(), Generation(1)).await;
            drained.store(1, Ordering::SeqCst);
        }
    });
    assert_eq!(world.get("/").await.text(), "generation 2");
    assert_eq!(
        drained.load(Ordering::SeqCst),
        0,
        "one request is still in flight"
    );
    old.seen.gate.notify_one();
    assert_eq!(slow.reply_to("GET").await.text(), "generation 1");
    drain.await.unwrap();
    super::until("no connection to the old one is kept", || {
        old.seen.open.load(Ordering::SeqCst) == 0
    })
    .await;
}

#[actix_web::test]
async fn what_does_not_end_is_cut_at_the_deadline_and_asked_again_where_that_is_safe() {
    let world = World::with(|bounds| bounds.drain = Duration::from_millis(100));
    let (old, new) = (world.app(1), world.app(2));
    world.shop(serving(&old, 1));
    let mut get = world.client().await;
    get.send(request("GET", "/gate", SHOP, &[], "")).await;
    let mut post = world.client().await;
    post.send(request("POST", "/gate", SHOP, &[], "a body"))
        .await;
    old.has_seen(2).await;
    world.shop(serving(&new, 2));
    let began = Instant::now();
    world.gateway.drain(&World::shop_id(), Generation(1)).await;
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(
        post.reply_to("POST").await.status,
        502,
        "a body is never sent twice"
    );
    new.has_seen(1).await;
    new.seen.gate.notify_one();
    assert_eq!(get.reply_to("GET").await.text(), "generation 2");
}

#[actix_web::test]
async fn a_request_that_the_old_deployment_dropped_is_answered_by_the_new() {
    let world = World::new();
    let (old, new) = (world.app(1), world.app(2));
    world.shop(serving(&old, 1));
    let mut get = world.client().await;
    get.send(request("GET", "/gate", SHOP, &[], "")).await;
    old.has_seen(1).await;
    world.shop(serving(&new, 2));
    drop(old);
    new.has_seen(1).await;
    new.seen.gate.notify_one();
    assert_eq!(get.reply_to("GET").await.text(), "generation 2");
}

#[actix_web::test]
async fn a_websocket_is_told_to_connect_again_only_between_two_frames() {
    let world = World::new();
    let (old, new) = (world.app(1), world.app(2));
    world.shop(serving(&old, 1));
    let (mut whole, _) = world.websocket(SHOP, "/ws", &[]).await;
    let (mut stalled, _) = world.websocket(SHOP, "/ws", &[]).await;
    whole.send(wire::frame(1, b"big", Some([1; 4]))).await;
    stalled.send(wire::frame(1, b"stall", Some([1; 4]))).await;
    // Both are in the middle of a frame now.
    assert!(
        !tokio::io::AsyncBufReadExt::fill_buf(&mut whole.stream)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        !tokio::io::AsyncBufReadExt::fill_buf(&mut stalled.stream)
            .await
            .unwrap()
            .is_empty()
    );
    world.shop(serving(&new, 2));
    let began = Instant::now();
    let shop = World::shop_id();
    let drain = world.gateway.drain(&shop, Generation(1));
    let watch = async {
        assert_eq!(
            whole
                .frame()
                .await
                .map(|(kind, payload)| (kind, payload.len())),
            Some((2, BIG))
        );
        assert_eq!(whole.frame().await, Some((8, vec![0x03, 0xf4])));
        whole
            .send(wire::frame(8, &[0x03, 0xf4], Some([1; 4])))
            .await;
        assert!(whole.is_closed().await);
        assert_eq!(
            stalled.frame().await,
            None,
            "a frame that does not end is cut without a goodbye"
        );
    };
    tokio::join!(drain, watch);
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
}

#[actix_web::test]
async fn an_event_stream_ends_between_two_messages_and_an_answer_to_a_post_is_finished() {
    let world = World::new();
    let (old, new) = (world.app(1), world.app(2));
    world.shop(serving(&old, 1));
    let mut readers = Vec::new();
    for (method, path) in [
        ("GET", "/events"),
        ("GET", "/half-event"),
        ("POST", "/answer"),
    ] {
        let mut reader = world.client().await;
        let body = if method == "POST" { "a question" } else { "" };
        reader.send(request(method, path, SHOP, &[], body)).await;
        reader.head().await;
        assert!(!reader.chunk().await.is_empty());
        readers.push(reader);
    }
    world.shop(serving(&new, 2));
    let began = Instant::now();
    let shop = World::shop_id();
    let drain = world.gateway.drain(&shop, Generation(1));
    let watch = async {
        loop {
            let event = readers[0].chunk().await;
            if event.is_empty() {
                break;
            }
            assert_eq!(event, b"data: 1\n\n");
        }
        assert_eq!(readers[1].chunk().await, b"2\n\n");
        assert!(
            readers[1].chunk().await.is_empty(),
            "it ended after its message"
        );
        old.seen.gate.notify_one();
        assert_eq!(readers[2].chunk().await, b"data: done\n\n");
        assert!(readers[2].chunk().await.is_empty());
    };
    tokio::join!(drain, watch);
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "nobody waits for the end of the drain: {:?}",
        began.elapsed()
    );
}

#[actix_web::test]
async fn what_serves_is_never_drained_and_what_serves_again_is_not_cut() {
    let world = World::new();
    let (one, two) = (world.app(1), world.app(2));
    world.shop(serving(&one, 1));
    world.gateway.drain(&World::shop_id(), Generation(1)).await;
    assert_eq!(world.get("/").await.text(), "generation 1");
    world.shop(serving(&two, 2));
    world.gateway.drain(&World::shop_id(), Generation(1)).await;
    world.shop(serving(&one, 1));
    assert_eq!(world.get("/").await.text(), "generation 1");
    world.gateway.drain(&World::shop_id(), Generation(2)).await;
    world.gateway.drain(&World::shop_id(), Generation(9)).await;
    assert_eq!(world.get("/").await.text(), "generation 1");
}

#[actix_web::test]
async fn the_end_of_the_server_ends_streams() {
    let world = World::new();
    let app = world.app(1);
    world.shop(serving(&app, 1));
    let (mut socket, _) = world.websocket(SHOP, "/ws", &[]).await;
    let mut events = world.client().await;
    events.send(request("GET", "/events", SHOP, &[], "")).await;
    events.head().await;
    world.gateway.end_streams();
    assert_eq!(socket.frame().await, Some((8, vec![0x03, 0xf4])));
    while !events.chunk().await.is_empty() {}
}

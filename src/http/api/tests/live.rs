//! The WebSocket.

#![allow(
    clippy::wildcard_enum_match_arm,
    clippy::too_many_lines,
    clippy::format_push_string,
    clippy::decimal_bitwise_operands,
    reason = "tests look for one thing and fail on the rest"
)]

use nestling_domain::ids::Kind;
use serde_json::json;

use crate::{
    http::world::{Frame, World, app},
    messages::live::Touch,
};

#[actix::test]
async fn a_dashboard_watches_an_app_and_sees_what_happens_to_it_and_to_no_other() {
    let world = World::start().await;
    let shop = app("shop");
    let runner = world.deploy(&shop, Kind::Preview(12), 1).await;
    world.deploy(&app("blog"), Kind::Production, 1).await;
    let mut socket = world.people.upgrade("/v1/live").await.unwrap();
    socket
        .say(r#"{"subscribe": ["local/shop", "local/shop"]}"#)
        .await;
    let snapshot = socket.json().await;
    assert_eq!(
        (&snapshot["topic"], &snapshot["seq"]),
        (&json!("local/shop"), &json!(0))
    );
    socket.say(r#"{"subscribe": ["local/nothing"]}"#).await;
    let refused = socket.json().await;
    assert_eq!(refused["refused"], "local/nothing");

    for name in ["local/blog", "local/shop"] {
        let touch = Touch {
            topic: name.to_owned(),
        };
        world.services.live.touch.send(touch).await.unwrap();
    }
    let touched = socket.json().await;
    assert_eq!(
        (&touched["touched"], &touched["seq"]),
        (&json!("local/shop"), &json!(1))
    );
    runner.comes_up().await;
    let mut seq = 1;
    loop {
        let frame = socket.json().await;
        seq += 1;
        assert_eq!(frame["seq"], seq, "no frame is missing: {frame}");
        assert_eq!(frame["event"]["environment"], "local/shop/pr-12");
        if frame["event"]["status"] == "running" {
            break;
        }
    }
    // Had a frame been missing: the same topic again answers where its numbers stand.
    socket.say(r#"{"subscribe": ["local/shop"]}"#).await;
    let snapshot = loop {
        let frame = socket.json().await;
        if frame["snapshot"].is_string() {
            break frame;
        }
        seq += 1;
        assert_eq!(frame["seq"], seq, "{frame}");
    };
    assert_eq!(snapshot["seq"], seq);
    let topic = "local/shop".to_owned();
    world.services.live.touch.do_send(Touch { topic });
    loop {
        let frame = socket.json().await;
        seq += 1;
        assert_eq!(frame["seq"], seq, "each frame comes once: {frame}");
        if frame["touched"] == "local/shop" {
            break;
        }
    }
    world.stop().await;
}

#[actix::test]
async fn w19_whoever_leaves_takes_nobody_along() {
    let world = World::start().await;
    let touch = || Touch {
        topic: "local/shop".to_owned(),
    };
    world.deploy(&app("shop"), Kind::Production, 1).await;
    let mut sockets = Vec::new();
    for _ in 0..6 {
        let mut socket = world.people.upgrade("/v1/live").await.unwrap();
        socket.say(r#"{"subscribe": ["local/shop"]}"#).await;
        let snapshot = socket.json().await;
        sockets.push((socket, snapshot["seq"].as_u64().unwrap()));
    }
    // One leaves after the other, from the middle, while changes are told.
    while sockets.len() > 1 {
        drop(sockets.remove(sockets.len() / 2));
        world.services.live.touch.send(touch()).await.unwrap();
        for (socket, seq) in &mut sockets {
            let frame = socket.json().await;
            *seq += 1;
            assert_eq!(
                frame["seq"], *seq,
                "nobody who stays misses anything: {frame}"
            );
        }
    }
    world.stop().await;
}

#[actix::test]
async fn a_client_that_reads_nothing_is_closed_and_told_to_come_again() {
    let world = World::start().await;
    world.deploy(&app("shop"), Kind::Production, 1).await;
    let mut socket = world.people.upgrade("/v1/live").await.unwrap();
    socket.say(r#"{"subscribe": ["local/shop"]}"#).await;
    socket.json().await;
    // More than its queue and the sockets between hold, which grow to 10 MB. All of it is sent before anything is read.
    let topic = || "local/shop".to_owned();
    for _ in 0..250_000 {
        let touch = Touch { topic: topic() };
        world.services.live.touch.do_send(touch);
    }
    let last = Touch { topic: topic() };
    world.services.live.touch.send(last).await.unwrap();
    let end = loop {
        match socket.hear().await {
            Frame::Text(_) => {}
            end => break end,
        }
    };
    assert_eq!(end, Frame::Close(1013));
    world.stop().await;
}

#[actix::test]
async fn what_is_not_the_protocol_is_closed_with_the_reason() {
    let world = World::start().await;
    let topics: Vec<String> = (0..100).map(|n| format!("local/app-{n}")).collect();
    for n in 0..70 {
        world
            .services
            .store
            .put_app(&app(&format!("app-{n}")))
            .await
            .unwrap();
    }
    for said in [
        "nonsense".to_owned(),
        json!({ "subscribe": topics }).to_string(),
    ] {
        let mut socket = world.people.upgrade("/v1/live").await.unwrap();
        socket.say(&said).await;
        let end = loop {
            match socket.hear().await {
                Frame::Text(_) => {}
                end => break end,
            }
        };
        assert_eq!(end, Frame::Close(1008), "{said:.40}");
    }
    for (why, wire) in [
        ("nobody", world.people.without("authorization")),
        (
            "a page elsewhere",
            world.people.with("origin", "http://pr-1--shop.localhost"),
        ),
        ("another name", world.people.with("host", "evil.example")),
    ] {
        let refused = wire.upgrade("/v1/live").await.err().expect(why);
        assert!(refused.starts_with("HTTP/1.1 40"), "{why}: {refused}");
    }
    world.stop().await;
}

//! The model without a socket: nothing happens but by order of the story.

use std::time::Instant;

use anyhow::Result;
use hyper::{HeaderMap, Method};
use nestling_world::fly::{Action, Body, Outcome, Phase, Request, State};
use serde_json::{Value, json};

use crate::support::machine;

/// A Fly whose clock stands, with a token.
fn still(seed: u64) -> (State, String) {
    let mut fly = State::in_process(seed);
    fly.clock.stop_at(1_790_000_000_000);
    fly.create_organisation("acme");
    let token = fly.issue_token("acme");
    (fly, token)
}

fn request(method: Method, path: &str, token: &str, body: &Value) -> Request {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    Request::new(method, &format!("/v1{path}"), headers, body.into())
}

fn said(outcome: Outcome) -> (u16, Value) {
    let Outcome::Answered(answer) = outcome else {
        panic!("no answer but {outcome:?}");
    };
    match answer.body {
        Body::Json(body) => (answer.status, body),
        Body::Nothing | Body::Other(..) => (answer.status, Value::Null),
    }
}

#[test]
fn a_story_asks_waits_and_moves_the_clock() -> Result<()> {
    let (mut fly, token) = still(1);
    let ask = |fly: &mut State, method, path: &str, body: &Value| {
        fly.ask(&request(method, path, &token, body))
    };
    let app = json!({ "name": "shop", "org_slug": "acme" });
    assert_eq!(said(ask(&mut fly, Method::POST, "/apps", &app)).0, 201);
    let new = machine("one", json!({}));
    let (_, made) = said(ask(&mut fly, Method::POST, "/apps/shop/machines", &new));
    let id = made["id"].as_str().unwrap().to_owned();
    let wait = format!("/apps/shop/machines/{id}/wait?timeout=5");
    let Outcome::Waits(waiting) = ask(&mut fly, Method::GET, &wait, &Value::Null) else {
        panic!("nothing waits");
    };
    assert_eq!(waiting.until(), 1_790_000_005_000);
    // A story goes from change to change.
    let mut steps = 0;
    let answer = loop {
        if let Some(outcome) = fly.waited(&waiting) {
            break said(outcome);
        }
        let next = fly.next_change().unwrap();
        let by = next - fly.clock.now();
        fly.clock.advance(by);
        steps += 1;
    };
    assert_eq!(
        (answer.0, &answer.1["state"], steps),
        (200, &json!("started"), 2)
    );
    assert_eq!(fly.clock.now(), 1_790_000_000_050);
    let stopped = format!("/apps/shop/machines/{id}/wait?state=suspended&timeout=5");
    let Outcome::Waits(waiting) = ask(&mut fly, Method::GET, &stopped, &Value::Null) else {
        panic!("nothing waits");
    };
    fly.clock.advance(5_000);
    assert_eq!(said(fly.waited(&waiting).unwrap()).0, 408);
    assert_eq!(fly.ledger.count_of(Action::WaitMachine, 408), 1);
    Ok(())
}

#[test]
fn an_hour_that_passes_at_once_brings_everything_that_it_would_have_brought() {
    let (mut fly, token) = still(1);
    let app = json!({ "name": "shop", "org_slug": "acme" });
    fly.ask(&request(Method::POST, "/apps", &token, &app));
    let new = machine("one", json!({}));
    let made = fly.ask(&request(Method::POST, "/apps/shop/machines", &token, &new));
    let id = said(made).1["id"].as_str().unwrap().to_owned();
    fly.clock.advance(3_600_000);
    fly.tick();
    assert_eq!(fly.machines[&id].phase, Phase::Started);
    let times: Vec<i64> = fly.machines[&id]
        .events
        .iter()
        .map(|event| event.at)
        .collect();
    let begun = 1_790_000_000_000;
    assert_eq!(times, [begun + 50, begun + 20, begun]);
}

/// What a small story with a storm is answered.
fn told(seed: u64) -> Vec<String> {
    let (mut fly, token) = still(seed);
    fly.limits.hold = false;
    fly.faults.storm(20, seed);
    let mut told = Vec::new();
    for n in 0..60 {
        let app = json!({ "name": format!("pr-{n}"), "org_slug": "acme" });
        let made = fly.ask(&request(Method::POST, "/apps", &token, &app));
        told.push(format!("{made:?}"));
        let path = format!("/apps/pr-{n}/machines");
        let made = fly.ask(&request(
            Method::POST,
            &path,
            &token,
            &machine("one", json!({})),
        ));
        told.push(format!("{made:?}"));
        fly.clock.advance(1_000);
        let list = fly.ask(&request(Method::GET, &path, &token, &Value::Null));
        told.push(format!("{list:?}"));
    }
    told
}

#[test]
fn the_same_story_is_told_in_the_same_words() {
    assert_eq!(told(7), told(7));
    assert_ne!(told(7), told(8));
}

/// Opening and closing one environment, as a client does it: about ten requests.
fn life(fly: &mut State, token: &str, n: usize) {
    let name = format!("pr-{n}");
    let ask = |fly: &mut State, method, path: &str, body: &Value| {
        said(fly.ask(&request(method, path, token, body)))
    };
    let app = json!({ "name": name, "org_slug": "acme", "network": name });
    assert_eq!(ask(fly, Method::POST, "/apps", &app).0, 201);
    let path = format!("/apps/{name}");
    ask(
        fly,
        Method::POST,
        &format!("{path}/ip_assignments"),
        &json!({ "type": "shared_v4" }),
    );
    let values = json!({ "values": { "TOKEN": "aGk=" } });
    ask(fly, Method::POST, &format!("{path}/secrets"), &values);
    let machines = format!("{path}/machines");
    let tagged = format!("{machines}?metadata.env={n}");
    let (_, none) = ask(fly, Method::GET, &tagged, &Value::Null);
    assert_eq!(none, json!([]));
    let mut new = machine("one", json!({ "env": n.to_string() }));
    new["min_secrets_version"] = json!(1);
    let (status, made) = ask(fly, Method::POST, &machines, &new);
    assert_eq!(status, 200, "{made}");
    fly.clock.advance(1_000);
    let one = format!("{machines}/{}", made["id"].as_str().unwrap());
    assert_eq!(
        ask(fly, Method::GET, &one, &Value::Null).1["checks"][0]["status"],
        "passing"
    );
    assert_eq!(
        ask(fly, Method::POST, &format!("{one}/uncordon"), &json!({})).0,
        200
    );
}

#[test]
fn two_thousand_environments_take_seconds() {
    let (mut fly, token) = still(1);
    fly.ledger.keep_last(1_000);
    let begun = Instant::now();
    for n in 0..2_000 {
        life(&mut fly, &token, n);
    }
    let path = "/orgs/acme/machines?limit=1000";
    let (_, page) = said(fly.ask(&request(Method::GET, path, &token, &Value::Null)));
    assert_eq!(page["machines"].as_array().unwrap().len(), 1_000);
    assert!(page["next_cursor"].is_string());
    for n in 0..2_000 {
        let path = format!("/apps/pr-{n}");
        let gone = fly.ask(&request(Method::DELETE, &path, &token, &Value::Null));
        assert_eq!(said(gone).0, 202);
        // A hundred of them a minute.
        fly.clock.advance(600);
    }
    fly.clock.advance(60_000);
    fly.tick();
    assert!(fly.left_over("acme").is_empty());
    assert!(fly.machines.is_empty() && fly.volumes.is_empty());
    assert_eq!(fly.ledger.count(Action::CreateMachine), 2_000);
    assert_eq!(fly.ledger.requests.len(), 1_000);
    let foreign = fly
        .ledger
        .foreign_writes(|write| write.app.starts_with("pr-"));
    assert_eq!(foreign, [""; 0]);
    println_speed(begun, fly.ledger.total());
}

#[allow(
    clippy::print_stdout,
    reason = "a test that is asked for its speed says it"
)]
fn println_speed(begun: Instant, requests: u64) {
    println!("{requests} requests in {:?}", begun.elapsed());
}

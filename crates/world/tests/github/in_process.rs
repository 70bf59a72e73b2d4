//! The model without a socket: nothing happens but by order of the story.

use anyhow::Result;
use hyper::{HeaderMap, Method};
use nestling_world::github::{Body, Change, Opening, Outcome, Request, Selection, State};
use serde_json::{Value, json};

use crate::support::{EVENTS, SHOP, permissions};

fn ask(github: &mut State, method: Method, path: &str, token: &str, body: &Value) -> Result<Value> {
    let mut headers = HeaderMap::new();
    headers.insert("user-agent", "nestling-stories".parse()?);
    headers.insert("authorization", format!("Bearer {token}").parse()?);
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    match github.ask(&Request::new(method, path, headers, body.into())) {
        Outcome::Answered(answer) => match answer.body {
            Body::Json(body) => Ok(body),
            Body::Nothing | Body::Other(..) => Ok(Value::Null),
        },
        Outcome::Cut | Outcome::Silence => panic!("no answer"),
    }
}

#[test]
fn a_story_asks_carries_webhooks_and_moves_the_clock() -> Result<()> {
    let mut github = State::in_process();
    github.clock.stop_at(1_790_000_000_000);
    github.create_organisation("acme");
    github.create_repository(SHOP, true, &[("index.html", "<h1>Shop</h1>")])?;
    let app = github.register_app("acme", "Nestling", permissions(), &EVENTS)?;
    github.set_webhook_url(app, "http://nest.invalid/hook")?;
    let installation = github.install(app, "acme", Selection::All)?;
    github.push(SHOP, "main", "ann", &[Change::file("a", "b")])?;
    let letters = github.take_webhooks();
    let events: Vec<&str> = letters
        .iter()
        .filter_map(|letter| {
            letter
                .headers
                .iter()
                .find(|(name, _)| name == "X-GitHub-Event")
        })
        .map(|(_, event)| event.as_str())
        .collect();
    assert_eq!(events, ["installation", "push", "check_suite"]);
    github.carried(&letters[0], Some(202));
    github.carried(&letters[1], None);
    github.carried(&letters[2], Some(202));

    let jwt = |github: &State| {
        let now = github.clock.now() / 1000;
        github.sign(app, &json!({ "iss": app, "iat": now, "exp": now + 60 }))
    };
    let now = jwt(&github)?;
    let failed = ask(
        &mut github,
        Method::GET,
        "/app/hook/deliveries",
        &now,
        &Value::Null,
    )?;
    let log = failed.as_array().unwrap().iter();
    let failed: Vec<&Value> = log.filter(|one| one["status_code"] == 0).collect();
    assert_eq!(
        (&failed[0]["event"], &failed[0]["delivered_at"]),
        (&json!("push"), &json!("2026-09-21T14:13:20Z"))
    );
    let again = format!("/app/hook/deliveries/{}/attempts", failed[0]["id"]);
    ask(&mut github, Method::POST, &again, &now, &json!({}))?;
    assert_eq!(github.take_webhooks()[0].body, letters[1].body);

    github.clock.advance(120_000);
    let path = format!("/app/installations/{installation}/access_tokens");
    let late = ask(&mut github, Method::POST, &path, &now, &json!({}))?;
    assert!(
        late["message"]
            .as_str()
            .unwrap()
            .starts_with("'Expiration time' claim")
    );
    let fresh = jwt(&github)?;
    let made = ask(&mut github, Method::POST, &path, &fresh, &json!({}))?;
    assert_eq!(made["expires_at"], "2026-09-21T15:15:20Z");
    github.finish()
}

/// Bodies of all webhooks of a small story.
fn told() -> Result<Vec<(String, String)>> {
    let mut github = State::in_process();
    github.clock.stop_at(1_790_000_000_000);
    github.create_repository("ann/shop", false, &[("index.html", "<h1>Shop</h1>")])?;
    let app = github.register_app("ann", "Nestling", permissions(), &EVENTS)?;
    github.set_webhook_url(app, "http://nest.invalid/hook")?;
    github.install(app, "ann", Selection::All)?;
    github.fork("ann/shop", "rob")?;
    for n in 0..10 {
        github.clock.advance(1_000);
        github.push(
            "rob/shop",
            "blue",
            "rob",
            &[Change::file("n", &n.to_string())],
        )?;
        if n == 0 {
            github.open_pull_request("ann/shop", Opening::of("blue", "rob").from("rob/shop"))?;
        }
    }
    github.merge("ann/shop", 1, "ann")?;
    let letters = github.take_webhooks().into_iter();
    let told = letters.map(|letter| {
        let guid = letter
            .headers
            .iter()
            .find(|(name, _)| name == "X-GitHub-Delivery");
        let guid = guid.map(|(_, guid)| guid.clone());
        Ok((guid.unwrap_or_default(), String::from_utf8(letter.body)?))
    });
    told.collect()
}

#[test]
fn the_same_story_is_told_in_the_same_letters() -> Result<()> {
    let first = told()?;
    // Installed, opened, synchronised nine times, pushed by the merge with a check suite, and closed by it.
    assert_eq!(first.len(), 1 + 1 + 9 + 2 + 1);
    assert_eq!(first, told()?);
    Ok(())
}

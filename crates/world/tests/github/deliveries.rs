//! How webhooks are sent, what stands in the log, and what is lost.

use std::time::Duration;

use anyhow::Result;
use aws_lc_rs::hmac;
use nestling_world::github::{Change, Loss, Opening, State, Times};
use serde_json::{Value, json};

use crate::support::{Receiver, SHOP, World, listening, permissions};

/// A world whose App hears of pushes, and of no check suites for them.
async fn pushes() -> Result<(World, Receiver)> {
    let (world, receiver) = listening().await?;
    let mut granted = permissions();
    granted.remove("checks");
    world
        .github
        .act(|github| github.grant(world.installation, granted))?;
    Ok((world, receiver))
}

fn file(content: &str) -> [Change; 1] {
    [Change::file("index.html", content)]
}

#[tokio::test]
async fn a_delivery_is_signed_and_says_where_it_belongs() -> Result<()> {
    let (world, receiver) = pushes().await?;
    world
        .github
        .act(|github| github.push(SHOP, "blue", "ann", &file("blue")))?;
    world.github.settled().await?;
    let came = receiver.take().remove(0);
    let secret = world
        .github
        .look(|state| state.apps[&world.app].webhook_secret.clone());
    let signature = came
        .header("x-hub-signature-256")
        .strip_prefix("sha256=")
        .unwrap()
        .to_owned();
    let bytes: Vec<u8> = (0..32)
        .map(|n| u8::from_str_radix(&signature[2 * n..2 * n + 2], 16).unwrap())
        .collect();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hmac::verify(&key, &came.body, &bytes).unwrap();
    assert_eq!(came.header("x-github-event"), "push");
    assert_eq!(came.header("x-github-delivery").len(), 36);
    assert_eq!(
        came.header("x-github-hook-installation-target-id"),
        world.app.to_string()
    );
    assert_eq!(
        came.header("x-github-hook-installation-target-type"),
        "integration"
    );
    assert_eq!(came.header("content-type"), "application/json");
    assert!(came.header("user-agent").starts_with("GitHub-Hookshot/"));
    world.finish()
}

/// Guid, status code and whether it was asked for again, newest first.
async fn log(world: &World, query: &str) -> Result<Vec<Value>> {
    let page = world
        .get(&format!("/app/hook/deliveries?{query}"), &world.jwt()?)
        .await?
        .expect(200);
    Ok(page.as_array().unwrap().clone())
}

#[tokio::test]
async fn what_failed_stands_in_the_log_and_comes_again_under_its_number_when_asked() -> Result<()> {
    let (world, receiver) = pushes().await?;
    receiver.answers(503);
    world
        .github
        .act(|github| github.push(SHOP, "main", "ann", &file("blue")))?;
    world.github.settled().await?;
    let first = receiver.take().remove(0);
    let failed = log(&world, "status=failure").await?.remove(0);
    assert_eq!(
        (&failed["status_code"], &failed["redelivery"]),
        (&json!(503), &json!(false))
    );
    assert_eq!(failed["guid"], first.header("x-github-delivery"));
    let whole = world
        .get(
            &format!("/app/hook/deliveries/{}", failed["id"]),
            &world.jwt()?,
        )
        .await?
        .expect(200);
    assert_eq!(whole["request"]["payload"], first.payload);
    receiver.answers(202);
    let attempts = format!("/app/hook/deliveries/{}/attempts", failed["id"]);
    world
        .post(&attempts, &world.jwt()?, json!({}))
        .await?
        .expect(202);
    world.github.settled().await?;
    let second = receiver.take().remove(0);
    assert_eq!(
        (second.header("x-github-delivery"), &second.body),
        (first.header("x-github-delivery"), &first.body)
    );
    let newest = log(&world, "").await?.remove(0);
    assert_eq!(
        (
            &newest["status_code"],
            &newest["redelivery"],
            &newest["guid"]
        ),
        (&json!(202), &json!(true), &failed["guid"])
    );
    world
        .github
        .act(|github| github.clock.advance(4 * 24 * 3_600_000));
    assert_eq!(
        world
            .post(&attempts, &world.jwt()?, json!({}))
            .await?
            .status,
        422
    );
    world.finish()
}

#[tokio::test]
async fn the_log_is_read_page_by_page() -> Result<()> {
    let (world, receiver) = pushes().await?;
    for n in 0..5 {
        world
            .github
            .act(|github| github.push(SHOP, "main", "ann", &file(&n.to_string())))?;
    }
    world.github.settled().await?;
    let mut guids = Vec::new();
    let mut path = "/app/hook/deliveries?per_page=2".to_owned();
    loop {
        let page = world.get(&path, &world.jwt()?).await?;
        guids.extend(
            page.body
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["guid"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page
            .header("link")
            .strip_prefix('<')
            .and_then(|rest| rest.split_once('>'))
        else {
            break;
        };
        path = next.0.replace(&world.github.base(), "");
    }
    let mut came: Vec<String> = receiver
        .take()
        .iter()
        .map(|one| one.header("x-github-delivery").to_owned())
        .collect();
    came.reverse();
    assert_eq!(guids, came);
    world.finish()
}

#[tokio::test]
async fn webhooks_are_lost_doubled_and_late_by_order() -> Result<()> {
    let (world, receiver) = pushes().await?;
    world.github.act(|github| -> Result<()> {
        github.faults.webhook("push", Loss::Failed, Times::Only(1));
        github.faults.webhook("push", Loss::Silent, Times::Only(1));
        github.faults.webhook("push", Loss::Twice, Times::Only(1));
        github.faults.webhook("push", Loss::Late, Times::Only(1));
        for n in 0..5 {
            github.push(SHOP, "main", "ann", &file(&n.to_string()))?;
        }
        Ok(())
    })?;
    world.github.settled().await?;
    world.github.act(State::release_webhooks);
    world.github.settled().await?;
    let heads: Vec<Value> = receiver
        .take()
        .iter()
        .map(|one| one.payload["after"].clone())
        .collect();
    let commits: Vec<Value> = world.github.look(|state| {
        state
            .deliveries
            .values()
            .map(|one| one.payload["after"].clone())
            .collect()
    });
    // The log knows all but the second push; the first never came, the third twice, the fourth after the fifth.
    assert_eq!(commits.len(), 4);
    assert_eq!(
        heads,
        [&commits[1], &commits[1], &commits[3], &commits[2]].map(Clone::clone)
    );
    let log = log(&world, "").await?;
    let unanswered = log.iter().filter(|one| one["status_code"] == 0);
    assert_eq!(unanswered.count(), 1);
    world.finish()
}

#[tokio::test]
async fn the_address_of_webhooks_is_changed_by_the_app() -> Result<()> {
    let (world, receiver) = pushes().await?;
    let before = world
        .get("/app/hook/config", &world.jwt()?)
        .await?
        .expect(200);
    assert_eq!(
        (&before["content_type"], &before["secret"]),
        (&json!("json"), &json!("********"))
    );
    let nowhere = json!({ "url": "http://127.0.0.1:1/hook", "secret": "new" });
    world
        .patch("/app/hook/config", &world.jwt()?, nowhere)
        .await?
        .expect(200);
    world
        .github
        .act(|github| github.push(SHOP, "main", "ann", &file("blue")))?;
    world.github.settled().await?;
    assert!(receiver.take().is_empty());
    let failed = log(&world, "").await?.remove(0);
    assert_eq!(
        (&failed["status_code"], &failed["status"]),
        (&json!(0), &json!("failed to connect to host"))
    );
    assert_eq!(
        world
            .patch(
                "/app/hook/config",
                &world.jwt()?,
                json!({ "url": "ftp://x" })
            )
            .await?
            .status,
        422
    );
    world.finish()
}

#[tokio::test]
async fn an_app_hears_only_what_it_may_and_wants() -> Result<()> {
    let (world, receiver) = pushes().await?;
    world.github.act(|github| -> Result<()> {
        let mut granted = permissions();
        granted.remove("contents");
        granted.remove("checks");
        github.grant(world.installation, granted)?;
        github.create_repository("rob/elsewhere", false, &[("a", "b")])?;
        github.push("rob/elsewhere", "main", "rob", &file("x"))?;
        github.push(SHOP, "blue", "ann", &file("blue"))?;
        github.open_pull_request(SHOP, Opening::of("blue", "ann"))?;
        github.suspend(world.installation)?;
        github.close(SHOP, 1, "ann")?;
        Ok(())
    })?;
    world.github.settled().await?;
    assert_eq!(
        receiver.names(),
        ["pull_request.opened", "installation.suspend"]
    );
    world.finish()
}

#[tokio::test]
async fn a_receiver_that_does_not_answer_in_time_has_failed() -> Result<()> {
    let world = World::start()?;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/hook", silent.local_addr()?);
    world
        .github
        .act(|github| github.set_webhook_url(world.app, &url))?;
    world
        .github
        .act(|github| github.set_webhook_patience(Duration::from_millis(100)));
    world
        .github
        .act(|github| github.push(SHOP, "main", "ann", &file("blue")))?;
    world.github.settled().await?;
    let failed = log(&world, "").await?.remove(0);
    assert_eq!(
        (&failed["status"], &failed["status_code"]),
        (&json!("timed out"), &json!(0))
    );
    world.finish()
}

//! What goes wrong by order, and what has happened then.

use std::time::{Duration, Instant};

use anyhow::Result;
use nestling_world::github::{Fault, Times};
use serde_json::json;
use tokio::time::timeout;

use crate::{conversation::with_pull_request, support::SHOP};

/// Long enough for any answer that comes at all.
const SHORT: Duration = Duration::from_millis(700);

#[tokio::test]
async fn a_lost_answer_has_its_effect_and_an_error_has_none() -> Result<()> {
    let world = with_pull_request()?;
    let token = world.token().await?;
    let list = format!("/repos/{SHOP}/issues/1/comments");
    let route = "POST /repos/*/*/issues/*/comments";
    let body = json!({ "body": "queued" });
    world
        .github
        .act(|github| github.order(route, Fault::LostAnswer, Times::Only(1)));
    assert!(world.post(&list, &token, body.clone()).await.is_err());
    assert_eq!(
        world
            .github
            .act(|github| github.see_comments(SHOP, 1))?
            .len(),
        1
    );
    for (fault, status) in [
        (Fault::Status(401), 401),
        (Fault::Status(403), 403),
        (Fault::Status(404), 404),
        (Fault::Status(429), 429),
        (Fault::Status(502), 502),
        (Fault::SecondaryLimit(7), 403),
    ] {
        world
            .github
            .act(|github| github.order(route, fault, Times::Only(1)));
        let reply = world.post(&list, &token, body.clone()).await?;
        assert_eq!(reply.status, status);
        if fault == Fault::SecondaryLimit(7) {
            assert_eq!(reply.header("retry-after"), "7");
        }
    }
    assert_eq!(
        world
            .github
            .act(|github| github.see_comments(SHOP, 1))?
            .len(),
        1
    );
    world.post(&list, &token, body).await?.expect(201);
    let asked = world.github.look(|state| state.ledger.count("POST", &list));
    assert_eq!(asked, 8);
    world.finish()
}

#[tokio::test]
async fn an_answer_may_never_come_whether_something_happened_or_not() -> Result<()> {
    let world = with_pull_request()?;
    let token = world.token().await?;
    let list = format!("/repos/{SHOP}/issues/1/comments");
    for (fault, comments) in [(Fault::NoAnswer, 0), (Fault::Hangs, 1)] {
        world
            .github
            .act(|github| github.order(&format!("POST {list}"), fault, Times::Only(1)));
        let asking = world.post(&list, &token, json!({ "body": "queued" }));
        assert!(timeout(SHORT, asking).await.is_err());
        assert_eq!(
            world
                .github
                .act(|github| github.see_comments(SHOP, 1))?
                .len(),
            comments
        );
    }
    world.finish()
}

#[tokio::test]
async fn answers_can_be_slow_and_limits_used_up() -> Result<()> {
    let world = with_pull_request()?;
    let token = world.token().await?;
    world
        .github
        .act(|github| github.faults.latency = Duration::from_millis(50));
    let begun = Instant::now();
    world
        .get(&format!("/repos/{SHOP}"), &token)
        .await?
        .expect(200);
    assert!(begun.elapsed() >= Duration::from_millis(50));
    world
        .github
        .act(|github| github.order("GET /repos/**", Fault::PrimaryLimit, Times::Only(1)));
    for _ in 0..2 {
        let over = world.get(&format!("/repos/{SHOP}"), &token).await?;
        assert_eq!(
            (over.status, over.header("x-ratelimit-remaining")),
            (403, "0")
        );
    }
    world.finish()
}

#[tokio::test]
async fn a_request_that_github_does_not_describe_is_found_out() -> Result<()> {
    let world = with_pull_request()?;
    if world.github.look(|state| state.description.is_none()) {
        return Ok(());
    }
    let token = world.token().await?;
    let comment = world
        .github
        .act(|github| github.comment(SHOP, 1, "ann", "hello"))?;
    // Comments are changed by PATCH; some clients send POST.
    let one = format!("/repos/{SHOP}/issues/comments/{comment}");
    assert_eq!(
        world
            .post(&one, &token, json!({ "body": "x" }))
            .await?
            .status,
        404
    );
    world
        .get(&format!("/repos/{SHOP}/pulls?stat=open"), &token)
        .await?
        .expect(200);
    world
        .post(
            &format!("/repos/{SHOP}/issues/1/comments"),
            &token,
            json!({ "body": "x", "txt": 1 }),
        )
        .await?
        .expect(201);
    let told = world.finish().unwrap_err().to_string();
    for words in [
        "post /repos",
        "is not in GitHub's description",
        "no parameter stat",
        "unknown key txt",
    ] {
        assert!(told.contains(words), "{told}");
    }
    Ok(())
}

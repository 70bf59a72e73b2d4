//! What an App writes below a pull request, and what people see of it.

use anyhow::Result;
use hyper::Method;
use nestling_world::github::{Author, Change, Opening, State};
use serde_json::{Value, json};

use crate::support::{SHOP, World};

/// A world with pull request 1.
pub fn with_pull_request() -> Result<World> {
    let world = World::start()?;
    world
        .github
        .act(|github| github.push(SHOP, "blue", "ann", &[Change::file("index.html", "blue")]))?;
    world
        .github
        .act(|github| github.open_pull_request(SHOP, Opening::of("blue", "ann")))?;
    Ok(world)
}

#[tokio::test]
async fn a_comment_is_written_found_changed_and_deleted() -> Result<()> {
    let world = with_pull_request()?;
    let token = world.token().await?;
    let list = format!("/repos/{SHOP}/issues/1/comments");
    world
        .github
        .act(|github| github.comment(SHOP, 1, "rob", "Nice"))?;
    let made = world
        .post(&list, &token, json!({ "body": "**shop** is queued" }))
        .await?
        .expect(201);
    assert_eq!(
        (&made["user"]["login"], &made["user"]["type"]),
        (&json!("nestling[bot]"), &json!("Bot"))
    );
    assert_eq!(made["performed_via_github_app"]["id"], world.app);
    let one = format!("/repos/{SHOP}/issues/comments/{}", made["id"]);
    world
        .patch(&one, &token, json!({ "body": "**shop** runs" }))
        .await?
        .expect(200);
    let all = world.get(&list, &token).await?.expect(200);
    let bodies: Vec<&Value> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|comment| &comment["body"])
        .collect();
    assert_eq!(bodies, ["Nice", "**shop** runs"]);
    let seen = world.github.act(|github| github.see_comments(SHOP, 1))?;
    assert_eq!(seen[1].author, Author::App(world.app));

    world
        .github
        .act(|github| github.delete_comment(SHOP, seen[1].id, "ann"))?;
    assert_eq!(
        world
            .patch(&one, &token, json!({ "body": "x" }))
            .await?
            .status,
        404
    );
    let again = world
        .post(&list, &token, json!({ "body": "**shop** runs" }))
        .await?
        .expect(201);
    let one = format!("/repos/{SHOP}/issues/comments/{}", again["id"]);
    assert_eq!(
        world
            .ask(Method::DELETE, &one, Some(&token), None)
            .await?
            .status,
        204
    );
    assert_eq!(
        world
            .github
            .act(|github| github.see_comments(SHOP, 1))?
            .len(),
        1
    );
    let writes = world.github.look(|state| {
        state
            .ledger
            .writes
            .iter()
            .map(|write| write.what.clone())
            .collect::<Vec<_>>()
    });
    assert_eq!(
        writes,
        [
            "comment created",
            "comment changed",
            "comment created",
            "comment deleted"
        ]
    );
    world.finish()
}

#[tokio::test]
async fn an_app_that_says_everything_twice_or_changes_others_words_is_found_out() -> Result<()> {
    let world = with_pull_request()?;
    let token = world.token().await?;
    let list = format!("/repos/{SHOP}/issues/1/comments");
    for _ in 0..2 {
        world
            .post(&list, &token, json!({ "body": "queued" }))
            .await?
            .expect(201);
    }
    let doubled = world.github.look(State::doubled_comments);
    assert_eq!(
        doubled,
        [format!("App {} has 2 comments below {SHOP}#1", world.app)]
    );
    let rob = world
        .github
        .act(|github| github.comment(SHOP, 1, "rob", "Nice"))?;
    let one = format!("/repos/{SHOP}/issues/comments/{rob}");
    world
        .patch(&one, &token, json!({ "body": "Mine" }))
        .await?
        .expect(200);
    let left = world.finish().unwrap_err().to_string();
    assert!(
        left.contains(&format!("comment changed: {rob}, which is somebody else's")),
        "{left}"
    );
    Ok(())
}

#[tokio::test]
async fn a_comment_that_says_nothing_or_too_much_is_refused() -> Result<()> {
    let world = with_pull_request()?;
    let token = world.token().await?;
    let list = format!("/repos/{SHOP}/issues/1/comments");
    let empty = world.post(&list, &token, json!({ "body": " " })).await?;
    assert_eq!((empty.status, empty.message()), (422, "Validation Failed"));
    let long = world
        .post(&list, &token, json!({ "body": "x".repeat(65_537) }))
        .await?;
    assert_eq!(
        (long.status, &long.body["errors"][0]["field"]),
        (422, &json!("body"))
    );
    assert_eq!(
        world
            .post(
                &format!("/repos/{SHOP}/issues/9/comments"),
                &token,
                json!({ "body": "x" })
            )
            .await?
            .status,
        404
    );
    world.finish()
}

#[tokio::test]
async fn a_reaction_is_there_once_and_can_be_taken_back() -> Result<()> {
    let world = with_pull_request()?;
    let token = world.token().await?;
    let comment = world
        .github
        .act(|github| github.comment(SHOP, 1, "ann", "/redeploy"))?;
    let path = format!("/repos/{SHOP}/issues/comments/{comment}/reactions");
    let eyes = json!({ "content": "eyes" });
    let made = world.post(&path, &token, eyes.clone()).await?.expect(201);
    assert_eq!(
        world.post(&path, &token, eyes).await?.expect(200)["id"],
        made["id"]
    );
    let refused = world
        .post(&path, &token, json!({ "content": "tada" }))
        .await?;
    assert_eq!(refused.status, 422);
    assert_eq!(
        world
            .get(&path, &token)
            .await?
            .expect(200)
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let one = format!("{path}/{}", made["id"]);
    assert_eq!(
        world
            .ask(Method::DELETE, &one, Some(&token), None)
            .await?
            .status,
        204
    );
    assert!(
        world.github.act(|github| github.see_comments(SHOP, 1))?[0]
            .reactions
            .is_empty()
    );
    world.finish()
}

#[tokio::test]
async fn the_81st_write_of_a_minute_has_to_wait() -> Result<()> {
    let world = with_pull_request()?;
    let now = world.github.look(|state| state.clock.now());
    world.github.act(|github| github.clock.stop_at(now));
    let token = world.token().await?;
    let list = format!("/repos/{SHOP}/issues/1/comments");
    for n in 0..80 {
        world
            .post(&list, &token, json!({ "body": format!("{n}") }))
            .await?
            .expect(201);
    }
    let over = world
        .post(&list, &token, json!({ "body": "one more" }))
        .await?;
    assert_eq!((over.status, over.header("retry-after")), (403, "61"));
    assert!(
        over.message()
            .starts_with("You have exceeded a secondary rate limit")
    );
    world.github.act(|github| github.clock.advance(61_000));
    world
        .post(&list, &token, json!({ "body": "now" }))
        .await?
        .expect(201);
    world.finish()
}

#[tokio::test]
async fn with_pull_request_permission_alone_an_app_comments_on_pull_requests_only() -> Result<()> {
    let world = with_pull_request()?;
    let issue = world
        .github
        .act(|github| github.open_issue(SHOP, "A question"))?;
    let token = world
        .narrowed(json!({ "permissions": { "pull_requests": "write" } }))
        .await?;
    let body = json!({ "body": "hello" });
    world
        .post(
            &format!("/repos/{SHOP}/issues/1/comments"),
            &token,
            body.clone(),
        )
        .await?
        .expect(201);
    assert_eq!(
        world
            .post(
                &format!("/repos/{SHOP}/issues/{issue}/comments"),
                &token,
                body
            )
            .await?
            .status,
        403
    );
    world.finish()
}

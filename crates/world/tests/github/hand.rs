//! The model used by hand.

use anyhow::Result;
use hyper::Method;
use serde_json::json;

use crate::support::{SHOP, World};

#[tokio::test]
async fn a_pull_request_is_opened_seen_and_merged_by_hand() -> Result<()> {
    let world = World::start()?;
    let act = async |act: &str, more: serde_json::Value| {
        let mut body = json!({ "repository": SHOP, "by": "ann" });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        world
            .ask(Method::POST, &format!("/_world/{act}"), None, Some(body))
            .await
    };
    act(
        "push",
        json!({ "branch": "blue", "files": { "index.html": "blue", "old": null } }),
    )
    .await?
    .expect(200);
    let opened = act(
        "open",
        json!({ "branch": "blue", "title": "Make it blue", "draft": true }),
    )
    .await?
    .expect(200);
    assert_eq!(opened["number"], 1);
    act("ready", json!({ "number": 1 })).await?.expect(200);
    act("label", json!({ "number": 1, "label": "preview" }))
        .await?
        .expect(200);
    act("comment", json!({ "number": 1, "body": "Please look" }))
        .await?
        .expect(200);
    let page = world
        .ask(Method::GET, &format!("/{SHOP}/pull/1"), None, None)
        .await?;
    let page = String::from_utf8(page.raw.to_vec())?;
    assert!(
        page.starts_with("acme/shop#1 Make it blue\nopen: acme:blue at "),
        "{page}"
    );
    assert!(
        page.contains("labels: preview") && page.contains("Please look"),
        "{page}"
    );
    act("merge", json!({ "number": 1 })).await?.expect(200);
    let page = world
        .ask(Method::GET, &format!("/{SHOP}/pull/1"), None, None)
        .await?;
    assert!(String::from_utf8(page.raw.to_vec())?.contains("merged: acme:blue"));
    let wrong = act("explode", json!({})).await?;
    assert_eq!(
        (wrong.status, wrong.message()),
        (422, "there is no act explode; GET /_world lists them")
    );
    let missing = act("close", json!({})).await?;
    assert_eq!(missing.message(), "close needs the number \"number\"");
    let help = world.ask(Method::GET, "/_world", None, None).await?;
    assert!(String::from_utf8(help.raw.to_vec())?.contains("delete-branch"));
    world.finish()
}

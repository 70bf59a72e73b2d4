//! An ordinary Probot app works with the model, unchanged.

use std::{path::Path, process::Stdio};

use anyhow::{Context as _, Result};
use nestling_world::github::{Change, Comment, Opening};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};

use crate::support::{PATIENCE, SHOP, World};

/// Where the app and what it needs stand.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/github");

/// Starts the app, and tells GitHub where it listens.
async fn probot(world: &World) -> Result<Child> {
    let folder = tempfile::tempdir()?;
    let key = folder.path().join("key.pem");
    std::fs::write(
        &key,
        world.github.look(|github| github.private_key(world.app))?,
    )?;
    let secret = world
        .github
        .look(|github| github.apps[&world.app].webhook_secret.clone());
    let mut child = Command::new("node")
        .arg("probot.mjs")
        .args([&world.github.base(), &world.app.to_string()])
        .arg(&key)
        .arg(secret)
        .current_dir(FOLDER)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
    let address = async {
        loop {
            let line = lines.next_line().await?.context("probot did not start")?;
            if line.starts_with("http") {
                return Ok::<_, anyhow::Error>(line);
            }
        }
    };
    let address = timeout(PATIENCE, address).await??;
    world
        .github
        .act(|github| github.set_webhook_url(world.app, &address))?;
    // What it says later is of no interest, but somebody has to listen.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok(child)
}

fn bodies(comments: &[Comment]) -> Vec<&str> {
    comments
        .iter()
        .map(|comment| comment.body.as_str())
        .collect()
}

#[tokio::test]
async fn probot_answers_pull_requests_and_comments() -> Result<()> {
    if !Path::new(FOLDER).join("node_modules/probot").exists() {
        eprintln!("skipped: run `npm ci --prefix tests/github`");
        return Ok(());
    }
    let world = World::start()?;
    let app = probot(&world).await?;
    let first = world
        .github
        .act(|github| github.push(SHOP, "blue", "ann", &[Change::file("index.html", "blue")]))?;
    world
        .github
        .act(|github| github.open_pull_request(SHOP, Opening::of("blue", "ann")))?;
    let seen = |commit: &str| {
        let body = format!("Seen {commit}");
        move |github: &nestling_world::github::State| {
            let comments = github.see_comments(SHOP, 1).unwrap_or_default();
            bodies(&comments) == [body.as_str()]
        }
    };
    world
        .github
        .until("the first comment", seen(&first))
        .await?;
    let run = world
        .github
        .look(|github| github.see_check_runs(SHOP, &first))?
        .remove(0);
    assert_eq!(run.output.summary.as_deref(), Some("1 files"));

    let second = world
        .github
        .act(|github| github.push(SHOP, "blue", "ann", &[Change::file("a", "b")]))?;
    world
        .github
        .until("the comment of the second commit", seen(&second))
        .await?;

    for (by, content) in [("ann", "rocket"), ("rob", "confused")] {
        let comment = world
            .github
            .act(|github| github.comment(SHOP, 1, by, "/redeploy"))?;
        let reacted = |github: &nestling_world::github::State| {
            let comments = github.see_comments(SHOP, 1).unwrap_or_default();
            let mut asked = comments.iter().filter(|one| one.id == comment);
            asked.any(|one| {
                one.reactions
                    .iter()
                    .any(|reaction| reaction.content == content)
            })
        };
        world
            .github
            .until(&format!("a reaction for {by}"), reacted)
            .await?;
    }
    world.github.settled().await?;
    let failed = world.github.look(|github| {
        github
            .deliveries
            .values()
            .filter(|one| !one.taken())
            .count()
    });
    assert_eq!(failed, 0);
    drop(app);
    world.finish()
}

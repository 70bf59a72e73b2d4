//! git itself clones, fetches and pushes.

use std::process::{Command, Output};

use anyhow::Result;
use nestling_world::github::{Change, Fault, Opening, Times};
use serde_json::json;

use crate::support::{SHOP, World, listening};

/// git in a folder, without what the box tells it.
fn git(folder: &std::path::Path, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new("git");
    command.current_dir(folder).args(arguments);
    command
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null");
    command.env("GIT_TERMINAL_PROMPT", "0");
    for role in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{role}_NAME"), "ann")
            .env(format!("GIT_{role}_EMAIL"), "ann@example.com");
    }
    Ok(command.output()?)
}

fn with_password(world: &World, user: &str, password: &str) -> String {
    let base = world
        .github
        .base()
        .replace("http://", &format!("http://{user}:{password}@"));
    format!("{base}/{SHOP}.git")
}

/// Off the runtime, which serves nobody else in these stories.
async fn run(folder: &std::path::Path, arguments: &[&str]) -> Result<(bool, String)> {
    let folder = folder.to_owned();
    let arguments: Vec<String> = arguments.iter().map(|one| (*one).to_owned()).collect();
    let output = tokio::task::spawn_blocking(move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        git(&folder, &arguments)
    });
    let output = output.await??;
    let said = [output.stdout, output.stderr].concat();
    Ok((
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    ))
}

async fn done(folder: &std::path::Path, arguments: &[&str]) -> Result<String> {
    let (well, said) = run(folder, arguments).await?;
    assert!(well, "git {arguments:?}: {said}");
    Ok(said.trim().to_owned())
}

#[tokio::test]
async fn a_token_fetches_branches_and_the_heads_of_forks() -> Result<()> {
    let world = World::start()?;
    let head = world.github.act(|github| -> Result<_> {
        github.fork(SHOP, "rob")?;
        let head = github.push(
            "rob/shop",
            "main",
            "rob",
            &[Change::file("rob", "was here")],
        )?;
        github.open_pull_request(SHOP, Opening::of("main", "rob").from("rob/shop"))?;
        Ok(head)
    })?;
    let folder = tempfile::tempdir()?;
    let narrow = json!({ "repository_ids": [world.shop], "permissions": { "contents": "read" } });
    let address = with_password(&world, "x-access-token", &world.narrowed(narrow).await?);
    done(
        folder.path(),
        &["clone", "-q", "--depth", "1", &address, "clone"],
    )
    .await?;
    let clone = folder.path().join("clone");
    assert_eq!(
        std::fs::read_to_string(clone.join("index.html"))?,
        "<h1>Shop</h1>"
    );
    done(&clone, &["fetch", "-q", "origin", "refs/pull/1/head"]).await?;
    assert_eq!(done(&clone, &["rev-parse", "FETCH_HEAD"]).await?, head);
    // A commit by its id, as a build asks for it.
    let newer = world
        .github
        .act(|github| github.push("rob/shop", "main", "rob", &[Change::file("rob", "again")]))?;
    done(&clone, &["fetch", "-q", "--depth", "1", "origin", &newer]).await?;
    world.finish()
}

#[tokio::test]
async fn a_private_repository_is_nobodys_without_a_token() -> Result<()> {
    let world = World::start()?;
    let plain = reqwest_status(
        &world,
        &format!("/{SHOP}.git/info/refs?service=git-upload-pack"),
    )
    .await?;
    assert_eq!(plain, (401, "Basic realm=\"GitHub\"".to_owned()));
    let folder = tempfile::tempdir()?;
    for (user, password) in [("x-access-token", "ghs_nonsense"), ("eve", "password")] {
        let address = with_password(&world, user, password);
        assert!(!run(folder.path(), &["ls-remote", &address]).await?.0);
    }
    let blind = world
        .narrowed(json!({ "permissions": { "checks": "write" } }))
        .await?;
    assert!(
        !run(
            folder.path(),
            &[
                "ls-remote",
                &with_password(&world, "x-access-token", &blind)
            ]
        )
        .await?
        .0
    );
    let token = world.token().await?;
    let address = with_password(&world, "x-access-token", &token);
    done(folder.path(), &["ls-remote", &address]).await?;
    world.github.act(|github| github.clock.advance(3_600_000));
    assert!(!run(folder.path(), &["ls-remote", &address]).await?.0);
    world
        .github
        .act(|github| github.create_repository("acme/open", false, &[("a", "b")]))?;
    done(
        folder.path(),
        &["ls-remote", &format!("{}/acme/open", world.github.base())],
    )
    .await?;
    world.finish()
}

async fn reqwest_status(world: &World, path: &str) -> Result<(u16, String)> {
    let reply = world.ask(hyper::Method::GET, path, None, None).await?;
    Ok((reply.status, reply.header("www-authenticate").to_owned()))
}

#[tokio::test]
async fn a_person_pushes_by_git_and_the_pull_request_follows() -> Result<()> {
    let (world, receiver) = listening().await?;
    let folder = tempfile::tempdir()?;
    done(
        folder.path(),
        &["clone", "-q", &with_password(&world, "ann", "any"), "clone"],
    )
    .await?;
    let clone = folder.path().join("clone");
    done(&clone, &["checkout", "-q", "-b", "blue"]).await?;
    for n in 0..2 {
        std::fs::write(clone.join("index.html"), format!("blue {n}"))?;
        done(&clone, &["commit", "-q", "-am", "Blue"]).await?;
        done(&clone, &["push", "-q", "origin", "blue"]).await?;
        if n == 0 {
            world
                .github
                .act(|github| github.open_pull_request(SHOP, Opening::of("blue", "ann")))?;
        }
    }
    let head = done(&clone, &["rev-parse", "HEAD"]).await?;
    assert_eq!(
        world
            .github
            .act(|github| github.see_pull_request(SHOP, 1))?
            .head,
        head
    );
    world.github.settled().await?;
    let names = receiver.names();
    assert_eq!(
        names,
        [
            "push",
            "check_suite.requested",
            "create",
            "pull_request.opened",
            "push",
            "check_suite.requested",
            "pull_request.synchronize"
        ]
    );
    done(
        &clone,
        &[
            "remote",
            "set-url",
            "origin",
            &with_password(&world, "rob", "any"),
        ],
    )
    .await?;
    assert!(
        !run(&clone, &["push", "-q", "origin", "blue:red"]).await?.0,
        "rob may only read"
    );
    world.finish()
}

#[tokio::test]
async fn a_clone_follows_a_renaming() -> Result<()> {
    let world = World::start()?;
    world
        .github
        .act(|github| github.rename(SHOP, "store", "ann"))?;
    let folder = tempfile::tempdir()?;
    let address = with_password(&world, "x-access-token", &world.token().await?);
    done(folder.path(), &["clone", "-q", &address, "clone"]).await?;
    world.finish()
}

#[tokio::test]
async fn a_clone_can_fail_by_order() -> Result<()> {
    let world = World::start()?;
    let token = world.token().await?;
    let address = with_password(&world, "x-access-token", &token);
    let folder = tempfile::tempdir()?;
    for fault in [Fault::Status(503), Fault::LostAnswer] {
        world
            .github
            .act(|github| github.order("GET /acme/**", fault, Times::Only(1)));
        assert!(!run(folder.path(), &["ls-remote", &address]).await?.0);
        done(folder.path(), &["ls-remote", &address]).await?;
    }
    world.finish()
}

//! Signed by others: the model of GitHub, and GitHub's own client.

use std::{path::Path, process::Stdio};

use bytes::Bytes;
use hyper::{
    HeaderMap,
    header::{AUTHORIZATION, HeaderValue, USER_AGENT},
};
use nestling_domain::{
    app::Repository,
    deployment::CommitInfo,
    ids::{AppId, Commit, EnvironmentId, Kind, RepositoryId},
};
use nestling_world::github::{Change, Level, Model, Opening, Outcome, Request, Selection, State};
use serde_json::json;
use tokio::{io::AsyncWriteExt as _, process::Command};

use super::*;
use crate::http::world::{app, commit};

const SHOP: &str = "acme/shop";
const EVENTS: [&str; 4] = ["pull_request", "push", "delete", "repository"];

/// GitHub with a repository, and an App that is installed there and sends its webhooks to the world; its number.
fn installed(github: &mut State, world: &World, secret: &str) -> anyhow::Result<u64> {
    let permissions = ["metadata", "contents", "pull_requests"];
    let permissions = permissions
        .map(|name| (name.to_owned(), Level::Read))
        .into();
    let shop = github.create_repository(SHOP, true, &[("index.html", "<h1>Shop</h1>")])?;
    let id = github.register_app("acme", "Nestling", permissions, &EVENTS)?;
    let port = world
        .services
        .addresses
        .dashboard
        .rsplit_once(':')
        .unwrap()
        .1;
    github.set_webhook_url(id, &format!("http://127.0.0.1:{port}{PATH}"))?;
    if let Some(app) = github.apps.get_mut(&id) {
        app.webhook_secret = secret.to_owned();
    }
    github.install(id, "acme", Selection::All)?;
    Ok(shop)
}

/// What GitHub heard of each delivery, in their order.
fn answers(github: &Model) -> Vec<(String, Option<u16>)> {
    github.look(|state| {
        let sent = |one: &nestling_world::github::Delivery| {
            let status = one.sent.as_ref().and_then(|sent| sent.status);
            (one.event.clone(), status)
        };
        state.deliveries.values().map(sent).collect()
    })
}

#[actix::test]
async fn a_pull_request_on_github_gets_its_preview_and_loses_it() {
    let (world, github) = (server().await, Model::start().unwrap());
    let shop = github
        .act(|github| installed(github, &world, SECRET))
        .unwrap();
    let shop = RepositoryId(shop);
    let repository = Repository {
        id: shop,
        owner: "acme".into(),
        name: "shop".into(),
        path: None,
        installation: None,
        default_branch: "main".into(),
        trouble: None,
        left: false,
        suspended: false,
    };
    let store = &world.services.store;
    store.put_repository(&repository).await.unwrap();
    let app = nestling_domain::app::App {
        id: AppId::derive(shop, ""),
        owner: "acme".into(),
        repository: shop,
        ..app("shop")
    };
    store.put_app(&app).await.unwrap();
    let blue = [Change::file("index.html", "blue")];
    let head = github.act(|github| github.push(SHOP, "blue", "ann", &blue));
    *world.outside.head.borrow_mut() = Some(CommitInfo {
        id: Commit::parse(&head.unwrap()).unwrap(),
        ..commit(1)
    });
    github
        .act(|github| github.open_pull_request(SHOP, Opening::of("blue", "ann")))
        .unwrap();
    let preview = EnvironmentId::derive(&app.id, Kind::Preview(1));
    let made = world.until(&preview, "was made", |_| true).await;
    assert_eq!(
        (made.branch.as_str(), made.owner.as_str()),
        ("blue", "acme")
    );
    world
        .until(&preview, "was queued", |one| one.lifecycle.next().is_some())
        .await;

    *world.outside.head.borrow_mut() = None;
    github.act(|github| github.close(SHOP, 1, "ann")).unwrap();
    world
        .until(&preview, "was closed", |one| one.lifecycle.is_closed())
        .await;
    github.settled().await.unwrap();
    let answers = answers(&github);
    assert!(answers.len() >= 4, "{answers:?}");
    assert!(
        answers.iter().all(|(_, status)| *status == Some(202)),
        "{answers:?}"
    );
    world.stop().await;
}

#[actix::test]
async fn what_was_refused_for_its_secret_is_taken_when_github_sends_it_again() {
    let (world, github) = (server().await, Model::start().unwrap());
    github
        .act(|github| installed(github, &world, "another"))
        .unwrap();
    github.settled().await.unwrap();
    assert_eq!(answers(&github), [("installation".to_owned(), Some(401))]);
    github.act(|github| {
        let app = github.apps.values_mut().next().unwrap();
        app.webhook_secret = PREVIOUS.to_owned();
        let (app, delivery) = (app.id, *github.deliveries.keys().next().unwrap());
        let now = github.clock.now() / 1000;
        let claims = json!({ "iss": app, "iat": now - 60, "exp": now + 300 });
        let token = format!("Bearer {}", github.sign(app, &claims).unwrap());
        let agent = HeaderValue::from_static("a story");
        let headers = [(AUTHORIZATION, token.parse().unwrap()), (USER_AGENT, agent)];
        let headers = HeaderMap::from_iter(headers);
        let path = format!("/app/hook/deliveries/{delivery}/attempts");
        let again = Request::new(Method::POST, &path, headers, Bytes::new());
        match github.ask(&again) {
            Outcome::Answered(answer) => assert_eq!(answer.status, 202, "{answer:?}"),
            other @ (Outcome::Cut | Outcome::Silence) => panic!("{other:?}"),
        }
    });
    github.settled().await.unwrap();
    assert_eq!(answers(&github)[1], ("installation".to_owned(), Some(202)));
    assert_eq!(log(&world).await.len(), 1);
    world.stop().await;
}

/// Signs each body that it is given, with the function that GitHub publishes for that.
const SIGN: &str = r#"
import { sign } from "@octokit/webhooks-methods";
import { readFileSync } from "node:fs";
const [secret] = process.argv.slice(-1);
const index = JSON.parse(readFileSync("node_modules/@octokit/webhooks-examples/api.github.com/index.json", "utf8"));
for (const { name, examples } of index)
  for (const example of examples) {
    const body = JSON.stringify(example);
    console.log(JSON.stringify({ name, body, signature: await sign(secret, body) }));
  }
"#;

#[derive(serde::Deserialize)]
struct Signed {
    name: String,
    body: String,
    signature: String,
}

#[actix::test]
async fn every_example_that_github_s_own_client_signs_is_taken_and_decided() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/github");
    if !folder
        .join("node_modules/@octokit/webhooks-methods")
        .exists()
    {
        eprintln!(
            "skipped: {}/node_modules is missing; `make tools` installs it",
            folder.display()
        );
        return;
    }
    let mut node = Command::new("node")
        .args(["--input-type=module", "-", SECRET])
        .current_dir(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = node.stdin.take().unwrap();
    stdin.write_all(SIGN.as_bytes()).await.unwrap();
    drop(stdin);
    let output = node.wait_with_output().await.unwrap();
    assert!(output.status.success());

    let world = server().await;
    let lines = String::from_utf8(output.stdout).unwrap();
    let mut sent = 0;
    for line in lines.lines() {
        let Signed {
            name,
            body,
            signature,
        } = serde_json::from_str(line).unwrap();
        let wire = github(&world, &name, &format!("example-{sent}"));
        let wire = wire.with("x-hub-signature-256", &signature);
        let reply = post(&wire, body.as_bytes()).await;
        assert_eq!(reply.status, StatusCode::ACCEPTED, "{name}: {reply:?}");
        sent += 1;
    }
    assert_eq!(sent, 329);
    assert_eq!(log(&world).await.len(), 329);
    for n in 0..sent {
        let decided = decided(&world, &format!("example-{n}")).await;
        assert!(!decided.is_empty(), "example-{n}");
    }
    world.stop().await;
}

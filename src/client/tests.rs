//! Stories of somebody at a terminal, against a real server.

use clap::Parser;
use nestling_domain::{
    discovery::{Discovery, FoundApp},
    ids::Kind,
};
use nestling_protocol::{
    bundle,
    log::{Line, Lines, Log, Source},
    report::Phase,
};

use super::{Command, EnvironmentName, Output, run};
use crate::http::world::{World, app, deploying, waiting};

#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// What a command answered: exit code, output, complaints.
async fn says(world: &World, words: &[&str]) -> (u8, String, String) {
    let data = world.folder.path().to_str().unwrap();
    let words = ["nestling"].iter().chain(words).copied();
    let cli = Cli::try_parse_from(words.chain(["--data", data])).unwrap();
    let (mut answers, mut complaints) = (Vec::new(), Vec::new());
    let code = run(cli.command, &mut Output::new(&mut answers, &mut complaints)).await;
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (code, text(answers), text(complaints))
}

#[actix::test]
async fn ps_shows_what_runs_what_failed_and_why_and_what_waits() {
    let world = World::start().await;
    let shop = app("shop");
    world
        .deploy(&shop, Kind::Production, 1)
        .await
        .comes_up()
        .await;
    let runner = world.deploy(&shop, Kind::Preview(12), 2).await;
    runner.reports(deploying()).await;
    runner
        .fails("package-lock.json does not fit package.json in /: run npm install and commit the lockfile")
        .await;
    world
        .services
        .store
        .put_pull_request(&waiting(33))
        .await
        .unwrap();
    let (code, table, complaints) = says(&world, &["ps"]).await;
    assert_eq!((code, complaints.as_str()), (0, ""));
    let port = world
        .services
        .addresses
        .preview_domain
        .split(':')
        .nth(1)
        .unwrap()
        .to_owned();
    insta::assert_snapshot!(table.replace(&port, "PORT"), @r"
    ENVIRONMENT            STATUS   COMMIT   TESTS  ADDRESS
    local/shop/production  running  0000001         http://shop.localhost:PORT
    local/shop/pr-12       failed   0000002
        failed while deploying: package-lock.json does not fit package.json in /:
        run npm install and commit the lockfile
    local/shop/pr-33       waiting
        feature-33: the limit of open pull requests is reached
        to start it: nestling start local/shop/pr-33
    ");
    assert!(
        table.lines().all(|line| line.chars().count() <= 80),
        "{table}"
    );
    let (_, json, _) = says(&world, &["ps", "--json"]).await;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        json["environments"][1]["failure"]["tail"][0],
        "npm ERR! code 1"
    );
    world.stop().await;
}

#[actix::test]
async fn ps_shows_what_is_noted_and_what_stands_in_the_way_of_all() {
    let world = World::start().await;
    let shop = app("shop");
    let runner = world.deploy(&shop, Kind::Production, 1).await;
    runner.reports(deploying()).await;
    let note = "the lockfile is out of date: run npm install and commit it";
    runner.reports(Phase::Noted { text: note.into() }).await;
    let store = &world.services.store;
    let mut repository = store.repositories().await.unwrap().remove(0);
    repository.trouble = Some("/home/ann/shop does not exist any more: put it back".into());
    store.put_repository(&repository).await.unwrap();
    let (code, table, complaints) = says(&world, &["ps"]).await;
    assert_eq!((code, complaints.as_str()), (0, ""));
    insta::assert_snapshot!(table, @r"
    ENVIRONMENT            STATUS     COMMIT   TESTS  ADDRESS
    local/shop/production  deploying  0000001
        the lockfile is out of date: run npm install and commit it

    IN THE WAY
    local/shop
        /home/ann/shop does not exist any more: put it back
    ");
    let (_, json, _) = says(&world, &["ps", "--json"]).await;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["environments"][0]["next"]["notes"][0], note);
    assert_eq!(json["troubles"][0]["about"], "local/shop");
    world.stop().await;
}

#[actix::test]
async fn orders_are_answered_in_words_and_refusals_end_with_one() {
    let world = World::start().await;
    world
        .deploy(&app("shop"), Kind::Preview(12), 1)
        .await
        .comes_up()
        .await;
    let (code, said, _) = says(&world, &["stop", "local/shop/pr-12"]).await;
    assert_eq!(
        (code, said.as_str()),
        (
            0,
            "local/shop/pr-12: deployment 1 was retired; stopped (by a person)\n"
        )
    );
    let (code, url, complaint) = says(&world, &["open", "local/shop/pr-12"]).await;
    assert_eq!(code, 1);
    assert!(url.starts_with("http://pr-12--shop.localhost:"), "{url}");
    assert_eq!(
        complaint,
        "nestling: local/shop/pr-12 is stopped and does not answer there: stopped by a person\n"
    );
    let (code, _, complaint) = says(&world, &["redeploy", "local/shop/pr-9"]).await;
    assert_eq!(code, 1);
    assert!(
        complaint.starts_with("nestling: local/shop has no environment pr-9"),
        "{complaint}"
    );
    world.stop().await;
}

#[actix::test]
async fn a_preview_is_asked_for_by_the_number_of_its_pull_request() {
    let world = World::start().await;
    world
        .deploy(&app("shop"), Kind::Production, 1)
        .await
        .comes_up()
        .await;
    let (code, said, _) = says(&world, &["preview", "local/shop", "40"]).await;
    assert_eq!(code, 0);
    assert!(
        said.starts_with("local/shop/pr-40: it is on its way, with commit "),
        "{said}"
    );
    assert!(world.outside.started.borrow().contains(&40));
    let (code, _, complaint) = says(&world, &["preview", "local/till", "1"]).await;
    assert_eq!(code, 1);
    assert!(
        complaint.starts_with("nestling: there is no app local/till"),
        "{complaint}"
    );
    world.stop().await;
}

#[actix::test]
async fn the_apps_of_a_repository_are_found_before_they_are_added() {
    let world = World::start().await;
    world
        .deploy(&app("shop"), Kind::Production, 1)
        .await
        .comes_up()
        .await;
    let found = |root: &str| FoundApp {
        root: root.into(),
        kind: bundle::Kind::Static,
        name: "till".into(),
        health: None,
        policy: None,
    };
    *world.outside.found.borrow_mut() = Discovery {
        apps: vec![found("shop"), found("tools/till")],
        not_taken: Vec::new(),
    };
    let (code, said, complaint) = says(&world, &["app", "find", "local/shop"]).await;
    assert_eq!((code, complaint.as_str()), (0, ""));
    insta::assert_snapshot!(said, @r"
    CALLED  KIND    FOLDER                 APP
    till    static  local/shop/shop        local/shop
    till    static  local/shop/tools/till  –
        to add it: nestling app add local/shop tools/till
    ");
    let (code, _, complaint) = says(&world, &["app", "find", "local/till"]).await;
    assert_eq!(code, 1);
    assert!(
        complaint.starts_with("nestling: no repository \"local/till\" is watched"),
        "{complaint}"
    );
    world.stop().await;
}

#[actix::test]
async fn logs_are_shown_as_text_that_a_terminal_does_not_obey() {
    let world = World::start().await;
    let runner = world.deploy(&app("shop"), Kind::Preview(12), 1).await;
    let (code, _, complaint) = says(&world, &["logs", "local/shop/production"]).await;
    assert_eq!(code, 1, "{complaint}");
    let line = |n, text: &str| Line {
        n,
        at: 1,
        from: Source::Out,
        text: text.to_owned(),
    };
    let lines = Lines {
        generation: 1,
        log: Log::Deployment,
        lines: vec![
            line(0, "npm ci"),
            line(1, "\u{1b}]0;owned\u{7}added 3 packages"),
        ],
    };
    runner.wire().post("/runner/v1/logs", &lines).await;
    let (code, text, _) = says(&world, &["logs", "local/shop/pr-12"]).await;
    assert_eq!((code, text.as_str()), (0, "npm ci\nadded 3 packages\n"));
    let (_, text, _) = says(&world, &["logs", "local/shop/pr-12", "-n", "1", "--json"]).await;
    assert_eq!(serde_json::from_str::<Line>(&text).unwrap().n, 1);
    world.stop().await;
}

#[actix::test]
async fn values_are_listed_with_secrets_masked_and_removed() {
    let world = World::start().await;
    world.deploy(&app("shop"), Kind::Production, 1).await;
    let wire = world.people.with("content-type", "application/json");
    let body = r#"{"value": "a-secret-value"}"#;
    let path = "/v1/apps/local/shop/secrets/preview/API_KEY";
    wire.send(hyper::Method::PUT, path, body.into()).await;
    let (code, table, _) = says(&world, &["secret", "ls", "local/shop"]).await;
    assert_eq!(code, 0);
    insta::assert_snapshot!(table, @r"
    NAME     KIND     VALUE
    API_KEY  preview  ••••••
    ");
    let (code, said, _) = says(
        &world,
        &["secret", "rm", "local/shop", "API_KEY", "--kind", "preview"],
    )
    .await;
    assert_eq!(
        (code, said.as_str()),
        (
            0,
            "API_KEY is removed for preview: deployments from now on lack it\n"
        )
    );
    let (code, _, complaint) = says(
        &world,
        &["secret", "rm", "local/shop", "API_KEY", "--kind", "preview"],
    )
    .await;
    assert_eq!(
        (code, complaint.as_str()),
        (
            1,
            "nestling: local/shop has no secret API_KEY for preview environments\n"
        )
    );
    world.stop().await;
}

#[actix::test]
async fn an_app_is_removed_listed_as_such_and_added_again() {
    let world = World::start().await;
    for name in ["blog", "shop"] {
        let runner = world.deploy(&app(name), Kind::Production, 1).await;
        runner.comes_up().await;
    }
    let (code, _, complaint) = says(&world, &["app", "rm", "local/shop"]).await;
    assert_eq!(
        (code, complaint.as_str()),
        (
            2,
            "nestling: nobody can be asked here whether local/shop is to be removed: say --yes\n"
        )
    );
    let (code, answer, _) = says(&world, &["app", "rm", "local/shop", "--yes"]).await;
    assert_eq!(code, 0);
    assert!(answer.starts_with("local/shop is removed: "), "{answer}");
    let (code, _, complaint) = says(&world, &["app", "rm", "local/shop", "--yes"]).await;
    assert_eq!(code, 1);
    assert!(complaint.contains("local/shop is removed"), "{complaint}");
    let (_, table, _) = says(&world, &["app", "ls"]).await;
    let (_, port) = world
        .services
        .addresses
        .preview_domain
        .split_once(':')
        .unwrap();
    insta::assert_snapshot!(table.replace(port, "PORT"), @r"
    APP         KIND     FOLDER     ADDRESS
    local/blog  node     shop/blog  http://blog.localhost:PORT
    local/shop  removed  shop/shop
        to bring it back: nestling app add shop shop
    ");
    let (code, answer, _) = says(&world, &["app", "add", "shop", "shop"]).await;
    assert_eq!(code, 0);
    assert_eq!(
        answer.replace(port, "PORT"),
        "local/shop is there, at http://shop.localhost:PORT\n"
    );
    world.stop().await;
}

#[actix::test]
async fn without_a_server_the_folder_and_the_command_are_named() {
    let world = World::start().await;
    let data = world.folder.path().display().to_string();
    // A server that was here and is gone.
    std::fs::write(world.folder.path().join("address"), "http://127.0.0.1:9\n").unwrap();
    let (code, _, complaint) = says(&world, &["ps"]).await;
    assert_eq!(code, 2);
    assert_eq!(
        complaint,
        format!(
            "nestling: no server answers at http://127.0.0.1:9: start it with `nestling up --data {data}`, or name another folder with --data\n"
        )
    );
    std::fs::remove_file(world.folder.path().join("address")).unwrap();
    let (code, _, complaint) = says(&world, &["ps"]).await;
    assert_eq!(code, 2);
    assert_eq!(
        complaint,
        format!(
            "nestling: no server runs on the data folder {data}: start one with `nestling up --data {data}`, or name another folder with --data\n"
        )
    );
    world.stop().await;
}

#[test]
fn names_are_read_and_what_is_none_is_refused_with_an_example() {
    let name: EnvironmentName = "local/shop/pr-12".parse().unwrap();
    assert_eq!(name.to_string(), "local/shop/pr-12");
    assert_eq!(name.path(), "/v1/apps/local/shop/environments/pr-12");
    for bad in [
        "",
        "shop",
        "local/shop",
        "local/shop/pr-0",
        "local/../pr-1",
        "a/b/c/production",
        "a b/c/pr-1",
    ] {
        let refused = bad.parse::<EnvironmentName>().unwrap_err();
        assert!(
            refused.contains("e.g. local/shop/pr-12"),
            "{bad:?}: {refused}"
        );
    }
}

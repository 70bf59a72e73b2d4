//! The server's port is changed: apps learn where they are found now.

use std::{fs, process::Stdio};

use crate::server::{SOON, Server, commit, free_port, get, git};

const NAME: &str = "local/told/production";

/// Says at which address it was told that it is found.
const APP: &str = r#"
require("http").createServer((_, response) => response.end(process.env.NESTLING_URL)).listen(process.env.PORT);
"#;

#[test]
fn an_app_that_runs_learns_of_another_port_and_a_server_that_stays_deploys_nothing_again() {
    let folder = tempfile::tempdir().unwrap();
    let repository = folder.path().join("told");
    fs::create_dir(&repository).unwrap();
    fs::write(repository.join("app.js"), APP).unwrap();
    let start = "[start]\nrun = \"node app.js\"\n";
    fs::write(repository.join("nestling.toml"), start).unwrap();
    git(&repository, &["init", "--quiet", "--initial-branch=main"]);
    commit(&repository, "Begin");
    let order = ["up", "--repo", repository.to_str().unwrap()];
    let data = folder.path().join("data");
    let (first, second) = (free_port(), free_port());
    let mut server = Server::start_with(&order, &data, first, &[], Stdio::inherit());
    let says = |port: u16| {
        let (_, says) = get("told.localhost", port, "/");
        says == format!("http://told.localhost:{port}")
    };
    server.until("it runs", SOON, |server| server.status(NAME).0 == "running");
    assert!(says(first));

    server.die();
    server.rise();
    server.until("it is adopted", SOON, |server| {
        server.status(NAME).0 == "running"
    });
    assert!(says(first));

    server.die();
    server.rise_at(second);
    server.until("it was told", SOON, |server| {
        server.status(NAME).0 == "running" && says(second)
    });
    let all = server.deployments(NAME);
    let cause = all[0]["cause"].as_str().unwrap();
    let expected = format!(
        "the addresses of this server changed from http://*.localhost:{first} to http://*.localhost:{second}"
    );
    assert_eq!(cause, expected);
    assert_eq!(all.len(), 2, "{all:#?}");
}

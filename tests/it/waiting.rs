//! More pull requests than may be open at once: the rest waits, is named wherever people look, and is started by a word.

use std::process::Stdio;

use crate::server::{SOON, Server, commit, free_port, git, quiet_site};

/// As many pull requests are open at once.
const OPEN: usize = 10;

/// The preview of the branch that is deleted and made again: branches get numbers by their names.
const BACK: &str = "local/site/pr-1";
const START: &str = "/v1/apps/local/site/environments/pr-1/start";

#[test]
fn a_branch_that_comes_back_when_all_places_are_taken_waits_and_is_started_by_a_person() {
    let folder = tempfile::tempdir().unwrap();
    let repository = quiet_site(folder.path());
    for number in 0..=OPEN {
        let branch = format!("b{number:02}");
        git(
            &repository,
            &["switch", "--quiet", "--create", &branch, "main"],
        );
        commit(&repository, &format!("Change {number}"));
    }
    git(&repository, &["switch", "--quiet", "main"]);
    let order = ["up", "--repo", repository.to_str().unwrap()];
    let settings: [(String, String); 0] = [];
    let data = folder.path().join("data");
    let server = Server::start_with(&order, &data, free_port(), &settings, Stdio::inherit());
    let page = |path: &str| server.answer("GET", path, "").unwrap().1;
    let all_run = |server: &Server| {
        let all = server.environments();
        let running = all.iter().filter(|one| one["status"] == "running");
        running.count() == OPEN + 1
    };
    server.until("production and ten previews run", SOON, all_run);
    let name = |server: &Server| server.view(BACK)["branch"].as_str().map(str::to_owned);
    let branch = name(&server).unwrap();

    git(&repository, &["branch", "--quiet", "-m", &branch, "away"]);
    git(&repository, &["tag", "kept", "away"]);
    git(&repository, &["branch", "--quiet", "-D", "away"]);
    server.until(
        "it is closed, and the eleventh has its place",
        SOON,
        |server| server.status(BACK).0 == "stopped" && all_run(server),
    );
    git(&repository, &["branch", "--quiet", &branch, "kept"]);
    server.until("it waits", SOON, |_| {
        page("/local/site").contains("Waiting pull requests")
    });
    let app = page("/local/site");
    assert!(
        app.contains("/1/start") && !app.contains("Removed"),
        "{app}"
    );
    let own = page("/local/site/pr-1");
    assert!(
        own.contains("is open, and waits") && own.contains("/local/site/pr-1/start"),
        "{own}"
    );

    let (status, answer) = server.order("POST", START, "");
    let decision = answer["decision"].as_str().unwrap_or_default();
    assert!(
        status == 200 && decision.contains("no longer waits"),
        "{answer}"
    );
    let (status, again) = server.order("POST", START, "");
    assert_eq!(status, 200, "asked for twice: {again}");
    server.until("it runs again", SOON, |server| {
        server.status(BACK).0 == "running"
    });
    assert!(!page("/local/site").contains("Waiting pull requests"));
}

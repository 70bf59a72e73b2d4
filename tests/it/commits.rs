//! What a commit causes, and what it does not; and what is left when its branch is gone.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use crate::{
    server::{SOON, Server, commit, free_port, git, sample},
    sight,
    visitors::Visitor,
};

const PRODUCTION: &str = "local/node-notes/production";
const PREVIEW: &str = "local/node-notes/pr-1";

/// A deleted branch leaves nothing within this time, of which a second proves that it is gone.
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// An app that obeys at once is stopped well before its patience, 5 s, and its machine's, 8 s, are over.
const INTERRUPTED_WITHIN: Duration = Duration::from_secs(4);

struct Watched {
    server: Server,
    repository: PathBuf,
    port: u16,
    _folder: tempfile::TempDir,
}

/// The Node sample in production, and as the pull request of the branch `side`. It builds one at a time.
fn watched() -> Watched {
    let folder = tempfile::tempdir().unwrap();
    let repository = sample("node-notes", folder.path());
    commit(&repository, "Begin");
    on_side(&repository, &["--create"], "Begin aside");
    let port = free_port();
    let order = ["up", "--repo", repository.to_str().unwrap()];
    let settings = [("NESTLING__BUILDS__AT_ONCE".to_owned(), "1".to_owned())];
    let data = folder.path().join("data");
    let server = Server::start_with(&order, &data, port, &settings, Stdio::inherit());
    server.until("both run", SOON, |server| {
        [PRODUCTION, PREVIEW]
            .iter()
            .all(|name| server.status(name).0 == "running")
    });
    Watched {
        server,
        repository,
        port,
        _folder: folder,
    }
}

/// A commit on the branch `side`; the repository's folder shows the default branch before and after.
fn on_side(repository: &Path, how: &[&str], message: &str) -> String {
    git(
        repository,
        &[&["switch", "--quiet"], how, &["side"]].concat(),
    );
    let made = commit(repository, message);
    git(repository, &["switch", "--quiet", "main"]);
    made
}

/// Per deployment, newest first: its commit, how far it came, and all of its phases.
fn history(server: &Server, name: &str) -> Vec<(String, String, Vec<String>)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let deployments = server.deployments(name);
    let told = deployments.iter().map(|one| {
        let phases = one["phases"].as_array().unwrap();
        (
            text(&one["commit"]["message"]),
            text(&one["status"]),
            phases.iter().map(|phase| text(&phase["phase"])).collect(),
        )
    });
    told.collect()
}

#[test]
fn two_quick_commits_build_only_the_last() {
    let watched = watched();
    let (server, repository) = (&watched.server, &watched.repository);
    // The one slot is taken by a build that waits, so that both commits come before either may begin.
    let package = fs::read_to_string(repository.join("package.json")).unwrap();
    let waits = package.replace(
        r#""start":"#,
        r#""build": "while [ ! -e go ]; do sleep 0.02; done", "start":"#,
    );
    git(repository, &["switch", "--quiet", "side"]);
    fs::write(repository.join("package.json"), waits).unwrap();
    commit(repository, "Wait");
    git(repository, &["switch", "--quiet", "main"]);
    let waiting = sight::machine(&server.data, "pr-1", 2);
    let checkout = sight::folder(&server.data, &waiting).join("work/app");
    server.until("the other build waits", SOON, |_| {
        checkout.join("package.json").exists()
    });

    let first = commit(repository, "First");
    server.until("the first waits for a slot", SOON, |server| {
        let view = server.view(PRODUCTION);
        view["next"]["commit"]["id"] == *first && view["status"] == "queued"
    });
    let second = commit(repository, "Second");
    server.until("the second takes its place", SOON, |server| {
        server.view(PRODUCTION)["next"]["commit"]["id"] == *second
    });
    fs::write(checkout.join("go"), "").unwrap();
    server.until("the second serves", SOON, |server| {
        server.serving(PRODUCTION) == (second.clone(), false)
    });
    let history = history(server, PRODUCTION);
    let ends: Vec<_> = history
        .iter()
        .map(|(message, status, _)| (message.as_str(), status.as_str()))
        .collect();
    assert_eq!(
        ends,
        [
            ("Second", "running"),
            ("First", "superseded"),
            ("Begin", "stopped")
        ]
    );
    assert_eq!(history[1].2, ["queued"], "the first never began");
    let figures = server.text("/metrics").unwrap();
    for figure in [
        "nestling_http_requests_total{route=\"/v1/apps/{owner}/{app}/environments/{environment}\",method=\"GET\",status=\"2xx\"} ",
        "nestling_runner_reports_total{phase=\"running\"} 4",
    ] {
        assert!(figures.contains(figure), "{figure} in {figures}");
    }
    assert_eq!(server.log(PRODUCTION, 2, "deployment"), []);
}

#[test]
fn a_commit_redeploys_the_environments_of_its_branch_and_no_other() {
    let watched = watched();
    let (server, repository) = (&watched.server, &watched.repository);
    let serves = |name: &str, newest: &str| {
        server.until("it serves the new commit", SOON, |server| {
            server.serving(name) == (newest.to_owned(), false)
        });
    };
    let untouched = |name: &str, kind: &str| {
        let view = server.view(name);
        let number = view["serving"]["number"].as_u64().unwrap();
        let machine = sight::machine(&server.data, kind, number.try_into().unwrap());
        let processes = sight::alive(&server.data).remove(&machine);
        (view["serving"].clone(), history(server, name), processes)
    };
    let before = untouched(PRODUCTION, "production");
    serves(PREVIEW, &on_side(repository, &[], "Change aside"));
    assert_eq!(untouched(PRODUCTION, "production"), before);

    let before = untouched(PREVIEW, "pr-1");
    serves(PRODUCTION, &commit(repository, "Change"));
    assert_eq!(untouched(PREVIEW, "pr-1"), before);
}

#[test]
fn an_interrupt_ends_everything_at_once_and_keeps_the_last_lines() {
    let mut watched = watched();
    let server = &mut watched.server;
    let began = Instant::now();
    server.interrupt();
    assert!(
        began.elapsed() < INTERRUPTED_WITHIN,
        "it took {:?}",
        began.elapsed()
    );
    assert_eq!(sight::alive(&server.data).len(), 0);
    server.rise();
    server.until("it answers again", SOON, |server| {
        !server.view(PRODUCTION).is_null()
    });
    let runtime = server.log(PRODUCTION, 1, "runtime");
    let closing = runtime.iter().filter(|(_, text)| text == "closing");
    assert_eq!(closing.count(), 1, "its last line is kept: {runtime:?}");
}

#[test]
fn a_deleted_branch_leaves_nothing_but_its_logs() {
    let watched = watched();
    let (server, repository) = (&watched.server, &watched.repository);
    let data = server.data.clone();
    let machine = sight::machine(&data, "pr-1", 1);
    let folder = sight::folder(&data, &machine);
    let environment = folder.parent().unwrap().to_owned();
    assert!(sight::alive(&data).contains_key(&machine) && environment.join("state").exists());
    let listened = sight::listens(server.pid());
    let said = server.log(PREVIEW, 1, "deployment");
    assert!(said.len() > 3, "{said:?}");

    let order = ["branch", "--quiet", "--delete", "--force", "side"];
    git(repository, &order);
    server.until("nothing of it is left", GONE_WITHIN, |_| {
        // A process in its sandbox is known by its mounts, so that no process means no mount, too.
        !sight::alive(&data).contains_key(&machine)
            && sight::listens(server.pid()) == listened - 2
            && !folder.exists()
            && !environment.join("state").exists()
    });
    let answer = Visitor::answer(watched.port, "pr-1--node-notes");
    assert!(!answer.contains("200 OK"), "{answer}");
    assert_eq!(server.view(PREVIEW)["status"], "stopped");
    assert_eq!(server.status(PRODUCTION).0, "running");
    assert_eq!(server.log(PREVIEW, 1, "deployment"), said);
    let runtime = server.log(PREVIEW, 1, "runtime");
    let closing = runtime.iter().filter(|(_, text)| text == "closing");
    assert_eq!(closing.count(), 1, "its last line is kept: {runtime:?}");
}

//! An app goes for good, and comes back, by the word of a person.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use nestling_domain::ids::{AppId, RepositoryId};

use crate::{
    server::{SOON, Server, commit, free_port, get, git, quiet_site, sample},
    sight,
};

const NOTES: [&str; 2] = ["local/node-notes/production", "local/node-notes/pr-1"];
const SITE: [&str; 2] = ["local/site/production", "local/site/pr-1"];
const APP: &str = "/v1/apps/local/node-notes";

/// A removed app leaves nothing within this time, of which a second proves that it is gone.
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// One repository of two apps, the Node sample and a static site, with an open pull request of the branch `side`.
fn repository(folder: &Path) -> PathBuf {
    let path = folder.join("both");
    let notes = sample("node-notes", &path);
    fs::remove_dir_all(notes.join(".git")).unwrap();
    fs::create_dir(path.join("site")).unwrap();
    fs::write(path.join("site/index.html"), "a quiet site").unwrap();
    git(&path, &["init", "--quiet", "--initial-branch=main"]);
    commit(&path, "Begin");
    aside(&path, &["--create"]);
    path
}

/// A commit on the branch `side`; the repository's folder shows the default branch before and after.
fn aside(repository: &Path, how: &[&str]) -> String {
    let switch = [&["switch", "--quiet"], how, &["side"]].concat();
    git(repository, &switch);
    let made = commit(repository, "Change aside");
    git(repository, &["switch", "--quiet", "main"]);
    made
}

/// Whatever a person can see of an app's machines: processes, and folders.
fn left(data: &Path, app: &AppId) -> Vec<String> {
    let is_its = |folder: &String| folder.starts_with(&app.0);
    let alive = sight::alive(data).into_keys();
    let processes = alive.map(|(folder, _)| folder).filter(is_its);
    let environments = data.join("machines/environments");
    let folders = sight::names(&environments).into_iter().filter(is_its);
    let inside = folders.flat_map(|folder| {
        let inside = sight::names(&environments.join(&folder)).into_iter();
        // The fence outlives what it fences.
        inside.filter(|name| name != "fence.json")
    });
    processes.chain(inside).collect()
}

fn running(server: &Server, names: &[&str], newest: &str) -> bool {
    let serves = |name: &&str| server.serving(name) == (newest.to_owned(), false);
    names.iter().all(serves)
}

#[test]
fn a_removed_app_stays_away_through_commits_and_a_restart_until_it_is_brought_back() {
    let folder = tempfile::tempdir().unwrap();
    let repository = repository(folder.path());
    let data = folder.path().join("data");
    let port = free_port();
    let order = ["up", "--repo", repository.to_str().unwrap()];
    let settings: [(String, String); 0] = [];
    let mut server = Server::start_with(&order, &data, port, &settings, Stdio::inherit());
    server.until("all run", SOON, |server| {
        let mut all = NOTES.iter().chain(&SITE);
        all.all(|name| server.status(name).0 == "running")
    });
    let canonical = repository.canonicalize().unwrap();
    let notes = AppId::derive(
        RepositoryId::of_path(canonical.to_str().unwrap()),
        "node-notes",
    );
    assert!(!left(&data, &notes).is_empty());
    assert_eq!(get("node-notes.localhost", port, "/").0, 200);
    let listened = sight::listens(server.pid());

    let (status, removed) = server.order("DELETE", APP, "");
    assert_eq!(status, 200, "{removed}");
    assert_eq!(removed["closing"], serde_json::json!(NOTES));
    server.until("nothing of it is left", GONE_WITHIN, |server| {
        left(&data, &notes).is_empty() && sight::listens(server.pid()) == listened - 4
    });
    assert_eq!(get("node-notes.localhost", port, "/").0, 404);
    assert_eq!(get("pr-1--node-notes.localhost", port, "/").0, 404);
    assert_eq!(server.order("DELETE", APP, "").0, 404);

    // What is told to the neighbour of the same repository is not told to it.
    let away = |server: &Server| {
        assert_eq!(left(&data, &notes), Vec::<String>::new());
        let (status, problem) = server.order("GET", APP, "");
        assert_eq!(status, 404, "{problem}");
        assert!(server.environments().iter().all(|one| {
            let name = one["name"].as_str().unwrap();
            SITE.contains(&name)
        }));
    };
    let pushed = aside(&repository, &[]);
    server.until("the neighbour serves it", SOON, |server| {
        running(server, &SITE[1..], &pushed)
    });
    away(&server);
    server.die();
    server.rise();
    let pushed = commit(&repository, "Change");
    server.until("the neighbour serves it", SOON, |server| {
        running(server, &SITE[..1], &pushed)
    });
    away(&server);
    let told = server.text("/v1/deliveries").unwrap();
    assert!(
        told.contains(r#""local/node-notes/production":"nothing: a person removed the app""#),
        "{told}"
    );
    assert_eq!(get("site.localhost", port, "/").1, "a quiet site");

    let wanted = r#"{"repository": "both", "root": "node-notes"}"#;
    let (status, back) = server.order("POST", "/v1/apps", wanted);
    assert_eq!((status, &back["name"]), (201, &"local/node-notes".into()));
    server.until("both of its environments run again", SOON, |server| {
        running(server, &NOTES[..1], &pushed) && server.status(NOTES[1]).0 == "running"
    });
    assert_eq!(get("node-notes.localhost", port, "/").0, 200);
    assert_eq!(
        server.deployments(NOTES[0]).len(),
        2,
        "its history goes on where it ended"
    );
}

#[test]
fn the_pages_describe_an_app_remove_it_when_its_name_is_typed_and_bring_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let repository = quiet_site(folder.path());
    let port = free_port();
    let order = ["up", "--repo", repository.to_str().unwrap()];
    let server = Server::start(&order, &folder.path().join("data"), port);
    let runs = |server: &Server| server.status(SITE[0]).0 == "running";
    server.until("it runs", SOON, runs);
    let page = |path: &str| server.answer("GET", path, "").unwrap();
    let form = |path: &str, fields: &str| {
        let path = format!("/local/site/{path}");
        server.answer("POST", &path, fields).unwrap()
    };

    let described = form("settings/description", "description=Sells+%3Cb%3Enothing");
    assert_eq!(described.0, 303);
    let (status, apps) = page("/local");
    assert_eq!(status, 200);
    assert!(apps.contains("Apps of local") && apps.contains("Sells &lt;b&gt;nothing"));
    let (status, nobody) = page("/nobody");
    assert_eq!(status, 404);
    assert!(nobody.contains("All apps are at /."), "{nobody}");
    for (path, fields, says) in [
        (
            "settings/description",
            "description=a%0Ab",
            "A description is one line of text",
        ),
        (
            "settings/remove",
            "name=sight",
            "Nothing was removed: type site to confirm",
        ),
    ] {
        let (status, refused) = form(path, fields);
        assert_eq!(status, 422);
        assert!(refused.contains(says), "{refused}");
    }
    assert!(runs(&server));
    let secret = "class=preview&name=KEY&text=hidden-word&secret=on";
    assert_eq!(form("settings/values", secret).0, 303);
    let (status, slip) = form("settings/values", "class=preview&name=KEY&text=shown-word");
    assert_eq!(status, 422);
    assert!(slip.contains("KEY is a secret: delete it first"), "{slip}");
    assert!(!page("/local/site/settings").1.contains("-word"));
    for (method, path) in [
        ("GET", "/v1"),
        ("GET", "/v1/apps/local"),
        ("POST", "/v1/apps/local/site"),
    ] {
        let (_, problem) = server.order(method, path, "");
        assert!(problem["detail"].is_string(), "{method} {path}: {problem}");
    }

    assert_eq!(form("settings/remove", "name=site").0, 303);
    assert_eq!(page("/local/site/settings").0, 404);
    let (_, apps) = page("/");
    assert!(apps.contains("All apps are removed.") && apps.contains("/local/site/bring-back"));
    assert_eq!(get("site.localhost", port, "/").0, 404);
    assert_eq!(form("bring-back", "").0, 303);
    assert_eq!(form("bring-back", "").0, 303, "pressed twice");
    server.until("it runs again", SOON, runs);
    assert_eq!(get("site.localhost", port, "/").1, "a quiet site");
    let (_, apps) = page("/");
    assert!(!apps.contains("Removed apps") && apps.contains("Sells &lt;b&gt;nothing"));
}

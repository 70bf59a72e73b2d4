//! The Wing sample on GitHub: what people see of a pull request that nobody touches after its opening.

use std::{fs, path::Path};

use nestling_domain::ids::{AppId, Class, RepositoryId};
use nestling_world::github::{Change, Opening};

use super::{PREVIEW, PRODUCTION, SHOP, Team};
use crate::{
    kept,
    server::{FIRST, SOON, Server, get},
    sight,
};

/// The files below a folder of `examples/`, by their path there.
fn files(folder: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(folder);
    let (mut found, mut folders) = (Vec::new(), vec![root.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
            found.push((name.to_owned(), fs::read_to_string(&path).unwrap()));
        }
    }
    found
}

/// Each of its two caches has Wing already, as after an earlier deployment, where a story has kept it.
fn lend_wing(team: &Team) {
    let shop = team.github.look(|state| state.repository_id(SHOP)).unwrap();
    let app = AppId::derive(RepositoryId(shop), "");
    for class in [Class::Production, Class::Preview] {
        let group = format!("{app}-{}", class.name());
        kept::lend(&team.server.data.join("machines/cache").join(group));
    }
}

#[test]
fn a_pull_request_of_the_wing_sample_comes_alive_hands_off() {
    let shop = files("wing-shop");
    let shop: Vec<(&str, &str)> = shop.iter().map(|(path, text)| (&**path, &**text)).collect();
    let team = Team::of(&shop);
    lend_wing(&team);
    let (status, app) = team.add_app();
    assert_eq!((status, &app["kind"]), (201, &"wing".into()), "{app}");
    let changes: Vec<Change> = files("demo-pull-request/wing-shop")
        .iter()
        .map(|(path, text)| Change::file(path, text))
        .collect();
    let first = team.act(|state| {
        let head = state.push(SHOP, "chairs", "ann", &changes)?;
        state.open_pull_request(SHOP, Opening::of("chairs", "ann").titled("Sell chairs"))?;
        Ok(head)
    });
    let runs = |server: &Server, name| server.status(name).0 == "running";
    team.server
        .until("both run, the install of Wing included", FIRST, |server| {
            runs(server, PRODUCTION) && runs(server, PREVIEW)
        });
    team.serves(PRODUCTION, &team.head("main"));
    team.serves(PREVIEW, &first);
    shown(&team, &first);

    let page = get("pr-1--shop.localhost", team.port, "/");
    assert_eq!(page.0, 200);
    let website = shop.iter().find(|(path, _)| *path == "website/index.html");
    assert!(
        page.1.contains(website.unwrap().1.lines().nth(5).unwrap()),
        "{page:?}"
    );
    let view = team.server.view(PREVIEW);
    for (kind, expected, holds) in [("app", 200, "Rocking chair"), ("console", 401, "")] {
        let endpoints = view["endpoints"].as_array().unwrap();
        let is_wanted = |one: &&serde_json::Value| {
            one["kind"] == kind && (kind == "console" || one["browser"] == false)
        };
        let url = endpoints.iter().find(is_wanted).unwrap()["url"]
            .as_str()
            .unwrap();
        let host = url.trim_start_matches("http://").split(':').next().unwrap();
        let path = if kind == "app" { "/products" } else { "/" };
        let (status, body) = get(host, team.port, path);
        assert_eq!(status, expected, "{url}: {body}");
        assert!(body.contains(holds), "{url}: {body}");
    }

    let second = team.act(|state| {
        let without = shop.iter().find(|(path, _)| *path == "main.w").unwrap();
        state.push(SHOP, "chairs", "ann", &[Change::file("main.w", without.1)])
    });
    team.serves(PREVIEW, &second);
    let green = format!("the check of {second} is green");
    team.until_github(&green, |state| {
        let checks = state.see_check_runs(SHOP, &second).unwrap();
        checks.len() == 1 && checks[0].conclusion.as_deref() == Some("success")
    });

    team.act(|state| state.close(SHOP, 1, "ann"));
    team.stops(PREVIEW, "closed");
    let is_preview = |(kind, _): &sight::Machine| kind.contains("pr-1");
    team.server.until("nothing of it is left", SOON, |server| {
        !sight::alive(&server.data).keys().any(is_preview)
            && !sight::folders(&server.data).iter().any(is_preview)
    });
    team.until_github("its deployment is inactive", |state| {
        let deployments = state.see_deployments(SHOP).unwrap();
        deployments.iter().filter(|one| one.active()).count() == 1
    });
}

/// What stands on the pull request: one comment with its tests and addresses, a red check for the red test, and a
/// deployment that succeeded.
fn shown(team: &Team, commit: &str) {
    team.until_github("shows the preview with its tests", |state| {
        let comments = state.see_comments(SHOP, 1).unwrap();
        let checks = state.see_check_runs(SHOP, commit).unwrap();
        let deployments = state.see_deployments(SHOP).unwrap();
        let ours = |text: &str| comments.len() == 1 && comments[0].body.contains(text);
        let told = [
            "pr-1--shop.localhost",
            "every product has a fair price",
            "2 passed",
            "console",
        ];
        told.into_iter().all(ours)
            && checks.len() == 1
            && checks[0].conclusion.as_deref() == Some("failure")
            && deployments
                .iter()
                .any(|one| one.environment.contains("preview") && one.state() == "success")
    });
}

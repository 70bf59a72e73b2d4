//! GitHub as the forge, and machines on this box: a team installs the App, confirms an app, and lives with it.

use std::path::Path;

use nestling_world::github::{Change, Level, Model, Opening, Permissions, Role, Selection, State};

use crate::server::{SOON, Server, free_port, get};

const SHOP: &str = "acme/shop";
const PRODUCTION: &str = "acme/shop/production";
const PREVIEW: &str = "acme/shop/pr-1";
const SECRET: &str = "what-github-signs-webhooks-with";

/// GitHub with a private repository of one page, and a server that is the App which is installed there.
struct Team {
    github: Model,
    server: Server,
    installation: u64,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Team {
    fn new() -> Self {
        let github = Model::start().unwrap();
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let hook = format!("http://127.0.0.1:{port}/github/webhook");
        let (app, installation) = github.act(|state| prepare(state, &hook).unwrap());
        let key = github.look(|state| state.private_key(app)).unwrap();
        let settings = settings(folder.path(), &github, app, &key);
        let server = Server::serve(&folder.path().join("data"), port, &settings);
        server.until("the server knows the repository", SOON, |server| {
            server
                .answer("GET", "/", "")
                .is_some_and(|(status, page)| status == 200 && page.contains(SHOP))
        });
        Team {
            github,
            server,
            installation,
            port,
            _folder: folder,
        }
    }

    fn act<T>(&self, act: impl FnOnce(&mut State) -> anyhow::Result<T>) -> T {
        self.github.act(act).unwrap()
    }

    /// Until an environment serves this commit.
    fn serves(&self, name: &str, commit: &str) {
        let what = format!("{name} serves {commit}");
        self.server.until(&what, SOON, |server| {
            server.status(name) == ("running".to_owned(), commit.to_owned())
        });
    }

    fn stops(&self, name: &str, why: &str) {
        let what = format!("{name} is stopped: {why}");
        self.server.until(&what, SOON, |server| {
            let view = server.view(name);
            view["status"] == "stopped" && view.to_string().contains(why)
        });
    }
}

fn prepare(state: &mut State, hook: &str) -> anyhow::Result<(u64, u64)> {
    state.create_organisation("acme");
    state.create_repository(SHOP, true, &[("index.html", "<h1>Shop</h1>")])?;
    state.set_role(SHOP, "ann", Some(Role::Write))?;
    let granted = [
        ("metadata", Level::Read),
        ("contents", Level::Read),
        ("pull_requests", Level::Write),
        ("checks", Level::Write),
        ("deployments", Level::Write),
    ];
    let granted: Permissions = granted.map(|(name, level)| (name.to_owned(), level)).into();
    let events = ["pull_request", "push", "delete", "repository"];
    let app = state.register_app("acme", "Nestling", granted, &events)?;
    state.set_webhook_url(app, hook)?;
    if let Some(app) = state.apps.get_mut(&app) {
        SECRET.clone_into(&mut app.webhook_secret);
    }
    Ok((app, state.install(app, "acme", Selection::All)?))
}

fn settings(folder: &Path, github: &Model, app: u64, key: &str) -> Vec<(&'static str, String)> {
    let file = |name: &str, content: &str| {
        let path = folder.join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    vec![
        ("FORGE__DRIVER", "github".to_owned()),
        ("FORGE__GITHUB__API_URL", github.base()),
        ("FORGE__GITHUB__WEB_URL", github.base()),
        ("FORGE__GITHUB__APP_ID", app.to_string()),
        ("FORGE__GITHUB__PRIVATE_KEY__FILE", file("key.pem", key)),
        (
            "FORGE__GITHUB__WEBHOOK_SECRET__FILE",
            file("secret", SECRET),
        ),
    ]
}

fn change(to: &str) -> [Change; 1] {
    [Change::file("index.html", to)]
}

#[test]
fn a_pull_request_lives_from_its_opening_to_its_end() {
    let team = Team::new();
    // A pull request that was open before there was an app.
    let first = team.act(|state| {
        let head = state.push(SHOP, "basket", "ann", &change("<h1>Basket</h1>"))?;
        state.open_pull_request(SHOP, Opening::of("basket", "ann").titled("A basket"))?;
        Ok(head)
    });
    let (status, app) = team.server.order(
        "POST",
        "/v1/apps",
        r#"{"repository":"acme/shop","root":""}"#,
    );
    assert_eq!((status, &app["app"]), (201, &"shop".into()), "{app}");
    let main = team
        .github
        .look(|state| state.see_branch(SHOP, "main"))
        .unwrap()
        .unwrap();
    team.serves(PRODUCTION, &main);
    team.serves(PREVIEW, &first);
    assert_eq!(
        get("pr-1--shop.localhost", team.port, "/"),
        (200, "<h1>Basket</h1>".to_owned())
    );
    assert_eq!(team.server.view(PREVIEW)["title"], "A basket");

    let second = team.act(|state| state.push(SHOP, "basket", "ann", &change("<h1>Two</h1>")));
    team.serves(PREVIEW, &second);
    let merged = team.act(|state| state.push(SHOP, "main", "ann", &change("<h1>New</h1>")));
    team.serves(PRODUCTION, &merged);

    team.act(|state| state.label(SHOP, 1, "ann", "no-preview"));
    team.stops(PREVIEW, "no-preview");
    team.act(|state| state.unlabel(SHOP, 1, "ann", "no-preview"));
    team.serves(PREVIEW, &second);
    team.act(|state| state.close(SHOP, 1, "ann"));
    team.stops(PREVIEW, "closed");
    team.act(|state| state.reopen(SHOP, 1, "ann"));
    team.serves(PREVIEW, &second);

    team.act(|state| state.rename(SHOP, "store", "ann"));
    let third = team.act(|state| state.push("acme/store", "basket", "ann", &change("<h1>3</h1>")));
    team.serves(PREVIEW, &third);

    team.act(|state| state.uninstall(team.installation));
    for name in [PRODUCTION, PREVIEW] {
        team.stops(name, "closed");
    }
}

//! A team: GitHub with a private repository, and a server that is the App which is installed there.

use std::path::{Path, PathBuf};

use nestling_domain::github::manifest::PERMISSIONS;
use nestling_world::github::{Level, Model, Permissions, Role, Selection, State};

use crate::server::{SOON, Server, free_port};

pub(crate) const SHOP: &str = "acme/shop";
pub(super) const SECRET: &str = "what-github-signs-webhooks-with";

/// GitHub with a private repository, and a server that is the App which is installed there.
pub(crate) struct Team {
    pub(crate) github: Model,
    pub(crate) server: Server,
    pub(super) app: u64,
    pub(super) installation: u64,
    pub(crate) port: u16,
    _folder: tempfile::TempDir,
}

/// Where the server of a team works, and what makes it the App.
pub(crate) struct Place<'a> {
    /// The folder of the story.
    pub(crate) folder: &'a Path,
    /// Where GitHub sends webhooks.
    pub(crate) port: u16,
    /// Where GitHub answers.
    pub(crate) github: String,
    /// The App's id.
    pub(crate) app: u64,
    /// The file of its private key.
    pub(crate) key: PathBuf,
    /// The file of what webhooks are signed with.
    pub(crate) secret: PathBuf,
}

impl Place<'_> {
    /// What the server's environment says of it.
    fn settings(&self) -> Vec<(&'static str, String)> {
        let [key, secret] = [&self.key, &self.secret].map(|path| path.display().to_string());
        vec![
            ("FORGE__DRIVER", "github".to_owned()),
            ("FORGE__GITHUB__API_URL", self.github.clone()),
            ("FORGE__GITHUB__WEB_URL", self.github.clone()),
            ("FORGE__GITHUB__APP_ID", self.app.to_string()),
            ("FORGE__GITHUB__PRIVATE_KEY__FILE", key),
            ("FORGE__GITHUB__WEBHOOK_SECRET__FILE", secret),
        ]
    }
}

impl Team {
    /// The shop is one page.
    pub(crate) fn new() -> Self {
        Team::of(&[("index.html", "<h1>Shop</h1>")])
    }

    /// The shop is these files.
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        Team::served(files, |place| {
            let data = place.folder.join("data");
            Server::serve(&data, place.port, &place.settings())
        })
    }

    /// The same, with a server that is started so: it is to be the App, and to listen at the place's port.
    pub(crate) fn served(files: &[(&str, &str)], serve: impl FnOnce(&Place<'_>) -> Server) -> Self {
        let github = Model::start().unwrap();
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let hook = format!("http://127.0.0.1:{port}/github/webhook");
        let (app, installation) = github.act(|state| prepare(state, files, &hook).unwrap());
        let key = github.look(|state| state.private_key(app)).unwrap();
        let server = serve(&Place {
            folder: folder.path(),
            port,
            github: github.base(),
            app,
            key: written(folder.path(), "key.pem", &key),
            secret: written(folder.path(), "secret", SECRET),
        });
        server.until("the server knows the repository", SOON, |server| {
            server
                .answer("GET", "/", "")
                .is_some_and(|(status, page)| status == 200 && page.contains(SHOP))
        });
        Team {
            github,
            server,
            app,
            installation,
            port,
            _folder: folder,
        }
    }

    pub(crate) fn act<T>(&self, act: impl FnOnce(&mut State) -> anyhow::Result<T>) -> T {
        self.github.act(act).unwrap()
    }

    /// Confirms the app at the root of the repository.
    pub(crate) fn add_app(&self) -> (u16, serde_json::Value) {
        let wanted = r#"{"repository":"acme/shop","root":""}"#;
        self.server.order("POST", "/v1/apps", wanted)
    }

    pub(crate) fn head(&self, branch: &str) -> String {
        let found = self.github.look(|state| state.see_branch(SHOP, branch));
        found.unwrap().unwrap()
    }

    /// Until GitHub is so.
    pub(crate) fn until_github(&self, what: &str, so: impl Fn(&State) -> bool) {
        self.server.until(what, SOON, |_| self.github.look(&so));
    }

    /// Until our App shows this reaction on a comment.
    pub(super) fn shows(&self, comment: u64, reaction: &str) {
        let what = format!("comment {comment} shows {reaction}");
        self.server.until(&what, SOON, |_| {
            let comments = self
                .github
                .look(|state| state.see_comments(SHOP, 1))
                .unwrap();
            let found = comments.iter().find(|one| one.id == comment).unwrap();
            found.reactions.iter().any(|one| one.content == reaction)
        });
    }

    /// Until an environment serves this commit.
    pub(crate) fn serves(&self, name: &str, commit: &str) {
        let what = format!("{name} serves {commit}");
        self.server.until(&what, SOON, |server| {
            server.status(name) == ("running".to_owned(), commit.to_owned())
        });
    }

    pub(crate) fn stops(&self, name: &str, why: &str) {
        let what = format!("{name} is stopped: {why}");
        self.server.until(&what, SOON, |server| {
            let view = server.view(name);
            view["status"] == "stopped" && view.to_string().contains(why)
        });
    }
}

fn prepare(state: &mut State, files: &[(&str, &str)], hook: &str) -> anyhow::Result<(u64, u64)> {
    state.create_organisation("acme");
    state.create_repository(SHOP, true, files)?;
    state.set_role(SHOP, "ann", Some(Role::Write))?;
    let granted = PERMISSIONS.into_iter();
    let granted: Permissions = granted
        .map(|(name, level)| (name.to_owned(), Level::parse(level).unwrap()))
        .collect();
    let events = [
        "pull_request",
        "push",
        "delete",
        "repository",
        "issue_comment",
    ];
    let app = state.register_app("acme", "Nestling", granted, &events)?;
    state.set_webhook_url(app, hook)?;
    if let Some(app) = state.apps.get_mut(&app) {
        SECRET.clone_into(&mut app.webhook_secret);
    }
    Ok((app, state.install(app, "acme", Selection::All)?))
}

fn written(folder: &Path, name: &str, content: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path
}

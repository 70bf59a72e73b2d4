//! Stories of the client against the model of GitHub.

mod reading;
mod showing;
mod tokens;
mod trouble;

use nestling_domain::{
    github::shown::{Button, CheckRun, CheckState, DeploymentState, Outcome, Stage},
    ids::{Commit, RepositoryId},
};
use nestling_world::github::{
    Change, Fault, Level as Granted, Model, Opening, Role, Selection, State, Times,
};

use crate::{
    drivers::git::{Git, Remote},
    world::granted,
};

use super::{GitHub, GitHubError, Level, NotUsable, Place};

const SHOP: &str = "acme/shop";
const COMMENTS: &str = "POST /repos/*/*/issues/*/comments";
const MARKER: &str = "<!-- nestling -->";

/// GitHub with a private repository, a pull request and our App, and the client that speaks to it.
struct World {
    github: Model,
    client: GitHub,
    shop: Place,
    app: u64,
    repository: RepositoryId,
}

impl World {
    fn start() -> Self {
        let github = Model::start().unwrap();
        let ((repository, app, installation), key) = github.act(|state| {
            state.create_organisation("acme");
            let page = [("index.html", "<h1>Shop</h1>")];
            let repository = state.create_repository(SHOP, true, &page).unwrap();
            state.set_role(SHOP, "ann", Some(Role::Write)).unwrap();
            state
                .push(
                    SHOP,
                    "feat/basket",
                    "ann",
                    &[Change::file("basket.js", "1")],
                )
                .unwrap();
            let opening = Opening::of("feat/basket", "ann").titled("Add a basket");
            state.open_pull_request(SHOP, opening).unwrap();
            let app = state
                .register_app("acme", "Nestling", granted(), &["push"])
                .unwrap();
            let installation = state.install(app, "acme", Selection::All).unwrap();
            (
                (repository, app, installation),
                state.private_key(app).unwrap(),
            )
        });
        let client = GitHub::new(&github.base(), app, key.as_bytes()).unwrap();
        let shop = Place {
            installation,
            repository: RepositoryId(repository),
            owner: "acme".to_owned(),
            name: "shop".to_owned(),
        };
        World {
            github,
            client,
            shop,
            app,
            repository: RepositoryId(repository),
        }
    }

    fn head(&self) -> Commit {
        let pull = self
            .github
            .look(|state| state.see_pull_request(SHOP, 1))
            .unwrap();
        Commit::parse(&pull.head).unwrap()
    }

    fn order(&self, route: &str, fault: Fault, times: Times) {
        self.github.act(|state| state.order(route, fault, times));
    }

    fn asked(&self, method: &str, start: &str) -> usize {
        self.github.look(|state| state.ledger.count(method, start))
    }

    fn comments(&self) -> Vec<String> {
        let comments = self
            .github
            .look(|state| state.see_comments(SHOP, 1))
            .unwrap();
        comments.into_iter().map(|comment| comment.body).collect()
    }

    fn run(&self, state: CheckState) -> CheckRun {
        CheckRun {
            name: "Nestling / shop".to_owned(),
            head: self.head(),
            external_id: "shop/pr-1/1".to_owned(),
            state,
            title: "Running".to_owned(),
            summary: "All is well.".to_owned(),
            details_url: Some("https://nestling.example/acme/shop/pr-1".to_owned()),
            buttons: vec![Button {
                identifier: "redeploy".to_owned(),
                label: "Redeploy".to_owned(),
                description: "Run this commit again".to_owned(),
            }],
            refuses: false,
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.github.look(State::finish).unwrap();
        }
    }
}

fn stage() -> Stage {
    Stage {
        environment: "shop preview".to_owned(),
        production: false,
    }
}

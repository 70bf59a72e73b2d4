//! Every page with sample data. Written to `target/gallery/` to be looked at in a browser:
//! `cargo test -p nestling gallery`, then open `target/gallery/index.html`.

use std::{fmt::Write as _, fs, path::Path};

use nestling_domain::{
    app::RemovedApp,
    deployment::Phase,
    environment::Environment,
    ids::{EnvironmentId, Kind, RepositoryId},
    lifecycle::{State, Trigger, Why},
    record::{Delivery, DeliveryState, Fact},
};
use nestling_protocol::bundle;

use super::{
    sample::{Words, addresses, before, listed, visit},
    tabs::tabs,
};
use crate::http::api::views::{NotTakenView, ProposalView, ProposalsView};
use crate::http::auth::Reader;
use crate::http::dashboard::{
    app::{self, AppView},
    app_settings::{self, AppSettingsView},
    apps::{self, AppsView, RepositoryFacts},
    assets,
    deliveries::{self, DeliveriesView},
    environment::{
        self, EnvironmentView, Tab,
        reading::{self, ReadingTab, ReadingView},
    },
    error::{self, ErrorView},
    github_app::{self, Panel},
    proposals::{self, ProposalsPage},
    sign_in,
};
use crate::messages::github_app::{Lost, Made, Standing};

/// Every page, by name, with these words from outside.
pub(super) fn pages(words: &Words) -> Vec<(String, String)> {
    let mut pages = vec![
        (
            "apps".to_owned(),
            apps::page(&all_apps(words, "")).into_string(),
        ),
        (
            "apps-no-match".to_owned(),
            apps::page(&all_apps(words, "zebra <b>")).into_string(),
        ),
        (
            "apps-of-owner".to_owned(),
            apps::page(&AppsView {
                owner: Some("ada".to_owned()),
                ..all_apps(words, "")
            })
            .into_string(),
        ),
        (
            "apps-empty".to_owned(),
            apps::page(&AppsView::of(&[], "", &addresses(), visit())).into_string(),
        ),
        (
            "app".to_owned(),
            app::page(&one_app(words, &environments(words))).into_string(),
        ),
        (
            "app-empty".to_owned(),
            app::page(&one_app(words, &[])).into_string(),
        ),
        (
            "app-settings".to_owned(),
            app_settings::page(&AppSettingsView::of(&words.shop(), &listed(), &[], visit()))
                .into_string(),
        ),
        (
            "deliveries".to_owned(),
            deliveries::page(&told(words)).into_string(),
        ),
        (
            "deliveries-empty".to_owned(),
            deliveries::page(&DeliveriesView::of(&[], 50, visit())).into_string(),
        ),
        (
            "proposals".to_owned(),
            proposals::page(&proposed(words, true)).into_string(),
        ),
        (
            "proposals-unread".to_owned(),
            proposals::page(&proposed(words, false)).into_string(),
        ),
        ("sign-in".to_owned(), sign_in::page(None).into_string()),
        (
            "sign-in-refused".to_owned(),
            sign_in::page(Some(&words.reason)).into_string(),
        ),
    ];
    for (name, standing) in standings(words) {
        let panel = Panel::of(standing, name != "github-app", &addresses());
        pages.push((
            name.to_owned(),
            github_app::page(&panel, &visit()).into_string(),
        ));
    }
    for (name, view) in tabs(words) {
        if let Some(read) = read(&view) {
            pages.push((format!("read-{name}"), reading::page(&read).into_string()));
        }
        pages.push((name, environment::page(&view).into_string()));
    }
    for view in [
        ErrorView::SignedOut,
        ErrorView::Forbidden(words.reason.clone()),
        ErrorView::NotFound(words.reason.clone()),
        ErrorView::Away(words.reason.clone()),
        ErrorView::Broken(words.reason.clone()),
    ] {
        pages.push((
            format!("error-{}", view.status()),
            error::page(&view).into_string(),
        ));
    }
    pages
}

/// Every way in which there is a GitHub App or none.
fn standings(words: &Words) -> [(&'static str, Standing); 4] {
    let app = Made {
        number: 1_000_001,
        name: words.title.clone(),
        page: "https://github.com/apps/nestling".to_owned(),
    };
    let lost = Lost {
        app: app.clone(),
        reason: words.reason.clone(),
        may_be_replaced: true,
    };
    [
        ("github-app", Standing::None),
        ("github-app-lost", Standing::Lost(lost)),
        ("github-app-made", Standing::Made(app)),
        ("github-app-configured", Standing::Configured { number: 7 }),
    ]
}

/// Every fragment, by name, beside the page that it belongs to.
pub(super) fn fragments(words: &Words) -> Vec<(String, String, String)> {
    let view = all_apps(words, "");
    let mut all = vec![(
        "apps".to_owned(),
        apps::page(&view).into_string(),
        apps::fragment(&view).into_string(),
    )];
    let view = one_app(words, &environments(words));
    all.push((
        "app".to_owned(),
        app::page(&view).into_string(),
        app::fragment(&view).into_string(),
    ));
    let view = told(words);
    all.push((
        "deliveries".to_owned(),
        deliveries::page(&view).into_string(),
        deliveries::fragment(&view).into_string(),
    ));
    for (name, view) in tabs(words) {
        if let Some(read) = read(&view) {
            all.push((
                format!("read-{name}"),
                reading::page(&read).into_string(),
                reading::fragment(&read).into_string(),
            ));
        }
        all.push((
            name,
            environment::page(&view).into_string(),
            environment::fragment(&view).into_string(),
        ));
    }
    all
}

/// Three deliveries, of which two are shown: one is done, one is not.
fn told(words: &Words) -> DeliveriesView {
    let delivery = |id: &str, fact| Delivery {
        id: id.to_owned(),
        at: before(60),
        repository: None,
        fact,
    };
    let pushed = Fact::PullRequest {
        number: 12,
        branch: words.branch.clone(),
        title: words.title.clone(),
        commit: None,
        trigger: Trigger::Push,
    };
    let unreadable = Fact::Unreadable {
        event: "push".to_owned(),
        why: words.reason.clone(),
    };
    let decided = |about: &str| DeliveryState::Done {
        decisions: [(about.to_owned(), words.reason.clone())].into(),
    };
    let found = [
        (delivery("three", pushed.clone()), DeliveryState::Pending),
        (delivery("two", unreadable), decided(&words.repository)),
        (delivery("one", pushed), decided("ada/shop/pr-12")),
    ];
    DeliveriesView::of(&found, 2, visit())
}

fn proposed(words: &Words, is_read: bool) -> ProposalsPage {
    let app = |root: &str, app: Option<&str>, removed| ProposalView {
        root: root.to_owned(),
        kind: "node".to_owned(),
        called: "shop".to_owned(),
        app: app.map(str::to_owned),
        removed,
    };
    let found = ProposalsView {
        repository: words.repository.clone(),
        place: format!("branch `main` of {}", words.repository),
        commit: "a".repeat(40),
        apps: vec![
            app("", Some("acme/shop"), false),
            app(&words.repository, None, false),
            app("tools/till", None, true),
        ],
        not_taken: vec![NotTakenView {
            path: words.repository.clone(),
            reason: words.reason.clone(),
        }],
    };
    ProposalsPage {
        visit: visit(),
        id: RepositoryId(7),
        repository: words.repository.clone(),
        found: is_read.then_some(found).ok_or_else(|| words.reason.clone()),
    }
}

/// The same for whoever has a sealed link, where they may see it.
fn read(view: &EnvironmentView) -> Option<ReadingView> {
    let tab = match &view.tab {
        Tab::Logs(logs) => ReadingTab::Logs(logs.clone()),
        Tab::Tests(tests) => ReadingTab::Tests(tests.clone()),
        Tab::Overview(_) | Tab::Deployments(_) | Tab::Deployment(_) | Tab::Settings(_) => {
            return None;
        }
    };
    let reader = Reader {
        environment: EnvironmentId("0123456789abcdef".to_owned()),
        base: "/-/read/0123456789abcdef/seal".to_owned(),
    };
    let (now, head) = (view.visit.now, view.head.clone());
    Some(ReadingView::of(&reader, now, head, tab))
}

fn all_apps(words: &Words, query: &str) -> AppsView {
    let storefront = words.repository();
    let broken = nestling_domain::app::Repository {
        name: "ledger".to_owned(),
        trouble: Some(format!(
            "/home/ada/ledger is gone: {}; put it back, or end `nestling up` without it",
            words.reason
        )),
        ..storefront.clone()
    };
    let bare = nestling_domain::app::Repository {
        name: "dotfiles".to_owned(),
        ..storefront.clone()
    };
    let on_github = nestling_domain::app::Repository {
        owner: "acme".to_owned(),
        name: "till".to_owned(),
        path: None,
        installation: Some(1),
        ..storefront.clone()
    };
    let shop = words.shop();
    let docs = words.app("docs", "docs", bundle::Kind::Static);
    let mail = words.app("mailer", "services/mailer", bundle::Kind::Node);
    let jobs = words.app("jobs", "jobs", bundle::Kind::Any);
    let of_shop = environments(words);
    let production = |app, state| words.environment(app, Kind::Production, state);
    let of_docs = [production(&docs, words.restarting(Phase::SettingUp))];
    let of_mail = [production(
        &mail,
        words.stopped(Why::Failed(words.failed(2))),
    )];
    let gone = RemovedApp {
        app: words.app("attic", "attic", bundle::Kind::Node),
        removed_at: before(3 * 60),
    };
    let pull_requests = words.pull_requests();
    let facts = |repository, apps, nothing_found| RepositoryFacts {
        repository,
        apps,
        removed: Vec::new(),
        pull_requests: Vec::new(),
        nothing_found,
    };
    let apps = vec![
        (&shop, of_shop.iter().collect()),
        (&docs, of_docs.iter().collect()),
        (&mail, of_mail.iter().collect()),
        (&jobs, Vec::new()),
    ];
    let repositories = [
        RepositoryFacts {
            pull_requests: pull_requests.iter().collect(),
            removed: vec![&gone],
            ..facts(&storefront, apps, None)
        },
        facts(&broken, Vec::new(), None),
        facts(&on_github, Vec::new(), None),
        facts(
            &bare,
            Vec::new(),
            Some(
                "no folder of its default branch holds a main.w, a package.json with a start script, an index.html or a nestling.toml",
            ),
        ),
    ];
    AppsView::of(&repositories, query, &addresses(), visit())
}

fn one_app(words: &Words, environments: &[Environment]) -> AppView {
    AppView::of(
        &words.shop(),
        (&words.repository(), &[]),
        environments,
        |_| Some(1),
        &addresses(),
        visit(),
    )
}

/// One environment in each state that people meet.
fn environments(words: &Words) -> Vec<Environment> {
    let shop = words.shop();
    let states = [
        words.running(),
        words.troubled(),
        words.restarting(Phase::Testing),
        State::Creating {
            next: Some(words.deployment(1, Phase::Queued)),
            failed: None,
        },
        State::default(),
        words.stopped(Why::Failed(words.failed(3))),
        words.stopped(Why::Idle),
        words.stopped(Why::Policy(words.reason.clone())),
        words.stopped(Why::Person),
        words.stopped(Why::Closed),
    ];
    let mut all = vec![words.environment(&shop, Kind::Production, words.running())];
    all.extend(
        states
            .into_iter()
            .zip(12..)
            .map(|(state, number)| words.environment(&shop, Kind::Preview(number), state)),
    );
    all
}

#[test]
fn the_gallery_shows_every_page() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/gallery");
    let assets = folder.join("assets");
    fs::create_dir_all(&assets).unwrap();
    for asset in [assets::style(), assets::script(), assets::icon()] {
        fs::write(assets.join(&asset.name), asset.content).unwrap();
    }
    let pages = pages(&Words::ours());
    assert!(pages.len() > 30);
    let mut index = String::from("<!doctype html><meta charset=utf-8><title>Gallery</title><ul>");
    for (name, page) in &pages {
        // Opened as files, pages find their assets beside them.
        let page = page.replace("\"/assets/", "\"assets/");
        fs::write(folder.join(format!("{name}.html")), page).unwrap();
        let _ = write!(index, "<li><a href=\"{name}.html\">{name}</a>");
    }
    fs::write(folder.join("index.html"), index).unwrap();
}

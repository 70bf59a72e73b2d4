//! One environment: its head, which is on every tab, and the tabs.

pub mod activity;
pub mod deployments;
pub mod failure;
pub mod head;
pub mod logs;
pub mod overview;
pub mod reading;
pub mod settings;
pub mod tests;
pub mod timeline;

use maud::{Markup, html};

use self::{
    deployments::{DeploymentView, HistoryView},
    head::Head,
    logs::LogsView,
    overview::Overview,
    settings::Values,
    tests::TestsView,
};
use super::{
    Visit, paths,
    shell::{Page, fragment as wrap, whole},
};

/// How much text of logs one page carries at most, in characters: about 25 kB once compressed. The rest is
/// a stream or a download away.
pub const TEXT_SHOWN: usize = 120_000;

/// The page's content.
#[derive(Debug, Clone)]
pub struct EnvironmentView {
    /// The visit.
    pub visit: Visit,
    /// What is on every tab.
    pub head: Head,
    /// The tab that is open.
    pub tab: Tab,
}

/// A tab with its content.
#[derive(Debug, Clone)]
pub enum Tab {
    /// Where it stands.
    Overview(Box<Overview>),
    /// All deployments.
    Deployments(HistoryView),
    /// One deployment.
    Deployment(Box<DeploymentView>),
    /// One log of one deployment.
    Logs(Box<LogsView>),
    /// The tests of one deployment.
    Tests(Box<TestsView>),
    /// Secrets and variables of its kind.
    Settings(Box<Values>),
}

impl Tab {
    /// Its name, and its path under the environment's.
    fn name(&self) -> (&'static str, &'static str) {
        match self {
            Tab::Overview(_) => ("Overview", ""),
            Tab::Deployments(_) | Tab::Deployment(_) => ("Deployments", "/deployments"),
            Tab::Logs(_) => ("Logs", "/logs"),
            Tab::Tests(_) => ("Tests", "/tests"),
            Tab::Settings(_) => ("Settings", "/settings"),
        }
    }
}

const TABS: [(&str, &str); 5] = [
    ("Overview", ""),
    ("Deployments", "/deployments"),
    ("Logs", "/logs"),
    ("Tests", "/tests"),
    ("Settings", "/settings"),
];

/// The page.
pub fn page(view: &EnvironmentView) -> Markup {
    let head = &view.head;
    let (tab, below) = view.tab.name();
    let mut crumbs = vec![
        (head.app.clone(), paths::app(&head.owner, &head.app)),
        (head.name.clone(), head.path.clone()),
    ];
    if !below.is_empty() {
        crumbs.push((tab.to_owned(), format!("{}{below}", head.path)));
    }
    let title = format!("{} · {} · {}", head.name, head.app, tab);
    let body = html! {
        (head::show(head, &view.visit))
        nav.tabs aria-label="Parts of this environment" {
            @for (name, below) in TABS {
                a href=(format!("{}{below}", head.path)) aria-current=[(name == tab).then_some("page")] { (name) }
            }
        }
        (content(view))
    };
    let topics = vec![format!("{}/{}", head.owner, head.app)];
    whole(&Page {
        visit: Some(&view.visit),
        title: &title,
        crumbs,
        topics,
        body,
    })
}

/// What changes on it. Log lines come by a stream of their own, and forms keep what was typed.
pub fn fragment(view: &EnvironmentView) -> Markup {
    wrap(
        &view.visit,
        &html! { (head::show(&view.head, &view.visit)) (content(view)) },
    )
}

fn content(view: &EnvironmentView) -> Markup {
    let now = view.visit.now;
    match &view.tab {
        Tab::Overview(tab) => overview::show(tab, &view.head, now),
        Tab::Deployments(tab) => deployments::show(tab, &view.head, now),
        Tab::Deployment(tab) => deployments::show_one(tab, &view.head, now),
        Tab::Logs(tab) => logs::show(tab, &view.head),
        Tab::Tests(tab) => tests::show(tab, &view.head),
        Tab::Settings(tab) => settings::show(tab, &view.visit),
    }
}

//! What a sealed link shows: where an environment stands, its logs and its tests. No order, and no way to anything else
//! that would not ask to sign in.

use maud::{Markup, html};
use nestling_domain::ids::{Generation, Timestamp};
use nestling_protocol::log::Log;

use super::{
    super::{
        Visit, paths,
        shell::{Page, fragment as wrap, whole},
    },
    Head, head,
    logs::{self, LogsView},
    tests::{self, TestsView},
};
use crate::http::auth::Reader;

/// The page's content.
#[derive(Debug, Clone)]
pub struct ReadingView {
    /// The present moment, from which ages are counted.
    pub now: Timestamp,
    /// The path that the link opens.
    pub base: String,
    /// Where the environment stands.
    pub head: Head,
    /// What is read.
    pub tab: ReadingTab,
}

/// What can be read.
#[derive(Debug, Clone)]
pub enum ReadingTab {
    /// One log of one deployment.
    Logs(Box<LogsView>),
    /// The tests of one deployment.
    Tests(Box<TestsView>),
}

const TABS: [(&str, &str); 2] = [("Logs", "/logs"), ("Tests", "/tests")];

impl ReadingView {
    /// Of what pages show to people who signed in, what a reader may see.
    pub fn of(reader: &Reader, now: Timestamp, head: Head, tab: ReadingTab) -> Self {
        let base = reader.base.clone();
        let tab = match tab {
            ReadingTab::Logs(mut view) => {
                view.source = view
                    .generation
                    .map(|generation| lines(&base, generation, view.log))
                    .unwrap_or_default();
                ReadingTab::Logs(view)
            }
            ReadingTab::Tests(mut view) => {
                // The page of the deployment is for people who signed in.
                view.generation = None;
                ReadingTab::Tests(view)
            }
        };
        ReadingView {
            now,
            base,
            head: Head {
                orders: Vec::new(),
                ..head
            },
            tab,
        }
    }

    fn name(&self) -> &'static str {
        match &self.tab {
            ReadingTab::Logs(_) => "Logs",
            ReadingTab::Tests(_) => "Tests",
        }
    }

    fn visit(&self) -> Visit {
        Visit {
            now: self.now,
            csrf: String::new(),
            notice: None,
        }
    }

    fn content(&self) -> Markup {
        // What the tabs link to stands below the link.
        let below = Head {
            path: self.base.clone(),
            ..self.head.clone()
        };
        match &self.tab {
            ReadingTab::Logs(view) => logs::show(view, &below),
            ReadingTab::Tests(view) => tests::show(view, &below),
        }
    }
}

/// Where a reader has the lines of a log.
fn lines(base: &str, generation: Generation, log: Log) -> String {
    format!("{base}/deployments/{generation}/logs/{}", log.name())
}

/// The page. It has no topic to be told about: that would tell of the app's other environments.
pub fn page(view: &ReadingView) -> Markup {
    let (head, open) = (&view.head, view.name());
    let body = html! {
        (head::show(head, &view.visit()))
        nav.tabs aria-label="Parts of this environment" {
            @for (name, below) in TABS {
                a href=(format!("{}{below}", view.base)) aria-current=[(name == open).then_some("page")] { (name) }
            }
        }
        (view.content())
        p.muted { "Whoever has this link may read this. " a href=(head.path) { "All about this environment" } " is for people who sign in." }
    };
    whole(&Page {
        visit: None,
        title: &format!("{} · {} · {open}", head.name, head.app),
        crumbs: vec![
            (head.app.clone(), paths::app(&head.owner, &head.app)),
            (head.name.clone(), head.path.clone()),
        ],
        topics: Vec::new(),
        body,
    })
}

/// What changes on it.
pub fn fragment(view: &ReadingView) -> Markup {
    let visit = view.visit();
    wrap(
        &visit,
        &html! { (head::show(&view.head, &visit)) (view.content()) },
    )
}

//! The apps that a repository holds, each with the button that adds it.

use maud::{Markup, html};
use nestling_domain::ids::RepositoryId;

use super::{
    Visit,
    parts::icons::{Icon, icon},
    paths,
    shell::{Page, token, whole},
};
use crate::http::api::views::{ProposalView, ProposalsView};

/// The page's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposalsPage {
    /// The visit.
    pub visit: Visit,
    /// Which repository.
    pub id: RepositoryId,
    /// What people call it.
    pub repository: String,
    /// What it holds, or why that cannot be said.
    pub found: Result<ProposalsView, String>,
}

/// The page. It is as it was when somebody asked: following changes would read the repository for each of them.
pub fn page(view: &ProposalsPage) -> Markup {
    let path = paths::apps_of(view.id);
    let title = format!("Apps in {}", view.repository);
    let body = html! {
        div.heading { h1 { (title) } a.button href=(path) { (icon(Icon::Again)) "Look again" } }
        @match &view.found {
            Err(why) => div.notice.bad { (icon(Icon::Warning)) div { p { strong { "It could not be read." } } p { (why) } } },
            Ok(found) => (show(view, found, &path)),
        }
    };
    whole(&Page {
        visit: Some(&view.visit),
        title: &title,
        crumbs: vec![(view.repository.clone(), path.clone())],
        topics: Vec::new(),
        body,
    })
}

fn show(view: &ProposalsPage, found: &ProposalsView, path: &str) -> Markup {
    html! {
        p.muted { "Found in " (found.place) ". Nothing of it runs before you add it: then production starts, and each open pull request." }
        @if found.apps.is_empty() { p.empty { "No app was found: an app is a folder with a main.w, a package.json that has a start or build script, an index.html, or a nestling.toml with [start] run." } }
        ul.rows { @for one in &found.apps { (row(view, one, path)) } }
        @if !found.not_taken.is_empty() {
            section.block aria-labelledby="not-taken" {
                h2 id="not-taken" { "Not taken as an app" }
                ul.rows {
                    @for one in &found.not_taken { li { div.grow { strong { (one.path) } p.muted { (one.reason) } } } }
                }
            }
        }
    }
}

fn row(view: &ProposalsPage, one: &ProposalView, path: &str) -> Markup {
    let folder = if one.root.is_empty() {
        "the root"
    } else {
        &one.root
    };
    html! {
        li {
            div.grow { strong { (one.called) } p.muted.cut { (one.kind) " app in " (folder) } }
            @match &one.app {
                Some(app) => {
                    @let (owner, slug) = app.split_once('/').unwrap_or_default();
                    a.button href=(paths::app(owner, slug)) { "Added" span.unseen { ": " (app) } }
                }
                None => form.order method="post" action=(path) {
                    (token(&view.visit))
                    input type="hidden" name="root" value=(one.root);
                    button.button.primary type="submit" { @if one.removed { "Bring back" } @else { "Add" } span.unseen { " the app in " (folder) } }
                },
            }
        }
    }
}

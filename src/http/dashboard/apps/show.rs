//! How the first page is shown.

use maud::{Markup, html};
use nestling_domain::ids::Timestamp;
use nestling_protocol::bundle;

use super::{AppsView, Card, Trouble, Waiting};
use crate::http::dashboard::{
    Visit, github_app,
    parts::{
        icons::{self, Icon, icon},
        pill::{self, pill},
        time, words,
    },
    paths,
    shell::{Page, fragment as wrap, order, whole},
};

/// The page.
pub fn page(view: &AppsView) -> Markup {
    let title = match &view.owner {
        Some(owner) => format!("Apps of {owner}"),
        None => "Apps".to_owned(),
    };
    let body = html! {
        div.heading {
            h1 { (title) }
            @if view.any {
                search {
                    form.search method="get" action=(view.path()) {
                        label.unseen for="q" { "Search apps" }
                        (icon(Icon::Search))
                        input id="q" type="search" name="q" value=(view.query) placeholder="Search apps" autocomplete="off" data-filter="[data-search]";
                        button.unseen type="submit" { "Search" }
                    }
                }
            }
        }
        (live(view))
    };
    whole(&Page {
        visit: Some(&view.visit),
        title: &title,
        crumbs: view
            .owner
            .iter()
            .map(|owner| (owner.clone(), view.path()))
            .collect(),
        topics: vec!["*".to_owned()],
        body,
    })
}

/// What changes on it.
pub fn fragment(view: &AppsView) -> Markup {
    wrap(&view.visit, &live(view))
}

fn live(view: &AppsView) -> Markup {
    html! {
        div id="apps" data-live {
            @for trouble in &view.troubles { (show_trouble(trouble)) }
            @if let Some(app) = &view.app {
                (github_app::panel(app, &view.visit))
            } @else if !view.any && view.removed.is_empty() && view.confirmed.is_empty() {
                (empty(view.troubles.is_empty()))
            }
            @if !view.any && !view.removed.is_empty() { p.empty { "All apps are removed." } }
            @if view.any && view.cards.is_empty() {
                p.empty { "No app matches “" (view.query) "”. " a href=(view.path()) { "Show all apps" } }
            }
            ul.cards { @for card in &view.cards { (show(card, view.visit.now)) } }
            p.empty data-no-match hidden { "No app matches." }
            (waiting(&view.visit, &view.waiting))
            @if !view.removed.is_empty() { (removed(view)) }
            @if !view.confirmed.is_empty() { (confirmed(view)) }
        }
    }
}

/// Where people say which apps of a repository on GitHub are deployed.
fn confirmed(view: &AppsView) -> Markup {
    html! {
        section.block aria-labelledby="repositories" {
            h2 id="repositories" { "Repositories" }
            p.muted { "The App is installed on these. Nothing of them runs before you add an app: then production starts, and each open pull request. " a href=(paths::GITHUB_APP) { "Install it on others" } }
            ul.rows {
                @for (name, path) in &view.confirmed {
                    li {
                        div.grow { strong { (name) } }
                        a.button href=(path) { (icon(Icon::Search)) "Find apps" span.unseen { " in " (name) } }
                    }
                }
            }
        }
    }
}

fn show(card: &Card, now: Timestamp) -> Markup {
    html! {
        li.card id=(format!("app-{}", card.name)) data-search=(card.searched()) {
            div.card-head {
                span.kind title=(words::kind(card.kind)) { (icon(Icon::of(card.kind))) span.unseen { (words::kind(card.kind)) " app" } }
                h2 { a.stretch href=(card.path) { (card.name) } }
                @match &card.production {
                    Some(status) => (pill(status.mark, status.word)),
                    None => span.muted { "Not deployed" },
                }
                p.muted.cut { (card.place) }
            }
            @if !card.description.is_empty() { p.cut { (card.description) } }
            p.commit {
                @match &card.commit {
                    Some((commit, at)) => {
                        (icon(Icon::Commit)) code { (commit.id.short()) } span.cut { (commit.message) }
                        span.muted.age { (time::ago(*at, now)) }
                    }
                    None => span.muted { "No commit yet" },
                }
            }
            div.card-foot {
                span { (icon(Icon::PullRequest)) (count(card.previews, "preview")) }
                (pill::tests(&card.tests))
                @if let Some(address) = &card.address {
                    a.above href=(address) rel="noreferrer" { (icon(Icon::Open)) "Open" span.unseen { " production of " (card.name) } }
                }
            }
        }
    }
}

/// The pull requests that wait, each with its button; nothing when there are none.
pub fn waiting(visit: &Visit, all: &[Waiting]) -> Markup {
    if all.is_empty() {
        return html! {};
    }
    html! {
        section.block aria-labelledby="waiting" {
            h2 id="waiting" { "Waiting pull requests" }
            p.muted { "As many pull requests as may run at once do. Start one of these all the same, or delete a branch to make room." }
            ul.rows {
                @for one in all {
                    li {
                        div.grow {
                            strong { "#" (one.number) " " (one.title) }
                            p.muted.cut { (one.place) " · " code { (one.branch) } }
                        }
                        (order(visit, &paths::start_pull_request(one.repository, one.number), None, "button",
                            &html! { (icon(Icon::Play)) "Start" span.unseen { " pull request " (one.number) } }))
                    }
                }
            }
        }
    }
}

fn removed(view: &AppsView) -> Markup {
    html! {
        section.block aria-labelledby="removed" {
            h2 id="removed" { "Removed apps" }
            p.muted { "They stay removed, whatever their repositories hold. One that is brought back has its name, history and logs again, but no secrets and variables." }
            ul.rows {
                @for one in &view.removed {
                    li {
                        div.grow {
                            strong { (one.name) }
                            p.muted.cut { (one.place) " · removed " (time::ago(one.removed_at, view.visit.now)) }
                        }
                        (order(&view.visit, &one.path, None, "button",
                            &html! { (icon(Icon::Again)) "Bring back" span.unseen { " " (one.name) } }))
                    }
                }
            }
        }
    }
}

fn show_trouble(trouble: &Trouble) -> Markup {
    html! {
        div class=(if trouble.unreadable { "notice bad" } else { "notice" }) {
            (icon(Icon::Warning))
            div { p { strong { (trouble.place) } } p { (trouble.reason) } }
        }
    }
}

fn empty(quiet: bool) -> Markup {
    html! {
        section.alone {
            (icons::logo())
            h2 { @if quiet { "No repository is watched yet" } @else { "No app was found yet" } }
            p { "Give Nestling a git repository. Its default branch becomes production, every other branch with new commits a preview." }
            pre { code { "$ nestling up --repo PATH" } }
            p { "In each folder of the repository it looks for an app:" }
            ul.kinds {
                @for (kind, found) in [
                    (bundle::Kind::Wing, html! { code { "main.w" } }),
                    (bundle::Kind::Node, html! { code { "package.json" } " with a " code { "start" } " script" }),
                    (bundle::Kind::Static, html! { code { "index.html" } ", or a " code { "build" } " script with an output folder" }),
                    (bundle::Kind::Any, html! { code { "nestling.toml" } " with " code { "[start] run" } }),
                ] {
                    li { span.kind { (icon(Icon::of(kind))) } span { strong { (words::kind(kind)) } " – " (found) } }
                }
            }
            p.muted { "Nothing found? The folder must be committed on the default branch: what is not committed is not seen." }
        }
    }
}

/// `1 preview`, `3 previews`.
pub(in crate::http::dashboard) fn count(number: usize, of: &str) -> String {
    match number {
        0 => format!("No {of}s"),
        1 => format!("1 {of}"),
        more => format!("{more} {of}s"),
    }
}

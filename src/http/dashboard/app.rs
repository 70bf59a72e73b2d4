//! The environments of one app: production first, then its previews.

use maud::{Markup, html};
use nestling_domain::{
    announcement::{Status, status, tested},
    app::{App, Repository},
    deployment::{CommitInfo, Tests},
    environment::Environment,
    ids::{EnvironmentId, Kind, Timestamp},
    lifecycle::{State, Why},
    record::PullRequest,
};
use nestling_protocol::bundle;

use super::{
    Visit,
    apps::{Waiting, count, waiting},
    parts::{
        icons::{Icon, icon},
        pill::{self, pill},
        time, words,
    },
    paths,
    shell::{Page, fragment as wrap, whole},
};
use crate::http::Addresses;

/// The page's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppView {
    /// The visit.
    pub visit: Visit,
    /// Who owns it.
    pub owner: String,
    /// Its slug.
    pub name: String,
    /// What it is.
    pub kind: bundle::Kind,
    /// Its repository and folder.
    pub place: String,
    /// What people say about it.
    pub description: String,
    /// Why its repository cannot be read, if so.
    pub trouble: Option<String>,
    /// The default branch's name.
    pub default_branch: String,
    /// Production, once it is recorded.
    pub production: Option<Row>,
    /// Previews, newest number first; removed ones last.
    pub previews: Vec<Row>,
    /// Pull requests that have none yet, because they wait.
    pub waiting: Vec<Waiting>,
}

/// One environment in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its page.
    pub path: String,
    /// The pull request's number, of a preview.
    pub number: Option<u32>,
    /// The pull request's title.
    pub title: String,
    /// Its branch.
    pub branch: String,
    /// Where it stands.
    pub status: Status,
    /// How its tests went.
    pub tests: Tests,
    /// Its address, while something answers there.
    pub address: Option<String>,
    /// The commit that was last asked for.
    pub commit: Option<CommitInfo>,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Whether nothing of it is left.
    pub removed: bool,
}

impl Row {
    /// An environment in a list; `ahead` is how many builds go before it.
    pub fn of(environment: &Environment, ahead: Option<usize>, addresses: &Addresses) -> Self {
        let life = &environment.lifecycle;
        Row {
            path: paths::environment(environment),
            number: environment.kind.pull_request(),
            title: environment.title.clone(),
            branch: environment.branch.clone(),
            status: status(life, ahead),
            tests: tested(life)
                .map(|one| one.tests.clone())
                .unwrap_or_default(),
            address: life
                .answering()
                .map(|_| addresses.of(environment.label().as_str())),
            commit: life.shown_commit().cloned(),
            updated_at: environment.updated_at,
            removed: matches!(
                life.state,
                State::Stopped {
                    why: Why::Closed,
                    ..
                }
            ),
        }
    }
}

impl AppView {
    /// Puts together what is known. `ahead` says of an environment how many builds go before it.
    pub fn of(
        app: &App,
        (repository, pull_requests): (&Repository, &[PullRequest]),
        environments: &[Environment],
        ahead: impl Fn(&EnvironmentId) -> Option<usize>,
        addresses: &Addresses,
        visit: Visit,
    ) -> Self {
        let row = |one: &Environment| Row::of(one, ahead(&one.id), addresses);
        let waiting = Waiting::of(repository, pull_requests);
        let waits = |one: &Environment| {
            let number = one.kind.pull_request();
            waiting.iter().any(|waits| Some(waits.number) == number)
        };
        let mut previews: Vec<Row> = environments
            .iter()
            .filter(|one| one.kind != Kind::Production)
            // Of one that was closed and is open again, nothing is left yet.
            .filter(|one| !(one.lifecycle.is_closed() && waits(one)))
            .map(row)
            .collect();
        previews.sort_by_key(|row| (row.removed, std::cmp::Reverse(row.number)));
        AppView {
            visit,
            owner: app.owner.clone(),
            name: app.slug.to_string(),
            kind: app.kind,
            place: words::place(repository, app),
            description: app.description.clone(),
            trouble: repository.trouble.clone(),
            default_branch: repository.default_branch.clone(),
            production: environments
                .iter()
                .find(|one| one.kind == Kind::Production)
                .map(row),
            previews,
            waiting,
        }
    }
}

/// The page.
pub fn page(view: &AppView) -> Markup {
    let body = html! {
        div.heading {
            div {
                h1 { span.kind { (icon(Icon::of(view.kind))) } (view.name) }
                p.muted { (words::kind(view.kind)) " · " (view.place) }
                @if !view.description.is_empty() { p { (view.description) } }
            }
            a.button href=(paths::app_settings(&view.owner, &view.name)) { (icon(Icon::Gear)) "Settings" }
        }
        (live(view))
    };
    let topics = vec![format!("{}/{}", view.owner, view.name)];
    let crumbs = vec![(view.name.clone(), paths::app(&view.owner, &view.name))];
    whole(&Page {
        visit: Some(&view.visit),
        title: &view.name,
        crumbs,
        topics,
        body,
    })
}

/// What changes on it.
pub fn fragment(view: &AppView) -> Markup {
    wrap(&view.visit, &live(view))
}

fn live(view: &AppView) -> Markup {
    html! {
        div id="environments" data-live {
            @if let Some(trouble) = &view.trouble { div.notice.bad { (icon(Icon::Warning)) p { (trouble) } } }
            section.block aria-labelledby="production" {
                h2 id="production" { "Production" }
                @match &view.production {
                    Some(row) => (production(row, view.visit.now)),
                    None => p.empty { "Nothing is deployed yet: the first commit on " code { (view.default_branch) } " deploys by itself." },
                }
            }
            section.block aria-labelledby="previews" {
                h2 id="previews" { "Previews" span.number { (view.previews.iter().filter(|row| !row.removed).count()) } }
                @if view.previews.is_empty() { (no_previews(view)) } @else { (previews(view)) }
            }
            (waiting(&view.visit, &view.waiting))
        }
    }
}

fn production(row: &Row, now: Timestamp) -> Markup {
    html! {
        div class=(format!("card wide tone-{}", pill::tone(row.status.mark))) {
            div.card-head {
                h3 { a.stretch href=(row.path) { (icon(Icon::Branch)) (row.branch) } }
                (pill(row.status.mark, row.status.word))
                (commit(row))
            }
            @if let Some(detail) = &row.status.detail { p.detail { (detail) } }
            div.card-foot {
                @if let Some(address) = &row.address { a.above href=(address) rel="noreferrer" { (icon(Icon::Open)) (address) } }
                (pill::tests(&row.tests))
                span.muted.age { (time::ago(row.updated_at, now)) }
            }
        }
    }
}

fn previews(view: &AppView) -> Markup {
    html! {
        table.stack {
            caption.unseen { (count(view.previews.len(), "preview")) " of " (view.name) }
            thead { tr { th scope="col" { "Pull request" } th scope="col" { "State" } th scope="col" { "Tests" } th scope="col" { "Address" } th scope="col" { "Changed" } } }
            tbody {
                @for row in &view.previews {
                    tr id=[row.number.map(|number| format!("pr-{number}"))] class=[row.removed.then_some("faded")] {
                        th scope="row" data-label="Pull request" {
                            a.title href=(row.path) { @if let Some(number) = row.number { span.muted { "#" (number) " " } } (row.title) }
                            div.muted.cut { (icon(Icon::Branch)) (row.branch) }
                        }
                        td data-label="State" {
                            (pill(row.status.mark, row.status.word))
                            @if let Some(detail) = &row.status.detail { div.muted.clamp.detail { (detail) } }
                        }
                        td data-label="Tests" { (pill::tests(&row.tests)) }
                        td data-label="Address" {
                            @match &row.address {
                                Some(address) => a href=(address) rel="noreferrer" { (icon(Icon::Open)) "Open" span.unseen { " preview " (row.title) } },
                                None => span.muted.dash { "–" },
                            }
                        }
                        td data-label="Changed" { span.muted { (time::ago(row.updated_at, view.visit.now)) } }
                    }
                }
            }
        }
    }
}

fn commit(row: &Row) -> Markup {
    html! {
        @if let Some(commit) = &row.commit {
            p.commit { (icon(Icon::Commit)) code { (commit.id.short()) } span.cut { (commit.message) } span.muted { "by " (commit.author) } }
        }
    }
}

fn no_previews(view: &AppView) -> Markup {
    html! {
        div.empty {
            p { "Each branch that is ahead of " code { (view.default_branch) } " gets a preview of its own." }
            pre { code { "$ git switch -c my-change && git commit --allow-empty -m \"Try it\"" } }
        }
    }
}

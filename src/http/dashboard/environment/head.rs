//! The head of an environment: what it is, where it stands, and what can be ordered.

use maud::{Markup, html};
use nestling_domain::{
    announcement::{Status, status},
    app::App,
    deployment::{CommitInfo, Deployment},
    environment::Environment,
    ids::Kind,
    lifecycle::{State, Why},
};

use super::super::{
    Visit,
    parts::{
        icons::{Icon, icon},
        pill::{pill, tone},
    },
    shell::{copyable, order},
};
use crate::http::Addresses;

/// What is known beside the record.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The app.
    pub app: &'a App,
    /// The record.
    pub environment: &'a Environment,
    /// How many builds go before it, while it is queued.
    pub ahead: Option<usize>,
    /// Why no build is begun at all right now.
    pub paused: Option<&'a str>,
    /// What its actor died of, while it is in quarantine.
    pub quarantined: Option<&'a str>,
    /// What is wrong with its repository, or its secrets.
    pub troubles: &'a [String],
    /// Whether its pull request is open and waits, because as many run as may.
    pub waits: bool,
}

/// What is on every tab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Who owns the app.
    pub owner: String,
    /// The app's slug.
    pub app: String,
    /// `production` or `pr-12`.
    pub name: String,
    /// Its page.
    pub path: String,
    /// Production, or the preview of which pull request.
    pub kind: Kind,
    /// The pull request's title.
    pub title: String,
    /// Its branch.
    pub branch: String,
    /// Where it stands.
    pub status: Status,
    /// The commit that the status speaks of.
    pub commit: Option<CommitInfo>,
    /// The newest commit, which waits for a person.
    pub offered: Option<CommitInfo>,
    /// Its address.
    pub address: String,
    /// Whether a deployment answers there.
    pub answers: bool,
    /// What else people should know.
    pub warnings: Vec<String>,
    /// What can be ordered now.
    pub orders: Vec<Order>,
    /// The record's version, which makes a form's idempotency key: pressing twice orders once.
    pub version: u64,
}

/// What can be ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Give up the deployment on its way.
    Cancel,
    /// Deploy the newest commit again.
    Redeploy,
    /// Deploy the newest commit, which no push deploys.
    Deploy,
    /// Start it again.
    Start,
    /// Stop it and keep its data.
    Stop,
}

impl Order {
    /// The last part of the form's path.
    pub fn name(self) -> &'static str {
        match self {
            Order::Cancel => "cancel",
            Order::Redeploy => "redeploy",
            Order::Deploy | Order::Start => "start",
            Order::Stop => "stop",
        }
    }

    fn label(self) -> (Icon, &'static str) {
        match self {
            Order::Cancel => (Icon::Cross, "Cancel"),
            Order::Redeploy => (Icon::Again, "Redeploy"),
            Order::Deploy => (Icon::Play, "Deploy"),
            Order::Start => (Icon::Play, "Start"),
            Order::Stop => (Icon::Stop, "Stop"),
        }
    }

    /// What the state would not refuse.
    fn possible(environment: &Environment) -> Vec<Self> {
        let life = &environment.lifecycle;
        match &life.state {
            State::Stopped {
                why: Why::Closed, ..
            } if environment.kind != Kind::Production => Vec::new(),
            State::Stopped {
                why: Why::Failed(_),
                ..
            } => vec![Order::Redeploy, Order::Stop],
            State::Stopped { .. } => vec![Order::Start],
            State::Creating { next: None, .. } => vec![Order::Stop],
            State::Creating { .. } | State::Restarting { .. } => {
                vec![Order::Cancel, Order::Redeploy, Order::Stop]
            }
            State::Running { .. } if life.offered.is_some() => {
                vec![Order::Deploy, Order::Redeploy, Order::Stop]
            }
            State::Running { .. } => vec![Order::Redeploy, Order::Stop],
        }
    }
}

impl Head {
    /// Puts together what is known.
    pub fn of(facts: &Facts<'_>, addresses: &Addresses) -> Self {
        let environment = facts.environment;
        let life = &environment.lifecycle;
        let mut warnings = Vec::new();
        if let Some(reason) = facts.quarantined {
            warnings.push(format!("This environment is quarantined, as its actor failed repeatedly ({reason}). What runs stays as it is, and nothing else is done until somebody redeploys, starts or stops it."));
        }
        if let (Some(reason), Some(_)) = (facts.paused, life.next()) {
            warnings.push(format!("No build is begun right now: {reason}"));
        }
        let trouble = |one: &Deployment| one.trouble.clone();
        let of_next = life.next().and_then(trouble);
        if let Some(trouble) = of_next.or_else(|| life.serving().and_then(trouble)) {
            warnings.push(format!("Not healthy yet: {trouble}"));
        }
        if facts.waits {
            warnings.push("Its pull request is open, and waits: as many run as may run at once. Start it all the same, or delete a branch to make room.".to_owned());
        }
        warnings.extend(facts.troubles.iter().cloned());
        if let Some(newest) = life.next().or_else(|| life.serving()) {
            let of = newest.generation;
            warnings.extend(
                newest
                    .notes
                    .iter()
                    .map(|note| format!("Deployment {of}: {note}")),
            );
        }
        Head {
            owner: environment.owner.clone(),
            app: facts.app.slug.to_string(),
            name: environment.kind.name(),
            path: super::super::paths::environment(environment),
            kind: environment.kind,
            title: environment.title.clone(),
            branch: environment.branch.clone(),
            status: status(life, facts.ahead),
            commit: life.shown_commit().cloned(),
            offered: life.offered.clone(),
            address: addresses.of(environment.label().as_str()),
            answers: life.answering().is_some(),
            warnings,
            orders: if facts.waits {
                vec![Order::Start]
            } else {
                Order::possible(environment)
            },
            version: environment.version.0,
        }
    }

    /// The heading.
    pub fn heading(&self) -> String {
        match self.kind {
            Kind::Production => "Production".to_owned(),
            Kind::Preview(_) if self.title.trim().is_empty() => self.branch.clone(),
            Kind::Preview(_) => self.title.clone(),
        }
    }
}

/// The head, which is live.
pub fn show(head: &Head, visit: &Visit) -> Markup {
    html! {
        div.env-head id="head" data-live {
            div.heading {
                div.grow {
                    h1 { (head.heading()) @if let Some(number) = head.kind.pull_request() { " " span.muted { "#" (number) } } }
                    p.commit {
                        span.branch { (icon(Icon::Branch)) span.cut { (head.branch) } }
                        @if let Some(commit) = &head.commit {
                            (icon(Icon::Commit)) code title=(commit.id) { (commit.id.short()) } span.cut { (commit.message) }
                        }
                    }
                    @if let Some(commit) = &head.offered {
                        p.commit { "No push deploys it. Newest: " code title=(commit.id) { (commit.id.short()) } span.cut { (commit.message) } span.muted { "by " (commit.author) } }
                    }
                }
                div.orders { @for one in &head.orders { (button(*one, head, visit)) } }
            }
            div class=(format!("state tone-{}", tone(head.status.mark))) {
                p role="status" aria-live="polite" {
                    (pill(head.status.mark, head.status.word))
                    @if let Some(detail) = &head.status.detail { span.detail { (detail) } }
                }
                p.address {
                    @if head.answers {
                        a.button.primary href=(head.address) rel="noreferrer" { (icon(Icon::Open)) "Open" span.unseen { " this environment" } }
                    }
                    span.url { (head.address) } (copyable(&head.address))
                }
            }
            @for warning in &head.warnings { div.notice.troubled { (icon(Icon::Warning)) p { (warning) } } }
        }
    }
}

fn button(one: Order, head: &Head, visit: &Visit) -> Markup {
    let (shows, word) = one.label();
    let class = if matches!(one, Order::Start | Order::Deploy) {
        "button primary"
    } else {
        "button"
    };
    let key = format!("{}-{}", one.name(), head.version);
    order(
        visit,
        &format!("{}/{}", head.path, one.name()),
        Some(&key),
        class,
        &html! { (icon(shows)) (word) },
    )
}

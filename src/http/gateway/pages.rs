//! What people and programs see when no app answers: our own pages, and short texts for programs.

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::{
        StatusCode,
        header::{self, HeaderMap},
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::config::{RETRY_AFTER, RETRY_STOPPED_AFTER};
use crate::messages::routes::{Route, To};

/// Where a waiting page asks how far things are, on the same host.
pub(super) const STATUS: &str = "/.nestling/status";

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// What stands in for an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) status: StatusCode,
    /// A short title, in people's words.
    pub(super) title: String,
    /// What is the matter and what to do, in one or two sentences.
    pub(super) text: String,
    /// A short line below, such as a name or a commit.
    pub(super) detail: String,
    /// A link to the dashboard: address and words.
    pub(super) link: Option<(String, &'static str)>,
    /// Whether the page waits for things to change, and reloads then.
    pub(super) waits: bool,
    /// Whether it passes by itself, so that a program does well to come again soon.
    pub(super) passes: bool,
}

impl Notice {
    /// A page for browsers, the same in text for programs.
    pub(super) fn answer(&self, page: bool) -> HttpResponse {
        let mut answer = answer(self.status);
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            let after = if self.passes {
                RETRY_AFTER
            } else {
                RETRY_STOPPED_AFTER
            };
            answer.insert_header((header::RETRY_AFTER, after));
        }
        if page {
            answer.insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"));
            answer.insert_header((header::CONTENT_SECURITY_POLICY, policy()));
            return answer.body(self.html().into_string());
        }
        let link = self
            .link
            .as_ref()
            .map_or_else(String::new, |(address, _)| format!("{address}\n"));
        let detail = if self.detail.is_empty() {
            String::new()
        } else {
            format!("{}\n", self.detail)
        };
        answer.insert_header((header::CONTENT_TYPE, "text/plain; charset=utf-8"));
        answer.body(format!("{}\n{detail}{link}", self.text))
    }

    fn html(&self) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) " · Nestling" }
                    @if self.waits { noscript { meta http-equiv="refresh" content="3"; } }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    main class=[self.waits.then_some("waits")] {
                        p.brand { span.egg aria-hidden="true" {} "Nestling" }
                        h1 { (self.title) }
                        p.text id="text" role="status" { (self.text) }
                        @if self.waits { div.bar aria-hidden="true" { i {} } }
                        @if !self.detail.is_empty() { p.detail { code { (self.detail) } } }
                        @if let Some((address, words)) = &self.link {
                            p.link { a href=(address) { (words) } }
                        }
                    }
                    @if self.waits { script { (PreEscaped(SCRIPT)) } }
                }
            }
        }
    }
}

/// What the waiting page asks for, as JSON: where things stand with an environment.
pub(super) fn status(route: &Route) -> HttpResponse {
    let (state, text, serving) = match &route.to {
        To::Serving(serving) => ("serving", String::new(), Some(serving)),
        To::Switching => (
            "switching",
            "A new version is taking over.".to_owned(),
            None,
        ),
        To::Coming { phase, .. } => ("coming", phase_text(phase), None),
        To::Again { reason, .. } => ("again", sentence(reason), None),
        To::Stopped {
            reason,
            wakes: true,
            ..
        } => ("waking", waking_text(reason), None),
        To::Stopped { reason, .. } => ("stopped", sentence(reason), None),
    };
    let body = serde_json::json!({
        "environment": route.name,
        "state": state,
        "text": text,
        "generation": serving.map(|serving| serving.generation),
        "commit": serving.map(|serving| &serving.commit),
    });
    answer(StatusCode::OK)
        .content_type("application/json")
        .body(body.to_string())
}

/// The notice for an environment where nothing serves.
pub(super) fn waiting(route: &Route, dashboard: &str) -> Notice {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let link = |page: &str, words| Some((format!("{dashboard}{page}"), words));
    let own = format!("/{}", route.name);
    let (title, text, link, waits) = match &route.to {
        To::Coming { phase, page } => (
            "On its way",
            phase_text(phase),
            link(page, "Watch it on the dashboard"),
            true,
        ),
        To::Again { reason, page } => (
            "Starting again",
            sentence(reason),
            link(page, "Watch it on the dashboard"),
            true,
        ),
        To::Switching | To::Serving(_) => (
            "Just a moment",
            "A new version is taking over.".to_owned(),
            link(&own, "Watch it on the dashboard"),
            true,
        ),
        To::Stopped {
            reason,
            page,
            wakes: true,
        } => (
            "Waking up",
            waking_text(reason),
            link(page, "Watch it on the dashboard"),
            true,
        ),
        To::Stopped {
            reason,
            page,
            wakes: false,
        } => (
            "Not running",
            sentence(reason),
            link(page, "See it on the dashboard"),
            false,
        ),
    };
    Notice {
        status,
        title: title.to_owned(),
        text,
        detail: route.name.clone(),
        link,
        waits,
        passes: waits,
    }
}

/// An answer of our own: never stored, never indexed.
pub(super) fn answer(status: StatusCode) -> HttpResponseBuilder {
    let mut answer = HttpResponseBuilder::new(status);
    answer
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::HeaderName::from_static("x-robots-tag"), "noindex"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"));
    answer
}

/// A short text of our own.
pub(super) fn text(status: StatusCode, text: &str) -> HttpResponse {
    answer(status)
        .insert_header((header::CONTENT_TYPE, "text/plain; charset=utf-8"))
        .body(text.to_owned())
}

/// Whether a person looks at the answer: a browser that asks for a page.
pub(super) fn wants_page(headers: &HeaderMap) -> bool {
    let mut accepted = headers
        .get_all(header::ACCEPT)
        .filter_map(|value| value.to_str().ok());
    accepted.any(|value| value.contains("text/html"))
}

fn phase_text(phase: &str) -> String {
    match phase {
        "queued" => "It is queued and starts as soon as there is room.".to_owned(),
        "deploying" => "It is being deployed.".to_owned(),
        "running-tests" => "Its tests are running.".to_owned(),
        "starting" => "It is starting.".to_owned(),
        other => format!("Where it stands: {other}."),
    }
}

fn waking_text(reason: &str) -> String {
    format!(
        "It was asleep and starts for this visit. {}",
        sentence(reason)
    )
}

/// A reason as a sentence: capital letter, full stop.
fn sentence(reason: &str) -> String {
    let reason = reason.trim();
    let mut letters = reason.chars();
    let Some(first) = letters.next() else {
        return String::new();
    };
    let stop = if reason.ends_with(['.', '!', '?']) {
        ""
    } else {
        "."
    };
    format!("{}{}{stop}", first.to_uppercase(), letters.as_str())
}

/// Only our own style and script run on our pages, whatever a text on them says.
fn policy() -> String {
    let hash = |text: &str| {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
        format!("'sha256-{}'", STANDARD.encode(digest.as_ref()))
    };
    format!(
        "default-src 'none'; style-src {}; script-src {}; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

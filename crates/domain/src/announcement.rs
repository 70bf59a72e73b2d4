//! The announcement: what a pull request shows about its environments, as Markdown.
//!
//! One comment per pull request, for all its apps, composed from records alone. Nothing in it depends on
//! the moment of composing, so that equal records give an equal text and nothing is written in vain; see
//! [`digest`]. Everything that comes from a repository or a runner is escaped, see [`escape`].

pub mod escape;
mod fold;
#[cfg(test)]
mod hostile;
#[cfg(test)]
pub(crate) mod sample;
mod status;
mod stuck;
#[cfg(test)]
mod tests;
mod utc;

use std::fmt::{self, Write as _};

use nestling_protocol::{
    report::{Endpoint, EndpointKind},
    test::Results,
};
use sha2::{Digest as _, Sha256};

pub(crate) use fold::{failure, words};
pub use status::{Mark, Status, again, cancelled, ended, moved, offered, status, tested, while_};
pub use stuck::{closing, stuck, unheard};
pub use utc::{Utc, utc};

use crate::{
    environment::Environment,
    ids::{EnvironmentId, Kind, RepositoryId},
    lifecycle::{State, Why},
    orders::Answer,
};
use escape::{code, text};

/// The longest comment that GitHub takes. We count bytes, which are never fewer than its characters.
pub const LONGEST: usize = 65_536;
/// What the folds under the table may use at least, however many apps there are.
const FOR_FOLDS: usize = 24_000;
/// How many endpoints a row names; the page has them all.
const ENDPOINTS_SHOWN: usize = 8;
/// How much of a commit's message a row quotes, in characters.
const MESSAGE_SHOWN: usize = 72;
/// How much of a reason a row quotes, in characters.
const REASON_SHOWN: usize = 400;

/// How much of an order an answer quotes, in characters.
const ORDER_SHOWN: usize = 80;

/// Everything that one pull request's comment is made of.
#[derive(Debug, Clone)]
pub struct Announcement<'a> {
    /// The repository.
    pub repository: RepositoryId,
    /// The pull request.
    pub number: u32,
    /// Its environments, in the order to be shown.
    pub sections: Vec<Section<'a>>,
    /// Environments of it that are wanted no more, whatever it does.
    pub left_out: Vec<LeftOut<'a>>,
    /// What came of the last comments that ordered something.
    pub answers: Vec<&'a Answer>,
}

/// What one environment hands in.
#[derive(Debug, Clone)]
pub struct Section<'a> {
    /// Its record.
    pub environment: &'a Environment,
    /// The test results of the deployment that [`tested`] names, once they are there.
    pub results: Option<&'a Results>,
    /// How many builds go before it, while it is queued.
    pub ahead: Option<usize>,
}

/// An environment that is wanted no more while its pull request, or its default branch, goes on.
#[derive(Debug, Clone, Copy)]
pub struct LeftOut<'a> {
    /// Its record.
    pub environment: &'a Environment,
    /// Why, for people.
    pub reason: &'a str,
}

/// Makes the seals of links by which anybody reads the log and the tests of one environment, and nothing else.
pub trait Seal: fmt::Debug + Send + Sync {
    /// The seal of this environment, as it stands in a path: always the same, or equal records would not give an equal
    /// text.
    fn seal(&self, environment: &EnvironmentId) -> String;
}

/// Below this path of the dashboard stands what a sealed link opens: `{environment}/{seal}/logs`.
pub const READ: &str = "/-/read/";

/// Where the pages and the previews are.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    /// The dashboard's address, without a slash at its end.
    pub dashboard: &'a str,
    /// `http` or `https`, of the previews.
    pub scheme: &'a str,
    /// What follows a label in a preview's address, with the port.
    pub preview_domain: &'a str,
    /// What seals links, where people read who cannot sign in.
    pub seal: Option<&'a dyn Seal>,
}

impl Site<'_> {
    /// The page about an environment.
    pub fn page(&self, environment: &Environment) -> String {
        format!("{}/{}", self.dashboard, environment.name())
    }

    /// What has `/logs` and `/tests` under it, for whoever reads what we write.
    pub fn reading(&self, environment: &Environment) -> String {
        let sealed = self.sealed(environment);
        sealed.unwrap_or_else(|| self.page(environment))
    }

    /// Where an environment is told of to whoever reads what we write: its log when that is sealed, else its page.
    pub fn about(&self, environment: &Environment) -> String {
        let sealed = self.sealed(environment);
        sealed.map_or_else(|| self.page(environment), |sealed| format!("{sealed}/logs"))
    }

    /// Nothing of production is sealed: its log tells of its visitors, and who may read the code need not read that.
    fn sealed(&self, environment: &Environment) -> Option<String> {
        let seal = match environment.kind {
            Kind::Production => return None,
            Kind::Preview(_) => self.seal?.seal(&environment.id),
        };
        Some(format!("{}{READ}{}/{seal}", self.dashboard, environment.id))
    }

    /// The environment's own address.
    pub fn preview(&self, environment: &Environment) -> String {
        self.at(environment.label().as_str())
    }

    /// The address of one endpoint of an environment.
    pub fn endpoint(&self, environment: &Environment, endpoint: &Endpoint) -> String {
        if endpoint.primary {
            return self.preview(environment);
        }
        self.at(environment.endpoint_label(&endpoint.name).as_str())
    }

    fn at(&self, label: &str) -> String {
        format!("{}://{label}.{}", self.scheme, self.preview_domain)
    }
}

/// The hidden first line of our comment, by which it is found again. A comment is ours only if it *begins*
/// with it and we wrote it; the same text further down may be anybody's.
pub fn marker(repository: RepositoryId, number: u32) -> String {
    format!("<!-- nestling:{repository}:{number} -->")
}

/// A short name of a text, the same on every machine and in every version.
pub fn digest(text: &str) -> u64 {
    let digest = Sha256::digest(text.as_bytes());
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(bytes)
}

impl Announcement<'_> {
    /// The comment, at most [`LONGEST`] bytes. What does not fit is counted and linked, never silently gone.
    pub fn markdown(&self, site: &Site<'_>) -> String {
        let mut out = marker(self.repository, self.number);
        out.push('\n');
        let _ = writeln!(out, "**Nestling** · {}\n", self.headline());
        let answered: String = self.answers.iter().map(|answer| answered(answer)).collect();
        if !self.sections.is_empty() || !self.left_out.is_empty() {
            self.table(&mut out, answered.len(), site);
        }
        out.push_str(&answered);
        fold::push_all(&mut out, &self.sections, site);
        out.truncate(out.trim_end().len());
        out.push('\n');
        out
    }

    fn headline(&self) -> String {
        let closed = |section: &Section<'_>| {
            let state = &section.environment.lifecycle.state;
            matches!(
                state,
                State::Stopped {
                    why: Why::Closed,
                    ..
                }
            )
        };
        if self.sections.is_empty() {
            return if self.left_out.is_empty() {
                "no app was found in this pull request".to_owned()
            } else {
                "this pull request deploys nothing".to_owned()
            };
        }
        let closing = |section: &Section<'_>| section.environment.lifecycle.is_closing();
        if self.sections.iter().all(closed) && self.sections.iter().any(closing) {
            return "closed: something of its previews could not be removed yet".to_owned();
        }
        if self.sections.iter().all(closed) {
            return "closed: its previews are removed, and come back if it is reopened".to_owned();
        }
        let running = self
            .sections
            .iter()
            .filter(|s| s.environment.lifecycle.answering().is_some())
            .count();
        let failed = self.sections.iter();
        let failed = failed
            .filter(|s| has_failed(&s.environment.lifecycle.state))
            .count();
        match (running, self.sections.len(), failed) {
            (running, all, 0) if running == all => {
                "every preview of this pull request is up".to_owned()
            }
            (running, all, 0) => format!("{running} of {all} previews of this pull request are up"),
            // What answers is not what was pushed.
            (running, all, failed) if running == all => format!(
                "{} of {all} previews of this pull request are up to date, {failed} failed",
                all - failed
            ),
            (running, all, failed) => {
                format!("{running} of {all} previews of this pull request are up, {failed} failed")
            }
        }
    }

    /// `after` bytes follow the table, besides the folds.
    fn table(&self, out: &mut String, after: usize, site: &Site<'_>) {
        out.push_str(
            "| App | Status | Preview | Console and endpoints | Commit | Updated (UTC) |\n",
        );
        out.push_str("|---|---|---|---|---|---|\n");
        let rows = self.sections.iter().map(|section| row(section, site));
        let left_out = self.left_out.iter().map(|left| {
            let reason = text(left.reason, REASON_SHOWN);
            let app = text(left.environment.slug.as_str(), 64);
            format!("| {app} | ⏭ Skipped: {reason} | | | | |\n")
        });
        let mut missing = 0;
        for row in rows.chain(left_out) {
            if out.len() + row.len() + after > LONGEST - FOR_FOLDS {
                missing += 1;
            } else {
                out.push_str(&row);
            }
        }
        out.push('\n');
        if missing > 0 {
            let _ = writeln!(
                out,
                "{missing} more apps did not fit here: see [the dashboard]({}/).\n",
                site.dashboard
            );
        }
    }
}

/// What came of a comment's orders; short enough to leave the table its room.
fn answered(answer: &Answer) -> String {
    let mut out = format!(
        "The last comment with orders, by {}:\n\n",
        text(&answer.by, 64)
    );
    for line in &answer.lines {
        let sign = if line.done { "🚀" } else { "😕" };
        let (order, outcome) = (
            text(&line.order, ORDER_SHOWN),
            text(&line.outcome, REASON_SHOWN),
        );
        let _ = writeln!(out, "- {sign} {order}: {outcome}");
    }
    out.push('\n');
    out
}

/// Whether the newest deployment did, whatever answers.
fn has_failed(state: &State) -> bool {
    matches!(
        state,
        State::Running {
            failed: Some(_),
            ..
        } | State::Stopped {
            why: Why::Failed(_),
            ..
        }
    )
}

fn row(section: &Section<'_>, site: &Site<'_>) -> String {
    let environment = section.environment;
    let serving = environment.lifecycle.serving();
    let preview = match serving {
        Some(_) => format!("[Open]({})", site.preview(environment)),
        None => "–".to_owned(),
    };
    let endpoints = serving.map_or("–".to_owned(), |serving| {
        endpoints(environment, &serving.endpoints, site)
    });
    let commit = environment
        .lifecycle
        .newest_commit()
        .map_or("–".to_owned(), |commit| {
            format!(
                "{} {}",
                code(commit.id.short()),
                text(&commit.message, MESSAGE_SHOWN)
            )
        });
    format!(
        "| [{}]({}) | {} | {preview} | {endpoints} | {commit} | {} |\n",
        text(environment.slug.as_str(), 64),
        site.about(environment),
        status_cell(section),
        utc(environment.updated_at).minute(),
    )
}

fn status_cell(section: &Section<'_>) -> String {
    let status = status(&section.environment.lifecycle, section.ahead);
    let mut cell = format!("{} {}", status.mark.sign(), status.word);
    if let Some(detail) = &status.detail {
        let _ = write!(cell, ": {}", text(detail, REASON_SHOWN));
    }
    if let Some(head) = &section.environment.lifecycle.skipped {
        let _ = write!(
            cell,
            "<br>⏭ Last push skipped: {} came while it was stopped, and is deployed once somebody starts it",
            code(head.id.short())
        );
    }
    cell
}

fn endpoints(environment: &Environment, endpoints: &[Endpoint], site: &Site<'_>) -> String {
    let further: Vec<&Endpoint> = endpoints
        .iter()
        .filter(|endpoint| !endpoint.primary)
        .collect();
    if further.is_empty() {
        return "–".to_owned();
    }
    let mut links: Vec<String> = further
        .iter()
        .take(ENDPOINTS_SHOWN)
        .map(|endpoint| {
            let sign = match endpoint.kind {
                EndpointKind::Console => "🛠",
                EndpointKind::App if endpoint.browser => "🌐",
                EndpointKind::App => "🔗",
            };
            format!(
                "{sign} [{}]({})",
                text(&endpoint.label, 64),
                site.endpoint(environment, endpoint)
            )
        })
        .collect();
    if further.len() > ENDPOINTS_SHOWN {
        links.push(format!(
            "[{} more]({})",
            further.len() - ENDPOINTS_SHOWN,
            site.page(environment)
        ));
    }
    links.join("<br>")
}

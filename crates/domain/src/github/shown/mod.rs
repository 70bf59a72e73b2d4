//! What GitHub shows of a pull request, or of production: its one comment, a check run per app and commit, a deployment
//! per generation.
//!
//! What it *shall* show is a function of the records ([`Wanted`]); what it *does* show, as far as we know, is a record of
//! its own ([`Ledger`]). The difference is what is written ([`Ledger::plan`]), and nothing else is.

mod budget;
mod check;
mod deployed;
mod ledger;
mod past;
mod plan;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use budget::{Budget, Weight};
pub use check::{APPROVE, Check, REDEPLOY, START, STOP, subject};
pub use deployed::Deployed;
pub use ledger::{CheckShown, CommentShown, DeploymentShown, Ledger};
pub use past::past;
pub use plan::{Known, Write, is_patient};

use crate::{
    announcement::{Announcement, LeftOut, Section, Site, tested},
    deployment::Tests,
    ids::Commit,
    lifecycle::State,
    orders::Reaction,
    policy::Comments,
};

/// A check run as it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckRun {
    /// What people read in the list of checks.
    pub name: String,
    /// The commit that it stands on.
    pub head: Commit,
    /// Our name for it: of one environment and commit, see [`subject`].
    pub external_id: String,
    /// How far it is.
    pub state: CheckState,
    /// One line.
    pub title: String,
    /// Markdown, at most 65,535 characters.
    pub summary: String,
    /// Where "Details" leads.
    pub details_url: Option<String>,
    /// At most three.
    pub buttons: Vec<Button>,
    /// Whether the summary tells of an order that was refused, which is no part of how it went.
    pub refuses: bool,
}

/// A button on a check run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Button {
    /// Our name for it, at most 20 characters: the webhook of a press says it.
    pub identifier: String,
    /// What it reads, at most 20 characters.
    pub label: String,
    /// What it does, at most 40 characters.
    pub description: String,
}

/// How far a check run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckState {
    /// Not begun.
    Queued,
    /// Begun.
    InProgress,
    /// Ended.
    Completed(Outcome),
}

/// How a check run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Well.
    Success,
    /// Not well.
    Failure,
    /// Something newer came, or a person ended it.
    Cancelled,
    /// A person must do something first.
    ActionRequired,
    /// Nothing was to be done.
    Skipped,
}

/// How a deployment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentState {
    /// It waits for a place.
    Queued,
    /// It is built, tested or started.
    InProgress,
    /// It serves.
    Success,
    /// It does not.
    Failure,
    /// It is gone.
    Inactive,
}

/// Where something is deployed: GitHub shows one list per environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// The environment's name, fixed per app and kind.
    pub environment: String,
    /// Whether it is production; anything else is transient.
    pub production: bool,
}

/// Everything that GitHub shall show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The comment; production has none.
    pub comment: Option<Comment>,
    /// The check runs. One that GitHub shows and that is not among them has to end.
    pub checks: Vec<Check>,
    /// Check runs of what the records do not name any more, and whose end stands in the history. One that GitHub shows without an end
    /// is given that one.
    pub past: Vec<CheckRun>,
    /// The deployments. One that GitHub shows and that is not among them is gone.
    pub deployments: Vec<Deployed>,
    /// What comments of people show of their orders, the first one first.
    pub reactions: Vec<(u64, Reaction)>,
}

/// The comment as it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Its text.
    pub body: String,
    /// Whether one is made where there is none. One that is there is kept up to date, or it would say what is not so.
    pub makes: bool,
}

impl Wanted {
    /// What a pull request shall show. `head` is its head, on which an app stands that never ran; `comments` is the
    /// setting of the app that shows most.
    pub fn of_pull_request(
        announcement: &Announcement<'_>,
        head: Option<&Commit>,
        comments: Comments,
        site: &Site<'_>,
    ) -> Self {
        let sections = &announcement.sections;
        let wished = match comments {
            Comments::Always => true,
            Comments::Failures => sections.iter().any(has_failed),
            Comments::Off => false,
        };
        // Below a pull request that never showed anything, nobody has to read that it is closed, or about to be looked at.
        let lives = |section: &Section<'_>| {
            let life = &section.environment.lifecycle;
            !life.is_closed() && !matches!(life.state, State::Creating { next: None, .. })
        };
        // Whoever ordered something and did not get it, or asked for words, is told here, and nowhere else could be told.
        let answers = announcement.answers.iter().any(|one| one.is_to_be_read());
        let comment = Comment {
            body: announcement.markdown(site),
            makes: answers || (wished && sections.iter().any(lives)),
        };
        Wanted {
            comment: Some(comment),
            ..Wanted::of_environments(sections, (&announcement.left_out, head), site)
        }
    }

    /// What the default branch shall show: everything but a comment. Those `left_out` are wanted no more.
    pub fn of_production(
        sections: &[Section<'_>],
        left_out: &[LeftOut<'_>],
        site: &Site<'_>,
    ) -> Self {
        Wanted::of_environments(sections, (left_out, None), site)
    }

    fn of_environments(
        sections: &[Section<'_>],
        (left_out, head): (&[LeftOut<'_>], Option<&Commit>),
        site: &Site<'_>,
    ) -> Self {
        let checks = sections.iter();
        let left_out = left_out.iter();
        let deployments = sections.iter();
        Wanted {
            comment: None,
            checks: checks
                .flat_map(|section| check::checks(section, head, site))
                .chain(left_out.filter_map(|left| check::left_out(left, site)))
                .collect(),
            deployments: deployments
                .flat_map(|section| deployed::deployments(section.environment, site))
                .collect(),
            past: Vec::new(),
            reactions: Vec::new(),
        }
    }
}

/// Whether the newest deployment failed, or its tests did.
fn has_failed(section: &Section<'_>) -> bool {
    let life = &section.environment.lifecycle;
    life.failure().is_some() || tested(life).is_some_and(|deployment| red(&deployment.tests))
}

/// Whether tests failed, or broke before they could.
fn red(tests: &Tests) -> bool {
    match tests {
        Tests::Pending => false,
        Tests::Ran(counts) => counts.failed > 0,
        Tests::Broken(_) => true,
    }
}

impl Outcome {
    /// The outcome that GitHub calls so; `None` for one that is never ours.
    pub fn parse(name: &str) -> Option<Self> {
        let all = [
            Outcome::Success,
            Outcome::Failure,
            Outcome::Cancelled,
            Outcome::ActionRequired,
            Outcome::Skipped,
        ];
        all.into_iter().find(|outcome| outcome.name() == name)
    }

    /// GitHub's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Success => "success",
            Outcome::Failure => "failure",
            Outcome::Cancelled => "cancelled",
            Outcome::ActionRequired => "action_required",
            Outcome::Skipped => "skipped",
        }
    }
}

impl CheckState {
    /// GitHub's word for it.
    pub fn name(self) -> &'static str {
        match self {
            CheckState::Queued => "queued",
            CheckState::InProgress => "in_progress",
            CheckState::Completed(outcome) => outcome.name(),
        }
    }

    /// How it ended, once it has.
    pub fn outcome(self) -> Option<Outcome> {
        match self {
            CheckState::Queued | CheckState::InProgress => None,
            CheckState::Completed(outcome) => Some(outcome),
        }
    }
}

impl DeploymentState {
    /// GitHub's word for it.
    pub fn name(self) -> &'static str {
        match self {
            DeploymentState::Queued => "queued",
            DeploymentState::InProgress => "in_progress",
            DeploymentState::Success => "success",
            DeploymentState::Failure => "failure",
            DeploymentState::Inactive => "inactive",
        }
    }
}

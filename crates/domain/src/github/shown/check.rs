//! Check runs: what the list below a commit says of an app.

use std::fmt::Write as _;

use super::{Button, CheckRun, CheckState, Outcome, red};
use crate::{
    announcement::{
        LeftOut, Mark, Section, Site, again, ended,
        escape::{code, text},
        failure, status, while_, words,
    },
    deployment::{CommitInfo, Deployment, Failed, Phase, Tests},
    environment::Environment,
    ids::{Commit, EnvironmentId, Kind},
    lifecycle::{State, Why},
};

/// The button that deploys the newest commit again.
pub const REDEPLOY: &str = "redeploy";
/// The button that starts the environment again.
pub const START: &str = "start";
/// The button that stops the environment.
pub const STOP: &str = "stop";
/// The button that approves the commit of the check run.
pub const APPROVE: &str = "approve";

/// How much of a commit's message is quoted, in characters.
const MESSAGE_SHOWN: usize = 72;
/// How much of a reason is quoted, in characters.
const REASON_SHOWN: usize = 400;

/// A check run that GitHub shall show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// As it shall be.
    pub run: CheckRun,
    /// Whether a push or a person asked for this very run: then it begins anew although it had ended.
    pub asked: bool,
    /// Whether it is made where there is none.
    pub makes: bool,
    /// Whether it is news: where it is none, one that has ended stays as it is.
    pub news: bool,
}

/// The environment and the commit that a check run of this name is about; `None` when the name is not of our making.
pub fn subject(external_id: &str) -> Option<(EnvironmentId, Commit)> {
    let (environment, commit) = external_id.split_once('/')?;
    let commit = Commit::parse(commit).ok()?;
    (!environment.is_empty()).then(|| (EnvironmentId(environment.to_owned()), commit))
}

/// The check runs of an environment: of its newest commit, and of the one that serves meanwhile.
pub(super) fn checks(section: &Section<'_>, head: Option<&Commit>, site: &Site<'_>) -> Vec<Check> {
    let newest = newest(section, head, site);
    let serving = section.environment.lifecycle.serving();
    let other = serving.filter(|serving| {
        let newest = newest.as_ref();
        newest.is_none_or(|newest| newest.run.head != serving.commit.id)
    });
    // That it came to serve may not have been told before something newer came. It is no news by now.
    let other = other.map(|serving| Check {
        makes: false,
        news: false,
        ..served(section, serving, site)
    });
    let passed_over = skipped(section, site);
    newest.into_iter().chain(other).chain(passed_over).collect()
}

/// Of a head that came while it was stopped: whoever pushed looks there for what became of it.
fn skipped(section: &Section<'_>, site: &Site<'_>) -> Option<Check> {
    let life = &section.environment.lifecycle;
    let head = life.skipped.as_ref()?;
    let status = status(life, None);
    let mut says = format!("⏭ Skipped, because it is stopped: {}", status.word);
    if let Some(detail) = &status.detail {
        let _ = write!(says, ": {}", text(detail, REASON_SHOWN));
    }
    let state = CheckState::Completed(Outcome::Skipped);
    Some(Check {
        run: CheckRun {
            title: "Skipped: it is stopped".to_owned(),
            summary: summary(section, (&says, Some(head), None), site),
            buttons: vec![start()],
            ..run(section.environment, &head.id, state, site)
        },
        asked: false,
        makes: true,
        news: true,
    })
}

/// Of an environment that is wanted no more: how its newest commit went stays, and its buttons go, for they would do nothing.
pub(super) fn left_out(left: &LeftOut<'_>, site: &Site<'_>) -> Option<Check> {
    let environment = left.environment;
    let commit = environment.lifecycle.newest_commit()?;
    let section = Section {
        environment,
        results: None,
        ahead: None,
    };
    let says = format!("⏭ Skipped: {}", text(left.reason, REASON_SHOWN));
    let state = CheckState::Completed(Outcome::Cancelled);
    Some(Check {
        run: CheckRun {
            title: "Its app was removed".to_owned(),
            summary: summary(&section, (&says, Some(commit), None), site),
            ..run(environment, &commit.id, state, site)
        },
        asked: false,
        makes: false,
        news: true,
    })
}

fn newest(section: &Section<'_>, head: Option<&Commit>, site: &Site<'_>) -> Option<Check> {
    match &section.environment.lifecycle.state {
        State::Creating { next: None, .. } => None,
        State::Creating {
            next: Some(next), ..
        } => Some(coming(section, next, site)),
        // A roll-back starts an old commit again, because the newest one failed.
        State::Restarting {
            next,
            failed: Some(failed),
            ..
        } if failed.commit.id != next.commit.id => Some(broken(section, failed, site)),
        State::Restarting { next, .. } => Some(coming(section, next, site)),
        State::Running {
            serving,
            failed: None,
        } => Some(served(section, serving, site)),
        State::Running {
            failed: Some(failed),
            ..
        } => Some(broken(section, failed, site)),
        State::Stopped { why, last, .. } => stopped(section, (why, last.as_ref(), head), site),
    }
}

/// Which phase it is in is told by the page and the comment: a write for each would say little and cost as much.
fn coming(section: &Section<'_>, next: &Deployment, site: &Site<'_>) -> Check {
    let (state, title, says) = match next.phase {
        Phase::Queued => (CheckState::Queued, "Queued", "⏳ Waits for a build slot"),
        Phase::Launching
        | Phase::Booting
        | Phase::Cloning
        | Phase::SettingUp
        | Phase::Testing
        | Phase::Prepared
        | Phase::Starting
        | Phase::Probing
        | Phase::Serving => (CheckState::InProgress, "In progress", "🔨 In progress"),
    };
    let about = site.about(section.environment);
    let says = format!("{says}: [its page]({about}) shows each step");
    let summary = summary(section, (&says, Some(&next.commit), None), site);
    Check {
        run: CheckRun {
            title: title.to_owned(),
            summary,
            buttons: vec![stop()],
            ..run(section.environment, &next.commit.id, state, site)
        },
        asked: next.cause.is_asked(),
        makes: true,
        news: true,
    }
}

/// What is true of a commit that serves.
fn served(section: &Section<'_>, serving: &Deployment, site: &Site<'_>) -> Check {
    let run = served_run(section, (&serving.commit, &serving.tests), site);
    let now = serving
        .again
        .filter(|_| serving.phase != Phase::Serving)
        .map(|ended| format!("; now: {}", again(ended)));
    Check {
        run: CheckRun {
            title: format!("{}{}", run.title, now.unwrap_or_default()),
            buttons: vec![redeploy(), stop()],
            ..run
        },
        asked: false,
        makes: true,
        news: true,
    }
}

/// That a commit was deployed, and how its tests went; without buttons.
pub(super) fn served_run(
    section: &Section<'_>,
    (commit, tests): (&CommitInfo, &Tests),
    site: &Site<'_>,
) -> CheckRun {
    let (outcome, title) = match tests {
        Tests::Ran(counts) if counts.failed > 0 => {
            let (failed, total) = (counts.failed, counts.total());
            let title = format!("Deployed, but {failed} of {total} tests failed");
            (Outcome::Failure, title)
        }
        Tests::Broken(_) => {
            let title = "Deployed, but its tests could not run".to_owned();
            (Outcome::Failure, title)
        }
        Tests::Ran(counts) if counts.total() > 0 => {
            let title = format!("Deployed; {} tests passed", counts.passed);
            (Outcome::Success, title)
        }
        Tests::Ran(_) | Tests::Pending => (Outcome::Success, "Deployed".to_owned()),
    };
    let mark = if red(tests) {
        Mark::Troubled
    } else {
        Mark::Good
    };
    let says = format!("{} Deployed", mark.sign());
    let told = (says.as_str(), Some(commit), Some(tests));
    let state = CheckState::Completed(outcome);
    CheckRun {
        title,
        summary: summary(section, told, site),
        ..run(section.environment, &commit.id, state, site)
    }
}

/// In what phase it failed, and how its program ended.
pub(super) fn failed_title(failed: &Failed) -> String {
    let exit = failed.exit.map(|exit| format!(" ({})", ended(exit)));
    let phase = while_(failed.phase);
    format!("Failed while {phase}{}", exit.unwrap_or_default())
}

fn broken(section: &Section<'_>, failed: &Failed, site: &Site<'_>) -> Check {
    let says = format!("{} Failed", Mark::Bad.sign());
    let mut summary = summary(section, (&says, Some(&failed.commit), None), site);
    if let Some(failure) = failure(section, site) {
        summary.push('\n');
        summary.push_str(&failure);
    }
    let serves = section.environment.lifecycle.serving().is_some();
    let state = CheckState::Completed(Outcome::Failure);
    Check {
        run: CheckRun {
            title: failed_title(failed),
            summary,
            buttons: [Some(redeploy()), serves.then(stop)]
                .into_iter()
                .flatten()
                .collect(),
            ..run(section.environment, &failed.commit.id, state, site)
        },
        asked: failed.asked,
        makes: true,
        news: true,
    }
}

fn stopped(
    section: &Section<'_>,
    (why, last, head): (&Why, Option<&CommitInfo>, Option<&Commit>),
    site: &Site<'_>,
) -> Option<Check> {
    let last_id = last.map(|last| &last.id);
    let (outcome, on) = match why {
        Why::Closed => return None,
        Why::Failed(failed) => return Some(broken(section, failed, site)),
        Why::Person => (Outcome::Cancelled, last_id),
        Why::Policy(_) | Why::Idle => (Outcome::Skipped, last_id),
        Why::Waits(waits) => match &waits.approval {
            Some(commit) => (Outcome::ActionRequired, Some(commit)),
            None => (Outcome::Skipped, waits.head.as_ref().or(head).or(last_id)),
        },
    };
    let status = status(&section.environment.lifecycle, None);
    let mut says = format!("{} {}", status.mark.sign(), status.word);
    if let Some(detail) = &status.detail {
        let _ = write!(says, ": {}", text(detail, REASON_SHOWN));
    }
    let needs_approval = outcome == Outcome::ActionRequired;
    let title = if needs_approval {
        "Waits for an approval of this commit"
    } else {
        status.word
    };
    let buttons = match why {
        Why::Person | Why::Policy(_) => vec![start()],
        // A visit would wake it, and nobody may want that.
        Why::Idle => vec![start(), stop()],
        Why::Waits(_) if needs_approval => vec![approve()],
        // It waits for something else than for a start.
        Why::Waits(_) | Why::Closed | Why::Failed(_) => Vec::new(),
    };
    let on = on?;
    let known = last.filter(|last| last.id == *on);
    let state = CheckState::Completed(outcome);
    Some(Check {
        run: CheckRun {
            title: title.to_owned(),
            summary: summary(section, (&says, known, None), site),
            buttons,
            ..run(section.environment, on, state, site)
        },
        asked: false,
        // What waits never ran: this is the first that people hear of it.
        makes: matches!(why, Why::Waits(_)),
        news: true,
    })
}

/// A check run of an environment and a commit, without words.
pub(super) fn run(
    environment: &Environment,
    head: &Commit,
    state: CheckState,
    site: &Site<'_>,
) -> CheckRun {
    let name = match environment.kind {
        Kind::Production => format!("Nestling / {} production", environment.slug),
        Kind::Preview(_) => format!("Nestling / {}", environment.slug),
    };
    CheckRun {
        name,
        head: head.clone(),
        external_id: format!("{}/{head}", environment.id),
        state,
        title: String::new(),
        summary: String::new(),
        details_url: Some(site.about(environment)),
        buttons: Vec::new(),
        refuses: environment.lifecycle.refused.is_some(),
    }
}

/// What it says in a line each.
pub(super) fn summary(
    section: &Section<'_>,
    (says, commit, tests): (&str, Option<&CommitInfo>, Option<&Tests>),
    site: &Site<'_>,
) -> String {
    let environment = section.environment;
    let mut out = format!("- **Status:** {says}\n");
    if let Some(refused) = &environment.lifecycle.refused {
        let refused = text(refused, REASON_SHOWN);
        let _ = writeln!(out, "- **Last order:** 😕 {refused}");
    }
    if environment.lifecycle.serving().is_some() {
        let preview = site.preview(environment);
        let _ = writeln!(out, "- **Address:** [{preview}]({preview})");
    }
    if let Some(commit) = commit {
        let message = text(&commit.message, MESSAGE_SHOWN);
        let _ = writeln!(out, "- **Commit:** {} {message}", code(commit.id.short()));
    }
    let reading = site.reading(environment);
    match tests {
        Some(Tests::Ran(counts)) if counts.total() > 0 => {
            let _ = writeln!(out, "- **Tests:** [{}]({reading}/tests)", words(*counts));
        }
        Some(Tests::Broken(reason)) => {
            let reason = text(reason, REASON_SHOWN);
            let _ = writeln!(out, "- **Tests:** could not run: {reason}");
        }
        Some(Tests::Ran(_) | Tests::Pending) | None => {}
    }
    out
}

fn redeploy() -> Button {
    button(REDEPLOY, "Redeploy", "Deploy the newest commit again")
}

fn start() -> Button {
    button(START, "Start", "Start it again, at its newest commit")
}

fn stop() -> Button {
    button(STOP, "Stop", "Stop it until a person starts it")
}

fn approve() -> Button {
    button(APPROVE, "Approve", "Let this commit run, and no other")
}

fn button(identifier: &str, label: &str, description: &str) -> Button {
    Button {
        identifier: identifier.to_owned(),
        label: label.to_owned(),
        description: description.to_owned(),
    }
}

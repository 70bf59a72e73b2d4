//! What records mean, in words for people.

use nestling_domain::{
    announcement::{self, Mark, ended, while_},
    app::{App, Repository},
    deployment::{Cause, Failed},
    ids::Class,
    lifecycle::Happened,
};
use nestling_protocol::bundle;

/// Why a deployment exists.
pub fn cause(cause: &Cause) -> String {
    match cause {
        Cause::Push => "push".to_owned(),
        Cause::Redeploy => "redeployed by a person".to_owned(),
        Cause::Start => "started again".to_owned(),
        Cause::Visit => "woken by a visit".to_owned(),
        Cause::Reopened => "pull request reopened".to_owned(),
        Cause::Retry(of) => format!("retry of deployment {of}"),
        Cause::Lost(of) => format!("machine of deployment {of} was lost"),
        Cause::RolledBack(of) => format!("rolled back, as deployment {of} failed"),
        Cause::Moved { from, to } => announcement::moved(from, to),
    }
}

/// What a kind of app is called.
pub fn kind(kind: bundle::Kind) -> &'static str {
    match kind {
        bundle::Kind::Wing => "Wing",
        bundle::Kind::Node => "Node",
        bundle::Kind::Static => "Static site",
        bundle::Kind::Any => "Custom",
    }
}

/// Where an app lives: `~/code/shop · web/`.
pub fn place(repository: &Repository, app: &App) -> String {
    let repository = format!("{}/{}", repository.owner, repository.name);
    if app.root.is_empty() {
        repository
    } else {
        format!("{repository} · {}/", app.root)
    }
}

/// The kind of environment, as a heading.
pub fn class(class: Class) -> &'static str {
    match class {
        Class::Production => "Production",
        Class::Preview => "Previews",
    }
}

/// What failed, in one line without the reason: `Failed while starting (exit code 1)`.
pub fn failure(failed: &Failed) -> String {
    let exit = failed
        .exit
        .map(|exit| format!(" ({})", ended(exit)))
        .unwrap_or_default();
    format!("Failed while {}{exit}", while_(failed.phase))
}

/// One event of the feed: how good it is and what it says.
pub fn happened(what: &Happened) -> (Mark, String) {
    match what {
        Happened::Queued {
            generation,
            commit,
            cause: why,
        } => {
            let text = format!(
                "Deployment {generation} of {} asked for: {}",
                commit.id.short(),
                cause(why)
            );
            (Mark::Waiting, text)
        }
        Happened::Phase { generation, phase } => (
            Mark::Working,
            format!("Deployment {generation}: {}", while_(*phase)),
        ),
        Happened::Tested { generation } => (
            Mark::Working,
            format!("Deployment {generation}: tests ended"),
        ),
        Happened::Again { generation, again } => (
            Mark::Troubled,
            format!("Deployment {generation}: {}", announcement::again(*again)),
        ),
        Happened::Noted { generation, text } => {
            (Mark::Troubled, format!("Deployment {generation}: {text}"))
        }
        Happened::Serving { generation } => (Mark::Good, format!("Deployment {generation} serves")),
        Happened::Failed(failed) => {
            let text = format!(
                "Deployment {}: {}: {}",
                failed.generation,
                failure(failed).to_lowercase(),
                failed.reason
            );
            (Mark::Bad, text)
        }
        Happened::Superseded { generation, by } => (
            Mark::Gone,
            format!("Deployment {generation} gave way to deployment {by}"),
        ),
        Happened::Cancelled { generation } => (
            Mark::Resting,
            format!("Deployment {generation} was cancelled"),
        ),
        Happened::Retired { generation } => (
            Mark::Gone,
            format!("Deployment {generation} no longer serves"),
        ),
        Happened::Stopped { why } => (Mark::Resting, format!("Stopped: {why}")),
        Happened::Removed => (Mark::Gone, "Everything of it was removed".to_owned()),
        Happened::Skipped { reason } => (Mark::Resting, format!("Nothing was done: {reason}")),
    }
}

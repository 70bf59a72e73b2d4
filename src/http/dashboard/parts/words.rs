//! What records mean, in words for people.

use nestling_domain::{
    announcement::{Mark, ended, while_},
    app::{App, Repository},
    deployment::{Cause, Failed, Shown},
    ids::Class,
    lifecycle::Happened,
};
use nestling_protocol::{bundle, report::Exit};

/// Why a deployment exists.
pub fn cause(cause: &Cause) -> String {
    match cause {
        Cause::Push => "push".to_owned(),
        Cause::Redeploy => "redeployed by a person".to_owned(),
        Cause::Start => "started again".to_owned(),
        Cause::Reopened => "pull request reopened".to_owned(),
        Cause::Retry(of) => format!("retry of deployment {of}"),
        Cause::Lost(of) => format!("machine of deployment {of} was lost"),
        Cause::RolledBack(of) => format!("rolled back, as deployment {of} failed"),
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

/// What a person can do about a failure.
pub fn remedy(failed: &Failed) -> &'static str {
    match (failed.exit, failed.phase) {
        (Some(Exit::Memory), _) => {
            "It used more memory than its machine has. Look for what grows, or give the app a larger machine; then push or redeploy."
        }
        (Some(Exit::Signal(25)), _) => {
            "It wrote a larger file than its machine has room for. Raise machines.local.disk_mib and redeploy, or let it write less and push."
        }
        (Some(Exit::Timeout), Shown::Deploying) => {
            "Install and build took too long. See in the deployment log which step hangs; a step that waits for input never ends here."
        }
        (Some(Exit::Timeout), Shown::Starting) => {
            "Let the app listen on the port in PORT, at 127.0.0.1 or at every address. The log shows what it was doing last."
        }
        (Some(Exit::Timeout), _) => "It took too long. The log shows what it was doing last.",
        // What was found out before any command ran says itself what is to be done.
        (None, Shown::Deploying | Shown::Starting | Shown::Running) => {
            "The reason above says what would be right. A push that mends it deploys by itself; what is mended outside of the repository needs a redeploy."
        }
        (_, Shown::Deploying) => {
            "The lines below are the end of the install or build. Run the same command in a fresh clone to see it fail; the push that fixes it deploys by itself."
        }
        (_, Shown::RunningTests) => {
            "The test run itself broke. Its output is in the deployment log; run the tests in a fresh clone."
        }
        (Some(_), Shown::Starting) => {
            "It ended by itself before it listened. Its last lines are below; start it the same way in a fresh clone to see it fail. The push that fixes it deploys by itself."
        }
        (_, Shown::Running) => {
            "The app ran and then ended too often. The end of its runtime log says why."
        }
        (_, Shown::Queued | Shown::Failed | Shown::Superseded | Shown::Stopped) => {
            "Nothing of the app ran. Redeploy to try again; if it fails alike, the server's log says more."
        }
    }
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

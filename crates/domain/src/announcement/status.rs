//! Where an environment stands, in words: the same on pages and in comments.

use nestling_protocol::report::{Exit, RESTARTS, RESTARTS_WITHIN};

use crate::{
    deployment::{Again, Cause, Deployment, Failed, Phase, Shown, Tests},
    lifecycle::{Lifecycle, State, Why, asks_first},
    places, queue,
};

use super::stuck::{closing, unheard};

/// Where an environment stands, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// How good that is.
    pub mark: Mark,
    /// In one or two words.
    pub word: &'static str,
    /// In a sentence; holds words from outside.
    pub detail: Option<String>,
}

/// How good a status is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mark {
    /// It waits for something.
    Waiting,
    /// Something is being done.
    Working,
    /// All is well.
    Good,
    /// It serves, and its newest deployment failed, or its pull request may be closed.
    Troubled,
    /// It failed.
    Bad,
    /// It rests, and may come back.
    Resting,
    /// It is gone.
    Gone,
}

impl Mark {
    /// The sign in a comment.
    pub fn sign(self) -> &'static str {
        match self {
            Mark::Waiting => "⏳",
            Mark::Working => "🔨",
            Mark::Good => "✅",
            Mark::Troubled => "⚠️",
            Mark::Bad => "❌",
            Mark::Resting => "⏸",
            Mark::Gone => "🗑",
        }
    }
}

/// Where this life stands. `ahead` is how many builds go before it, while it is queued, or how many previews, while it waits
/// for a place.
pub fn status(life: &Lifecycle, ahead: Option<usize>) -> Status {
    let Status { mark, word, detail } = by_itself(life, ahead);
    let ends = life
        .look
        .as_ref()
        .is_some_and(|look| look.closing.is_some());
    let Some(unheard) = unheard(life) else {
        return says(mark, word, detail);
    };
    // What runs past its pull request is not well, however well it runs.
    let mark = if mark == Mark::Good && ends {
        Mark::Troubled
    } else {
        mark
    };
    let parts: Vec<String> = detail.into_iter().chain([unheard]).collect();
    says(mark, word, Some(parts.join("; ")))
}

/// The same, whatever the forge was asked and has not answered.
fn by_itself(life: &Lifecycle, ahead: Option<usize>) -> Status {
    match &life.state {
        State::Creating { next: None, .. } => says(
            Mark::Waiting,
            "Queued",
            Some("asks the repository what to deploy".to_owned()),
        ),
        State::Creating {
            next: Some(next),
            failed,
        } => coming(next, ahead, None, failed.as_deref(), None),
        State::Restarting {
            serving,
            next,
            failed,
            ..
        } => coming(
            next,
            ahead,
            serving.as_deref(),
            failed.as_deref(),
            cancelled(life),
        ),
        State::Running { serving, failed } => running(serving, failed.as_deref(), cancelled(life)),
        State::Stopped { why, .. } => stopped(why, closing(life), ahead),
    }
}

/// The deployment whose tests are the newest news: the one on its way once they ran, else the one that serves.
pub fn tested(life: &Lifecycle) -> Option<&Deployment> {
    life.next()
        .filter(|next| next.tests != Tests::Pending)
        .or_else(|| life.serving())
}

/// How an app ended that is started again, for the middle of a sentence.
pub fn again(Again { exit, times }: Again) -> String {
    let minutes = RESTARTS_WITHIN.as_secs() / 60;
    format!(
        "its app ended ({}) and is started again (restart {times} of {RESTARTS} in {minutes} minutes)",
        ended(exit)
    )
}

/// Why a deployment exists whose elder was told other addresses, for the end of a sentence.
pub fn moved(from: &str, to: &str) -> String {
    format!("the addresses of this server changed from {from} to {to}")
}

/// How a process ended, for the end of a sentence.
pub fn ended(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exit code {code}"),
        Exit::Signal(signal) => match signal_name(signal) {
            Some(name) => format!("ended by {name}"),
            None => format!("ended by signal {signal}"),
        },
        Exit::Memory => "used more memory than it may".to_owned(),
        Exit::Timeout => "took longer than it may".to_owned(),
    }
}

/// What was being done in a phase: `failed while …`.
pub fn while_(phase: Shown) -> &'static str {
    match phase {
        Shown::Queued => "waiting in the queue",
        Shown::Deploying => "deploying",
        Shown::RunningTests => "running tests",
        Shown::Starting => "starting",
        Shown::Running => "running",
        Shown::Failed | Shown::Superseded | Shown::Stopped => "ending",
    }
}

/// Which newer commit a person cancelled, while something older serves or starts again.
pub fn cancelled(life: &Lifecycle) -> Option<String> {
    let commit = life.cancelled.as_ref()?;
    Some(format!("{} was cancelled by a person", commit.id.short()))
}

/// Which newer commit waits for a person to deploy it.
pub fn offered(life: &Lifecycle) -> Option<String> {
    let commit = life.offered.as_ref()?;
    let (head, message, author) = (commit.id.short(), &commit.message, &commit.author);
    Some(format!(
        "{head} ({message}, by {author}) waits until somebody starts it"
    ))
}

fn says(mark: Mark, word: &'static str, detail: Option<String>) -> Status {
    Status { mark, word, detail }
}

fn running(serving: &Deployment, failed: Option<&Failed>, cancelled: Option<String>) -> Status {
    let news = failed.map(failure).or(cancelled);
    let unless_failed = |mark| {
        if failed.is_some() {
            Mark::Troubled
        } else {
            mark
        }
    };
    match (serving.again, news) {
        (None, None) => says(Mark::Good, "Running", None),
        (None, Some(news)) => {
            let detail = format!("{news}; {}", still(serving));
            says(unless_failed(Mark::Good), "Running", Some(detail))
        }
        (Some(again), None) => says(Mark::Working, "Starting", Some(self::again(again))),
        (Some(_), Some(news)) => {
            let detail = format!("{}; {news}", still(serving));
            says(unless_failed(Mark::Working), "Starting", Some(detail))
        }
    }
}

/// What the deployment that serves does beside the newest news.
fn still(serving: &Deployment) -> String {
    match serving.again {
        None => format!("{} still answers", named(serving)),
        Some(again) => format!("{}: {}", named(serving), self::again(again)),
    }
}

fn coming(
    next: &Deployment,
    ahead: Option<usize>,
    serving: Option<&Deployment>,
    failed: Option<&Failed>,
    cancelled: Option<String>,
) -> Status {
    let (mark, word, doing) = match next.phase {
        Phase::Queued => (Mark::Waiting, "Queued", queued(next, ahead)),
        Phase::Launching => (
            Mark::Working,
            "Deploying",
            "its machine is being made".to_owned(),
        ),
        Phase::Booting => (Mark::Working, "Deploying", "its machine starts".to_owned()),
        Phase::Cloning => (Mark::Working, "Deploying", "fetches the commit".to_owned()),
        Phase::SettingUp => (Mark::Working, "Deploying", "installs and builds".to_owned()),
        Phase::Testing => (Mark::Working, "Running tests", String::new()),
        Phase::Prepared => (
            Mark::Working,
            "Starting",
            "waits until the older instance has ended".to_owned(),
        ),
        Phase::Starting => (
            Mark::Working,
            "Starting",
            "waits until the app listens".to_owned(),
        ),
        Phase::Probing => (
            Mark::Working,
            "Starting",
            "waits for three good answers in a row".to_owned(),
        ),
        Phase::Serving => (Mark::Good, "Running", String::new()),
    };
    let mut parts = vec![doing];
    match (&next.cause, failed) {
        (Cause::RolledBack(_), Some(failed)) => parts.push(format!(
            "{}, so the commit before it starts again",
            failure(failed)
        )),
        (Cause::Moved { from, to }, failed) => {
            parts.push(moved(from, to));
            parts.extend(failed.map(failure));
        }
        (_, Some(failed)) => parts.push(format!("try {}, after {}", next.attempt, failure(failed))),
        (Cause::RolledBack(_), None) => {
            let back = |cancelled| format!("{cancelled}, so the commit before it starts again");
            parts.extend(cancelled.map(back));
        }
        (Cause::Lost(generation), None) => {
            parts.push(format!("the machine of deployment {generation} was lost"));
        }
        (_, None) => {}
    }
    parts.extend(next.again.map(again));
    parts.extend(serving.map(still));
    parts.retain(|part| !part.is_empty());
    says(mark, word, (!parts.is_empty()).then(|| parts.join("; ")))
}

fn queued(next: &Deployment, ahead: Option<usize>) -> String {
    match ahead {
        Some(ahead) => queue::place(ahead),
        None if asks_first(next) => "asks first whether it still may run".to_owned(),
        None if next.not_before.is_some() => "waits a moment before the next try".to_owned(),
        None => "waits for a build slot".to_owned(),
    }
}

fn stopped(why: &Why, closing: Option<String>, ahead: Option<usize>) -> Status {
    match why {
        Why::Closed if closing.is_some() => says(Mark::Working, "Closing", closing),
        Why::Closed => says(Mark::Gone, "Removed", None),
        Why::Person => says(
            Mark::Resting,
            "Stopped",
            Some("a person stopped it, and can start it again".to_owned()),
        ),
        Why::Policy(reason) => says(Mark::Resting, "Stopped", Some(reason.clone())),
        Why::Waits(waits) => {
            // What nobody wants waits for nothing.
            let wanted = waits.approval.is_some() || waits.place;
            let word = if wanted { "Waiting" } else { "Skipped" };
            let place = ahead.filter(|_| waits.place).map(places::line);
            let parts = [Some(waits.reason.clone()), place];
            let parts: Vec<String> = parts.into_iter().flatten().collect();
            says(Mark::Resting, word, Some(parts.join("; ")))
        }
        Why::Idle => says(
            Mark::Resting,
            "Asleep",
            Some("the next visit or push wakes it".to_owned()),
        ),
        Why::Failed(failed) => says(Mark::Bad, "Failed", Some(failure(failed))),
    }
}

fn failure(failed: &Failed) -> String {
    let exit = failed
        .exit
        .map(|exit| format!(" ({})", ended(exit)))
        .unwrap_or_default();
    format!(
        "deployment {} ({}) failed while {}{exit}: {}",
        failed.generation,
        failed.commit.id.short(),
        while_(failed.phase),
        failed.reason.trim_end_matches('.'),
    )
}

fn named(deployment: &Deployment) -> String {
    format!(
        "deployment {} ({})",
        deployment.generation,
        deployment.commit.id.short()
    )
}

fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        25 => "SIGXFSZ",
        _ => return None,
    })
}

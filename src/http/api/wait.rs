//! Wait: answers when a commit is running or has failed. For CI and agents.

use std::time::Duration;

use actix_web::{get, web};
use nestling_domain::{
    deployment::Shown,
    environment::Environment,
    ids::{EnvironmentId, Kind},
    record::DeploymentRecord,
};
use serde::Deserialize;
use tokio::{
    sync::{Semaphore, mpsc},
    time::{Instant, timeout_at},
};
use utoipa::IntoParams;

use super::{find, show, views::WaitView};
use crate::{
    http::{Services, problem::Problem},
    messages::live::Subscribe,
};

/// How long is waited when nobody says, in seconds.
const USUAL: u64 = 60;
/// How long is waited at most, in seconds: proxies cut what is longer; ask again.
const LONGEST: u64 = 600;
/// How many may wait at once; more are told to come back.
const MOST: usize = 256;
/// The record is looked at this often although nothing was heard, in case a frame was lost.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How far back the history is searched for the commit.
const HISTORY: usize = 50;
/// The shortest abbreviation of a commit.
const SHORTEST: usize = 7;

static WAITING: Semaphore = Semaphore::const_new(MOST);

/// What to wait for.
#[derive(Debug, Deserialize, IntoParams)]
pub(super) struct For {
    /// The commit, whole or its first digits (at least 7).
    commit: String,
    /// Seconds, at most 600; 60 when not said.
    timeout: Option<u64>,
}

/// Answers when that commit is running or has failed, was superseded or stopped; `pending` when the time runs out.
#[utoipa::path(tag = "environments", params(For), responses((status = 200, body = WaitView), (status = 400, body = Problem), (status = 404, body = Problem), (status = 503, body = Problem)))]
#[get("/v1/apps/{owner}/{app}/environments/{environment}/wait")]
pub(super) async fn wait(
    services: web::Data<Services>,
    path: web::Path<(String, String, String)>,
    what: web::Query<For>,
) -> Result<web::Json<WaitView>, Problem> {
    let (owner, slug, name) = path.into_inner();
    let commit = abbreviation(&what.commit)?;
    let seconds = what.timeout.unwrap_or(USUAL).min(LONGEST);
    let end = Instant::now() + Duration::from_secs(seconds);
    let _place = WAITING.try_acquire().map_err(|_| {
        Problem::unavailable(format!(
            "{MOST} requests wait already: try again in a moment"
        ))
    })?;
    let app = find::app(&services, &owner, &slug).await?;
    let kind = find::kind(&name)?;
    let id = EnvironmentId::derive(&app.id, kind);
    let mut frames = subscribe(&services, format!("{owner}/{slug}")).await?;
    loop {
        let found = look(&services, &id, commit).await?;
        if let Some((environment, outcome)) = &found
            && *outcome != Outcome::Pending
        {
            return view(&services, environment, outcome, commit).await;
        }
        if Instant::now() >= end {
            let Some((environment, _)) = found else {
                return Err(never_came(&owner, &slug, kind));
            };
            return view(&services, &environment, &Outcome::Pending, commit).await;
        }
        let again = end.min(Instant::now() + LOOK_AGAIN);
        match timeout_at(again, frames.recv()).await {
            Ok(Some(_)) => while frames.try_recv().is_ok() {},
            // Too much was said for the channel, or Live has restarted.
            Ok(None) => {
                frames = subscribe(&services, format!("{owner}/{slug}")).await?;
            }
            Err(_) => {}
        }
    }
}

async fn subscribe(
    services: &Services,
    topic: String,
) -> Result<mpsc::Receiver<std::sync::Arc<str>>, Problem> {
    let (sink, frames) = mpsc::channel(64);
    let topics = vec![topic];
    services
        .live
        .subscribe
        .send(Subscribe { topics, sink })
        .await?;
    Ok(frames)
}

async fn look(
    services: &Services,
    id: &EnvironmentId,
    commit: &str,
) -> Result<Option<(Environment, Outcome)>, Problem> {
    let Some(environment) = services.store.environment(id).await? else {
        return Ok(None);
    };
    let history = services.store.deployments(id, None, HISTORY).await?;
    let outcome = outcome(&environment, &history, commit);
    Ok(Some((environment, outcome)))
}

/// What became of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    /// It is on its way, or was not seen yet.
    Pending,
    /// This deployment of it serves.
    Running(u32),
    /// It was tried, and this record of it ended.
    Ended(Box<DeploymentRecord>),
}

/// Pure: what the record, and the history (newest first), say about a commit.
fn outcome(environment: &Environment, history: &[DeploymentRecord], commit: &str) -> Outcome {
    let life = &environment.lifecycle;
    let is = |id: &nestling_domain::ids::Commit| id.as_str().starts_with(commit);
    // A try on its way counts more than an earlier one that ended: it may be a retry.
    if life.next().is_some_and(|next| is(&next.commit.id)) {
        return Outcome::Pending;
    }
    if let Some(serving) = life.answering().filter(|serving| is(&serving.commit.id)) {
        return Outcome::Running(serving.generation.0);
    }
    let newest = history.iter().find(|record| is(&record.commit.id));
    match newest {
        Some(record) if record.ended_at.is_some() => Outcome::Ended(Box::new(record.clone())),
        Some(_) | None => Outcome::Pending,
    }
}

async fn view(
    services: &Services,
    environment: &Environment,
    outcome: &Outcome,
    commit: &str,
) -> Result<web::Json<WaitView>, Problem> {
    let queue = find::queue(services, [environment]).await?;
    let ahead = queue.ahead(&environment.id);
    let shown = show::environment(environment, ahead, &services.addresses);
    let (word, reason, deployment, failure) = match outcome {
        Outcome::Pending => (
            "pending",
            pending(environment, &shown.name, &shown.status, commit),
            environment.lifecycle.next().map(|next| next.generation.0),
            None,
        ),
        Outcome::Running(number) => {
            let reason = format!("deployment {number} runs at {}", shown.url);
            ("running", reason, Some(*number), None)
        }
        Outcome::Ended(record) => {
            let failure = record.failed.as_ref().map(show::failure);
            let number = record.generation.0;
            let (word, reason) = match (record.shown, &failure) {
                (Shown::Failed, Some(failure)) => ("failed", failure.reason.clone()),
                (Shown::Failed, None) => ("failed", format!("deployment {number} failed")),
                (Shown::Superseded, _) => (
                    "superseded",
                    format!("a newer commit took the place of deployment {number}"),
                ),
                (
                    Shown::Queued
                    | Shown::Deploying
                    | Shown::RunningTests
                    | Shown::Starting
                    | Shown::Running
                    | Shown::Stopped,
                    _,
                ) => ("stopped", format!("deployment {number} was stopped")),
            };
            (word, reason, Some(number), failure)
        }
    };
    Ok(web::Json(WaitView {
        outcome: word.to_owned(),
        reason,
        deployment,
        failure,
        environment: shown,
    }))
}

/// What there is to say of a commit that neither runs nor failed: it is on its way, or nobody asked for it here.
fn pending(environment: &Environment, name: &str, status: &str, commit: &str) -> String {
    let life = &environment.lifecycle;
    if life.look.is_some() || life.next().is_some() {
        return format!("{name} is {status}: ask again");
    }
    format!(
        "{name} is {status}, and commit {commit} was not asked for here: is it the head of branch {}?",
        environment.branch
    )
}

fn abbreviation(commit: &str) -> Result<&str, Problem> {
    let hex = commit
        .bytes()
        .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if hex && (SHORTEST..=64).contains(&commit.len()) {
        return Ok(commit);
    }
    let shown: String = commit.chars().take(80).collect();
    Err(Problem::malformed(format!(
        "{shown:?} is not a commit: send its name in lower-case hex digits, at least the first {SHORTEST}"
    )))
}

fn never_came(owner: &str, slug: &str, kind: Kind) -> Problem {
    Problem::not_found(format!(
        "{owner}/{slug} has no environment {}, and none came while this waited",
        kind.name()
    ))
}

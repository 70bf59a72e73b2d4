//! Logs: what the segments hold and what runners send live, joined by line number.

mod follow;
mod stored;

use actix_web::{HttpRequest, HttpResponse, get, http::header, web};
use bytes::Bytes;
use futures::stream;
use nestling_protocol::log::{Line, Log};
use serde::Deserialize;
use utoipa::IntoParams;

pub(in crate::http) use self::follow::Watcher;
use self::stored::Stored;
use super::deployments::find_deployment;
use crate::{
    http::{
        Services,
        auth::{Auth, Principal},
        problem::Problem,
    },
    messages::logging::{LogId, Read},
};

/// The longest tail that can be asked for: what is kept at hand of a log, too.
const LONGEST_TAIL: usize = 10_000;

/// Which lines.
#[derive(Debug, Deserialize, IntoParams)]
pub(in crate::http) struct Lines {
    /// The first line wanted; lines count from 0.
    from: Option<u64>,
    /// Only the last so many lines, at most 10,000.
    tail: Option<usize>,
    /// Go on with the lines to come, as server-sent events whose ids are line numbers.
    #[serde(default)]
    follow: bool,
}

/// A log of a deployment, `deployment` (clone, setup, tests) or `runtime`: one JSON object per line, or with
/// `follow` one event per line until the deployment has ended (event `end`); `Last-Event-ID` goes on after it.
#[utoipa::path(tag = "deployments", params(Lines, ("Last-Event-ID" = Option<u64>, Header)), responses((status = 200, content_type = "application/x-ndjson", description = "`{\"n\", \"at\", \"from\", \"text\"}` per line"), (status = 404, body = Problem)))]
#[get("/v1/apps/{owner}/{app}/environments/{environment}/deployments/{number}/logs/{log}")]
pub(super) async fn get(
    request: HttpRequest,
    services: web::Data<Services>,
    auth: web::Data<Auth>,
    principal: Principal,
    path: web::Path<(String, String, String, u32, String)>,
    wanted: web::Query<Lines>,
) -> Result<HttpResponse, Problem> {
    let (owner, slug, name, number, log) = path.into_inner();
    let log = parse(&log)?;
    let (environment, record) = find_deployment(&services, &owner, &slug, &name, number).await?;
    let id = LogId {
        environment: environment.id,
        generation: record.generation,
        log,
    };
    read(
        &request,
        services,
        Watcher::SignedIn(auth, principal),
        id,
        &wanted,
    )
    .await
}

/// The wanted lines of this log, or the events of those to come.
pub(in crate::http) async fn read(
    request: &HttpRequest,
    services: web::Data<Services>,
    watcher: Watcher,
    id: LogId,
    wanted: &Lines,
) -> Result<HttpResponse, Problem> {
    let mut from = wanted.from.unwrap_or_default();
    if let Some(tail) = wanted.tail {
        let tail = tail.min(LONGEST_TAIL) as u64;
        from = from.max(end(&services, &id).await?.saturating_sub(tail));
    }
    if wanted.follow {
        if let Some(last) = last_event(request)? {
            from = last + 1;
        }
        return follow::follow(services, watcher, id, from);
    }
    let stored = Stored::open(services.blobs.clone(), &id, from).await?;
    let body = stream::try_unfold(
        Reading::Stored(Box::new(stored), services, id),
        |reading| async move {
            let (lines, rest) = match reading {
                Reading::Done => return Ok(None),
                Reading::Stored(mut stored, services, id) => match stored.more().await? {
                    Some(lines) => (lines, Reading::Stored(stored, services, id)),
                    None => (at_hand(&services, id, stored.next()).await?, Reading::Done),
                },
            };
            Ok::<_, Problem>(Some((text(&lines), rest)))
        },
    );
    Ok(HttpResponse::Ok()
        .content_type("application/x-ndjson")
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        .streaming(body))
}

/// How far the reading of a log is.
enum Reading {
    Stored(Box<Stored>, web::Data<Services>, LogId),
    Done,
}

/// The lines that runners sent and that are in no segment yet.
async fn at_hand(services: &Services, id: LogId, from: u64) -> Result<Vec<Line>, Problem> {
    let mut lines = services.logging.read.send(Read { id, from }).await?;
    lines.retain(|line| line.n >= from);
    Ok(lines)
}

/// The number after the last line there is.
async fn end(services: &Services, id: &LogId) -> Result<u64, Problem> {
    let stored = stored::end(&*services.blobs, id).await?;
    let live = at_hand(services, id.clone(), stored).await?;
    Ok(live.last().map_or(stored, |line| line.n + 1))
}

fn text(lines: &[Line]) -> Bytes {
    let mut text = Vec::new();
    for line in lines {
        if serde_json::to_writer(&mut text, line).is_ok() {
            text.push(b'\n');
        }
    }
    text.into()
}

/// The log of this name.
pub(in crate::http) fn parse(log: &str) -> Result<Log, Problem> {
    [Log::Deployment, Log::Runtime]
        .into_iter()
        .find(|known| known.name() == log)
        .ok_or_else(|| {
            Problem::not_found(format!("{log:?} is not a log: use deployment or runtime"))
        })
}

fn last_event(request: &HttpRequest) -> Result<Option<u64>, Problem> {
    let Some(id) = request.headers().get("last-event-id") else {
        return Ok(None);
    };
    let id = id.to_str().ok().and_then(|id| id.trim().parse().ok());
    id.filter(|id| *id < u64::MAX)
        .map(Some)
        .ok_or_else(|| Problem::malformed("Last-Event-ID must be the number of a line"))
}

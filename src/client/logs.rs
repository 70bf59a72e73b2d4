//! `logs`: a log of an environment's newest deployment, and the lines to come.

use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use http_body_util::BodyExt as _;
use nestling_protocol::log::Line;
use tokio::time::sleep;

use super::{EnvironmentName, Failed, Output, Which, connection::Connection};
use crate::http::api::views::EnvironmentView;

/// Before a broken connection is made again.
const AGAIN: Duration = Duration::from_secs(1);
/// How often in a row it is made again without a single line: a server restarts in seconds.
const TRIES: u32 = 10;
/// The longest event: a line of 16 KiB, in which JSON may escape every byte.
const LONGEST_EVENT: usize = 256 * 1024;

/// Which lines of which log.
pub(super) struct Wanted {
    pub(super) environment: EnvironmentName,
    pub(super) follow: bool,
    pub(super) log: Option<Which>,
    pub(super) deployment: Option<u32>,
    pub(super) tail: Option<usize>,
}

pub(super) async fn logs(
    connection: &Connection,
    wanted: &Wanted,
    output: &mut Output<'_>,
) -> Result<(), Failed> {
    let (number, log) = choose(connection, wanted).await?;
    let path = format!(
        "{}/deployments/{number}/logs/{log}",
        wanted.environment.path()
    );
    let tail = wanted
        .tail
        .map_or(String::new(), |tail| format!("tail={tail}"));
    if wanted.follow {
        return follow(connection, &path, &tail, output).await;
    }
    let mut body = connection.stream(&format!("{path}?{tail}"), &[]).await?;
    let mut waiting = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|error| Failed::Refused(format!("the log broke off: {error}")))?;
        waiting.extend_from_slice(frame.data_ref().unwrap_or(&bytes::Bytes::new()));
        while let Some(line) = cut(&mut waiting, b"\n")? {
            show(connection, &line, output)?;
        }
    }
    Ok(())
}

/// The newest deployment, and the log that says most about it.
async fn choose(connection: &Connection, wanted: &Wanted) -> Result<(u32, &'static str), Failed> {
    let view: EnvironmentView = connection.get(&wanted.environment.path()).await?;
    let serving = view.serving.as_ref().map(|serving| serving.number);
    let newest = [
        view.next.as_ref().map(|next| next.number),
        view.failure.as_ref().map(|failure| failure.number),
        serving,
    ];
    let number = match wanted.deployment.or(newest.into_iter().flatten().max()) {
        Some(number) => number,
        None => last_of(connection, wanted).await?,
    };
    let log = match wanted.log {
        Some(Which::Deployment) => "deployment",
        Some(Which::Runtime) => "runtime",
        None if serving == Some(number) => "runtime",
        None if failed_running(&view, number) => "runtime",
        None => "deployment",
    };
    Ok((number, log))
}

/// Whether this deployment failed once its app was started, so that the app's own words say why.
fn failed_running(view: &EnvironmentView, number: u32) -> bool {
    view.failure.as_ref().is_some_and(|failure| {
        failure.number == number && matches!(failure.phase.as_str(), "starting" | "running")
    })
}

/// The last deployment of a stopped environment.
async fn last_of(connection: &Connection, wanted: &Wanted) -> Result<u32, Failed> {
    let path = format!("{}/deployments?limit=1", wanted.environment.path());
    let page: crate::http::api::views::DeploymentsPage = connection.get(&path).await?;
    let last = page.deployments.first().map(|deployment| deployment.number);
    last.ok_or_else(|| Failed::Refused(format!("{} has no deployment yet", wanted.environment)))
}

/// Shows lines as they come, over broken connections, until the deployment has ended.
async fn follow(
    connection: &Connection,
    path: &str,
    tail: &str,
    output: &mut Output<'_>,
) -> Result<(), Failed> {
    let mut last: Option<u64> = None;
    let mut tries = 0;
    loop {
        let id = last.map(|last| last.to_string());
        let (query, headers) = match &id {
            None => (format!("{path}?follow=true&{tail}"), vec![]),
            Some(id) => (
                format!("{path}?follow=true"),
                vec![("last-event-id", id.as_str())],
            ),
        };
        match connection.stream(&query, &headers).await {
            Ok(body) => {
                let before = last;
                if events(connection, body, &mut last, output).await? {
                    return Ok(());
                }
                if before != last {
                    tries = 0;
                }
            }
            // The first connection says what is wrong at once.
            Err(failed) if last.is_none() && tries == 0 => return Err(failed),
            Err(failed) if tries >= TRIES => return Err(failed),
            Err(_) => {}
        }
        tries += 1;
        if tries > TRIES {
            return Err(Failed::Refused(
                "the log broke off, and does not come back".to_owned(),
            ));
        }
        sleep(AGAIN).await;
    }
}

/// Shows the events of one connection; whether the log has ended.
async fn events(
    connection: &Connection,
    mut body: hyper::body::Incoming,
    last: &mut Option<u64>,
    output: &mut Output<'_>,
) -> Result<bool, Failed> {
    let mut waiting = BytesMut::new();
    while let Some(Ok(frame)) = body.frame().await {
        waiting.extend_from_slice(frame.data_ref().unwrap_or(&bytes::Bytes::new()));
        while let Some(event) = cut(&mut waiting, b"\n\n")? {
            let event = String::from_utf8_lossy(&event);
            let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
            if field("event: ") == Some("end") {
                return Ok(true);
            }
            if let Some(data) = field("data: ") {
                show(connection, data.as_bytes(), output)?;
            }
            if let Some(id) = field("id: ").and_then(|id| id.parse().ok()) {
                *last = Some(id);
            }
        }
    }
    Ok(false)
}

/// What stands before the next `end`, if that has come.
fn cut(waiting: &mut BytesMut, end: &[u8]) -> Result<Option<BytesMut>, Failed> {
    let found = waiting.windows(end.len()).position(|window| window == end);
    let Some(at) = found else {
        if waiting.len() > LONGEST_EVENT {
            return Err(Failed::Refused(
                "the server sent a line without an end".to_owned(),
            ));
        }
        return Ok(None);
    };
    let cut = waiting.split_to(at);
    waiting.advance(end.len());
    Ok(Some(cut))
}

fn show(connection: &Connection, json: &[u8], output: &mut Output<'_>) -> Result<(), Failed> {
    let Ok(line) = serde_json::from_slice::<Line>(json) else {
        return Ok(());
    };
    if connection.json {
        let compact = serde_json::to_string(&line).unwrap_or_default();
        return Ok(output.line(&compact)?);
    }
    Ok(output.line(&line.text)?)
}

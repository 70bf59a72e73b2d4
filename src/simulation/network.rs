//! GitHub's API without a socket: the product's client asks the model, and much of it goes wrong.

use std::{cell::RefCell, collections::BTreeMap, io, sync::Arc};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, Response, header};
use nestling_domain::ids::{EnvironmentId, Kind};
use nestling_world::github::{self, Body, Outcome, State};
use octocrab::{AuthState, OctoBody, OctocrabBuilder};
use serde_json::{Value, json};

use super::{bugs::Bug, crashes::When, world::World};
use crate::drivers::{clock, github::GitHub};

/// How long a signature of the App is used, in seconds. To sign takes longer than everything else of a request.
const SIGNED: u64 = 300;

/// As often a request is led elsewhere at most.
const MOST_REDIRECTS: u32 = 3;

/// What goes wrong with a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Weather {
    Fine,
    /// Nothing is done, and an answer says so.
    Refused,
    /// It is done, and the connection breaks.
    Lost,
    /// It is done, and no answer comes.
    Hangs,
    /// Nothing is done, and no answer comes.
    Silent,
    /// Nothing is done for so many seconds.
    Limited(u64),
}

/// The product's client, over the world's network.
pub(super) fn client(world: &Arc<World>) -> GitHub {
    let network = world.clone();
    let service = tower::service_fn(move |request| exchange(network.clone(), request));
    let octocrab = OctocrabBuilder::new_empty().with_service(service);
    let octocrab = octocrab.with_auth(AuthState::None).build();
    let Ok(octocrab) = octocrab;
    GitHub::over(world.town.app, octocrab)
}

async fn exchange(
    world: Arc<World>,
    request: Request<OctoBody>,
) -> Result<Response<Full<Bytes>>, io::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let mut headers = head.headers;
    headers.insert(
        header::USER_AGENT,
        header::HeaderValue::from_static("nestling"),
    );
    let target = head
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    tokio::time::sleep(world.span(2, 40)).await;
    world.alive().await;
    if !headers.contains_key(header::AUTHORIZATION) {
        let signed = format!("Bearer {}", signed(&world));
        headers.insert(
            header::AUTHORIZATION,
            signed.parse().map_err(io::Error::other)?,
        );
    }
    let mut asked = github::Request::new(head.method, target, headers, body);
    let mut answered = answer(&world, &asked).await?;
    // As the client's own way to GitHub does: a repository that was renamed is still found under its old name.
    for _ in 0..MOST_REDIRECTS {
        let Some(to) = elsewhere(&answered) else {
            break;
        };
        asked = github::Request::new(asked.method, &to, asked.headers, asked.body);
        answered = answer(&world, &asked).await?;
    }
    tokio::time::sleep(world.span(2, 40)).await;
    world.alive().await;
    Ok(answered)
}

/// Where GitHub says that the answer is; without its own name.
fn elsewhere(answer: &Response<Full<Bytes>>) -> Option<String> {
    if !answer.status().is_redirection() {
        return None;
    }
    let to = answer.headers().get(header::LOCATION)?.to_str().ok()?;
    let path = to.split_once("://").map_or(to, |(_, rest)| rest);
    path.find('/').map(|start| path[start..].to_owned())
}

async fn answer(
    world: &World,
    asked: &github::Request,
) -> Result<Response<Full<Bytes>>, io::Error> {
    let weather = weather(world);
    let line = format!("{} {}", asked.method, asked.path);
    let writes = asked.method != Method::GET && !asked.path.ends_with("/access_tokens");
    let about = world.known().announcing.clone();
    match weather {
        Weather::Refused => {
            world.tell(format!("{line}: 502"));
            return Ok(refused(502, json!({ "message": "Server Error" })));
        }
        Weather::Limited(seconds) => {
            world.tell(format!("{line}: limited for {seconds} s"));
            let words = json!({ "message": "You have exceeded a secondary rate limit." });
            let mut answer = refused(403, words);
            answer.headers_mut().insert("retry-after", seconds.into());
            return Ok(answer);
        }
        Weather::Silent => {
            world.tell(format!("{line}: silence"));
            std::future::pending::<()>().await;
        }
        Weather::Fine | Weather::Lost | Weather::Hangs => {}
    }
    pass(world, about.as_ref(), (&line, writes), When::Before).await;
    if writes {
        intended(world, asked);
    }
    let mut outcome = ask(world, asked);
    let comments = asked.method == Method::POST && asked.path.ends_with("/comments");
    if weather == Weather::Lost && comments && world.has(Bug::CommentedAgain) {
        outcome = ask(world, asked);
    }
    pass(world, about.as_ref(), (&line, writes), When::After).await;
    match weather {
        Weather::Lost => {
            world.tell(format!("{line}: its answer is lost"));
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Weather::Hangs => {
            world.tell(format!("{line}: done, and silence"));
            std::future::pending::<()>().await;
        }
        Weather::Fine | Weather::Refused | Weather::Silent | Weather::Limited(_) => {}
    }
    let Outcome::Answered(mut answer) = outcome else {
        return Err(io::ErrorKind::ConnectionReset.into());
    };
    if asked.path.ends_with("/pulls") && world.goes_wrong(60) {
        world.tell(format!("{line}: an empty listing, though it is wrong"));
        world.known().listed_nothing = Some(clock::now());
        answer.body = Body::Json(Value::Array(Vec::new()));
        answer.headers.retain(|(name, _)| name != "etag");
    }
    world.tell(format!("{line}: {}", answer.status));
    respond(answer)
}

/// The server may end here.
async fn pass(world: &World, of: Option<&EnvironmentId>, (line, writes): (&str, bool), when: When) {
    if writes {
        world.boundary_of_write(of, line, when).await;
    } else {
        world.seam(line, when).await;
    }
}

fn weather(world: &World) -> Weather {
    if !world.is_troubled() {
        return Weather::Fine;
    }
    let mut dice = world.dice();
    match dice.below(1000) {
        0..25 => Weather::Refused,
        25..50 => Weather::Lost,
        50..55 => Weather::Hangs,
        55..60 => Weather::Silent,
        60..63 => Weather::Limited(dice.span(3, 30)),
        _ => Weather::Fine,
    }
}

fn ask(world: &World, asked: &github::Request) -> Outcome {
    let mut github = world.github();
    let outcome = github.ask(asked);
    world.post(&mut github);
    outcome
}

/// Whatever is made on GitHub was written down before as something that may be there (I10).
fn intended(world: &World, asked: &github::Request) {
    if asked.method != Method::POST {
        return;
    }
    let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    let parts: Vec<&str> = asked.segments.iter().map(String::as_str).collect();
    let wrong = {
        let known = world.known();
        let mut all = known.shown.values();
        match parts.as_slice() {
            [_, _, _, "issues", number, "comments"] => {
                let kind = number.parse().map(Kind::Preview);
                let ledger = kind.ok().and_then(|kind| known.shown.get(&kind));
                ledger.is_none_or(|ledger| ledger.comment.is_none())
            }
            [_, _, _, "check-runs"] => {
                let name = body["external_id"].as_str().unwrap_or_default();
                !all.any(|one| one.checks.iter().any(|check| check.external_id == name))
            }
            [_, _, _, "deployments"] => {
                let name = body["payload"]["nestling"].as_str().unwrap_or_default();
                !all.any(|one| {
                    one.deployments
                        .iter()
                        .any(|deployment| deployment.ours == name)
                })
            }
            _ => false,
        }
    };
    if wrong {
        world.violate(format!(
            "I10: POST {} was not intended by any record",
            asked.path
        ));
    }
}

/// What the App signs for itself.
fn signed(world: &World) -> String {
    thread_local! {
        static SIGNED_BEFORE: RefCell<BTreeMap<u64, String>> = const { RefCell::new(BTreeMap::new()) };
    }
    let now = clock::now().0 / 1000;
    let since = now - now % SIGNED;
    let sign = || {
        let claims = json!({ "iss": world.town.app, "iat": since, "exp": since + 2 * SIGNED - 30 });
        world.github().sign(world.town.app, &claims).unwrap()
    };
    SIGNED_BEFORE.with_borrow_mut(|before| before.entry(since).or_insert_with(sign).clone())
}

fn refused(status: u16, body: Value) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::from(body.to_string()));
    *answer.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    answer
}

fn respond(answer: github::Answer) -> Result<Response<Full<Bytes>>, io::Error> {
    let body = match answer.body {
        Body::Nothing => Bytes::new(),
        Body::Json(body) => body.to_string().into(),
        Body::Other(_, bytes) => bytes,
    };
    let mut response = Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response.body(Full::from(body)).map_err(io::Error::other)
}

/// The head of the default branch.
pub(super) fn main_head(github: &State, repository: u64) -> String {
    let home = &github.repositories[&repository];
    let head = github.see_branch(&home.full_name(), &home.default_branch);
    head.unwrap().unwrap()
}

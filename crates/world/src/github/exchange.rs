//! One request from its arrival to its answer, with the faults that a story ordered, the ledger, and GitHub's own
//! description beside it.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;

use super::{
    auth::{self, Who},
    description::Description,
    faults::Fault,
    ledger::Asked,
    limits, routes,
    state::{Ground, State},
    webhooks::Outbox,
    wire::{Answer, Body, Request},
};

/// What comes back.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// An answer.
    Answered(Answer),
    /// The connection is cut before there is an answer.
    Cut,
    /// Nothing, ever.
    Silence,
}

impl State {
    /// GitHub without a socket and without a thread: a story asks by [`State::ask`], carries the webhooks itself
    /// ([`State::take_webhooks`]) and moves the clock, so that nothing happens but by its order.
    ///
    /// Repositories are in memory and answers are not held against GitHub's description, so that thousands of such stories
    /// take seconds; those over a socket show that the answers are right.
    pub fn in_process() -> Self {
        let base = "http://github.invalid".into();
        let mut state = State::new(base, Outbox::default(), Ground::memory(), "a story".into());
        state.description = None;
        state
    }

    /// From now on every request, answer and webhook is held against GitHub's description, where this checkout has it: what is
    /// wrong stands in the ledger.
    pub fn hold_to_description(&mut self) {
        self.description = Description::of_this_checkout();
    }

    /// Asks as a program does.
    pub fn ask(&mut self, request: &Request) -> Outcome {
        exchange(self, request)
    }
}

pub(crate) fn exchange(state: &mut State, request: &Request) -> Outcome {
    let called = called(state, request);
    let method = request.method.as_str();
    let fault = state.faults.for_request(method, &called);
    let ordered = fault.and_then(|fault| refusal(state, request, fault));
    let on_order = ordered.is_some() || fault == Some(Fault::NoAnswer);
    let (who, answer) = match ordered {
        Some(answer) => (name(state, request), answer),
        None if fault == Some(Fault::NoAnswer) => (name(state, request), Answer::empty()),
        None => routes::answer(state, request),
    };
    let answer = dressed(state, answer);
    if !on_order {
        describe(state, request, &answer);
    }
    let silent = matches!(
        fault,
        Some(Fault::NoAnswer | Fault::Hangs | Fault::LostAnswer)
    );
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(&request.query)
        .finish();
    let mark = if query.is_empty() { "" } else { "?" };
    let asked = Asked {
        at: state.now(),
        method: request.method.to_string(),
        target: format!("{called}{mark}{query}"),
        who,
        status: if silent { 0 } else { answer.status },
    };
    state.ledger.requests.push(asked);
    match fault {
        Some(Fault::NoAnswer | Fault::Hangs) => Outcome::Silence,
        Some(Fault::LostAnswer) => Outcome::Cut,
        _ => Outcome::Answered(answer),
    }
}

/// The path of a request as stories call it: a repository by its name, also where it was asked for by its number.
fn called(state: &State, request: &Request) -> String {
    let [first, number, ..] = request.segments.as_slice() else {
        return request.path.clone();
    };
    let known = number.parse().ok().filter(|_| first == "repositories");
    let known = known.and_then(|id: u64| state.repositories.get(&id));
    let rest = request
        .path
        .strip_prefix(&format!("/repositories/{number}"));
    match (known, rest) {
        (Some(known), Some(rest)) => format!("/repos/{}/{}{rest}", known.owner, known.name),
        _ => request.path.clone(),
    }
}

/// What GitHub says when something goes wrong before a request has any effect.
fn refusal(state: &mut State, request: &Request, fault: Fault) -> Option<Answer> {
    let answer = match fault {
        Fault::Status(401) => Answer::error(401, "Bad credentials"),
        Fault::Status(403) => auth::inaccessible(),
        Fault::Status(404) => Answer::not_found(),
        Fault::Status(429) => {
            let mut answer = limits::secondary(60);
            answer.status = 429;
            answer
        }
        Fault::Status(status) => Answer::error(status, "Server Error"),
        Fault::SecondaryLimit(seconds) => limits::secondary(seconds),
        Fault::PrimaryLimit => {
            let (who, now) = (name(state, request), state.now());
            let rate = state.limits.exhaust(&who, now);
            limits::primary(&who, rate)
        }
        Fault::NoAnswer | Fault::LostAnswer | Fault::Hangs => return None,
    };
    Some(answer)
}

fn name(state: &State, request: &Request) -> String {
    auth::identify(state, request).map_or("nobody".into(), |who: Who| who.name())
}

/// Headers that every answer has.
fn dressed(state: &State, answer: Answer) -> Answer {
    let count = state.ledger.requests.len();
    let now = u64::try_from(state.now()).unwrap_or_default();
    let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(now));
    answer
        .with("date", date)
        .with("x-github-media-type", "github.v3; format=json")
        .with("x-github-request-id", format!("MODEL:{count:08X}"))
        .with("x-github-api-version-selected", "2022-11-28")
}

fn describe(state: &mut State, request: &Request, answer: &Answer) {
    let Some(description) = state.description else {
        return;
    };
    let body = match &answer.body {
        Body::Json(body) => Some(body),
        Body::Nothing => None,
        // Pages and raw files are no part of the description.
        Body::Other(..) => return,
    };
    let rest = match request.segments.as_slice() {
        // GitHub answers to numbers everywhere, although it describes names only.
        [first, _, rest @ ..] if first == "repositories" => Some(rest),
        _ => None,
    };
    let encoded = |part: &String| part.replace('/', "%2F");
    let path = match rest {
        Some(rest) => {
            let parts: Vec<String> = rest.iter().map(encoded).collect();
            format!("/repos/owner/name/{}", parts.join("/"))
        }
        None => request.path.clone(),
    };
    let sent = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    let method = request.method.as_str();
    let sent = if request.body.is_empty() {
        Value::Object(serde_json::Map::default())
    } else {
        sent
    };
    let wrong = description.exchange(method, &path, &sent, &request.query, answer.status, body);
    state.ledger.violations.extend(wrong);
}

//! One request from its arrival to its answer, with the faults that a story ordered, the ledger, and Fly's own description
//! beside it.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use super::{
    action::Action,
    auth,
    faults::Fault,
    ledger::{Asked, Nonce},
    routes::{self, Reply, Wait},
    state::State,
    wire::{self, Answer, Body, Request},
};

/// What comes back.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// An answer.
    Answered(Answer),
    /// An answer, so much later.
    Late(Duration, Answer),
    /// An answer whose connection is cut in its middle.
    Half(Answer),
    /// The connection is cut before there is an answer.
    Cut,
    /// Nothing, ever.
    Silence,
    /// It waits for a machine: ask [`State::waited`] again after every change, at the latest when it ends.
    Waits(Box<Waiting>),
}

/// A request that waits for a machine.
#[derive(Clone, Debug)]
pub struct Waiting {
    wait: Wait,
    arrival: Arrival,
}

impl Waiting {
    /// When it is answered at the latest, in milliseconds since 1970.
    pub fn until(&self) -> i64 {
        self.wait.until
    }
}

/// What is known of a request before it has any effect.
#[derive(Clone, Debug)]
struct Arrival {
    method: String,
    /// The path without `/v1`, as stories call it.
    called: String,
    query: BTreeMap<String, String>,
    /// The body, if somebody is to look at it.
    sent: Value,
    action: Option<Action>,
    app: Option<String>,
    machine: Option<String>,
    who: String,
    nonce: Nonce,
    leased: bool,
    fault: Option<Fault>,
}

impl State {
    /// Fly without a socket and without a thread: a story asks by [`State::ask`] and moves the clock, so that nothing happens
    /// but by its order. Answers are not held against Fly's description, so that many such stories take seconds; those over a
    /// socket show that the answers are right.
    pub fn in_process(seed: u64) -> Self {
        State::new("http://fly.invalid".into(), seed)
    }

    /// Asks as a program does.
    pub fn ask(&mut self, request: &Request) -> Outcome {
        self.tick();
        let arrival = arrival(self, request);
        let before = match arrival.fault {
            Some(fault) => refusal(fault),
            None => None,
        };
        if let Some(refused) = before {
            return settle(self, &arrival, Some(refused), false);
        }
        if matches!(arrival.fault, Some(Fault::Cut | Fault::NoAnswer)) {
            return settle(self, &arrival, None, false);
        }
        match routes::answer(self, request, arrival.action) {
            Reply::Now(answer) => settle(self, &arrival, Some(answer), true),
            Reply::Waits(wait) => Outcome::Waits(Box::new(Waiting { wait, arrival })),
        }
    }

    /// What a request that waits is answered by now; `None` while it still waits.
    pub fn waited(&mut self, waiting: &Waiting) -> Option<Outcome> {
        self.tick();
        let answer = routes::waited(self, &waiting.wait)?;
        Some(settle(self, &waiting.arrival, Some(answer), true))
    }
}

fn arrival(state: &mut State, request: &Request) -> Arrival {
    let action = Action::of(request);
    let called = request.path.strip_prefix("/v1").unwrap_or(&request.path);
    let called = called.to_owned();
    let fault = state.faults.for_request(request.method.as_str(), &called);
    let who = auth::identify(state, request);
    let who = who.map_or("nobody".into(), |who| who.token.organisation);
    let named = about(request, "machines");
    let machine = named.as_ref().and_then(|id| state.machines.get(id));
    let lease = machine.and_then(|machine| machine.leased(state.now()));
    let nonce = routes::said_nonce(request, lease);
    let leased = lease.is_some();
    let sent = match state.description {
        Some(_) => request.object().unwrap_or(Value::Null),
        None => Value::Null,
    };
    Arrival {
        method: request.method.to_string(),
        called,
        query: request.query.clone(),
        sent,
        action,
        app: about(request, "apps"),
        machine: named,
        who,
        nonce,
        leased,
        fault,
    }
}

/// What a path names behind a word, such as a machine.
fn about(request: &Request, word: &str) -> Option<String> {
    let place = request.segments.iter().position(|part| part == word)?;
    request.segments.get(place + 1).cloned()
}

/// What Fly says when something goes wrong before a request has any effect.
fn refusal(fault: Fault) -> Option<Answer> {
    match fault {
        Fault::Status(status) => Some(wire::ordered(status)),
        Fault::Says(status, words, "") => Some(wire::error(status, words)),
        Fault::Says(status, words, code) => Some(wire::coded(status, words, code)),
        Fault::Limited(seconds) => {
            let ms = seconds.map(|seconds| i64::from(seconds) * 1000);
            Some(wire::limited(ms))
        }
        Fault::StatusAfter(_)
        | Fault::Cut
        | Fault::LostAnswer
        | Fault::NoAnswer
        | Fault::Hangs
        | Fault::HalfAnswer
        | Fault::Garbled
        | Fault::EmptyList
        | Fault::PartialList
        | Fault::Late(_) => None,
    }
}

/// Writes down what was asked and answered, and lets the fault that was ordered come about.
fn settle(state: &mut State, arrival: &Arrival, answer: Option<Answer>, own: bool) -> Outcome {
    let answer = answer.map(|answer| dressed(state, answer));
    if own && let Some(answer) = &answer {
        describe(state, arrival, answer);
    }
    let outcome = spoilt(arrival.fault, answer);
    let status = match &outcome {
        Outcome::Answered(answer) | Outcome::Late(_, answer) => answer.status,
        Outcome::Half(_) | Outcome::Cut | Outcome::Silence | Outcome::Waits(_) => 0,
    };
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(&arrival.query)
        .finish();
    let mark = if query.is_empty() { "" } else { "?" };
    state.ledger.asked(Asked {
        at: state.clock.now(),
        method: arrival.method.clone(),
        target: format!("{}{mark}{query}", arrival.called),
        action: arrival.action,
        app: arrival.app.clone(),
        machine: arrival.machine.clone(),
        who: arrival.who.clone(),
        status,
        nonce: arrival.nonce,
        leased: arrival.leased,
    });
    outcome
}

fn spoilt(fault: Option<Fault>, answer: Option<Answer>) -> Outcome {
    let Some(mut answer) = answer else {
        return match fault {
            Some(Fault::NoAnswer) => Outcome::Silence,
            _ => Outcome::Cut,
        };
    };
    match fault {
        Some(Fault::LostAnswer) => return Outcome::Cut,
        Some(Fault::Hangs) => return Outcome::Silence,
        // Of nothing there is no half.
        Some(Fault::HalfAnswer) if answer.body == Body::Nothing => return Outcome::Cut,
        Some(Fault::HalfAnswer) => return Outcome::Half(answer),
        Some(Fault::Late(ms)) => return Outcome::Late(Duration::from_millis(ms.into()), answer),
        Some(Fault::StatusAfter(status)) => answer = wire::ordered(status),
        Some(Fault::Garbled) => {
            answer.status = 200;
            answer.body = Body::Other("application/json", "<html>please wait".into());
        }
        Some(Fault::EmptyList) => wire::thinned(&mut answer, |_| false),
        Some(Fault::PartialList) => wire::thinned(&mut answer, |place| place % 2 == 1),
        Some(
            Fault::Status(_) | Fault::Says(..) | Fault::Limited(_) | Fault::Cut | Fault::NoAnswer,
        )
        | None => {}
    }
    Outcome::Answered(answer)
}

/// Headers that every answer has.
fn dressed(state: &mut State, answer: Answer) -> Answer {
    let now = state.clock.now();
    let id = state.ids.ulid(now);
    answer.with("fly-request-id", format!("{id}-ams"))
}

fn describe(state: &mut State, arrival: &Arrival, answer: &Answer) {
    let Some(description) = state.description else {
        return;
    };
    let body = match &answer.body {
        Body::Json(body) => Some(body),
        Body::Nothing => None,
        Body::Other(..) => return,
    };
    let Arrival {
        method,
        called,
        query,
        sent,
        ..
    } = arrival;
    let wrong = description.exchange(method, called, sent, query, answer.status, body);
    state.ledger.violations.extend(wrong);
}

//! The model's socket.

use std::{io, net::TcpListener, sync::Arc};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Response, body::Incoming, header::HeaderMap};
use serde_json::Value as Json;
use tokio::sync::oneshot;

use super::{
    Shared,
    faults::Fault,
    reading, shapes,
    state::{Asked, State},
    transactions,
    wire::{Fail, Reason},
    writing::{self, Kind},
};
use crate::{
    aws::{clock, signature},
    server::accept,
};

/// The largest request that DynamoDB takes is 16 MB.
const BODY: usize = 16 << 20;
/// What the operation's name begins with in the header.
const TARGET: &str = "DynamoDB_20120810.";

/// What becomes of a request.
enum Outcome {
    Answered(Result<Json, Fail>),
    Cut,
    Silence,
}

/// Serves until it is told to stop.
pub(super) fn run(shared: Arc<Shared>, listener: TcpListener, stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        return;
    };
    runtime.block_on(async {
        tokio::select! {
            () = accept(listener, move |request| answer(shared.clone(), request)) => {}
            _ = stopped => {}
        }
    });
    runtime.shutdown_background();
}

async fn answer(
    shared: Arc<Shared>,
    request: hyper::Request<Incoming>,
) -> io::Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, BODY).collect().await;
    let body = body.map_err(io::Error::other)?.to_bytes();
    // A task of its own: who hangs up does not undo what he asked for.
    let asked = shared.clone();
    let work = tokio::spawn(async move { exchange(&asked, &head.headers, &body).await });
    let answer = match work.await.map_err(io::Error::other)? {
        Outcome::Answered(answer) => answer,
        Outcome::Cut => return Err(io::Error::other("cut by order of the story")),
        Outcome::Silence => std::future::pending().await,
    };
    let (status, body) = match answer {
        Ok(body) => (200, body),
        Err(fail) => (fail.status, fail.body()),
    };
    let now = clock::now(shared.lock().clock_ahead);
    Response::builder()
        .status(status)
        .header("date", httpdate::fmt_http_date(now))
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amzn-requestid", "MODEL")
        .body(Full::from(body.to_string()))
        .map_err(io::Error::other)
}

async fn exchange(shared: &Shared, headers: &HeaderMap, body: &[u8]) -> Outcome {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let operation = header("x-amz-target").and_then(|target| target.strip_prefix(TARGET));
    let Some(operation) = operation.map(str::to_owned) else {
        return Outcome::Answered(Err(Fail::new("UnknownOperationException", "")));
    };
    let signed = header("authorization").is_some_and(|signature| {
        signature.starts_with("AWS4-HMAC-SHA256 ") && signature.contains("/dynamodb/aws4_request")
    });
    if !signed {
        return Outcome::Answered(Err(Fail::new(
            "MissingAuthenticationTokenException",
            "Request is missing Authentication Token",
        )));
    }
    let now = clock::now(shared.lock().clock_ahead);
    let signed = header("x-amz-date").and_then(signature::moment);
    if let Some(says) = signed.and_then(|signed| signature::untimely(signed, now)) {
        return Outcome::Answered(Err(Fail::new("InvalidSignatureException", says)));
    }
    let Ok(body) = serde_json::from_slice::<Json>(body) else {
        return Outcome::Answered(Err(Fail::new("SerializationException", "not JSON")));
    };
    let fault = shared.lock().faults.take(&operation);
    if let Some(outcome) = before(shared, &operation, &body, fault.as_ref()) {
        return outcome;
    }
    let left_over = fault == Some(Fault::LeftOver);
    let answer = if operation == "TransactWriteItems" {
        transact(shared, &body).await
    } else {
        let mut state = shared.lock();
        let answer = perform(&mut state, &operation, &body, left_over);
        note(&mut state, &operation, &answer);
        answer
    };
    match fault {
        Some(Fault::LostAnswer) => Outcome::Cut,
        Some(Fault::Hangs) => Outcome::Silence,
        Some(Fault::DoneButStatus(status)) => Outcome::Answered(Err(Fail::with_status(status))),
        _ => Outcome::Answered(answer),
    }
}

/// What is answered in place of doing anything.
fn before(shared: &Shared, operation: &str, body: &Json, fault: Option<&Fault>) -> Option<Outcome> {
    let count = body["TransactItems"].as_array().map(Vec::len);
    let of_all = |reason: Reason| {
        let mut reasons = vec![Reason::None; count.unwrap_or_default()];
        if let Some(first) = reasons.first_mut() {
            *first = reason;
        }
        Fail::cancelled(reasons)
    };
    let fail = match (fault?, count) {
        (Fault::Cut, _) => return Some(Outcome::Cut),
        (Fault::Silence, _) => return Some(Outcome::Silence),
        (Fault::Throttled, Some(_)) => of_all(Reason::Throttled),
        (Fault::Throttled, None) => Fail::throttled(),
        (Fault::Conflict, Some(_)) => of_all(Reason::Conflict),
        (Fault::Conflict, None) => Fail::conflict(),
        (Fault::Status(status), _) => Fail::with_status(*status),
        (Fault::Refused(code), _) => Fail::new(code, "refused by order of the story"),
        (Fault::LostAnswer | Fault::Hangs | Fault::DoneButStatus(_) | Fault::LeftOver, _) => {
            return None;
        }
    };
    let answer = Err(fail);
    note(&mut shared.lock(), operation, &answer);
    Some(Outcome::Answered(answer))
}

/// A transaction holds its items for a while, as it does over there, where several machines talk about it.
async fn transact(shared: &Shared, body: &Json) -> Result<Json, Fail> {
    let (begun, window) = {
        let mut state = shared.lock();
        let begun = transactions::begin(&mut state, body);
        let answer = match &begun {
            Err(fail) => Some(Err(fail.clone())),
            Ok(None) => Some(Ok(Json::Object(serde_json::Map::new()))),
            Ok(Some(_)) => None,
        };
        if let Some(answer) = answer {
            note(&mut state, "TransactWriteItems", &answer);
            return answer;
        }
        (begun, state.window)
    };
    tokio::time::sleep(window).await;
    let mut state = shared.lock();
    let answer = match begun {
        Ok(Some(begun)) => transactions::end(&mut state, begun),
        Ok(None) => Ok(Json::Null),
        Err(fail) => Err(fail),
    };
    note(&mut state, "TransactWriteItems", &answer);
    answer
}

fn perform(state: &mut State, operation: &str, body: &Json, left_over: bool) -> Result<Json, Fail> {
    match operation {
        "GetItem" => reading::get(state, body),
        "BatchGetItem" => reading::get_batch(state, body, left_over),
        "Query" => reading::query(state, body),
        "PutItem" => writing::one(state, body, Kind::Put),
        "DeleteItem" => writing::one(state, body, Kind::Delete),
        "UpdateItem" => writing::one(state, body, Kind::Update),
        "BatchWriteItem" => writing::batch(state, body, left_over),
        "CreateTable" => shapes::create(state, body),
        "DescribeTable" => shapes::describe(state, body),
        "UpdateTimeToLive" => shapes::let_expire(state, body),
        "DescribeTimeToLive" => shapes::describe_expiry(state, body),
        other => Err(Fail::new(
            "UnknownOperationException",
            format!("the model does not know {other}"),
        )),
    }
}

/// Writes down what was asked and what it took.
fn note(state: &mut State, operation: &str, answer: &Result<Json, Fail>) {
    let asked = Asked {
        operation: operation.to_owned(),
        error: answer.as_ref().err().map(|fail| fail.code.clone()),
        read_units_twice: std::mem::take(&mut state.reads_twice),
        write_units: std::mem::take(&mut state.writes),
    };
    state.asked.push(asked);
}

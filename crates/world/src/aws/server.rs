//! The model's socket, and what every action passes through.

use std::{
    convert::Infallible,
    io,
    net::TcpListener,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::{
    Response,
    body::{Body, Frame, Incoming, SizeHint},
};
use tokio::sync::oneshot;

use super::{
    Fault, State, clock, kms, lock, s3, signature,
    wire::{Answer, Answered, Request},
};
use crate::server::accept;

/// Nobody sends more at once.
const BODY: usize = 64 << 20;

/// Serves until it is told to stop.
pub(super) fn run(state: Arc<Mutex<State>>, listener: TcpListener, stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        return;
    };
    runtime.block_on(async {
        tokio::select! {
            () = accept(listener, move |request| answer(state.clone(), request)) => {}
            _ = stopped => {}
        }
    });
    runtime.shutdown_background();
}

async fn answer(
    state: Arc<Mutex<State>>,
    request: hyper::Request<Incoming>,
) -> io::Result<Response<Sent>> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, BODY).collect().await;
    let body = body.map_err(io::Error::other)?.to_bytes();
    let target = head.uri.path_and_query();
    let target = target.map_or("/", |target| target.as_str());
    let request = Request::new(head.method, target, head.headers, body);
    let (answered, fault) = exchange(&mut lock(&state), request);
    match fault {
        Some(Fault::Cut | Fault::LostAnswer) => Err(io::Error::other("cut by order of the story")),
        Some(Fault::Silence | Fault::Hangs) => std::future::pending().await,
        Some(Fault::CutBody(bytes)) => Ok(response(answered, Some(bytes))),
        Some(Fault::Status(..)) | None => Ok(response(answered, None)),
    }
}

/// What comes of a request, and what goes wrong with the answer.
fn exchange(state: &mut State, request: Request) -> (Answer, Option<Fault>) {
    let service = Service::of(&request);
    let action = service.action(&request);
    state.asked.push(action.clone());
    let fault = state.faults.take(&action);
    let answered = match fault {
        Some(Fault::Cut | Fault::Silence) => Ok(Answer::empty(500)),
        Some(Fault::Status(status, code)) => {
            Err(service.error(status, code, "by order of the story"))
        }
        Some(Fault::LostAnswer | Fault::CutBody(_) | Fault::Hangs) | None => {
            perform(state, service, &action, request)
        }
    };
    let (Ok(answer) | Err(answer)) = answered;
    let date = httpdate::fmt_http_date(clock::now(state.clock_ahead));
    let answer = answer.with("date", date).with("x-amz-request-id", "STORY");
    (answer, fault)
}

fn perform(state: &mut State, service: Service, action: &str, request: Request) -> Answered {
    let error = |status, code: &str, said: &str| service.error(status, code, said);
    let now = clock::now(state.clock_ahead);
    let request = signature::verify(state, request, service, now)
        .map_err(|wrong| error(wrong.status, wrong.code, &wrong.says))?;
    if state.denied.contains(action) {
        let says = format!(
            "User: arn:aws:iam::{}:user/story is not authorized to perform: {action}",
            super::ACCOUNT
        );
        return Err(match service {
            Service::S3 => error(403, "AccessDenied", &says),
            Service::Kms => error(400, "AccessDeniedException", &says),
        });
    }
    match service {
        Service::S3 => s3::answer(state, action, &request),
        Service::Kms => kms::answer(state, action, &request),
    }
}

/// Which service is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    S3,
    Kms,
}

impl Service {
    fn of(request: &Request) -> Self {
        match request.header("x-amz-target") {
            Some(target) if target.starts_with("TrentService.") => Service::Kms,
            _ => Service::S3,
        }
    }

    /// As signatures name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Service::S3 => "s3",
            Service::Kms => "kms",
        }
    }

    fn action(self, request: &Request) -> String {
        match self {
            Service::S3 => format!("s3:{}", s3::action(request)),
            Service::Kms => {
                let target = request.header("x-amz-target").unwrap_or_default();
                let name = target.split_once('.').map_or("", |(_, name)| name);
                format!("kms:{name}")
            }
        }
    }

    fn error(self, status: u16, code: &str, message: &str) -> Answer {
        match self {
            Service::S3 => Answer::xml_error(status, code, message),
            Service::Kms => Answer::json_error(status, code, message),
        }
    }
}

fn response(answer: Answer, cut: Option<usize>) -> Response<Sent> {
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(*name, value);
    }
    let whole = answer.body.len() as u64;
    let body = Sent {
        bytes: cut.map_or(answer.body.clone(), |cut| {
            answer.body.slice(..cut.min(answer.body.len()))
        }),
        whole,
        is_cut: cut.is_some(),
        has_paused: false,
    };
    let failed = |_| -> Result<Response<Sent>, Infallible> { Ok(Response::new(Sent::default())) };
    response.body(body).or_else(failed).unwrap_or_default()
}

/// A body that may end before it is whole.
#[derive(Debug, Default)]
struct Sent {
    bytes: Bytes,
    whole: u64,
    is_cut: bool,
    has_paused: bool,
}

impl Body for Sent {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if !self.bytes.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.bytes)))));
        }
        // What came before the cut is sent first.
        if self.is_cut && !self.has_paused {
            self.has_paused = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let cut = self.is_cut;
        Poll::Ready(cut.then(|| Err(io::Error::other("cut by order of the story"))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty() && !self.is_cut
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.whole)
    }
}

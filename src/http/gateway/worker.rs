//! One worker's way of a request: find where it goes, wait where nothing serves yet, ask the app, carry the
//! answer back.

use std::{
    net::IpAddr,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use actix_web::{
    HttpResponse,
    body::BodySize,
    http::{ConnectionType, StatusCode},
};
use hyper::{Response, body::Incoming};

use super::{
    Shared,
    body::{Answer, Ends},
    config::WAKE_PAUSE,
    events::Events,
    exchange::{Asked, Failure, Sent},
    heads::{self, Origin, Refused, Upgrade},
    instead::{full, refusal, waits},
    pages,
    pool::{Goal, Pool},
    relay::Relay,
    visit::Visit,
};
use crate::messages::routes::{Door, Entrance, Flight, Held, Route, To};

/// What one worker holds: its own connections, and what all workers share.
pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) pool: Rc<Pool>,
}

/// How a request has fared so far.
struct Fate {
    began: Instant,
    /// Its place among the held, once it had to wait.
    held: Option<(Held, HeldInAll)>,
    /// A connection that was used before failed it.
    stale: bool,
    /// A new connection failed it.
    failed: bool,
}

impl Worker {
    /// Answers a request for an environment.
    pub(super) async fn answer(&self, mut visit: Visit) -> HttpResponse {
        if let Some(refusal) = refusal(&visit) {
            return refusal;
        }
        if self.shared.config.waits {
            return waits(&visit);
        }
        if visit.request.path().starts_with("/.nestling/") {
            return self.own_page(&visit);
        }
        let mut fate = Fate {
            began: Instant::now(),
            held: None,
            stale: false,
            failed: false,
        };
        loop {
            match self
                .shared
                .routes
                .enter(&visit.label, self.shared.config.bounds.inside)
            {
                Entrance::Nobody => return self.nobody(&visit),
                Entrance::NoEndpoint(route) => return self.no_endpoint(&visit, &route),
                Entrance::Full(route) => return full(&visit, &route),
                Entrance::Open {
                    route,
                    endpoint,
                    flight,
                } => {
                    fate.held = None;
                    let goal = Goal::new(route, endpoint, flight.flights().clone());
                    if let Some(refusal) = self.guard_console(&visit, &goal) {
                        return refusal;
                    }
                    match self.forward(&mut visit, &goal, flight, &fate).await {
                        Ok(answer) => return answer,
                        Err(failure) if may_retry(&visit, &failure, &mut fate) => {}
                        Err(failure) => return self.no_answer(&visit, &goal, &failure),
                    }
                }
                Entrance::Shut {
                    route,
                    door,
                    changed,
                } => {
                    // Boxed like what else is seldom: the future of a request stays small.
                    let waited =
                        Box::pin(self.wait(&visit, &route, &door, changed, &mut fate)).await;
                    if let Err(instead) = waited {
                        return instead;
                    }
                }
            }
        }
    }

    async fn forward(
        &self,
        visit: &mut Visit,
        goal: &Goal,
        flight: Flight,
        fate: &Fate,
    ) -> Result<HttpResponse, Failure> {
        let scheme = self.shared.config.addresses.scheme.clone();
        let host = visit.host().to_owned();
        let peer = visit
            .request
            .peer_addr()
            .map(|peer| peer.ip().to_canonical());
        let origin = Origin {
            host: &host,
            scheme: &scheme,
            peer,
            trusted: self.trusts(peer),
        };
        let asked = self
            .ask(visit, goal, &flight, &origin, fate.stale || fate.failed)
            .await?;
        if asked.response.status() == hyper::StatusCode::SWITCHING_PROTOCOLS {
            Box::pin(self.relay(visit, goal, flight, asked)).await
        } else {
            Ok(self.carry_back(visit, goal, flight, asked))
        }
    }

    /// An ordinary answer: head rewritten, body streamed.
    fn carry_back(&self, visit: &Visit, goal: &Goal, flight: Flight, asked: Asked) -> HttpResponse {
        let Asked { response, lease } = asked;
        let mut answer = head(&response, goal);
        let (parts, incoming) = response.into_parts();
        let size = body_size(&parts, &incoming, visit);
        if size == BodySize::Stream && visit.ends_with_connection() {
            answer.head_mut().no_chunking(true);
            answer.head_mut().set_connection_type(ConnectionType::Close);
        } else if visit.upgrade != Upgrade::No {
            answer.head_mut().set_connection_type(ConnectionType::Close);
        }
        let ends = if size == BodySize::Stream {
            ends(visit, &parts.headers)
        } else {
            Ends::Broken
        };
        let pause = self.shared.config.bounds.pause;
        answer
            .set_body(Answer::new(incoming, size, lease, flight, ends, pause))
            .map_into_boxed_body()
    }

    /// A handshake that the app accepted: from here on bytes pass both ways.
    async fn relay(
        &self,
        visit: &mut Visit,
        goal: &Goal,
        flight: Flight,
        asked: Asked,
    ) -> Result<HttpResponse, Failure> {
        let mut answer = head(&asked.response, goal);
        // An app that switches protocols unasked would leave the two sides reading different things.
        let client = visit
            .take_payload()
            .filter(|_| visit.upgrade == Upgrade::WebSocket);
        let client =
            client.ok_or_else(|| Failure::new(Sent::All, "it switched protocols unasked"))?;
        let upgraded = hyper::upgrade::on(asked.response).await;
        let upgraded = upgraded.map_err(|error| Failure::new(Sent::All, error))?;
        let head = answer.head_mut();
        head.set_connection_type(ConnectionType::Upgrade);
        head.headers_mut().insert(
            actix_web::http::header::UPGRADE,
            actix_web::http::header::HeaderValue::from_static("websocket"),
        );
        let relay = Relay::new(client, upgraded, flight, self.shared.config.bounds.silence);
        Ok(answer.set_body(relay).map_into_boxed_body())
    }

    /// Waits for the next change of a route where nothing serves. `Err` is what is answered instead: at once
    /// to a browser that can show how far it is, later to a program.
    async fn wait(
        &self,
        visit: &Visit,
        route: &Arc<Route>,
        door: &Arc<Door>,
        changed: impl Future<Output = ()>,
        fate: &mut Fate,
    ) -> Result<(), HttpResponse> {
        let bounds = &self.shared.config.bounds;
        let instead = |route: &Route| {
            let notice = pages::waiting(route, &self.shared.config.addresses.dashboard());
            notice.answer(visit.wants_page())
        };
        let most = match &route.to {
            To::Stopped { wakes: false, .. } => return Err(instead(route)),
            To::Stopped { wakes: true, .. } => {
                self.wake(route, door);
                bounds.coming
            }
            To::Coming { .. } | To::Again { .. } => bounds.coming,
            To::Switching | To::Serving(_) => bounds.switching,
        };
        let shows_page = visit.wants_page() && !matches!(route.to, To::Switching);
        let left = most.saturating_sub(fate.began.elapsed());
        if shows_page || left.is_zero() {
            return Err(instead(route));
        }
        if fate.held.is_none() {
            fate.held = door
                .hold(bounds.held)
                .zip(HeldInAll::take(&self.shared.held, bounds.held_in_all));
        }
        if fate.held.is_none() {
            return Err(instead(route));
        }
        // Late or changed, the route is looked at once more; what it says then is answered.
        let _ = tokio::time::timeout(left, changed).await;
        Ok(())
    }

    fn wake(&self, route: &Route, door: &Door) {
        let pause = u64::try_from(WAKE_PAUSE.as_millis()).unwrap_or(u64::MAX);
        if door.wakes(self.shared.hooks.now(), pause) {
            self.shared.hooks.wake(&route.environment);
        }
    }

    pub(super) fn dashboard(&self) -> String {
        self.shared.config.addresses.dashboard()
    }

    fn trusts(&self, peer: Option<IpAddr>) -> bool {
        peer.is_some_and(|peer| self.shared.config.trusted_proxies.contain(peer))
    }
}

/// The head of an app's answer, as the client receives it.
fn head(response: &Response<Incoming>, goal: &Goal) -> HttpResponse {
    let status =
        StatusCode::from_u16(response.status().as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut answer = HttpResponse::new(status);
    if let (Some(serving), Some(target)) = (goal.serving(), goal.target()) {
        *answer.headers_mut() =
            heads::for_client(response.headers(), goal.route.kind, &serving.commit);
        if target.console {
            // A console in a frame could be clicked by somebody who does not see it.
            answer.headers_mut().append(
                actix_web::http::header::CONTENT_SECURITY_POLICY,
                actix_web::http::header::HeaderValue::from_static("frame-ancestors 'none'"),
            );
        }
    }
    answer
}

/// A place among the held requests of all environments.
struct HeldInAll(Arc<AtomicUsize>);

impl HeldInAll {
    fn take(held: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        let place = HeldInAll(held.clone());
        (held.fetch_add(1, Ordering::Relaxed) < most).then_some(place)
    }
}

impl Drop for HeldInAll {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether a request that failed is told to whatever serves now: once after a connection that had been used
/// before, and once after a new one.
fn may_retry(visit: &Visit, failure: &Failure, fate: &mut Fate) -> bool {
    let tried = if failure.reused {
        &mut fate.stale
    } else {
        &mut fate.failed
    };
    if std::mem::replace(tried, true) {
        return false;
    }
    match failure.sent {
        Sent::Nothing => visit.is_whole(),
        Sent::All => visit.may_go_again(),
        Sent::Late | Sent::TooLarge | Sent::Unreadable => false,
    }
}

/// What the client is told of the body's length.
fn body_size(parts: &hyper::http::response::Parts, incoming: &Incoming, visit: &Visit) -> BodySize {
    use hyper::body::Body as _;
    let said = || {
        let length = parts.headers.get(hyper::header::CONTENT_LENGTH)?;
        length.to_str().ok()?.parse().ok()
    };
    let bodyless = visit.request.method() == actix_web::http::Method::HEAD;
    match parts.status.as_u16() {
        204 | 304 => BodySize::None,
        _ if bodyless => said().map_or(BodySize::Stream, BodySize::Sized),
        _ => incoming
            .size_hint()
            .exact()
            .map_or(BodySize::Stream, BodySize::Sized),
    }
}

/// How a body of unknown length ends that the app does not end: where its reader asks again, an early end is
/// no loss. What was posted is not asked for again, so that its answer may be finished within the drain.
fn ends(visit: &Visit, headers: &hyper::HeaderMap) -> Ends {
    let kind = headers
        .get(hyper::header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    if kind.starts_with("text/event-stream") {
        let asked_again = *visit.request.method() == actix_web::http::Method::GET;
        return if asked_again {
            Ends::BetweenEvents(Events::default())
        } else {
            Ends::Gently
        };
    }
    let endless = ["application/x-ndjson", "multipart/x-mixed-replace"];
    if endless.iter().any(|endless| kind.starts_with(endless)) {
        Ends::Gently
    } else {
        Ends::Broken
    }
}

impl From<Refused> for Sent {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::TooLarge => Sent::TooLarge,
            Refused::Unreadable => Sent::Unreadable,
        }
    }
}

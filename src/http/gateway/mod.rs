//! The gateway: our reverse proxy in front of every environment.
//!
//! It wraps the server's own app as the outermost middleware and decides by Host alone: the dashboard's names go
//! on to the app, labels under the preview domain go to what serves there, everything else is refused. Bodies
//! stream both ways; nothing is gathered. Every worker has its own connections to apps and looks each request up
//! in the shared [`Routes`], so that a change is used from the next request on.
//!
//! What is deliberately absent: no buffering, no caching, no decision of its own about what should run.

mod body;
mod config;
mod console;
mod cookies;
mod events;
mod exchange;
mod frames;
mod grants;
mod heads;
mod hooks;
mod host;
mod instead;
mod link;
mod pages;
mod pool;
mod probe;
mod relay;
#[cfg(test)]
mod tests;
mod visit;
mod worker;

use std::{
    fmt,
    future::{Ready, ready},
    rc::Rc,
    sync::{Arc, atomic::AtomicUsize},
};

use actix_web::{
    Error, HttpResponse,
    body::{EitherBody, MessageBody},
    dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
    http::{ConnectionType, StatusCode, header},
};
use futures::future::LocalBoxFuture;

pub use self::{
    config::{Bounds, GatewayConfig},
    grants::{CONSOLE_SESSION_LIFE, GRANT_LIFE, Grants, NoRandomness},
    hooks::{Doors, Hooks},
};
use self::{
    host::{Names, Whose},
    pool::Pool,
    visit::Visit,
    worker::Worker,
};
use super::webhook;
use crate::messages::routes::{Ending, Routes};

/// The gateway, as a cheap handle: a middleware for `App::wrap` (the last one, so that it is the outermost), and the
/// [`Traffic`](crate::messages::routes::Traffic) that environments ask.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
}

struct Shared {
    routes: Routes,
    config: GatewayConfig,
    names: Names,
    hooks: Arc<dyn Hooks>,
    /// Held requests of all environments.
    held: Arc<AtomicUsize>,
}

impl Gateway {
    /// A gateway over a table of routes.
    pub fn new(routes: Routes, config: GatewayConfig, hooks: Arc<dyn Hooks>) -> Self {
        let names = Names::new(&config);
        Gateway {
            shared: Arc::new(Shared {
                routes,
                config,
                names,
                hooks,
                held: Arc::default(),
            }),
        }
    }

    /// Ends everything that never ends by itself, for the end of the server: WebSockets are told to connect
    /// again, event streams end.
    pub fn end_streams(&self) {
        for flights in self.shared.routes.all_flights() {
            flights.end(Ending::All);
        }
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("config", &self.shared.config)
            .finish_non_exhaustive()
    }
}

impl<S, B> Transform<S, ServiceRequest> for Gateway
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = Gate<S>;
    type InitError = ();
    type Future = Ready<Result<Gate<S>, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        let pool = Pool::new(self.shared.config.bounds.clone());
        let worker = Rc::new(Worker {
            shared: self.shared.clone(),
            pool,
        });
        ready(Ok(Gate { inner, worker }))
    }
}

/// One worker's gateway, in front of the server's own app.
pub struct Gate<S> {
    inner: S,
    worker: Rc<Worker>,
}

impl<S: fmt::Debug> fmt::Debug for Gate<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<S, B> Service<ServiceRequest> for Gate<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let host = request
            .headers()
            .get(header::HOST)
            .map(header::HeaderValue::as_bytes);
        match self
            .worker
            .shared
            .names
            .whose(host.map(<[u8]>::trim_ascii), request.uri())
        {
            // Webhooks are known by their signature, and come by whatever name GitHub was told, a tunnel's for instance.
            Whose::Stranger(_) if request.path() == webhook::PATH => self.pass(request),
            Whose::Dashboard => self.pass(request),
            Whose::Preview(label) => {
                let worker = self.worker.clone();
                Box::pin(async move {
                    let (request, payload) = request.into_parts();
                    let visit = Visit::new(request.clone(), payload, label);
                    let answer = worker.answer(visit).await;
                    Ok(ServiceResponse::new(request, answer).map_into_right_body())
                })
            }
            whose @ (Whose::NoLabel(_) | Whose::Stranger(_) | Whose::Malformed(_)) => {
                let answer = refuse(&whose, &self.worker.dashboard());
                Box::pin(ready(Ok(request
                    .into_response(answer)
                    .map_into_right_body())))
            }
        }
    }
}

impl<S> Gate<S> {
    /// On to the server's own app.
    fn pass<B>(
        &self,
        request: ServiceRequest,
    ) -> LocalBoxFuture<'static, Result<ServiceResponse<EitherBody<B>>, Error>>
    where
        S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
        S::Future: 'static,
        B: MessageBody + 'static,
    {
        let answer = self.inner.call(request);
        Box::pin(async move { Ok(answer.await?.map_into_left_body()) })
    }
}

/// What is answered to a host that is nobody's.
fn refuse(whose: &Whose, dashboard: &str) -> HttpResponse {
    match whose {
        Whose::Malformed(reason) => {
            let mut answer = pages::text(StatusCode::BAD_REQUEST, &format!("{reason}\n"));
            // Who sends one such request may send what follows with it.
            answer.head_mut().set_connection_type(ConnectionType::Close);
            answer
        }
        Whose::Stranger(host) => pages::text(
            StatusCode::MISDIRECTED_REQUEST,
            &format!("{host} is not served here; the dashboard is at {dashboard}\n"),
        ),
        Whose::NoLabel(host) => pages::text(
            StatusCode::NOT_FOUND,
            &format!(
                "no environment lives at {host}: an address is one label under the preview domain; see {dashboard}\n"
            ),
        ),
        Whose::Dashboard | Whose::Preview(_) => {
            pages::text(StatusCode::NOT_FOUND, "nothing is here\n")
        }
    }
}

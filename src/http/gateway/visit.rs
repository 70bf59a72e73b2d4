//! One request for an environment, and what of it is still to be sent.

use actix_web::{
    HttpRequest,
    dev::Payload,
    http::{Method, Version, header},
};
use hyper::{Request, Uri, http::uri::PathAndQuery};
use nestling_domain::label::Label;

use super::{
    body::Carried,
    heads::{self, Origin, Refused, Upgrade},
    pages::wants_page,
    pool::Lease,
};

/// One request for an environment.
pub(super) struct Visit {
    pub(super) request: HttpRequest,
    /// `None` once it is on its way.
    payload: Option<Payload>,
    pub(super) label: Label,
    pub(super) upgrade: Upgrade,
    bodyless: bool,
}

impl Visit {
    pub(super) fn new(request: HttpRequest, payload: Payload, label: Label) -> Self {
        let upgrade = heads::upgrade(
            request.method().as_str(),
            request.version(),
            request.headers(),
        );
        Visit {
            bodyless: matches!(payload, Payload::None),
            payload: Some(payload),
            request,
            label,
            upgrade,
        }
    }

    /// Whether a person looks at the answer.
    pub(super) fn wants_page(&self) -> bool {
        let reads = matches!(*self.request.method(), Method::GET | Method::HEAD);
        reads && self.upgrade == Upgrade::No && wants_page(self.request.headers())
    }

    /// The Host as the client wrote it.
    pub(super) fn host(&self) -> &str {
        let host = self.request.headers().get(header::HOST);
        host.and_then(|host| host.to_str().ok())
            .unwrap_or_default()
            .trim()
    }

    /// Whether the request can be told to another deployment after this one failed to answer: it changes
    /// nothing when it comes twice, and nothing of it is lost.
    pub(super) fn may_go_again(&self) -> bool {
        (self.bodyless || self.upgrade == Upgrade::WebSocket) && self.changes_nothing_twice()
    }

    /// Whether nothing of the request's body has left yet.
    pub(super) fn is_whole(&self) -> bool {
        self.bodyless || self.payload.is_some()
    }

    /// Whether the app sees the same after this request came twice (RFC 9110 section 9.2.2).
    pub(super) fn changes_nothing_twice(&self) -> bool {
        self.request.method().is_idempotent()
    }

    /// The request as the app receives it. Takes the body along.
    pub(super) fn for_app(
        &mut self,
        origin: &Origin<'_>,
        most: usize,
        lease: &Lease,
    ) -> Result<Request<Carried>, Refused> {
        let mut headers = heads::for_app(self.request.headers(), origin, most)?;
        if self.upgrade == Upgrade::WebSocket {
            headers.insert(
                hyper::header::CONNECTION,
                hyper::header::HeaderValue::from_static("Upgrade"),
            );
            headers.insert(
                hyper::header::UPGRADE,
                hyper::header::HeaderValue::from_static("websocket"),
            );
        }
        let path = self
            .request
            .uri()
            .path_and_query()
            .map_or("/", |path| path.as_str());
        let path = PathAndQuery::try_from(path).map_err(|_| Refused::Unreadable)?;
        let method = hyper::Method::from_bytes(self.request.method().as_str().as_bytes());
        // A WebSocket's payload is what follows the handshake: it is carried later.
        let body = if self.bodyless || self.upgrade != Upgrade::No {
            None
        } else {
            self.payload.take()
        };
        let body = Carried::new(body, self.length(), lease.sent.clone());
        let mut request = Request::new(body);
        *request.method_mut() = method.map_err(|_| Refused::Unreadable)?;
        *request.uri_mut() = Uri::from(path);
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// Takes back a body of which nothing was sent.
    pub(super) fn take_back(&mut self, body: Carried) {
        if let Some(payload) = body.into_payload() {
            self.payload = Some(payload);
        }
    }

    /// What the client sends after the handshake of a WebSocket.
    pub(super) fn take_payload(&mut self) -> Option<Payload> {
        self.payload.take()
    }

    /// Whether an answer of unknown length must end with the connection: the client, or the way we speak
    /// to it after an attempt to upgrade, knows no chunks.
    pub(super) fn ends_with_connection(&self) -> bool {
        self.request.version() < Version::HTTP_11 || self.upgrade != Upgrade::No
    }

    fn length(&self) -> Option<u64> {
        let length = self.request.headers().get(header::CONTENT_LENGTH)?;
        length.to_str().ok()?.trim().parse().ok()
    }
}

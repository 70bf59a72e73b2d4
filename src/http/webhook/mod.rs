//! `POST /github/webhook`: what GitHub tells. Each delivery is checked, read, recorded by one durable insert and then
//! acknowledged; whatever it causes is done later, from the inbox.
//!
//! The signature is the only door: neither the guard's token nor Host and Origin are asked for. Which answer means what to
//! GitHub stands in ADR 16.

mod body;
mod head;
mod signature;
#[cfg(test)]
mod tests;

use std::sync::{Arc, PoisonError, RwLock};

use actix::Recipient;
use actix_web::{HttpRequest, HttpResponse, ResponseError as _, http::header, web};
use nestling_domain::{
    github::read,
    record::{Delivery, Fact},
};
use tracing::warn;

use self::{
    body::{Held, Room},
    head::Head,
    signature::{Claimed, Secrets},
};
use super::problem::Problem;
use crate::{
    drivers::{clock, store::Store},
    messages::forge::Arrived,
};

/// Where GitHub sends webhooks.
pub(super) const PATH: &str = "/github/webhook";
/// Larger bodies are checked and read beside the threads that answer: one of this length takes a quarter of a millisecond.
const LARGE: usize = 64 * 1024;
/// The longest record of a delivery, in bytes: an installation's thousand repositories take half of it, and the store's writer
/// a few milliseconds.
const LONGEST_RECORD: usize = 512 * 1024;
/// How much is kept of the reason why a webhook could not be read, in characters: the parser repeats whole values.
const LONGEST_REASON: usize = 300;
/// What the id of a delivery ends in that could not be read. No id of GitHub's has a space: a later try is another record.
const UNREADABLE: &str = " unreadable";

/// What the route is built on. One for all workers.
pub struct Webhooks {
    store: Arc<dyn Store>,
    arrived: Recipient<Arrived>,
    secrets: RwLock<Secrets>,
    room: Room,
}

impl Webhooks {
    /// The route's state. Webhooks may be signed with any of these secrets; empty ones count for nothing.
    pub fn new(store: Arc<dyn Store>, arrived: Recipient<Arrived>, secrets: &[&str]) -> Self {
        Webhooks {
            store,
            arrived,
            secrets: RwLock::new(Secrets::new(secrets)),
            room: Room::default(),
        }
    }

    /// Takes webhooks that are signed with this secret, and no others, from now on.
    pub fn trust(&self, secret: &str) {
        let mut secrets = self.secrets.write().unwrap_or_else(PoisonError::into_inner);
        *secrets = Secrets::new(&[secret]);
    }

    fn signed(&self, bytes: &[u8], claimed: &Claimed) -> bool {
        let secrets = self.secrets.read().unwrap_or_else(PoisonError::into_inner);
        secrets.signed(bytes, claimed)
    }
}

/// Where GitHub is to send webhooks; `None` when it is not said how the server is reached from outside.
pub fn address(server: &crate::config::Server) -> Option<String> {
    let public = server.public()?;
    let port = public
        .port
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    Some(format!("{}://{}{port}{PATH}", public.scheme, public.host))
}

/// Mounts the route. Without webhooks the path answers that there is nothing, and is still nobody's page: the guard is open there.
pub fn routes(webhooks: Option<web::Data<Webhooks>>) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| {
        let resource = web::resource(PATH);
        config.service(match webhooks {
            Some(webhooks) => resource
                .app_data(webhooks)
                .route(web::post().to(receive))
                .default_service(web::to(wrong_method)),
            None => resource.default_service(web::to(absent)),
        });
    }
}

async fn receive(
    webhooks: web::Data<Webhooks>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let head = Head::read(request.headers())?;
    let claimed = Claimed::read(request.headers()).ok_or_else(Problem::unsigned)?;
    let body = webhooks.room.read(request.headers(), payload).await?;
    let judging = webhooks.clone().into_inner().judge(head, claimed, body);
    let judged = judging.await?;
    webhooks.record(&judged.delivery).await?;
    match judged.unreadable {
        None => Ok(HttpResponse::Accepted().finish()),
        Some(why) => Err(Problem::malformed(why)),
    }
}

/// A webhook that is signed as it should be.
struct Judged {
    /// What is recorded of it.
    delivery: Delivery,
    /// Why it could not be read, if so.
    unreadable: Option<String>,
}

impl Webhooks {
    async fn judge(
        self: Arc<Self>,
        head: Head,
        claimed: Claimed,
        body: Held,
    ) -> Result<Judged, Problem> {
        let large = body.bytes.len() > LARGE;
        let work = move || {
            if !self.signed(&body.bytes, &claimed) {
                return Err(Problem::unsigned());
            }
            Ok(judged(head, &body.bytes))
        };
        if large {
            let judged = web::block(work).await;
            return judged.unwrap_or_else(|_| Err(Problem::unavailable("the server is ending")));
        }
        work()
    }

    /// Records a delivery, unless it is there already; only then is it acknowledged.
    async fn record(&self, delivery: &Delivery) -> Result<(), Problem> {
        match self.store.receive(delivery).await {
            Ok(true) => {
                self.arrived.do_send(Arrived);
                Ok(())
            }
            Ok(false) => Ok(()),
            Err(error) => {
                warn!("webhook {} could not be recorded: {error}", delivery.id);
                Err(Problem::unavailable(
                    "this delivery could not be recorded: send it again",
                ))
            }
        }
    }
}

/// What is recorded of a body, and whether it could be read.
fn judged(head: Head, body: &[u8]) -> Judged {
    let Head { event, id } = head;
    let why = match read(&event, body) {
        Ok(webhook) => {
            let repository = webhook.repository.as_ref().map(|named| named.id);
            let webhook = Box::new(webhook);
            let event = event.clone();
            let fact = Fact::Webhook { event, webhook };
            if fits(&fact, body) {
                let delivery = Delivery {
                    id,
                    at: clock::now(),
                    repository,
                    fact,
                };
                return Judged {
                    delivery,
                    unreadable: None,
                };
            }
            format!(
                "what is kept of a webhook has at most {LONGEST_RECORD} bytes, and this has more"
            )
        }
        Err(error) => shortened(&error.to_string()),
    };
    let delivery = Delivery {
        id: id + UNREADABLE,
        at: clock::now(),
        repository: None,
        fact: Fact::Unreadable {
            event,
            why: why.clone(),
        },
    };
    Judged {
        delivery,
        unreadable: Some(why),
    }
}

/// Whether a record is short enough. What is kept of a body is hardly longer than the body.
fn fits(fact: &Fact, body: &[u8]) -> bool {
    let length = || serde_json::to_vec(fact).map_or(usize::MAX, |record| record.len());
    body.len() <= LARGE || length() <= LONGEST_RECORD
}

fn shortened(reason: &str) -> String {
    let plain = |letter: &char| !letter.is_control();
    reason.chars().filter(plain).take(LONGEST_REASON).collect()
}

async fn wrong_method(request: HttpRequest) -> HttpResponse {
    let detail = format!("{PATH} answers POST, not {}", request.method());
    let mut answer = Problem::wrong_method(detail).error_response();
    let post = header::HeaderValue::from_static("POST");
    answer.headers_mut().insert(header::ALLOW, post);
    answer
}

async fn absent() -> HttpResponse {
    let detail = "this server takes no webhooks: forge.driver is not \"github\"";
    Problem::not_found(detail).error_response()
}

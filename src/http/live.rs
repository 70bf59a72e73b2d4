//! `/v1/live`: a WebSocket over which a client watches apps. It says `{"subscribe": ["local/shop"]}` (or
//! `["*"]`), is answered with one snapshot frame per topic and then gets what happens, each frame with its
//! number. A client that misses a number subscribes to the topic again, which is answered with a new snapshot. One that
//! does not keep up is closed with 1013 and subscribes anew. An app that is removed is told as a touch: it is there no more.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use actix_web::{HttpRequest, HttpResponse, rt, web};
use actix_ws::{CloseCode, CloseReason, Message, MessageStream, Session};
use futures::{
    StreamExt as _,
    stream::{self, SelectAll, Stream},
};
use nestling_domain::label::Slug;
use serde::Deserialize;
use tokio::{
    sync::{Semaphore, SemaphorePermit, mpsc},
    time::{Instant, interval, timeout},
};

use super::{
    Services,
    auth::{Auth, Principal},
    problem::Problem,
};
use crate::{actors::live::EVERYTHING, messages::live::Subscribe};

/// Clients at once; the bound of the benchmark is a fifth of it.
const MOST: usize = 5_000;
/// Topics of one client.
const MOST_TOPICS: usize = 64;
/// Frames that may wait for one client and topic: a whole deployment is about ten.
const WAITING: usize = 256;
/// The longest message of a client: its topics.
const LONGEST: usize = 16 * 1024;
/// How often a client is asked whether it lives.
const PING: Duration = Duration::from_secs(20);
/// A client from which nothing was heard for this long is gone: three pings.
const SILENT: Duration = Duration::from_mins(1);
/// The longest a frame may take to be handed to the socket.
const SLOW: Duration = Duration::from_secs(10);

static WATCHING: Semaphore = Semaphore::const_new(MOST);

/// What a client says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Says {
    subscribe: Vec<String>,
}

/// Frames of one topic; `None` once it has fallen behind.
type Frames = Pin<Box<dyn Stream<Item = Option<Arc<str>>>>>;

/// Mounts it. Needs [`Services`] and [`Auth`] as app data, and the guard before it.
pub fn routes(config: &mut web::ServiceConfig) {
    config.route("/v1/live", web::get().to(live));
}

async fn live(
    request: HttpRequest,
    body: web::Payload,
    services: web::Data<Services>,
    auth: web::Data<Auth>,
    principal: Principal,
) -> Result<HttpResponse, actix_web::Error> {
    let place = WATCHING.try_acquire().map_err(|_| {
        Problem::unavailable(format!(
            "{MOST} clients watch already: try again in a moment"
        ))
    })?;
    let (response, session, messages) = actix_ws::handle(&request, body)?;
    let client = Client {
        services,
        auth,
        principal,
        session: session.clone(),
        topics: BTreeMap::new(),
        frames: SelectAll::new(),
        heard: Instant::now(),
        _place: place,
    };
    let messages = messages.max_frame_size(LONGEST);
    rt::spawn(async move {
        let reason = client.serve(messages).await;
        // Nobody may be there to hear it.
        let _ = session.close(reason).await;
    });
    Ok(response)
}

struct Client {
    services: web::Data<Services>,
    auth: web::Data<Auth>,
    principal: Principal,
    session: Session,
    /// Weak, because a channel that the live actor drops has ended.
    topics: BTreeMap<String, mpsc::WeakSender<Arc<str>>>,
    /// A channel per topic, so that one that fell behind is noticed.
    frames: SelectAll<Frames>,
    heard: Instant,
    _place: SemaphorePermit<'static>,
}

impl Client {
    /// Serves until the end, and says why it ended. What was subscribed ends with the channels.
    async fn serve(mut self, mut messages: MessageStream) -> Option<CloseReason> {
        let mut ping = interval(PING);
        loop {
            let step = tokio::select! {
                Some(frame) = self.frames.next(), if !self.frames.is_empty() => self.pass(frame).await,
                message = messages.next() => match message {
                    Some(Ok(message)) => self.hear(message).await,
                    Some(Err(_)) => Err(Some(closed(CloseCode::Protocol, "this is not the protocol"))),
                    None => Err(None),
                },
                _ = ping.tick() => self.ping().await,
            };
            if let Err(reason) = step {
                return reason;
            }
        }
    }

    async fn pass(&mut self, frame: Option<Arc<str>>) -> Result<(), Option<CloseReason>> {
        let Some(frame) = frame else {
            return Err(Some(closed(CloseCode::Again, "too slow: subscribe again")));
        };
        if !self.auth.still(&self.principal) {
            return Err(Some(closed(CloseCode::Policy, "no longer signed in")));
        }
        self.send(&frame).await
    }

    async fn send(&mut self, text: &str) -> Result<(), Option<CloseReason>> {
        match timeout(SLOW, self.session.text(text)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(None),
            Err(_) => Err(Some(closed(CloseCode::Again, "too slow: subscribe again"))),
        }
    }

    async fn hear(&mut self, message: Message) -> Result<(), Option<CloseReason>> {
        self.heard = Instant::now();
        match message {
            Message::Text(text) => match serde_json::from_str::<Says>(&text) {
                Ok(says) => self.subscribe(says.subscribe).await,
                Err(_) => Err(Some(closed(
                    CloseCode::Policy,
                    "say {\"subscribe\": [\"owner/app\"]}",
                ))),
            },
            Message::Ping(bytes) => self.session.pong(&bytes).await.map_err(|_| None),
            Message::Pong(_) => Ok(()),
            Message::Close(_) => Err(None),
            Message::Binary(_) | Message::Continuation(_) => {
                Err(Some(closed(CloseCode::Unsupported, "only text is read")))
            }
            Message::Nop => Ok(()),
        }
    }

    async fn subscribe(&mut self, topics: Vec<String>) -> Result<(), Option<CloseReason>> {
        // Said twice in one breath, it is wanted once.
        for topic in topics.into_iter().collect::<BTreeSet<String>>() {
            let sink = match self.topics.get(&topic).map(mpsc::WeakSender::upgrade) {
                Some(Some(sink)) => sink,
                // It has fallen behind, and is told so in its turn.
                Some(None) => continue,
                None => match self.open(&topic).await? {
                    Some(sink) => sink,
                    None => continue,
                },
            };
            let order = Subscribe {
                topics: vec![topic],
                sink,
            };
            if self.services.live.subscribe.send(order).await.is_err() {
                return Err(Some(closed(
                    CloseCode::Again,
                    "restarting: subscribe again",
                )));
            }
        }
        Ok(())
    }

    /// A channel for a topic that this client has not named before; `None` when there is no such topic.
    async fn open(
        &mut self,
        topic: &str,
    ) -> Result<Option<mpsc::Sender<Arc<str>>>, Option<CloseReason>> {
        if self.topics.len() >= MOST_TOPICS {
            let reason = format!("at most {MOST_TOPICS} topics");
            return Err(Some(closed(CloseCode::Policy, &reason)));
        }
        if !self.exists(topic).await {
            let shown: String = topic.chars().take(80).collect();
            let refused = serde_json::json!({ "refused": shown, "why": "there is no such app" });
            self.send(&refused.to_string()).await?;
            return Ok(None);
        }
        let (sink, frames) = mpsc::channel(WAITING);
        self.topics.insert(topic.to_owned(), sink.downgrade());
        self.frames.push(frames_of(frames));
        Ok(Some(sink))
    }

    /// Whether there is such a topic: names of nothing would stay in the live actor's table.
    async fn exists(&self, topic: &str) -> bool {
        if topic == EVERYTHING {
            return true;
        }
        let Some((owner, app)) = topic.split_once('/') else {
            return false;
        };
        let slug = Slug::of(app);
        let found = self.services.store.app_by_slug(owner, &slug).await;
        slug.as_str() == app && matches!(found, Ok(Some(_)))
    }

    async fn ping(&mut self) -> Result<(), Option<CloseReason>> {
        if self.heard.elapsed() >= SILENT {
            return Err(Some(closed(CloseCode::Away, "nothing was heard")));
        }
        if !self.auth.still(&self.principal) {
            return Err(Some(closed(CloseCode::Policy, "no longer signed in")));
        }
        self.session.ping(b"").await.map_err(|_| None)
    }
}

fn frames_of(frames: mpsc::Receiver<Arc<str>>) -> Frames {
    let frames = stream::unfold(frames, |mut frames| async move {
        Some((frames.recv().await?, frames))
    });
    Box::pin(frames.map(Some).chain(stream::once(async { None })))
}

fn closed(code: CloseCode, why: &str) -> CloseReason {
    CloseReason {
        code,
        description: Some(why.to_owned()),
    }
}

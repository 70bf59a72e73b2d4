//! Live: fans changes out to the dashboards that watch, with sequence numbers and bounded queues.

use std::{collections::HashMap, sync::Arc};

use actix::prelude::*;
use tokio::sync::mpsc;

use crate::messages::live::{Change, Frame, Handle, Publish, Says, Subscribe, Touch};

/// The topic of those who watch everything.
pub const EVERYTHING: &str = "*";

/// Fans changes out.
pub struct Live {
    epoch: u64,
    topics: HashMap<String, Topic>,
}

#[derive(Default)]
struct Topic {
    seq: u64,
    sinks: Vec<mpsc::Sender<Arc<str>>>,
}

impl Live {
    /// The actor; `epoch` is random per start, so that a client knows that numbers began anew.
    pub fn new(epoch: u64) -> Self {
        Live {
            epoch,
            topics: HashMap::new(),
        }
    }

    /// The way for everybody else to reach it.
    pub fn handle(address: &Addr<Self>) -> Handle {
        Handle {
            publish: address.clone().recipient(),
            touch: address.clone().recipient(),
            subscribe: address.clone().recipient(),
        }
    }

    /// Serialised once, whatever the number of those who watch.
    fn send(&mut self, topic: &str, says: Says<'_>) {
        let Some(state) = self.topics.get_mut(topic) else {
            return;
        };
        state.seq += 1;
        let frame = Frame {
            topic,
            epoch: self.epoch,
            seq: state.seq,
            says,
        };
        let Ok(text) = serde_json::to_string(&frame) else {
            return;
        };
        let text: Arc<str> = text.into();
        // Who does not keep up is dropped; its connection ends, and it looks again.
        state
            .sinks
            .retain(|sink| sink.try_send(text.clone()).is_ok());
        if state.sinks.is_empty() {
            self.topics.remove(topic);
        }
    }
}

impl Actor for Live {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(0);
    }
}

impl Handler<Publish> for Live {
    type Result = ();

    fn handle(
        &mut self,
        Publish {
            environment,
            events,
        }: Publish,
        _: &mut Self::Context,
    ) {
        let name = environment.name();
        let topic = format!("{}/{}", environment.owner, environment.slug);
        for topic in [topic.as_str(), EVERYTHING] {
            let change = Change {
                environment: &name,
                status: environment.lifecycle.shown().name(),
                events: &events,
            };
            self.send(topic, Says::Event(change));
        }
    }
}

impl Handler<Touch> for Live {
    type Result = ();

    fn handle(&mut self, Touch { topic }: Touch, _: &mut Self::Context) {
        if topic != EVERYTHING {
            self.send(EVERYTHING, Says::Touched(&topic));
            return self.send(&topic, Says::Touched(&topic));
        }
        let topics: Vec<String> = self.topics.keys().cloned().collect();
        for topic in topics {
            self.send(&topic, Says::Touched(EVERYTHING));
        }
    }
}

impl Handler<Subscribe> for Live {
    type Result = ();

    fn handle(&mut self, Subscribe { topics, sink }: Subscribe, _: &mut Self::Context) {
        for topic in topics {
            let state = self.topics.entry(topic.clone()).or_default();
            let frame = Frame {
                topic: &topic,
                epoch: self.epoch,
                seq: state.seq,
                says: Says::Snapshot("fetch the page, then apply what follows"),
            };
            let Ok(text) = serde_json::to_string(&frame) else {
                continue;
            };
            if sink.try_send(text.into()).is_ok() {
                // Somebody who has missed a frame may ask again.
                state.sinks.retain(|known| !known.same_channel(&sink));
                state.sinks.push(sink.clone());
            }
        }
    }
}

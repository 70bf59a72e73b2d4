//! What the live actor is told: changes, fanned out to the dashboards that watch.

use actix::prelude::*;
use nestling_domain::{environment::Environment, record::EventRecord};
use serde::Serialize;
use std::sync::Arc;
use tokio::sync::mpsc;

/// An environment has changed and this is what happened.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Publish {
    /// The record after it.
    pub environment: Arc<Environment>,
    /// What happened.
    pub events: Vec<EventRecord>,
}

/// Something else about a topic has changed (the queue moved, a repository vanished): look again.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Touch {
    /// `local/shop`, or `*` for everything.
    pub topic: String,
}

/// Frames of these topics go to this channel from now on; the first frame of each says where its numbers begin.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Subscribe {
    /// `local/shop`, or `*` for everything.
    pub topics: Vec<String>,
    /// Bounded; a client whose channel is full is dropped and must subscribe again.
    pub sink: mpsc::Sender<Arc<str>>,
}

/// One frame, as a client reads it. Within one epoch and topic `seq` grows by one; a gap means: look again.
#[derive(Debug, Clone, Serialize)]
pub struct Frame<'a> {
    /// What it is about.
    pub topic: &'a str,
    /// Random per start of the live actor.
    pub epoch: u64,
    /// Counts the frames of this topic.
    pub seq: u64,
    /// What it says.
    #[serde(flatten)]
    pub says: Says<'a>,
}

/// What a frame says.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Says<'a> {
    /// You are subscribed: fetch what is, then apply what follows.
    Snapshot(&'a str),
    /// Something happened to an environment.
    Event(Change<'a>),
    /// Something else changed: look again.
    Touched(&'a str),
}

/// What happened to an environment.
#[derive(Debug, Clone, Serialize)]
pub struct Change<'a> {
    /// Its name: `local/shop/pr-12`.
    pub environment: &'a str,
    /// What people see of it now, in one word.
    pub status: &'a str,
    /// What happened.
    pub events: &'a [EventRecord],
}

/// The way for everybody else to reach the live actor.
#[derive(Clone)]
pub struct Handle {
    /// For environments.
    pub publish: Recipient<Publish>,
    /// For everybody else who changes what a page shows.
    pub touch: Recipient<Touch>,
    /// For dashboards.
    pub subscribe: Recipient<Subscribe>,
}

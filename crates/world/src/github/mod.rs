//! A model of GitHub behind HTTP: `api.github.com` and `github.com` at one address.
//!
//! It holds what GitHub holds: accounts, an App and its installations, repositories that are real ones of git, pull
//! requests, comments, check runs, deployments and deliveries. Stories act on it as people do ([`Model::act`]), programs use
//! its API and fetch from it, and at the end both look at what people would see.

mod acts;
mod auth;
mod control;
mod description;
mod exchange;
mod faults;
mod git;
mod keys;
mod ledger;
mod limits;
mod routes;
mod server;
mod show;
mod smart_http;
mod state;
mod webhooks;
mod wire;

use std::{net::SocketAddr, sync::Arc, thread::JoinHandle, time::Duration};

use anyhow::{Context as _, Result};
use tokio::{sync::oneshot, time::timeout};

use crate::clock;
pub use crate::{
    clock::{Clock, iso},
    orders::Times,
};
pub use acts::Opening;
pub use description::Description;
pub use exchange::Outcome;
pub use faults::{Fault, Faults, Loss};
pub use git::Change;
pub use ledger::{Asked, Ledger, Write};
pub use state::{
    Access, Account, App, Author, Button, CheckRun, Comment, Delivery, Deployment,
    DeploymentStatus, Installation, Label, Level, Output, Permissions, PullRequest, Reaction,
    Repository, Role, Selection, Sent, State, Token,
};
pub use webhooks::Letter;
pub use wire::{Answer, Body, Request};

/// What a story waits for at most: longer than a delivery that nobody answers takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// The model, running. It ends when this is dropped.
#[derive(Debug)]
pub struct Model {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

pub(crate) type Shared = crate::shared::Shared<State>;

impl Model {
    /// Starts it at a free port of this machine.
    pub fn start() -> Result<Self> {
        Model::listen(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Starts it at this address.
    pub fn listen(address: SocketAddr) -> Result<Self> {
        let listener = std::net::TcpListener::bind(address)
            .with_context(|| format!("nothing can listen on {address}"))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (sender, outbox) = tokio::sync::mpsc::unbounded_channel();
        let state = State::new(
            format!("http://{address}"),
            webhooks::Outbox::to(sender),
            state::Ground::folder()?,
            keys::salt()?,
        );
        let shared = Arc::new(Shared::new(state));
        let (stop, stopped) = oneshot::channel();
        let serving = shared.clone();
        // A thread of its own: a story's runtime may stop its clock, and the model goes on.
        let thread = std::thread::Builder::new()
            .name("github".into())
            .spawn(move || server::run(serving, listener, outbox, stopped))?;
        Ok(Model {
            shared,
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// `http://127.0.0.1:PORT`: the base address of the API, and of clones.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Acts as people do: `model.act(|github| github.close("acme/shop", 1, "ann"))?`.
    pub fn act<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.shared.lock())
    }

    /// Looks, and changes nothing.
    pub fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.shared.peek())
    }

    /// Asks without a socket.
    pub fn ask(&self, request: &Request) -> Outcome {
        self.shared.lock().ask(request)
    }

    /// Waits until GitHub knows something; an error says what it never knew.
    pub async fn until(&self, what: &str, known: impl Fn(&State) -> bool) -> Result<()> {
        let mut changes = self.shared.changes();
        let whole = async {
            while !self.look(&known) {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        let in_time = timeout(PATIENCE, whole).await;
        in_time.with_context(|| format!("GitHub never saw {what}; it was asked:\n{}", self.asked()))
    }

    /// Waits until no delivery is on its way.
    pub async fn settled(&self) -> Result<()> {
        self.until("the end of its deliveries", State::quiet).await
    }

    fn asked(&self) -> String {
        let line = |asked: &Asked| {
            format!(
                "{} {} {} {}\n",
                asked.who, asked.method, asked.target, asked.status
            )
        };
        self.look(|state| state.ledger.requests.iter().map(line).collect())
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

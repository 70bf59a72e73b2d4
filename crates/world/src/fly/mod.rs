//! A model of Fly's Machines API behind HTTP: what <https://api.machines.dev/v1> is to a program.
//!
//! It holds what Fly holds: organisations with tokens, apps, machines with their states, volumes, addresses, certificates,
//! secrets and leases, and the registry of their images. Machines may run something real ([`Host`]). Stories act on it ([`Model::act`]), programs use its API,
//! and at the end both look at what is left.

mod action;
mod acts;
mod auth;
mod boot;
mod certificates;
mod checks;
mod config;
mod control;
mod description;
mod exchange;
mod faults;
mod flycast;
mod host;
mod ids;
mod ledger;
mod lifecycle;
mod limits;
mod registry;
mod routes;
mod server;
mod show;
mod state;
mod wire;

use std::{
    hash::{BuildHasher as _, RandomState},
    net::SocketAddr,
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use anyhow::{Context as _, Result};
use tokio::{sync::oneshot, time::timeout};

pub use crate::{
    clock::{Clock, iso},
    orders::Times,
};
pub use action::Action;
pub use boot::{Boot, File};
pub use description::{Description, KNOWN_MISTAKES};
pub use exchange::{Outcome, Waiting};
pub use faults::{Fault, Faults};
pub use host::{Check, Ended, Health, Host, Quiet};
pub use ledger::{Asked, Ledger, Nonce, Write};
pub use limits::Limits;
pub use state::{
    Address, AddressKind, App, Certificate, Delays, Dns, Event, Hardware, Hidden, HostStatus,
    Lease, LeaseShape, Machine, Manners, Organisation, Phase, Region, Secret, Snapshot, State,
    Token, Volume, VolumeState,
};
pub use wire::{Answer, Body, Request};

/// What a story waits for at most: longer than any delay of the model in a story.
const PATIENCE: Duration = Duration::from_secs(20);

/// The model, running. It ends when this is dropped, and with it what its machines run.
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
        let seed = RandomState::new().hash_one(address);
        let mut state = State::new(format!("http://{address}"), seed);
        state.description = Description::at_hand()?;
        let shared = Arc::new(Shared::new(state));
        let (stop, stopped) = oneshot::channel();
        let serving = shared.clone();
        // A thread of its own: a story's runtime may stop its clock, and the model goes on.
        let thread = std::thread::Builder::new()
            .name("fly".into())
            .spawn(move || server::run(serving, listener, stopped))?;
        Ok(Model {
            shared,
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// `http://127.0.0.1:PORT`: the API is below `/v1`.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Acts: `model.act(|fly| fly.set_capacity("ams", Some(0)))`.
    pub fn act<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.shared.lock();
        state.tick();
        let done = act(&mut state);
        state.tick();
        done
    }

    /// Looks, and changes nothing but what time has changed.
    pub fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        let mut state = self.shared.peek();
        if state.tick() {
            self.shared.tell();
        }
        look(&state)
    }

    /// Asks without a socket.
    pub fn ask(&self, request: &Request) -> Outcome {
        self.shared.lock().ask(request)
    }

    /// Waits until Fly knows something; an error says what it never knew.
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
        in_time.with_context(|| format!("Fly never saw {what}; it was asked:\n{}", self.asked()))
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
        self.shared.lock().halt_everything();
    }
}

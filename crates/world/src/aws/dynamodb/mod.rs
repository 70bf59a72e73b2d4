//! A model of DynamoDB behind HTTP: the operations that Nestling uses, and these strictly.
//!
//! Expressions are really read; transactions hold their items for a moment, so that two of them conflict as they do over there;
//! a token is good for one transaction; pages, items, batches and transactions have their limits; whoever does not read
//! consistently may be shown the past. What the model does not know it refuses. It counts the units of every request.

mod expression;
mod faults;
mod reading;
mod server;
mod shapes;
mod state;
mod table;
mod transactions;
mod value;
mod wire;
mod writing;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};

use anyhow::{Context as _, Result};
use tokio::sync::oneshot;

pub use faults::{Fault, Faults, Times};
pub use state::{Asked, State};
pub use table::{Index, Items, Keys, Table};
pub use value::{Item, Value, size};

/// The model, running. It ends when this is dropped.
#[derive(Debug)]
pub struct Model {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
pub(crate) struct Shared(Mutex<State>);

impl Model {
    /// Starts it at a free port of this machine, without a table.
    pub fn start() -> Result<Self> {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = std::net::TcpListener::bind(address)
            .with_context(|| format!("nothing can listen on {address}"))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let (stop, stopped) = oneshot::channel();
        let serving = shared.clone();
        // A thread of its own: a story's runtime may stop its clock, and the model goes on.
        let thread = std::thread::Builder::new()
            .name("dynamodb".into())
            .spawn(move || server::run(serving, listener, stopped))?;
        Ok(Model {
            shared,
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// `http://127.0.0.1:PORT`, for `aws.endpoint_url`.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Acts on what it holds: `model.act(|state| state.faults.order(…))`.
    pub fn act<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.shared.lock())
    }

    /// Orders a fault, as [`Faults::order`] says.
    pub fn order(&self, operation: &str, fault: Fault, times: Times) {
        self.act(|state| state.faults.order(operation, fault, times));
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

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! A model of DNSimple behind HTTP: what <https://api.dnsimple.com/v2> is to a program that keeps records of a zone.
//!
//! It holds accounts with tokens, their zones and records, and refuses what DNSimple refuses (<https://developer.dnsimple.com/v2/zones/records/>). Stories act on it
//! ([`Model::act`]), order what goes wrong ([`Fault`]), and look names up as a resolver would ([`State::leads_to`]).

mod routes;
mod state;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread::JoinHandle,
};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, body::Incoming};
use tokio::sync::oneshot;

pub use crate::orders::Times;
use crate::server;
pub use state::{Asked, Fault, Limit, Record, State};

/// Nobody sends more at once.
const BODY: usize = 1 << 20;

/// The model, running. It ends when this is dropped.
#[derive(Debug)]
pub struct Model {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

type Shared = crate::shared::Shared<State>;

impl Model {
    /// Starts it at a free port of this machine. It has no account yet.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("nothing can listen here")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new(State::default()));
        let (stop, stopped) = oneshot::channel();
        let serving = shared.clone();
        // A thread of its own: a story's runtime may stop its clock, and the model goes on.
        let thread = std::thread::Builder::new()
            .name("dnsimple".into())
            .spawn(move || run(serving, listener, stopped))?;
        Ok(Model {
            shared,
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// `http://127.0.0.1:PORT/v2`, where its API is.
    pub fn api(&self) -> String {
        format!("http://{}/v2", self.address)
    }

    /// Acts: `model.act(|dns| dns.create_zone(1010, "example.com"))`.
    pub fn act<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.shared.lock())
    }

    /// Looks.
    pub fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.shared.peek())
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

fn run(state: Arc<Shared>, listener: TcpListener, stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        return;
    };
    runtime.block_on(async {
        tokio::select! {
            () = server::accept(listener, move |request| answer(state.clone(), request)) => {}
            _ = stopped => {}
        }
    });
    runtime.shutdown_background();
}

async fn answer(
    state: Arc<Shared>,
    request: hyper::Request<Incoming>,
) -> io::Result<Response<Full<Bytes>>> {
    let request = server::read(request, BODY).await?;
    let (answer, fault) = state.lock().exchange(&request);
    match fault {
        Some(Fault::Cut | Fault::LostAnswer) => Err(io::Error::other("cut by order of the story")),
        Some(Fault::Status(_)) | None => Ok(server::response(answer)),
    }
}

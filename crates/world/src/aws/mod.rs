//! A model of Amazon Web Services behind HTTP: S3 and KMS at one address, as the SDK asks them.
//!
//! It is strict where emulators are not: it verifies every signature, also that of an address signed beforehand, knows its
//! own clock and which credentials have expired, authenticates what KMS seals, and sends whoever asks for a bucket of
//! another region there. Stories act on it ([`Model::act`]) and order what goes wrong ([`Faults`]).

mod clock;
pub mod dynamodb;
mod emulator;
mod faults;
pub mod kms;
pub mod s3;
mod server;
mod signature;
mod wire;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};

use anyhow::{Context as _, Result};
use tokio::sync::oneshot;

pub use emulator::Emulator;
pub use faults::{Fault, Faults};
pub use wire::Request;

/// The account that everything belongs to.
pub const ACCOUNT: &str = "111122223333";
/// The access key that the model knows from the start.
pub const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
/// Its secret.
pub const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// The model, running. It ends when this is dropped.
#[derive(Debug)]
pub struct Model {
    state: Arc<Mutex<State>>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the model holds.
#[derive(Debug)]
pub struct State {
    /// Buckets and objects.
    pub s3: s3::Buckets,
    /// Keys.
    pub kms: kms::Keys,
    /// What is to go wrong.
    pub faults: Faults,
    /// By how many seconds AWS's clock is ahead of that of this machine.
    pub clock_ahead: i64,
    /// Secret keys by access key.
    pub credentials: BTreeMap<String, Credential>,
    /// Actions that nobody may do, as policies name them: `s3:PutObject`.
    pub denied: BTreeSet<String>,
    /// The region that answers here.
    pub region: String,
    /// Every action that was asked for, in order, those that failed among them.
    pub asked: Vec<String>,
    /// How many bytes were put under each key, in all puts of it.
    pub put_bytes: BTreeMap<String, u64>,
    /// The keys that were put at an address that was signed beforehand, in order.
    pub put_past: Vec<String>,
}

/// What belongs to an access key.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The secret.
    pub secret: String,
    /// Whether it is no longer good.
    pub has_expired: bool,
}

impl Model {
    /// Starts it at a free port of this machine, as the region `eu-central-1`.
    pub fn start() -> Result<Self> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))
            .context("nothing can listen on this machine")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let known = Credential {
            secret: SECRET_KEY.to_owned(),
            has_expired: false,
        };
        let state = Arc::new(Mutex::new(State {
            s3: s3::Buckets::default(),
            kms: kms::Keys::default(),
            faults: Faults::default(),
            clock_ahead: 0,
            credentials: BTreeMap::from([(ACCESS_KEY.to_owned(), known)]),
            denied: BTreeSet::new(),
            region: "eu-central-1".to_owned(),
            asked: Vec::new(),
            put_bytes: BTreeMap::new(),
            put_past: Vec::new(),
        }));
        let (stop, stopped) = oneshot::channel();
        let serving = state.clone();
        // A thread of its own: a story's runtime may stop its clock, and the model goes on.
        let thread = std::thread::Builder::new()
            .name("aws".into())
            .spawn(move || server::run(serving, listener, stopped))?;
        Ok(Model {
            state,
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// `http://127.0.0.1:PORT`, for `aws.endpoint_url`.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Acts on the state, or looks at it.
    pub fn act<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut lock(&self.state))
    }

    /// How often an action was asked for.
    pub fn times(&self, action: &str) -> usize {
        self.act(|state| state.asked.iter().filter(|asked| *asked == action).count())
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

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// All credentials are no longer good.
    pub fn expire_credentials(&mut self) {
        for credential in self.credentials.values_mut() {
            credential.has_expired = true;
        }
    }
}

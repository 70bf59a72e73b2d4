//! Models of what is outside. They hold state and obey; none counts calls.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    rc::Rc,
    sync::Mutex,
};

use actix::prelude::*;
use async_trait::async_trait;
use bytes::Bytes;
use nestling_domain::{
    deployment::CommitInfo,
    ids::{EnvironmentId, Generation, Timestamp},
    lifecycle::Found,
    record::PullRequestStatus,
};

use crate::{
    drivers::{
        blobs::{BlobError, Blobs},
        keys::signing::{self, RunnerKeys},
    },
    http::runner::{Claims, Invalid, RunnerTokens},
    messages::{
        forge, machines,
        routes::{Target, Traffic},
    },
};

/// What the models hold.
pub(crate) struct Outside {
    pub(crate) head: RefCell<Option<CommitInfo>>,
    pub(crate) started: RefCell<BTreeSet<u32>>,
    machines: RefCell<BTreeSet<(EnvironmentId, Generation)>>,
    watching: RefCell<Vec<(EnvironmentId, Generation, Watcher)>>,
    folder: PathBuf,
}

type Watcher = tokio::sync::oneshot::Sender<machines::End>;

impl Outside {
    pub(super) fn new(folder: &Path) -> Self {
        Outside {
            head: RefCell::default(),
            started: RefCell::default(),
            machines: RefCell::default(),
            watching: RefCell::default(),
            folder: folder.to_owned(),
        }
    }
}

pub(super) fn start(outside: &Rc<Outside>) -> (machines::Handle, forge::Handle) {
    let machines = ModelMachines(outside.clone()).start();
    let forge = ModelForge(outside.clone()).start();
    (
        machines::Handle {
            ensure: machines.clone().recipient(),
            destroy: machines.clone().recipient(),
            watch: machines.clone().recipient(),
            list: machines.recipient(),
        },
        forge::Handle {
            head: forge.clone().recipient(),
            pack: forge.clone().recipient(),
            announce: forge.clone().recipient(),
            start_waiting: forge.recipient(),
        },
    )
}

struct ModelForge(Rc<Outside>);

impl Actor for ModelForge {
    type Context = Context<Self>;
}

impl Handler<forge::Head> for ModelForge {
    type Result = Result<Found, forge::ForgeError>;
    fn handle(&mut self, _: forge::Head, _: &mut Self::Context) -> Self::Result {
        let head = self.0.head.borrow().clone();
        Ok(head.map_or(Found::Closed, Found::Open))
    }
}

impl Handler<forge::Pack> for ModelForge {
    type Result = Result<PathBuf, forge::ForgeError>;
    fn handle(&mut self, pack: forge::Pack, _: &mut Self::Context) -> Self::Result {
        let path = self.0.folder.join(format!("{}.bundle", pack.commit));
        let content = format!("a bundle of {}", pack.commit).repeat(5_000);
        std::fs::write(&path, content).unwrap();
        Ok(path)
    }
}

impl Handler<forge::Announce> for ModelForge {
    type Result = Result<(), forge::ForgeError>;
    fn handle(&mut self, _: forge::Announce, _: &mut Self::Context) -> Self::Result {
        Ok(())
    }
}

impl Handler<forge::StartWaiting> for ModelForge {
    type Result = Result<(), forge::ForgeError>;
    fn handle(&mut self, order: forge::StartWaiting, _: &mut Self::Context) -> Self::Result {
        self.0.started.borrow_mut().insert(order.number);
        Ok(())
    }
}

struct ModelMachines(Rc<Outside>);

impl Actor for ModelMachines {
    type Context = Context<Self>;
}

impl Handler<machines::Ensure> for ModelMachines {
    type Result = Result<(), machines::MachineError>;
    fn handle(&mut self, order: machines::Ensure, _: &mut Self::Context) -> Self::Result {
        let machine = (order.environment, order.generation);
        self.0.machines.borrow_mut().insert(machine);
        Ok(())
    }
}

impl Handler<machines::Destroy> for ModelMachines {
    type Result = Result<(), machines::MachineError>;
    fn handle(&mut self, order: machines::Destroy, _: &mut Self::Context) -> Self::Result {
        let goes = |environment: &EnvironmentId, generation: &Generation| {
            *environment == order.environment
                && *generation <= order.upto
                && !order.keep.contains(generation)
        };
        let mut machines = self.0.machines.borrow_mut();
        machines.retain(|(environment, generation)| !goes(environment, generation));
        let mut watching = self.0.watching.borrow_mut();
        let (ended, others): (Vec<_>, Vec<_>) = watching
            .drain(..)
            .partition(|(environment, generation, _)| goes(environment, generation));
        *watching = others;
        for (_, _, watcher) in ended {
            let _ = watcher.send(end("destroyed"));
        }
        Ok(())
    }
}

impl Handler<machines::Watch> for ModelMachines {
    type Result = ResponseFuture<machines::End>;
    fn handle(&mut self, order: machines::Watch, _: &mut Self::Context) -> Self::Result {
        let machine = (order.environment, order.generation);
        let (watcher, ended) = tokio::sync::oneshot::channel();
        if self.0.machines.borrow().contains(&machine) {
            let mut watching = self.0.watching.borrow_mut();
            watching.push((machine.0, machine.1, watcher));
        }
        Box::pin(async move { ended.await.unwrap_or_else(|_| end("there is none")) })
    }
}

impl Handler<machines::ListMachines> for ModelMachines {
    type Result = Vec<(EnvironmentId, Generation)>;
    fn handle(&mut self, _: machines::ListMachines, _: &mut Self::Context) -> Self::Result {
        self.0.machines.borrow().iter().cloned().collect()
    }
}

fn end(reason: &str) -> machines::End {
    machines::End {
        reason: reason.to_owned(),
        retry: true,
    }
}

pub(super) struct AlwaysHealthy;

#[async_trait]
impl Traffic for AlwaysHealthy {
    async fn probe(
        &self,
        _: &EnvironmentId,
        _: Generation,
        _: &Target,
        _: Option<&str>,
    ) -> Result<(), String> {
        Ok(())
    }

    async fn drain(&self, _: &EnvironmentId, _: Generation) {}
}

/// Blobs in memory.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<BTreeMap<String, Bytes>>);

#[async_trait]
impl Blobs for Memory {
    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), BlobError> {
        self.0.lock().unwrap().insert(key.to_owned(), bytes);
        Ok(())
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, BlobError> {
        Ok(self.0.lock().unwrap().get(key).cloned())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>, BlobError> {
        let blobs = self.0.lock().unwrap();
        let found = blobs.iter().filter(|(key, _)| key.starts_with(prefix));
        Ok(found
            .map(|(key, bytes)| (key.clone(), bytes.len() as u64))
            .collect())
    }

    async fn remove(&self, prefix: &str) -> Result<(), BlobError> {
        let mut blobs = self.0.lock().unwrap();
        blobs.retain(|key, _| !key.starts_with(prefix));
        Ok(())
    }

    async fn prune(&self, _: Timestamp, _: u64) -> Result<u64, BlobError> {
        Ok(0)
    }
}

/// The server's own key, with which a story can also sign what the server would not.
pub(crate) struct Tokens(RunnerKeys);

impl Tokens {
    pub(super) fn new(folder: &Path) -> Self {
        Tokens(RunnerKeys::open(folder).unwrap())
    }

    /// A token that is good from `from` until `until`, for that audience.
    pub(crate) fn sign_for(
        &self,
        environment: &EnvironmentId,
        generation: Generation,
        from: Timestamp,
        until: Timestamp,
        audience: &str,
    ) -> String {
        let claims = signing::Claims {
            aud: audience.to_owned(),
            exp: until.0 / 1_000,
            ..signing::Claims::new(environment, generation, from)
        };
        self.0.sign(&claims).unwrap()
    }
}

impl RunnerTokens for Tokens {
    fn sign(&self, environment: &EnvironmentId, generation: Generation, now: Timestamp) -> String {
        RunnerTokens::sign(&self.0, environment, generation, now)
    }

    fn read(&self, token: &str) -> Result<Claims, Invalid> {
        self.0.read(token)
    }
}

/// A pull request that waits.
pub(crate) fn waiting(number: u32) -> nestling_domain::record::PullRequest {
    nestling_domain::record::PullRequest {
        repository: super::REPOSITORY,
        number,
        branch: format!("feature-{number}"),
        title: format!("feature {number}"),
        status: PullRequestStatus::Waiting,
        head: None,
    }
}

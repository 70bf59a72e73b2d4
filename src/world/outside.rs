//! Models of what is outside. They hold state and obey; none counts calls.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    path::{Path, PathBuf},
    rc::Rc,
    sync::Arc,
};

use actix::prelude::*;
use async_trait::async_trait;
use nestling_domain::{
    deployment::CommitInfo,
    discovery::Discovery,
    ids::{AppId, EnvironmentId, Generation},
    lifecycle::Found,
};

use super::runner;
use crate::messages::{
    environments::Handle,
    forge, machines,
    routes::{Target, Traffic},
};

/// What the models hold.
pub(crate) struct Outside {
    pub(crate) head: RefCell<Option<CommitInfo>>,
    /// What every commit holds, if the forge can tell.
    pub(crate) apps: RefCell<Option<Vec<AppId>>>,
    /// What discovery finds on the default branch.
    pub(crate) found: RefCell<Discovery>,
    /// Waiting pull requests that a person started.
    pub(crate) started: RefCell<BTreeSet<u32>>,
    /// Whether machines come with a runner that goes through its phases by itself, and who hears it.
    pub(crate) runners: Cell<bool>,
    pub(super) handle: RefCell<Option<Handle>>,
    pub(crate) machines: RefCell<BTreeSet<(EnvironmentId, Generation)>>,
    /// Machines whose runner has started.
    started_runners: RefCell<BTreeSet<(EnvironmentId, Generation)>>,
    /// Every machine that was ever made, in order.
    pub(crate) made: RefCell<Vec<(EnvironmentId, Generation)>>,
    /// Whether machines are made and nobody hears of it.
    pub(crate) silent: Cell<bool>,
    /// Why no machine can be removed, if so.
    pub(crate) stays: RefCell<Option<String>>,
    watching: RefCell<Vec<(EnvironmentId, Generation, Watcher)>>,
    folder: PathBuf,
}

type Watcher = tokio::sync::oneshot::Sender<machines::End>;

impl Outside {
    pub(super) fn new(folder: &Path) -> Self {
        Outside {
            head: RefCell::default(),
            apps: RefCell::default(),
            found: RefCell::default(),
            started: RefCell::default(),
            runners: Cell::new(false),
            handle: RefCell::default(),
            machines: RefCell::default(),
            started_runners: RefCell::default(),
            made: RefCell::default(),
            silent: Cell::new(false),
            stays: RefCell::default(),
            watching: RefCell::default(),
            folder: folder.to_owned(),
        }
    }

    /// The machines of an environment end by themselves, as when their host does.
    pub(crate) fn lose(&self, environment: &EnvironmentId) {
        self.end(
            |machine, _| machine == environment,
            "its host was restarted",
        );
    }

    /// Ends machines, and tells those who watch them.
    fn end(&self, goes: impl Fn(&EnvironmentId, &Generation) -> bool, why: &str) {
        let mut machines = self.machines.borrow_mut();
        machines.retain(|(environment, generation)| !goes(environment, generation));
        let mut watching = self.watching.borrow_mut();
        let (ended, others): (Vec<_>, Vec<_>) = watching
            .drain(..)
            .partition(|(environment, generation, _)| goes(environment, generation));
        *watching = others;
        for (_, _, watcher) in ended {
            let _ = watcher.send(end(why));
        }
    }
}

pub(super) fn start(outside: &Rc<Outside>) -> (machines::Handle, forge::Handle) {
    let machines = ModelMachines(outside.clone()).start();
    let forge = ModelForge(outside.clone()).start();
    (
        machines::Handle {
            let_in: None,
            ensure: machines.clone().recipient(),
            destroy: machines.clone().recipient(),
            watch: machines.clone().recipient(),
            list: machines.recipient(),
        },
        forge::Handle {
            head: forge.clone().recipient(),
            pack: forge.clone().recipient(),
            apps_at: forge.clone().recipient(),
            find_apps: forge.clone().recipient(),
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

impl Handler<forge::AppsAt> for ModelForge {
    type Result = Result<Vec<AppId>, forge::ForgeError>;
    fn handle(&mut self, _: forge::AppsAt, _: &mut Self::Context) -> Self::Result {
        let apps = self.0.apps.borrow().clone();
        apps.ok_or_else(|| forge::ForgeError::Rejected("the model has no trees".into()))
    }
}

impl Handler<forge::FindApps> for ModelForge {
    type Result = Result<forge::FoundApps, forge::ForgeError>;
    fn handle(&mut self, _: forge::FindApps, _: &mut Self::Context) -> Self::Result {
        let head = self.0.head.borrow().clone();
        let nothing = || forge::ForgeError::Failed("the model has no commit".into());
        Ok(forge::FoundApps {
            branch: "main".into(),
            commit: head.ok_or_else(nothing)?.id,
            place: "branch `main` of /home/ann/shop".into(),
            discovery: Arc::new(self.0.found.borrow().clone()),
        })
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
    type Result = ResponseFuture<Result<machines::Made, machines::MachineError>>;
    fn handle(&mut self, order: machines::Ensure, ctx: &mut Self::Context) -> Self::Result {
        let machine = (order.environment, order.generation);
        let new = self.0.machines.borrow_mut().insert(machine.clone());
        if new {
            self.0.made.borrow_mut().push(machine.clone());
        }
        let runners = &self.0.started_runners;
        if self.0.runners.get() && runners.borrow_mut().insert(machine.clone()) {
            let runs = runner::run(self.0.clone(), machine.0, machine.1);
            ctx.spawn(runs.into_actor(self));
        }
        let silent = self.0.silent.get();
        Box::pin(async move {
            if silent {
                std::future::pending::<()>().await;
            }
            Ok(machines::Made::default())
        })
    }
}

impl Handler<machines::Destroy> for ModelMachines {
    type Result = Result<(), machines::MachineError>;
    fn handle(&mut self, order: machines::Destroy, _: &mut Self::Context) -> Self::Result {
        if let Some(why) = self.0.stays.borrow().clone() {
            return Err(machines::MachineError::Failed(why));
        }
        let goes = |environment: &EnvironmentId, generation: &Generation| {
            *environment == order.environment
                && *generation <= order.upto
                && !order.keep.contains(generation)
        };
        self.0.end(goes, "destroyed");
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
        exit: None,
        tail: Vec::new(),
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

//! A house with the real actors and the real store, and models of what is outside: a forge and machines
//! that hold state and can be told to misbehave.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use actix::prelude::*;
use async_trait::async_trait;
use nestling::{
    actors::{
        admission::Admission, environment::Neighbours, environments::Environments, live::Live,
    },
    drivers::store::{Store, sqlite::Sqlite},
    messages::{
        admission::Adopt,
        environment::{Applied, Apply, Birth, NotApplied},
        environments::{Handle, Route},
        forge, machines,
        routes::{Routes, Target, Traffic},
    },
};
use nestling_domain::{
    app::App,
    deployment::CommitInfo,
    environment::Environment,
    ids::{AppId, Commit, EnvironmentId, Generation, Kind, RepositoryId, Timestamp},
    label::Slug,
    lifecycle::{Event, Found, Observation, Times},
};
use nestling_protocol::report::{Address, Endpoint, EndpointKind, Next, Phase};

/// The one repository of these stories.
pub(crate) const REPOSITORY: RepositoryId = RepositoryId(7);

/// The server, in this process.
pub(crate) struct House {
    pub(crate) environments: Addr<Environments>,
    pub(crate) handle: Handle,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) outside: Rc<Outside>,
}

/// What the models hold.
#[derive(Default)]
pub(crate) struct Outside {
    pub(crate) head: RefCell<Option<CommitInfo>>,
    pub(crate) machines: RefCell<BTreeSet<(EnvironmentId, Generation)>>,
    pub(crate) launches: RefCell<BTreeMap<EnvironmentId, Vec<Generation>>>,
    /// Whether machines come with a runner that goes through its phases by itself.
    pub(crate) runners: Cell<bool>,
    watching: RefCell<
        Vec<(
            EnvironmentId,
            Generation,
            tokio::sync::oneshot::Sender<machines::End>,
        )>,
    >,
    handle: RefCell<Option<Handle>>,
}

impl House {
    /// A house whose effects on `cursed` panic.
    pub(crate) async fn start(cursed: Option<EnvironmentId>) -> Self {
        let store: Arc<dyn Store> = Arc::new(Sqlite::in_memory().unwrap());
        Self::on(store, cursed).await
    }

    pub(crate) async fn on(store: Arc<dyn Store>, cursed: Option<EnvironmentId>) -> Self {
        let outside = Rc::new(Outside::default());
        outside.runners.set(true);
        *outside.head.borrow_mut() = Some(commit(1));
        let live = Live::new(1).start();
        let admission = Admission::new(4, live.clone().recipient()).start();
        admission.send(Adopt(Vec::new())).await.unwrap();
        let machines = ModelMachines(outside.clone()).start();
        let forge = ModelForge(outside.clone()).start();
        let neighbours = Neighbours {
            store: store.clone(),
            machines: machines::Handle {
                ensure: machines.clone().recipient(),
                destroy: machines.clone().recipient(),
                watch: machines.clone().recipient(),
                list: machines.recipient(),
            },
            forge: forge::Handle {
                head: forge.clone().recipient(),
                pack: forge.clone().recipient(),
                announce: forge.clone().recipient(),
                start_waiting: forge.recipient(),
            },
            admission: Admission::handle(&admission),
            live: Live::handle(&live),
            routes: Routes::default(),
            traffic: Arc::new(ModelTraffic),
            times: Times::default(),
            size: machines::Size {
                memory_mib: 64,
                processes: 10,
                files: 10,
                disk_mib: 10,
            },
            token: Box::new(move |id, _| {
                assert!(Some(id) != cursed.as_ref(), "a bug that strikes {id}");
                "token".to_owned()
            }),
            sockets: Box::new(|id, generation| {
                PathBuf::from(format!("/nowhere/{id}/{generation}"))
            }),
        };
        let environments = Environments::new(neighbours).start();
        let handle = Environments::handle(&environments);
        *outside.handle.borrow_mut() = Some(handle.clone());
        House {
            environments,
            handle,
            store,
            outside,
        }
    }

    /// Tells an environment something, recording it first if it is new.
    pub(crate) async fn tell(
        &self,
        app: &App,
        kind: Kind,
        event: Event,
    ) -> Result<Applied, NotApplied> {
        let id = EnvironmentId::derive(&app.id, kind);
        self.handle.apply(id, apply(app, kind, event)).await
    }

    /// Waits until the stored record is so.
    pub(crate) async fn until(
        &self,
        id: &EnvironmentId,
        what: &str,
        so: impl Fn(&Environment) -> bool,
    ) -> Environment {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        loop {
            let record = self.store.environment(id).await.unwrap();
            if let Some(record) = record.clone().filter(&so) {
                return record;
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "{id} never {what}: {record:#?}"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

pub(crate) fn apply(app: &App, kind: Kind, event: Event) -> Apply {
    let birth = Birth {
        app: app.clone(),
        kind,
        branch: "main".into(),
        title: "main".into(),
    };
    Apply {
        event,
        by: "story".into(),
        input: None,
        birth: Some(Arc::new(birth)),
    }
}

pub(crate) fn route(app: &App, kind: Kind, event: Event) -> Route {
    Route {
        id: EnvironmentId::derive(&app.id, kind),
        apply: apply(app, kind, event),
    }
}

pub(crate) fn app(name: &str) -> App {
    App {
        id: AppId::derive(REPOSITORY, name),
        owner: "local".into(),
        slug: Slug::of(name),
        repository: REPOSITORY,
        root: name.into(),
        kind: nestling_protocol::bundle::Kind::Node,
        description: String::new(),
        health: None,
        created_at: Timestamp(1),
    }
}

pub(crate) fn commit(n: u64) -> CommitInfo {
    CommitInfo {
        id: Commit::parse(&format!("{n:040x}")).unwrap(),
        message: format!("change {n}"),
        author: "ann".into(),
    }
}

struct ModelForge(Rc<Outside>);

impl Actor for ModelForge {
    type Context = Context<Self>;
}

impl Handler<forge::Head> for ModelForge {
    type Result = Result<Found, forge::ForgeError>;
    fn handle(&mut self, _: forge::Head, _: &mut Self::Context) -> Self::Result {
        Ok(self
            .0
            .head
            .borrow()
            .clone()
            .map_or(Found::Closed, Found::Open))
    }
}

impl Handler<forge::Pack> for ModelForge {
    type Result = Result<PathBuf, forge::ForgeError>;
    fn handle(&mut self, _: forge::Pack, _: &mut Self::Context) -> Self::Result {
        Err(forge::ForgeError::Rejected(
            "the model has no source".into(),
        ))
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
    fn handle(&mut self, _: forge::StartWaiting, _: &mut Self::Context) -> Self::Result {
        Ok(())
    }
}

struct ModelMachines(Rc<Outside>);

impl Actor for ModelMachines {
    type Context = Context<Self>;
}

impl Handler<machines::Ensure> for ModelMachines {
    type Result = Result<(), machines::MachineError>;
    fn handle(&mut self, order: machines::Ensure, ctx: &mut Self::Context) -> Self::Result {
        let key = (order.environment.clone(), order.generation);
        if !self.0.machines.borrow_mut().insert(key) {
            return Ok(());
        }
        self.0
            .launches
            .borrow_mut()
            .entry(order.environment.clone())
            .or_default()
            .push(order.generation);
        if let (true, Some(handle)) = (self.0.runners.get(), self.0.handle.borrow().clone()) {
            ctx.spawn(runner(handle, order.environment, order.generation).into_actor(self));
        }
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
        self.0
            .machines
            .borrow_mut()
            .retain(|(environment, generation)| !goes(environment, generation));
        let mut watching = self.0.watching.borrow_mut();
        let (ended, others) = watching
            .drain(..)
            .partition(|(environment, generation, _)| goes(environment, generation));
        *watching = others;
        drop(watching);
        let ended: Vec<_> = ended;
        for (_, _, watcher) in ended {
            let _ = watcher.send(machines::End {
                reason: "destroyed".into(),
                retry: true,
            });
        }
        Ok(())
    }
}

impl Handler<machines::Watch> for ModelMachines {
    type Result = ResponseFuture<machines::End>;
    fn handle(&mut self, order: machines::Watch, _: &mut Self::Context) -> Self::Result {
        let gone = || machines::End {
            reason: "there is no such machine".into(),
            retry: true,
        };
        if !self
            .0
            .machines
            .borrow()
            .contains(&(order.environment.clone(), order.generation))
        {
            return Box::pin(async move { gone() });
        }
        let (watcher, end) = tokio::sync::oneshot::channel();
        self.0
            .watching
            .borrow_mut()
            .push((order.environment, order.generation, watcher));
        Box::pin(async move { end.await.unwrap_or_else(|_| gone()) })
    }
}

impl Handler<machines::ListMachines> for ModelMachines {
    type Result = Vec<(EnvironmentId, Generation)>;
    fn handle(&mut self, _: machines::ListMachines, _: &mut Self::Context) -> Self::Result {
        self.0.machines.borrow().iter().cloned().collect()
    }
}

/// A runner that goes through its phases without fault, and obeys.
async fn runner(handle: Handle, environment: EnvironmentId, generation: Generation) {
    let endpoint = Endpoint {
        name: "app".into(),
        label: "app".into(),
        kind: EndpointKind::App,
        primary: true,
        browser: true,
        address: Address::Unix("app.sock".into()),
    };
    let phases = [
        Phase::Deploying {
            protocol: nestling_protocol::VERSION,
        },
        Phase::RunningTests,
        Phase::Prepared { exclusive: false },
        Phase::Starting,
        Phase::Running {
            endpoints: vec![endpoint],
        },
    ];
    for (seq, phase) in (1..).zip(phases) {
        loop {
            let reported = Observation::Reported {
                generation,
                boot: "boot".into(),
                seq,
                phase: phase.clone(),
            };
            let apply = Apply {
                event: Event::Observed(reported),
                by: "runner".into(),
                input: None,
                birth: None,
            };
            match handle
                .apply(environment.clone(), apply)
                .await
                .map(|applied| applied.answer)
            {
                Ok(Some(Next::Go)) => break,
                Ok(Some(Next::Stop)) => return,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }
}

struct ModelTraffic;

#[async_trait]
impl Traffic for ModelTraffic {
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

//! What stories are told with: the real actors on the real store, and models of what is outside.

mod outside;
pub(crate) mod runner;

use std::{path::PathBuf, rc::Rc, sync::Arc, time::Duration};

use actix::prelude::*;
use nestling_domain::{
    app::{App, Repository},
    deployment::CommitInfo,
    environment::Environment,
    github::manifest::PERMISSIONS,
    ids::{AppId, Commit, EnvironmentId, Generation, Kind, RepositoryId, Timestamp},
    label::Slug,
    lifecycle::{Event, Times},
    policy::Policy,
};
use nestling_world::github::{Level, Permissions};

use crate::{
    actors::{
        admission::Admission, environment::Neighbours, environments::Environments, live::Live,
    },
    drivers::store::Store,
    messages::{
        admission::{self, Adopt},
        environment::{Applied, Apply, Birth, NotApplied},
        environments::{self, StopAll, Wake},
        forge, live, machines,
        routes::{Place, Routes},
    },
};

pub(crate) use outside::Outside;

/// The one repository.
pub(crate) const REPOSITORY: RepositoryId = RepositoryId(7);
/// What a story waits for at most.
const PATIENCE: Duration = Duration::from_secs(20);

/// No story has more environments than this.
const MOST_ENVIRONMENTS: usize = 100;

/// Signs the first token of a runner.
type Sign = dyn Fn(&EnvironmentId, Generation) -> String;

/// The environments, with all that they talk to.
pub(crate) struct House {
    pub(crate) address: Addr<Environments>,
    pub(crate) environments: environments::Handle,
    pub(crate) admission: admission::Handle,
    pub(crate) live: live::Handle,
    pub(crate) forge: forge::Handle,
    pub(crate) routes: Routes,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) outside: Rc<Outside>,
    /// Where what is outside keeps its files.
    folder: Rc<tempfile::TempDir>,
}

impl House {
    pub(crate) async fn start(store: Arc<dyn Store>, sign: Box<Sign>) -> Self {
        House::arranged(store, sign, |_| {}).await
    }

    /// One whose environments have other neighbours or times.
    pub(crate) async fn arranged(
        store: Arc<dyn Store>,
        sign: Box<Sign>,
        arrange: impl FnOnce(&mut Neighbours),
    ) -> Self {
        let folder = Rc::new(tempfile::tempdir().unwrap());
        let outside = Rc::new(Outside::new(folder.path()));
        let (house, admission) = House::beside((outside, folder), store, sign, arrange);
        admission.send(Adopt(Vec::new())).await.unwrap();
        house
    }

    /// The server is killed and starts again, while everything outside goes on.
    pub(crate) async fn next_life(
        self,
        sign: Box<Sign>,
        arrange: impl FnOnce(&mut Neighbours),
    ) -> Self {
        self.address.send(StopAll).await.unwrap();
        let outside = (self.outside, self.folder);
        let (house, admission) = House::beside(outside, self.store, sign, arrange);
        admission.send(Adopt(Vec::new())).await.unwrap();
        // As a server does at its start: whatever has a machine is taken up.
        let page = house.store.with_machines(None, MOST_ENVIRONMENTS).await;
        for Environment { id, .. } in page.unwrap().items {
            house.environments.wake.do_send(Wake { id });
        }
        house
    }

    fn beside(
        (outside, folder): (Rc<Outside>, Rc<tempfile::TempDir>),
        store: Arc<dyn Store>,
        sign: Box<Sign>,
        arrange: impl FnOnce(&mut Neighbours),
    ) -> (Self, Addr<Admission>) {
        let live = Live::new(1).start();
        let admission = Admission::new(4, store.clone(), live.clone().recipient()).start();
        let (machines, forge) = outside::start(&outside);
        let routes = Routes::default();
        let mut neighbours = Neighbours {
            store: store.clone(),
            machines,
            forge,
            admission: Admission::handle(&admission),
            live: Live::handle(&live),
            routes: routes.clone(),
            traffic: Arc::new(outside::AlwaysHealthy),
            times: Times::default(),
            reached: "http://*.localhost:4100".to_owned(),
            size: machines::Size {
                memory_mib: 64,
                processes: 10,
                files: 10,
                disk_mib: 10,
            },
            token: sign,
            places: Box::new(|_, _| Place::Folder(PathBuf::from("/nowhere"))),
        };
        arrange(&mut neighbours);
        let forge = neighbours.forge.clone();
        let address = Environments::new(neighbours).start();
        let environments = Environments::handle(&address);
        *outside.handle.borrow_mut() = Some(environments.clone());
        let house = House {
            address,
            environments,
            admission: Admission::handle(&admission),
            live: Live::handle(&live),
            forge,
            routes,
            store,
            outside,
            folder,
        };
        (house, admission)
    }

    /// Tells an environment something, recording it first if it is new.
    pub(crate) async fn tell(
        &self,
        app: &App,
        kind: Kind,
        event: Event,
    ) -> Result<Applied, NotApplied> {
        let id = EnvironmentId::derive(&app.id, kind);
        self.environments.apply(id, apply(app, kind, event)).await
    }
}

/// Waits until the stored record is so.
pub(crate) async fn until(
    store: &dyn Store,
    id: &EnvironmentId,
    what: &str,
    so: impl Fn(&Environment) -> bool,
) -> Environment {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let record = store.environment(id).await.unwrap();
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

/// An event for an environment that is recorded first if it is new.
pub(crate) fn apply(app: &App, kind: Kind, event: Event) -> Apply {
    let birth = Birth {
        app: app.clone(),
        kind,
        branch: "main".into(),
        title: "a change".into(),
        makes: true,
    };
    Apply {
        event,
        by: "story".into(),
        input: None,
        birth: Some(Arc::new(birth)),
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
        policy: Policy::default(),
        created_at: Timestamp(1),
    }
}

/// What an App is allowed in stories: what ours asks for, and no more.
pub(crate) fn granted() -> Permissions {
    let all = PERMISSIONS.into_iter();
    all.map(|(name, level)| (name.to_owned(), Level::parse(level).unwrap()))
        .collect()
}

/// A repository on GitHub of this number that an installation covers, `acme/shop`, with the one app at its root.
pub(crate) fn shop_on_github(id: u64, installation: u64) -> (Repository, App) {
    let repository = Repository {
        id: RepositoryId(id),
        owner: "acme".to_owned(),
        name: "shop".to_owned(),
        path: None,
        installation: Some(installation),
        default_branch: "main".to_owned(),
        trouble: None,
        left: false,
        suspended: false,
    };
    let shop = App {
        id: AppId::derive(repository.id, ""),
        owner: "acme".to_owned(),
        repository: repository.id,
        root: String::new(),
        kind: nestling_protocol::bundle::Kind::Static,
        ..app("shop")
    };
    (repository, shop)
}

/// The one repository as one of GitHub, with one app of this policy, recorded.
pub(crate) async fn shop_with(policy: Policy, store: &dyn Store) -> App {
    let (repository, _) = shop_on_github(REPOSITORY.0, 1);
    store.put_repository(&repository).await.unwrap();
    let shop = App {
        policy,
        ..app("shop")
    };
    store.put_app(&shop).await.unwrap();
    shop
}

pub(crate) fn commit(n: u64) -> CommitInfo {
    CommitInfo {
        id: Commit::parse(&format!("{n:07x}{:033x}", 0)).unwrap(),
        message: format!("change {n}"),
        author: "ann".into(),
        trust: nestling_domain::deployment::Trust::Member,
    }
}

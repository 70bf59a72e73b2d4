//! A server for stories: the real actors, the real store and real sockets; models of what is outside, which
//! hold state: a forge, machines, and whoever reads the blobs.

#![allow(
    clippy::wildcard_enum_match_arm,
    clippy::too_many_lines,
    clippy::format_push_string,
    clippy::decimal_bitwise_operands,
    reason = "tests look for one thing and fail on the rest"
)]

mod memory;
mod tokens;
mod wire;

use std::{rc::Rc, sync::Arc};

use actix::prelude::*;
use actix_web::{
    App as Site, HttpRequest, HttpResponse, HttpServer, dev::ServerHandle, middleware::from_fn, web,
};
use nestling_domain::{
    app::{App, Repository},
    deployment::CommitInfo,
    environment::Environment,
    ids::{EnvironmentId, Generation, Kind},
    lifecycle::{Event, Times, Trigger},
    record::{PullRequest, PullRequestStatus},
};
use nestling_protocol::report::{
    Address, Answer, Endpoint, EndpointKind, Failure, Next, Phase, Report, Step,
};
use tokio::sync::watch;

use super::{
    Addresses, Services, api,
    auth::{self, Auth},
    health, live, pages,
    runner::{self, RunnerTokens as _, Runners},
    unmatched,
    waiting::{self, Waits},
    webhook::{self, Webhooks},
};
use crate::{
    actors::{apps::Apps, intake::Intake, logging::Logging, secrets::Secrets},
    drivers::{
        blobs::Blobs,
        clock,
        keys::local::LocalKeys,
        store::{Store, sqlite::Sqlite},
    },
    messages::forge::{Arrived, HeldBack, NotHeard, NotShown},
    world::{self, House, Outside},
};

pub(crate) use crate::world::{REPOSITORY, app, commit};
pub(crate) use memory::Memory;
pub(crate) use tokens::Tokens;
pub(crate) use wire::{Frame, Reply, Wire};

/// The operator's token of these stories.
pub(crate) const TOKEN: &str = "an-operators-token-of-forty-characters-00";

pub(crate) struct World {
    /// To the people's listener.
    pub(crate) people: Wire,
    /// To the machines' listener.
    pub(crate) machines: Wire,
    pub(crate) services: Services,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) blobs: Arc<dyn Blobs>,
    pub(crate) outside: Rc<Outside>,
    house: House,
    pub(crate) folder: tempfile::TempDir,
    servers: Vec<ServerHandle>,
}

impl World {
    /// With the local forge.
    pub(crate) async fn start() -> Self {
        World::start_on(Arc::new(Sqlite::in_memory().unwrap()), None).await
    }

    /// On this store; taking webhooks that are signed with these secrets, if there are any.
    pub(crate) async fn start_on(store: Arc<dyn Store>, secrets: Option<&[&str]>) -> Self {
        World::build((store, Arc::new(Memory::default())), secrets).await
    }

    /// With logs and artifacts there.
    pub(crate) async fn start_with(blobs: Arc<dyn Blobs>) -> Self {
        let store = Arc::new(Sqlite::in_memory().unwrap());
        World::build((store, blobs), None).await
    }

    async fn build(parts: (Arc<dyn Store>, Arc<dyn Blobs>), secrets: Option<&[&str]>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let addresses = Addresses {
            scheme: "http".into(),
            dashboard: format!("nestling.localhost:{port}"),
            preview_domain: format!("localhost:{port}"),
        };
        let blobs = parts.1.clone();
        let tokens = Arc::new(Tokens::new(folder.path()));
        let (services, house, arrived) = services(parts, &tokens, addresses.clone(), &folder).await;
        let webhooks = |secrets: &[&str]| Webhooks::new(services.store.clone(), arrived, secrets);
        let webhooks = secrets.map(webhooks).map(web::Data::new);
        let socket = folder.path().join("server.sock");
        let metrics = health::Metrics::new();
        let runners = Runners::new(services.clone(), tokens.clone(), Times::default());
        let servers = vec![
            for_machines(runners.counting(metrics.clone()), &socket),
            for_people(
                &services,
                Auth::new(TOKEN, addresses.clone(), tokens.clone()),
                metrics,
                webhooks,
                listener,
            ),
        ];
        write(&folder, "api-token", &format!("# why\n{TOKEN}\n"));
        write(&folder, "address", &format!("http://127.0.0.1:{port}\n"));
        World {
            people: Wire::tcp(port, &addresses.dashboard).bearing(TOKEN),
            machines: Wire::unix(socket),
            services,
            tokens,
            blobs,
            outside: house.outside.clone(),
            house,
            folder,
            servers,
        }
    }

    /// To the people's listener of a second server on the same store, which waits for the one of this name.
    pub(crate) fn beside(&mut self, acts: &str) -> Wire {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let addresses = Addresses {
            dashboard: format!("nestling.localhost:{port}"),
            ..self.services.addresses.clone()
        };
        let (_, acts) = watch::channel(acts.to_owned());
        let services = Services {
            addresses: addresses.clone(),
            waits: Some(Waits::new(acts)),
            ..self.services.clone()
        };
        let wire = Wire::tcp(port, &addresses.dashboard).bearing(TOKEN);
        let auth = Auth::new(TOKEN, addresses, self.tokens.clone());
        let metrics = health::Metrics::new();
        let server = for_people(&services, auth, metrics, None, listener);
        self.servers.push(server);
        wire
    }

    /// Records an app, and tells its environment that its branch has a head.
    pub(crate) async fn push(&self, app: &App, kind: Kind, commit: &CommitInfo) -> EnvironmentId {
        self.services.store.put_app(app).await.unwrap();
        *self.outside.head.borrow_mut() = Some(commit.clone());
        let hint = Event::Hint {
            commit: Some(commit.id.clone()),
            trigger: Trigger::Push,
        };
        self.house.tell(app, kind, hint).await.unwrap();
        EnvironmentId::derive(&app.id, kind)
    }

    /// Pushes, and waits until the machine of that deployment is asked for; answers its runner.
    pub(crate) async fn deploy(&self, app: &App, kind: Kind, n: u64) -> Runner<'_> {
        let change = commit(n);
        let id = self.push(app, kind, &change).await;
        let record = self
            .until(&id, "had a machine", |record| {
                record.lifecycle.next().is_some_and(|next| {
                    next.commit == change
                        && next.phase == nestling_domain::deployment::Phase::Booting
                })
            })
            .await;
        let generation = record.lifecycle.next().unwrap().generation;
        self.runner(&id, generation)
    }

    pub(crate) fn runner(&self, id: &EnvironmentId, generation: Generation) -> Runner<'_> {
        Runner {
            world: self,
            token: self.tokens.sign(id, generation, clock::now()),
            id: id.clone(),
            generation,
            boot: format!("boot-{generation}"),
            seq: std::cell::Cell::new(0),
        }
    }

    /// Waits until the stored record is so.
    pub(crate) async fn until(
        &self,
        id: &EnvironmentId,
        what: &str,
        so: impl Fn(&Environment) -> bool,
    ) -> Environment {
        world::until(&*self.services.store, id, what, so).await
    }

    pub(crate) async fn stop(self) {
        for server in self.servers {
            server.stop(false).await;
        }
    }
}

/// A runner, as it speaks over the wire.
pub(crate) struct Runner<'a> {
    world: &'a World,
    pub(crate) token: String,
    pub(crate) id: EnvironmentId,
    pub(crate) generation: Generation,
    pub(crate) boot: String,
    seq: std::cell::Cell<u64>,
}

impl Runner<'_> {
    pub(crate) fn wire(&self) -> Wire {
        self.world.machines.bearing(&self.token)
    }

    /// Reports the next step.
    pub(crate) async fn reports(&self, phase: Phase) -> Reply {
        self.seq.set(self.seq.get() + 1);
        self.reports_again(phase).await
    }

    /// Reports under the number of the report before.
    pub(crate) async fn reports_again(&self, phase: Phase) -> Reply {
        let report = Report {
            generation: self.generation.0,
            boot: self.boot.clone(),
            seq: self.seq.get(),
            phase,
        };
        self.wire().post("/runner/v1/report", &report).await
    }

    /// Goes through its phases until it listens.
    pub(crate) async fn comes_up(&self) {
        for phase in [
            deploying(),
            Phase::Starting,
            Phase::Running {
                endpoints: vec![endpoint("web")],
            },
        ] {
            let reply = self.reports(phase).await;
            assert_eq!(reply.json::<Answer>().next, Next::Go, "{reply:?}");
        }
        self.world
            .until(&self.id, "served", |record| {
                let serving = record.lifecycle.serving();
                serving.is_some_and(|serving| serving.generation == self.generation)
            })
            .await;
    }

    /// Reports that it failed.
    pub(crate) async fn fails(&self, reason: &str) -> Reply {
        self.reports(Phase::Failed(Failure {
            step: Step::Setup,
            reason: reason.to_owned(),
            exit: None,
            tail: vec!["npm ERR! code 1".to_owned()],
        }))
        .await
    }
}

pub(crate) fn deploying() -> Phase {
    Phase::Deploying {
        protocol: nestling_protocol::VERSION,
    }
}

pub(crate) fn endpoint(name: &str) -> Endpoint {
    Endpoint {
        name: name.into(),
        label: name.into(),
        kind: EndpointKind::App,
        primary: true,
        browser: true,
        address: Address::Unix(format!("{name}.sock")),
    }
}

/// A pull request that waits.
pub(crate) fn waiting(number: u32) -> PullRequest {
    PullRequest {
        repository: REPOSITORY,
        number,
        branch: format!("feature-{number}"),
        title: format!("feature {number}"),
        status: PullRequestStatus::Waiting,
        head: None,
        labels: Vec::new(),
        base: None,
        draft: false,
        orders: nestling_domain::orders::Orders::default(),
    }
}

async fn services(
    (store, blobs): (Arc<dyn Store>, Arc<dyn Blobs>),
    tokens: &Arc<Tokens>,
    addresses: Addresses,
    folder: &tempfile::TempDir,
) -> (Services, House, Recipient<Arrived>) {
    let repository = Repository {
        id: REPOSITORY,
        owner: "local".into(),
        name: "shop".into(),
        path: Some("/home/ann/shop".into()),
        installation: None,
        default_branch: "main".into(),
        trouble: None,
        left: false,
        suspended: false,
    };
    store.put_repository(&repository).await.unwrap();
    let keys = Arc::new(LocalKeys::open(folder.path()).unwrap());
    let secrets = Secrets::new(store.clone(), keys.clone()).start();
    let logging = Logging::new(blobs.clone()).start();
    let signing = tokens.clone();
    let sign = move |id: &EnvironmentId, generation| signing.sign(id, generation, clock::now());
    let house = House::start(store.clone(), Box::new(sign)).await;
    let intake = Intake::new(
        store.clone(),
        house.environments.clone(),
        (house.forge.apps_at.clone(), None),
        house.live.touch.clone(),
    );
    let arrived = intake.start().recipient();
    let apps = Apps::new(
        store.clone(),
        house.environments.clone(),
        house.forge.find_apps.clone(),
        arrived.clone(),
        house.live.touch.clone(),
    );
    let services = Services {
        apps: Apps::handle(&apps.start()),
        environments: house.environments.clone(),
        admission: house.admission.clone(),
        secrets: Secrets::handle(&secrets),
        logging: Logging::handle(&logging),
        live: house.live.clone(),
        forge: house.forge.clone(),
        routes: house.routes.clone(),
        store,
        blobs,
        keys,
        github: None,
        app: None,
        forge_trouble: None,
        held_back: HeldBack::default(),
        not_heard: NotHeard::default(),
        not_shown: NotShown::default(),
        left_behind: crate::messages::machines::LeftBehind::default(),
        unnamed: crate::messages::dns::Unnamed::default(),
        price: None,
        waits: None,
        addresses,
    };
    (services, house, arrived)
}

fn for_machines(runners: Runners, socket: &std::path::Path) -> ServerHandle {
    let runners = web::Data::new(runners);
    let server = HttpServer::new(move || Site::new().configure(runner::routes(runners.clone())))
        .workers(1)
        .disable_signals()
        .bind_uds(socket)
        .unwrap()
        .run();
    let handle = server.handle();
    actix::spawn(server);
    handle
}

fn for_people(
    services: &Services,
    auth: Auth,
    metrics: health::Metrics,
    webhooks: Option<web::Data<Webhooks>>,
    listener: std::net::TcpListener,
) -> ServerHandle {
    let (auth, services) = (web::Data::new(auth), web::Data::new(services.clone()));
    let metrics = web::Data::new(metrics);
    let server = HttpServer::new(move || {
        Site::new()
            .app_data(auth.clone())
            .app_data(services.clone())
            .app_data(metrics.clone())
            .configure(health::routes)
            .configure(webhook::routes(webhooks.clone()))
            .configure(api::routes)
            .configure(live::routes)
            .configure(pages::read::routes)
            .configure(unmatched::routes)
            .route("/", web::get().to(page))
            .route("/forms/rename", web::post().to(form))
            .default_service(web::to(async |request: HttpRequest| {
                unmatched::for_program(&request)
            }))
            .wrap(from_fn(unmatched::head))
            .wrap(from_fn(waiting::only_reads))
            .wrap(from_fn(auth::guard))
            .wrap(from_fn(health::count))
    })
    .workers(1)
    .disable_signals()
    .listen(listener)
    .unwrap()
    .run();
    let handle = server.handle();
    actix::spawn(server);
    handle
}

/// A page of the dashboard, as far as the guard is concerned: it shows its form's token.
async fn page(auth: web::Data<Auth>, principal: auth::Principal) -> HttpResponse {
    HttpResponse::Ok().body(auth.csrf(&principal))
}

#[derive(serde::Deserialize)]
struct Rename {
    title: String,
}

async fn form(form: auth::CsrfForm<Rename>) -> HttpResponse {
    HttpResponse::Ok().body(format!("renamed to {}", form.0.title))
}

fn write(folder: &tempfile::TempDir, name: &str, text: &str) {
    std::fs::write(folder.path().join(name), text).unwrap();
}

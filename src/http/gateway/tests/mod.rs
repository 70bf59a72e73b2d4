//! Stories of visitors, told to a real server on a real socket in front of apps that behave or do not.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests fail by panicking"
)]

mod app;
mod consoles;
mod faults;
mod hostile;
mod passing;
mod redeploys;
mod waiting;
mod wire;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use actix_web::{App as Dashboard, HttpResponse, HttpServer, dev::ServerHandle, web};
use nestling_domain::{
    ids::{Commit, EnvironmentId, Generation, Kind},
    label::{Label, Slug},
};
use tempfile::TempDir;

use self::{
    app::App,
    wire::{Client, PATIENCE, Reply, request},
};
use super::{Bounds, Doors, Gateway, GatewayConfig, Grants};
use crate::{
    http::Addresses,
    messages::routes::{Route, Routes, Serving, Target, To, Upstream},
};

/// A server with its dashboard and gateway, and a folder for apps' sockets.
struct World {
    routes: Routes,
    gateway: Gateway,
    grants: Arc<Grants>,
    /// Environments that were woken.
    woken: Arc<Mutex<Vec<EnvironmentId>>>,
    address: SocketAddr,
    directory: TempDir,
    server: ServerHandle,
}

impl World {
    fn new() -> Self {
        Self::with(|_| {})
    }

    /// A world with other bounds than the product's.
    fn with(change: impl FnOnce(&mut Bounds)) -> Self {
        let routes = Routes::default();
        let grants = Arc::new(Grants::default());
        let woken = Arc::new(Mutex::new(Vec::new()));
        let mut config = GatewayConfig::new(Addresses {
            scheme: "http".to_owned(),
            dashboard: "nestling.localhost:4100".to_owned(),
            preview_domain: "localhost:4100".to_owned(),
        });
        change(&mut config.bounds);
        let asleep = woken.clone();
        let doors = Doors {
            grants: grants.clone(),
            wake: move |environment: &EnvironmentId| {
                asleep.lock().unwrap().push(environment.clone());
            },
        };
        let gateway = Gateway::new(routes.clone(), config, Arc::new(doors));
        let wrapped = gateway.clone();
        let server = HttpServer::new(move || {
            let dashboard = web::to(|| async { HttpResponse::Ok().body("the dashboard") });
            Dashboard::new()
                .default_service(dashboard)
                .wrap(wrapped.clone())
        })
        .workers(2)
        .h1_allow_half_closed(false)
        .disable_signals()
        // Below half a second, the age of its cached clock, actix would miss the deadline.
        .client_disconnect_timeout(Duration::from_millis(600))
        .shutdown_timeout(0)
        .bind(("127.0.0.1", 0))
        .unwrap();
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        tokio::spawn(server);
        let directory = tempfile::tempdir().unwrap();
        World {
            routes,
            gateway,
            grants,
            woken,
            address,
            directory,
            server: handle,
        }
    }

    fn app(&self, generation: u32) -> App {
        App::start(self.directory.path(), generation)
    }

    /// An app of another environment, in a folder of its own.
    fn neighbour(&self, generation: u32) -> App {
        let directory = self.directory.path().join("neighbour");
        std::fs::create_dir_all(&directory).unwrap();
        App::start(&directory, generation)
    }

    /// Preview 12 of the shop goes where `to` says.
    fn shop(&self, to: To) {
        self.routes.set(route("shop", Kind::Preview(12), to));
    }

    fn shop_id() -> EnvironmentId {
        EnvironmentId("shop-pr-12".to_owned())
    }

    async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    /// One request for the shop's preview, on a connection of its own.
    async fn ask(&self, method: &str, target: &str, fields: &[(&str, &str)], body: &str) -> Reply {
        self.client()
            .await
            .ask(request(method, target, SHOP, fields, body))
            .await
    }

    async fn get(&self, target: &str) -> Reply {
        self.ask("GET", target, &[], "").await
    }

    async fn visit(&self, target: &str) -> Reply {
        self.ask("GET", target, &[("Accept", "text/html,*/*")], "")
            .await
    }

    /// An open WebSocket to the shop's preview.
    async fn websocket(
        &self,
        host: &str,
        target: &str,
        fields: &[(&str, &str)],
    ) -> (Client, wire::Head) {
        let mut client = self.client().await;
        let mut all = vec![
            ("Connection", "keep-alive, Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
        ];
        all.push(("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="));
        all.extend(fields);
        client.send(request("GET", target, host, &all, "")).await;
        let head = client.head().await;
        (client, head)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}

/// Where the shop's preview answers.
const SHOP: &str = "pr-12--shop.localhost:4100";

fn route(slug: &str, kind: Kind, to: To) -> Route {
    Route {
        environment: EnvironmentId(format!("{slug}-{}", kind.name())),
        name: format!("local/{slug}/{}", kind.name()),
        kind,
        label: Label::environment(&Slug::of(slug), kind),
        to,
    }
}

/// An app serves as this generation, its console too.
fn serving(app: &App, generation: u32) -> To {
    let target = |name: &str, label: &str, primary, console| Target {
        name: name.to_owned(),
        label: Label::parse(label).unwrap(),
        primary,
        console,
        upstream: Upstream::Unix(app.socket.clone()),
    };
    To::Serving(Serving {
        generation: Generation(generation),
        commit: commit(generation),
        endpoints: vec![
            target("web", "web--pr-12--shop", true, false),
            target("console", "console--pr-12--shop", false, true),
        ],
    })
}

fn commit(generation: u32) -> Commit {
    Commit::parse(&format!("{generation:040x}")).unwrap()
}

fn coming() -> To {
    To::Coming {
        phase: "running-tests".to_owned(),
        page: "/local/shop/pr-12".to_owned(),
    }
}

/// Waits until something is so, with a deadline.
async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let end = tokio::time::Instant::now() + PATIENCE;
    while !so() {
        assert!(
            tokio::time::Instant::now() < end,
            "waited in vain until {what}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

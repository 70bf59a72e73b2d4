//! The two listeners: for people, visitors and machines on other hosts on the port, for machines of this box on a socket.

use std::{io, net::TcpListener, path::Path, sync::Arc, time::Duration};

use actix_web::{App, HttpServer, dev::ServerHandle, middleware::from_fn, web};
use anyhow::Context as _;
use tracing::warn;

use super::LAST_REQUESTS;
use crate::http::{
    Services, api,
    auth::{self, Auth},
    gateway::{Gateway, Grants},
    health, live, pages,
    runner::{self, Runners},
    unmatched, waiting,
    webhook::{self, Webhooks},
};

/// Threads that answer requests; all decisions are made on one more.
const WORKERS: usize = 2;

/// Where people come in.
pub(super) struct Doors {
    /// By which they come.
    pub(super) people: TcpListener,
    /// How TLS is spoken there; `None` for HTTP.
    pub(super) tls: Option<rustls::ServerConfig>,
    /// By which programs of this box come that speak no TLS, where people need it.
    pub(super) here: Option<TcpListener>,
    /// What answers machines on other hosts there, where there are such.
    pub(super) runners: Option<web::Data<Runners>>,
    /// How long requests in flight may take to end once these are closed.
    pub(super) last_requests: Duration,
}

impl Doors {
    /// The same ones for those who only read, until somebody else stands in them.
    pub(super) fn for_reading(&self, last_requests: Duration) -> io::Result<Self> {
        let here = self.here.as_ref().map(TcpListener::try_clone);
        Ok(Doors {
            people: self.people.try_clone()?,
            tls: self.tls.clone(),
            here: here.transpose()?,
            runners: None,
            last_requests,
        })
    }
}

pub(super) fn for_machines(
    runners: web::Data<Runners>,
    socket: &Path,
) -> anyhow::Result<ServerHandle> {
    let server = HttpServer::new(move || App::new().configure(runner::routes(runners.clone())))
        .workers(1)
        .shutdown_timeout(LAST_REQUESTS.as_secs())
        .disable_signals()
        .bind_uds(socket)
        .with_context(|| format!("could not listen on {}", socket.display()))?
        .run();
    // Machines run as users of their own; what speaks here is known by its token.
    set_mode(socket, 0o666)?;
    let handle = server.handle();
    actix::spawn(async move {
        if let Err(error) = server.await {
            warn!("the machines' listener ended: {error}");
        }
    });
    Ok(handle)
}

pub(super) fn for_people(
    services: Services,
    gateway: &Gateway,
    auth: web::Data<Auth>,
    grants: Arc<Grants>,
    metrics: health::Metrics,
    webhooks: Option<Arc<Webhooks>>,
    Doors {
        people,
        tls,
        here,
        runners,
        last_requests,
    }: Doors,
) -> anyhow::Result<ServerHandle> {
    let webhooks = webhooks.map(web::Data::from);
    let (gateway, services, grants) = (
        gateway.clone(),
        web::Data::new(services),
        web::Data::from(grants),
    );
    let metrics = web::Data::new(metrics);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(auth.clone())
            .app_data(services.clone())
            .app_data(grants.clone())
            .app_data(metrics.clone())
            .configure(health::routes)
            .configure(|config| {
                if let Some(runners) = &runners {
                    runner::routes(runners.clone())(config);
                }
            })
            .configure(webhook::routes(webhooks.clone()))
            .configure(api::routes)
            .configure(live::routes)
            .configure(unmatched::routes)
            .configure(pages::routes)
            .wrap(from_fn(unmatched::head))
            .wrap(from_fn(waiting::only_reads))
            .wrap(from_fn(auth::guard))
            .wrap(from_fn(health::count))
            .wrap(gateway.clone())
    })
    .workers(WORKERS)
    .shutdown_timeout(last_requests.as_secs())
    // A client that leaves a silent stream is noticed at once.
    .h1_allow_half_closed(false)
    .disable_signals();
    let mut server = match tls {
        Some(tls) => server.listen_rustls_0_23(people, tls)?,
        None => server.listen(people)?,
    };
    if let Some(here) = here {
        server = server.listen(here)?;
    }
    let server = server.run();
    let handle = server.handle();
    actix::spawn(async move {
        if let Err(error) = server.await {
            warn!("the listener ended: {error}");
        }
    });
    Ok(handle)
}

fn set_mode(path: &Path, mode: u32) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .with_context(|| format!("could not open {} to machines", path.display()))
}

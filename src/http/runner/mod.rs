//! The runner's side of the server: `/runner/v1/…`, mounted where machines reach the server: on a socket of this box, and on the
//! port where they are on other hosts. Everything that comes in here was written by a program that shares a machine with hostile code.
//!
//! A route authenticates (see [`identity`]), bounds and cleans what it was sent, and hands it on: reports and
//! heartbeats to the environment, lines to Logging, uploads to the blobs. It decides nothing.

mod bundle;
mod fit;
mod identity;
mod logs;
mod rate;
mod report;
mod upload;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use actix_web::{Route, http::Method, web};
use nestling_domain::lifecycle::Times;
use nestling_protocol::path;

use self::{
    rate::{Rate, Rates},
    upload::Tickets,
};
use super::{Services, health::Metrics, problem};

pub use identity::{Claims, Invalid, RunnerTokens};

/// Reports: twice as many as a run without faults has in all may come at once.
const REPORTS: Rate = Rate {
    per_second: 5,
    burst: 20,
};
/// Live lines: five batches of at most 64 KiB a second for each of a machine's two logs.
const LOGS: Rate = Rate {
    per_second: 10,
    burst: 20,
};
/// Uploads: two logs are put every 5 s, and the whole of a noisy test run when it ends, which the next step
/// waits for. Bounds what a hostile machine can fill before old logs are pruned.
const UPLOADS: Rate = Rate {
    per_second: 5,
    burst: 40,
};
/// What all of its paths begin with.
const BELOW: &str = "/runner/v1";
/// The longest JSON body: a batch of lines of 64 KiB, in which JSON may escape every fourth byte or so.
const LONGEST_JSON: usize = 256 * 1024;

/// What the runner's routes are built on. One for all workers.
pub struct Runners {
    services: Services,
    tokens: Arc<dyn RunnerTokens>,
    times: Times,
    reports: Rates,
    logs: Rates,
    uploads: Rates,
    tickets: Tickets,
    metrics: Metrics,
}

impl Runners {
    /// The routes' state; `times` are the limits that runners are told.
    pub fn new(services: Services, tokens: Arc<dyn RunnerTokens>, times: Times) -> Self {
        Runners {
            services,
            tokens,
            times,
            reports: Rates::new(REPORTS),
            logs: Rates::new(LOGS),
            uploads: Rates::new(UPLOADS),
            tickets: Tickets::new(),
            metrics: Metrics::default(),
        }
    }

    /// Counting reports here.
    #[must_use]
    pub fn counting(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }
}

/// Mounts the routes on the listener that machines reach.
pub fn routes(runners: web::Data<Runners>) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| {
        // A scope of its own: what is said here of bodies is not said of others.
        let mut scope = web::scope(BELOW)
            .app_data(runners)
            .configure(|config| problem::extractors(config, LONGEST_JSON));
        for (_, path, route) in table() {
            scope = scope.route(path.trim_start_matches(BELOW), route);
        }
        // Not for a runner but for a ticket that one was given, which is checked instead of a token.
        let blobs = web::resource("/blobs/{key:.*}")
            .app_data(web::PayloadConfig::new(upload::LONGEST))
            .route(web::put().to(upload::put));
        config.service(scope.service(blobs));
    }
}

/// Every route that a runner's token opens.
fn table() -> [(Method, &'static str, Route); 6] {
    [
        (Method::GET, path::BUNDLE, web::get().to(bundle::get)),
        (Method::GET, path::SOURCE, web::get().to(bundle::source)),
        (Method::POST, path::REPORT, web::post().to(report::report)),
        (
            Method::POST,
            path::HEARTBEAT,
            web::post().to(report::heartbeat),
        ),
        (Method::POST, path::LOGS, web::post().to(logs::logs)),
        (Method::POST, path::UPLOAD, web::post().to(upload::upload)),
    ]
}

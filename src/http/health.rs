//! Whether the server lives, whether it can work, and how much it does.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use actix_web::{
    Error, HttpResponse,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header,
    middleware::Next,
    web,
};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use tokio::time::timeout;

use super::{Services, problem::Problem, troubles::removals};
use crate::drivers::clock;

/// How long the store may take to say that it works. Whoever asks waits a few seconds at most.
const CHECK: Duration = Duration::from_secs(2);

/// What is counted here. Cheap to clone: all clones count together.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    requests: Family<Request, Counter>,
    reports: Family<Report, Counter>,
    quotas: Family<Asker, Gauge>,
    stuck: Gauge,
    stuck_for: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    /// The pattern, never the path: names in paths are without number.
    route: String,
    method: &'static str,
    /// `2xx`, `4xx`, …
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asker {
    /// The number of an installation, or `app` for the App itself.
    installation: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Report {
    phase: &'static str,
}

impl Metrics {
    /// A registry with what is counted here.
    pub fn new() -> Self {
        let (requests, reports) = (Family::default(), Family::default());
        let quotas = Family::default();
        let (stuck, stuck_for) = (Gauge::default(), Gauge::default());
        let mut registry = Registry::default();
        registry.register(
            "nestling_http_requests",
            "Requests by route, method and class of status",
            Family::clone(&requests),
        );
        registry.register(
            "nestling_runner_reports",
            "Reports of runners by phase",
            Family::clone(&reports),
        );
        registry.register(
            "nestling_github_requests_remaining",
            "Requests that GitHub still takes in this hour, as of its last answer",
            Family::clone(&quotas),
        );
        registry.register(
            "nestling_removals_stuck",
            "Environments of which something should be gone for a minute or longer, and is not",
            stuck.clone(),
        );
        registry.register(
            "nestling_removals_stuck_oldest_seconds",
            "For how long the oldest of them has been wanted gone; 0 without any",
            stuck_for.clone(),
        );
        Metrics {
            registry: Arc::new(Mutex::new(registry)),
            requests,
            reports,
            quotas,
            stuck,
            stuck_for,
        }
    }

    pub(super) fn reported(&self, phase: &'static str) {
        self.reports.get_or_create(&Report { phase }).inc();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics::new()
    }
}

/// Counts every request; use with `actix_web::middleware::from_fn`, outside the guard.
pub async fn count(
    metrics: web::Data<Metrics>,
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let method = method(request.method().as_str());
    let response = next.call(request).await?;
    let route = response.request().match_pattern();
    let request = Request {
        route: route.unwrap_or_else(|| "unmatched".to_owned()),
        method,
        status: class(response.status().as_u16()),
    };
    metrics.requests.get_or_create(&request).inc();
    Ok(response)
}

/// Mounts `/healthz`, `/readyz` and `/metrics`. Needs [`Services`] and [`Metrics`] as app data.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/healthz", web::get().to(healthz))
        .route("/readyz", web::get().to(readyz))
        .route("/metrics", web::get().to(metrics));
}

async fn healthz() -> HttpResponse {
    plain("ok\n")
}

async fn readyz(services: web::Data<Services>) -> Result<HttpResponse, Problem> {
    match timeout(CHECK, services.store.check()).await {
        Ok(Ok(())) => Ok(plain("ready\n")),
        // Everybody may ask this: the reason stands in the server's log.
        Ok(Err(error)) => {
            tracing::warn!("not ready: {error}");
            Err(Problem::unavailable("the store cannot be used"))
        }
        Err(_) => Err(Problem::unavailable(format!(
            "the store did not answer within {} s",
            CHECK.as_secs()
        ))),
    }
}

async fn metrics(
    metrics: web::Data<Metrics>,
    services: web::Data<Services>,
) -> Result<HttpResponse, Problem> {
    for (who, quota) in services.github.iter().flat_map(|github| github.quotas()) {
        let installation = who.map_or_else(|| "app".to_owned(), |who| who.to_string());
        let gauge = metrics.quotas.get_or_create(&Asker { installation });
        gauge.set(quota.remaining.into());
    }
    let now = clock::now();
    let stuck = removals::stuck(&*services.store, now).await?;
    metrics.stuck.set(in_gauge(stuck.len()));
    let removals = stuck.iter().filter_map(|one| one.lifecycle.stuck(now));
    let oldest = removals.map(|one| now.since(one.since).as_secs()).max();
    metrics.stuck_for.set(in_gauge(oldest.unwrap_or_default()));
    let mut text = String::new();
    let encoded = {
        let registry = metrics
            .registry
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        encode(&mut text, &registry)
    };
    encoded.map_err(|_| Problem::internal("the metrics could not be written"))?;
    Ok(HttpResponse::Ok()
        .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
        .body(text))
}

fn in_gauge(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

fn plain(text: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(text)
}

/// Methods are text that a client makes up: only those that we serve are counted apart.
fn method(name: &str) -> &'static str {
    ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]
        .into_iter()
        .find(|known| *known == name)
        .unwrap_or("other")
}

fn class(status: u16) -> &'static str {
    match status / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

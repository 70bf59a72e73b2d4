//! What environments ask of the gateway: proof that a deployment answers, and the end of one that served.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use actix_web::http::header::HeaderMap as OldHeaders;
use bytes::Bytes;
use http_body_util::Empty;
use hyper::{Request, StatusCode};
use nestling_domain::ids::{EnvironmentId, Generation};
use tokio::time::{sleep, timeout};

use super::{Gateway, exchange, heads, link, pool};
use crate::messages::routes::{Ending, Target, Traffic};

/// Good answers in a row that make a deployment healthy.
const IN_A_ROW: u32 = 3;
/// Between two of them: an app that dies right after its first answer is noticed.
const BETWEEN: Duration = Duration::from_millis(100);
/// How long cut requests have to say goodbye, after a drain.
const GOODBYE: Duration = Duration::from_millis(400);

#[async_trait::async_trait]
impl Traffic for Gateway {
    /// Over after 6.2 s at most: three answers of 2 s, and the pauses between them.
    async fn probe(
        &self,
        environment: &EnvironmentId,
        _generation: Generation,
        target: &Target,
        health: Option<&str>,
    ) -> Result<(), String> {
        for round in 0..IN_A_ROW {
            if round > 0 {
                sleep(BETWEEN).await;
            }
            self.ask_once(environment, target, health).await?;
        }
        Ok(())
    }

    async fn drain(&self, environment: &EnvironmentId, generation: Generation) {
        let Some(flights) = self.shared.routes.departed(environment, generation) else {
            return;
        };
        flights.end(Ending::Streams);
        if timeout(self.shared.config.bounds.drain, flights.landed())
            .await
            .is_err()
        {
            flights.end(Ending::All);
            // What is cut may still be on its way to a slow client; nobody waits for that.
            timeout(GOODBYE, flights.landed()).await.ok();
        }
        flights.end(Ending::All);
        self.shared.routes.landed(environment, generation);
    }
}

impl Gateway {
    /// One answer of a deployment, by the same head, connection and client that a request takes.
    async fn ask_once(
        &self,
        environment: &EnvironmentId,
        target: &Target,
        health: Option<&str>,
    ) -> Result<(), String> {
        let path = health.unwrap_or("/");
        let bounds = &self.shared.config.bounds;
        let asked = timeout(bounds.probe, self.status_of(environment, target, path)).await;
        let late = || {
            format!(
                "GET {path} got no answer within {} s",
                bounds.probe.as_secs_f32()
            )
        };
        let status = asked.map_err(|_| late())??;
        let good = if health.is_some() {
            status.is_success()
        } else {
            status.as_u16() < 500
        };
        let wanted = if health.is_some() {
            "200 to 299"
        } else {
            "anything below 500"
        };
        if good {
            return Ok(());
        }
        let instead = if status.is_redirection() {
            ": name the path that it leads to as the health path"
        } else {
            ""
        };
        Err(format!(
            "GET {path} was answered {status}, and should be {wanted}{instead}"
        ))
    }

    async fn status_of(
        &self,
        environment: &EnvironmentId,
        target: &Target,
        path: &str,
    ) -> Result<StatusCode, String> {
        let unreached = |what: String| format!("GET {path} got no answer: {what}");
        let request = self.probe_request(environment, target, path)?;
        let io = link::connect(&target.upstream, self.shared.config.bounds.probe).await;
        let io = io.map_err(|error| unreached(error.to_string()))?;
        let opened = pool::builder().handshake(io).await;
        let (mut sender, connection) = opened.map_err(|error| unreached(error.to_string()))?;
        let running = tokio::spawn(async move { connection.await.ok() });
        let answer = sender.send_request(request).await;
        running.abort();
        answer
            .map(|answer| answer.status())
            .map_err(|error| unreached(exchange::words(&error)))
    }

    fn probe_request(
        &self,
        environment: &EnvironmentId,
        target: &Target,
        path: &str,
    ) -> Result<Request<Empty<Bytes>>, String> {
        let addresses = &self.shared.config.addresses;
        let route = self
            .shared
            .routes
            .of(environment)
            .filter(|_| target.primary);
        let label = route.as_ref().map_or(&target.label, |route| &route.label);
        let origin = heads::Origin {
            host: &format!("{label}.{}", addresses.preview_domain),
            scheme: &addresses.scheme,
            peer: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            trusted: false,
        };
        let headers = heads::for_app(&OldHeaders::new(), &origin, usize::MAX);
        let headers = headers.map_err(|_| format!("{label:?} is no host name"))?;
        let mut request = Request::new(Empty::new());
        *request.headers_mut() = headers;
        let path = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/{path}")
        };
        *request.uri_mut() = path
            .parse()
            .map_err(|error| format!("the health path {path:?} is no path: {error}"))?;
        Ok(request)
    }
}

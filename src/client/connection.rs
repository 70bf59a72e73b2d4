//! The connection to a server on this machine: where it listens, and the token.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::Path,
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::{sleep, timeout};

use super::{ADDRESS_FILE, Failed, TOKEN_FILE, To};
use crate::http::problem::Problem;

/// The longest a server on this machine takes to begin its answer; an order waits for one save.
const LONGEST: Duration = Duration::from_secs(30);
/// The longest answer that is read whole.
const LONGEST_BODY: usize = 64 * 1024 * 1024;
/// How often a request is tried while the server says "not at this moment".
const TRIES: u32 = 3;
/// Before the next try, as the server's `Retry-After` says.
const AGAIN: Duration = Duration::from_secs(1);

/// A server on this machine.
pub(super) struct Connection {
    client: Client<HttpConnector, Full<Bytes>>,
    address: SocketAddr,
    token: String,
    /// Whether answers are shown as JSON.
    pub(super) json: bool,
    /// Where the server's data lies, for messages.
    data: String,
}

impl Connection {
    /// Finds address and token. Asks nothing yet.
    pub(super) fn to(to: &To) -> Result<Self, Failed> {
        let address = match &to.server {
            Some(address) => address.clone(),
            None => read(&to.data, ADDRESS_FILE).map_err(|error| no_address(&to.data, &error))?,
        };
        let named = std::env::var("NESTLING_TOKEN").ok();
        let token = match to.token.clone().or(named.filter(|token| !token.is_empty())) {
            Some(token) => token,
            None => read(&to.data, TOKEN_FILE).map_err(|error| no_token(&to.data, &error))?,
        };
        Ok(Connection {
            client: Client::builder(TokioExecutor::new()).build_http(),
            address: loopback(&address)?,
            token,
            json: to.json,
            data: to.data.display().to_string(),
        })
    }

    /// Asks for a value.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failed> {
        let bytes = self.ask(Method::GET, path, Bytes::new(), &[]).await?;
        serde_json::from_slice(&bytes).map_err(|error| {
            Failed::Refused(format!(
                "the server's answer to {path} cannot be read ({error}): are server and client of the same version?"
            ))
        })
    }

    /// Sends an order; the same one however often it is tried.
    pub(super) async fn order<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failed> {
        let key = key()?;
        let headers = [("idempotency-key", key.as_str())];
        let bytes = self.ask(Method::POST, path, Bytes::new(), &headers).await?;
        understood(&bytes)
    }

    /// Puts a value.
    pub(super) async fn put(&self, path: &str, value: &impl Serialize) -> Result<(), Failed> {
        let body = serde_json::to_vec(value)
            .map_err(|error| Failed::Unasked(format!("the value cannot be sent: {error}")))?;
        self.ask(Method::PUT, path, body.into(), &[])
            .await
            .map(drop)
    }

    /// Sends a value, and reads what came of it.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        value: &impl Serialize,
    ) -> Result<T, Failed> {
        let body = serde_json::to_vec(value)
            .map_err(|error| Failed::Unasked(format!("the order cannot be sent: {error}")))?;
        let bytes = self.ask(Method::POST, path, body.into(), &[]).await?;
        understood(&bytes)
    }

    /// Removes what is there, and reads what came of it.
    pub(super) async fn remove<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failed> {
        let bytes = self.ask(Method::DELETE, path, Bytes::new(), &[]).await?;
        understood(&bytes)
    }

    /// Removes what is there.
    pub(super) async fn delete(&self, path: &str) -> Result<(), Failed> {
        self.ask(Method::DELETE, path, Bytes::new(), &[])
            .await
            .map(drop)
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        headers: &[(&str, &str)],
    ) -> Result<Bytes, Failed> {
        let mut tries = 1;
        loop {
            let sent = self.send(method.clone(), path, body.clone(), headers).await;
            match sent {
                Ok(response) if response.status().is_success() => {
                    return whole(response).await;
                }
                Ok(response) if is_momentary(response.status()) && tries < TRIES => {}
                Ok(response) => return Err(refused(response).await),
                Err(failed) => return Err(failed),
            }
            tries += 1;
            sleep(AGAIN).await;
        }
    }

    /// Asks for an answer that is read as it comes.
    pub(super) async fn stream(
        &self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Incoming, Failed> {
        let response = self.send(Method::GET, path, Bytes::new(), headers).await?;
        if response.status().is_success() {
            Ok(response.into_body())
        } else {
            Err(refused(response).await)
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        headers: &[(&str, &str)],
    ) -> Result<Response<Incoming>, Failed> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address))
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
            .header(ACCEPT, "application/json");
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Full::new(body))
            .map_err(|error| Failed::Unasked(format!("{path} cannot be asked for: {error}")))?;
        match timeout(LONGEST, self.client.request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) if error.is_connect() => Err(Failed::Unasked(format!(
                "no server answers at http://{}: start it with `nestling up --data {}`, or name another folder with --data",
                self.address, self.data
            ))),
            Ok(Err(error)) => Err(Failed::Refused(format!(
                "the server at http://{} ended the connection: {error}",
                self.address
            ))),
            Err(_) => Err(Failed::Refused(format!(
                "the server at http://{} did not answer within {} s",
                self.address,
                LONGEST.as_secs()
            ))),
        }
    }
}

/// The answer to an order.
fn understood<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failed> {
    serde_json::from_slice(bytes)
        .map_err(|error| Failed::Refused(format!("the server's answer cannot be read: {error}")))
}

/// What a file of the data folder holds beside the lines that explain it.
fn read(data: &Path, name: &str) -> io::Result<String> {
    let text = std::fs::read_to_string(data.join(name))?;
    let content = text.lines().filter(|line| !line.starts_with('#'));
    Ok(content.collect::<String>().trim().to_owned())
}

fn no_address(data: &Path, error: &io::Error) -> Failed {
    let data = data.display();
    Failed::Unasked(if error.kind() == io::ErrorKind::NotFound {
        format!(
            "no server runs on the data folder {data}: start one with `nestling up --data {data}`, or name another folder with --data"
        )
    } else {
        format!("the server's address in {data}/{ADDRESS_FILE} cannot be read: {error}")
    })
}

fn no_token(data: &Path, error: &io::Error) -> Failed {
    Failed::Unasked(format!(
        "the operator's token in {}/{TOKEN_FILE} cannot be read ({error}): give it as NESTLING_TOKEN, or run this as the user who runs the server",
        data.display()
    ))
}

/// The token goes over plain HTTP: to this machine and nowhere else.
fn loopback(address: &str) -> Result<SocketAddr, Failed> {
    let host = address.trim_end_matches('/').strip_prefix("http://");
    let found = host.and_then(|host| {
        // `localhost` may resolve to either family; the server binds the first.
        let host = host.replacen("localhost", "127.0.0.1", 1);
        host.parse::<SocketAddr>().ok()
    });
    let is_here = |address: &SocketAddr| match address.ip() {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_loopback(),
    };
    found.filter(is_here).ok_or_else(|| {
        Failed::Unasked(format!(
            "{address:?} is not the address of a server on this machine: it looks like http://127.0.0.1:4100"
        ))
    })
}

fn is_momentary(status: StatusCode) -> bool {
    status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::TOO_MANY_REQUESTS
}

async fn whole(response: Response<Incoming>) -> Result<Bytes, Failed> {
    let body = http_body_util::Limited::new(response.into_body(), LONGEST_BODY);
    let collected = body.collect().await;
    collected
        .map(http_body_util::Collected::to_bytes)
        .map_err(|error| Failed::Refused(format!("the server's answer broke off: {error}")))
}

async fn refused(response: Response<Incoming>) -> Failed {
    let status = response.status();
    let body = whole(response).await.unwrap_or_default();
    match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) => Failed::Refused(problem.detail),
        Err(_) => Failed::Refused(format!("the server answered {status}")),
    }
}

fn key() -> Result<String, Failed> {
    let mut bytes = [0_u8; 16];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| Failed::Unasked("the system gave no randomness".to_owned()))?;
    Ok(u128::from_be_bytes(bytes).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_sent_to_this_machine_only() {
        for (address, fits) in [
            ("http://127.0.0.1:4100", true),
            ("http://localhost:4100/", true),
            ("http://[::1]:4100", true),
            ("http://10.0.0.5:4100", false),
            ("https://127.0.0.1:4100", false),
            ("http://127.0.0.1", false),
            ("http://nestling.example:4100", false),
            ("http://127.0.0.1:4100@evil.example", false),
        ] {
            assert_eq!(loopback(address).is_ok(), fits, "{address}");
        }
    }
}

//! Who talks to the model in these stories: an App with its client, and a receiver of webhooks.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, Response, StatusCode, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use nestling_world::github::{Level, Model, Permissions, Role, Selection};
use serde_json::{Value, json};

/// What an answer is waited for at most.
pub const PATIENCE: Duration = Duration::from_secs(20);
pub const SHOP: &str = "acme/shop";
pub const EVENTS: [&str; 7] = [
    "pull_request",
    "push",
    "create",
    "delete",
    "repository",
    "issue_comment",
    "check_run",
];

/// The model with an organisation, a private repository, people and an App that is installed.
pub struct World {
    pub github: Model,
    pub app: u64,
    pub installation: u64,
    pub shop: u64,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: hyper::HeaderMap,
    pub body: Value,
    pub raw: Bytes,
}

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }

    /// Its JSON, if the status is this.
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }
}

pub fn permissions() -> Permissions {
    let list = [
        ("metadata", Level::Read),
        ("contents", Level::Read),
        ("pull_requests", Level::Write),
        ("issues", Level::Write),
        ("checks", Level::Write),
        ("deployments", Level::Write),
    ];
    list.map(|(name, level)| (name.to_owned(), level)).into()
}

impl World {
    pub fn start() -> Result<Self> {
        let github = Model::start()?;
        let (shop, app, installation) = github.act(|state| -> Result<_> {
            if state.description.is_none() {
                eprintln!(
                    "not held against GitHub's description: run `npm ci --prefix tests/github`"
                );
            }
            state.create_organisation("acme");
            let shop = state.create_repository(SHOP, true, &[("index.html", "<h1>Shop</h1>")])?;
            state.set_role(SHOP, "ann", Some(Role::Write))?;
            state.set_role(SHOP, "rob", Some(Role::Read))?;
            let app = state.register_app("acme", "Nestling", permissions(), &EVENTS)?;
            let installation = state.install(app, "acme", Selection::All)?;
            Ok((shop, app, installation))
        })?;
        let client = Client::builder(TokioExecutor::new()).build_http();
        Ok(World {
            github,
            app,
            installation,
            shop,
            client,
        })
    }

    /// A JWT of the App that is good for five minutes.
    pub fn jwt(&self) -> Result<String> {
        self.github.act(|state| {
            let now = state.clock.now() / 1000;
            state.sign(
                self.app,
                &json!({ "iss": self.app, "iat": now - 60, "exp": now + 300 }),
            )
        })
    }

    /// An installation token with all that was granted.
    pub async fn token(&self) -> Result<String> {
        self.narrowed(json!({})).await
    }

    /// An installation token, narrowed.
    pub async fn narrowed(&self, to: Value) -> Result<String> {
        let path = format!("/app/installations/{}/access_tokens", self.installation);
        let made = self
            .ask(Method::POST, &path, Some(&self.jwt()?), Some(to))
            .await?;
        let made = made.expect(201);
        Ok(made["token"].as_str().context("no token")?.to_owned())
    }

    pub async fn get(&self, path: &str, token: &str) -> Result<Reply> {
        self.ask(Method::GET, path, Some(token), None).await
    }

    pub async fn post(&self, path: &str, token: &str, body: Value) -> Result<Reply> {
        self.ask(Method::POST, path, Some(token), Some(body)).await
    }

    pub async fn patch(&self, path: &str, token: &str, body: Value) -> Result<Reply> {
        self.ask(Method::PATCH, path, Some(token), Some(body)).await
    }

    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<Value>,
    ) -> Result<Reply> {
        let mut request = Request::builder().method(method);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        self.send(request.uri(self.url(path)).body(Full::from(body))?)
            .await
    }

    pub async fn send(&self, mut request: Request<Full<Bytes>>) -> Result<Reply> {
        let named = hyper::header::HeaderValue::from_static("nestling-stories");
        request.headers_mut().entry("user-agent").or_insert(named);
        let response = tokio::time::timeout(PATIENCE, self.client.request(request)).await??;
        let (head, body) = response.into_parts();
        let raw = body.collect().await?.to_bytes();
        Ok(Reply {
            status: head.status.as_u16(),
            headers: head.headers,
            body: serde_json::from_slice(&raw).unwrap_or(Value::Null),
            raw,
        })
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.github.base())
    }

    /// Fails on whatever the story left.
    pub fn finish(&self) -> Result<()> {
        self.github.look(nestling_world::github::State::finish)
    }
}

/// A webhook as it came.
#[derive(Clone, Debug)]
pub struct Came {
    pub headers: hyper::HeaderMap,
    pub body: Bytes,
    pub payload: Value,
}

impl Came {
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// `event.action`, or the event alone.
    pub fn name(&self) -> String {
        let event = self.header("x-github-event");
        match self.payload["action"].as_str() {
            Some(action) => format!("{event}.{action}"),
            None => event.to_owned(),
        }
    }
}

/// Takes webhooks, and answers them with a status that a story can change.
pub struct Receiver {
    came: Arc<Mutex<Vec<Came>>>,
    status: Arc<Mutex<u16>>,
    pub address: SocketAddr,
}

impl Receiver {
    pub async fn start() -> Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let came: Arc<Mutex<Vec<Came>>> = Arc::default();
        let status = Arc::new(Mutex::new(202));
        let (taken, answered) = (came.clone(), status.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (taken, answered) = (taken.clone(), answered.clone());
                let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                    let (taken, answered) = (taken.clone(), answered.clone());
                    async move {
                        let (head, body) = request.into_parts();
                        let body = body.collect().await.unwrap().to_bytes();
                        taken.lock().unwrap().push(Came {
                            headers: head.headers,
                            payload: serde_json::from_slice(&body).unwrap(),
                            body,
                        });
                        let mut response = Response::new(Full::<Bytes>::default());
                        *response.status_mut() =
                            StatusCode::from_u16(*answered.lock().unwrap()).unwrap();
                        Ok::<_, Infallible>(response)
                    }
                });
                let http = hyper::server::conn::http1::Builder::new();
                tokio::spawn(http.serve_connection(TokioIo::new(stream), service));
            }
        });
        Ok(Receiver {
            came,
            status,
            address,
        })
    }

    pub fn answers(&self, status: u16) {
        *self.status.lock().unwrap() = status;
    }

    /// What came since this was asked last.
    pub fn take(&self) -> Vec<Came> {
        std::mem::take(&mut *self.came.lock().unwrap())
    }

    /// Names of what came since this was asked last.
    pub fn names(&self) -> Vec<String> {
        self.take().iter().map(Came::name).collect()
    }
}

/// A world whose App hears of everything.
pub async fn listening() -> Result<(World, Receiver)> {
    let world = World::start()?;
    let receiver = Receiver::start().await?;
    let url = format!("http://{}/hook", receiver.address);
    world
        .github
        .act(|github| github.set_webhook_url(world.app, &url))?;
    Ok((world, receiver))
}

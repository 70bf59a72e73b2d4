//! Who talks to the model in these stories: a plain client with the token of an organisation.

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Method;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use nestling_world::fly::{Description, Model, Phase};
use serde_json::{Value, json};

pub const IMAGE: &str = "registry.fly.io/nestling-runner:v1";

/// The model with two organisations, and a client of the first. Limits do not hold, so that stories are quick.
pub struct World {
    pub fly: Model,
    pub token: String,
    pub stranger: String,
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

    pub fn error(&self) -> &str {
        let said = |key: &str| self.body[key].as_str();
        said("error").or(said("message")).unwrap_or_default()
    }

    /// Its JSON, if the status is this.
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }
}

/// Whether Fly's description is at hand; says so if not.
pub fn described() -> bool {
    let at_hand = Description::at_hand().unwrap().is_some();
    if !at_hand {
        let place = Description::looked_for();
        eprintln!("not held against Fly's description: there is none at {place}");
    }
    at_hand
}

/// A machine that runs the image, with this metadata.
pub fn machine(name: &str, metadata: Value) -> Value {
    json!({
        "name": name,
        "region": "ams",
        "config": {
            "image": IMAGE,
            "metadata": metadata,
            "guest": { "cpu_kind": "shared", "cpus": 1, "memory_mb": 512 },
            "services": [{
                "protocol": "tcp",
                "internal_port": 3000,
                "autostop": "off",
                "autostart": true,
                "ports": [{ "port": 443, "handlers": ["tls", "http"] }],
            }],
            "checks": { "up": { "type": "http", "port": 3000, "path": "/up", "interval": "1s" } },
        },
    })
}

impl World {
    pub fn start() -> Result<Self> {
        described();
        let fly = Model::start()?;
        let (token, stranger) = fly.act(|fly| {
            fly.create_organisation("acme");
            fly.create_organisation("other");
            fly.limits.hold = false;
            (fly.issue_token("acme"), fly.issue_token("other"))
        });
        let client = Client::builder(TokioExecutor::new()).build_http();
        Ok(World {
            fly,
            token,
            stranger,
            client,
        })
    }

    /// The same with an app of the name `shop`.
    pub async fn with_app() -> Result<Self> {
        let world = World::start()?;
        let app = json!({ "name": "shop", "org_slug": "acme", "network": "shop" });
        world.post("/apps", app).await?.expect(201);
        Ok(world)
    }

    /// The same with a machine in it that has come up; answers its id.
    pub async fn with_machine() -> Result<(Self, String)> {
        let world = World::with_app().await?;
        let new = machine("one", json!({ "env": "1", "gen": "1" }));
        let made = world.post("/apps/shop/machines", new).await?.expect(200);
        let id = made["id"].as_str().context("no id")?.to_owned();
        world.reaches(&id, Phase::Started).await?;
        Ok((world, id))
    }

    /// Waits until the machine is in this state.
    pub async fn reaches(&self, machine: &str, phase: Phase) -> Result<()> {
        let what = format!("machine {machine} {}", phase.name());
        let there = |fly: &nestling_world::fly::State| {
            fly.machines
                .get(machine)
                .is_some_and(|machine| machine.phase == phase)
        };
        self.fly.until(&what, there).await
    }

    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Result<Reply> {
        let uri = format!("{}{path}", self.fly.base());
        let mut request = hyper::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = request.body(Full::from(body))?;
        let response = self.client.request(request).await?;
        let (head, body) = response.into_parts();
        let raw = body.collect().await?.to_bytes();
        Ok(Reply {
            status: head.status.as_u16(),
            headers: head.headers,
            body: serde_json::from_slice(&raw).unwrap_or_default(),
            raw,
        })
    }

    /// Asks the API as the organisation, with a lease's nonce if that is not empty.
    pub async fn api(
        &self,
        method: Method,
        path: &str,
        nonce: &str,
        body: Option<Value>,
    ) -> Result<Reply> {
        let bearer = format!("Bearer {}", self.token);
        let headers = [
            ("authorization", bearer.as_str()),
            ("fly-machine-lease-nonce", nonce),
        ];
        self.ask(method, &format!("/v1{path}"), &headers, body)
            .await
    }

    pub async fn get(&self, path: &str) -> Result<Reply> {
        self.api(Method::GET, path, "", None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Result<Reply> {
        self.api(Method::POST, path, "", Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Result<Reply> {
        self.api(Method::DELETE, path, "", None).await
    }

    /// Ends the story: nothing was other than Fly describes it.
    pub fn finish(self) -> Result<()> {
        self.fly.look(nestling_world::fly::State::finish)
    }
}

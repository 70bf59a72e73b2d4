//! Fly's Machines API (<https://docs.machines.dev>), as one organisation: makes one request of what the plan
//! ([`nestling_domain::fly`]) asks, and says what came of it. It decides nothing, and repeats nothing.

mod image;
mod limits;
mod look;
mod orders;
mod request;
mod shapes;
#[cfg(test)]
mod tests;
mod way;

use std::{collections::BTreeMap, fmt, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use nestling_domain::{
    fly::{
        Address, AppName, Ask, Outcome, Owner, Refusal, Seen, Size, VOLUME, generation_of_secret,
        machine_name, secret_name, service_port,
    },
    ids::{EnvironmentId, Generation},
};
use nestling_protocol::{
    machine::{CONFIDENTIAL_FILE, RUN_DIR, STATE_DIR},
    network::PROXY_PORT,
};
use reqwest::{Client, redirect};
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use zeroize::Zeroizing;

pub(crate) use self::way::Way;
pub use self::{image::Image, look::Looked, orders::Order};
use self::{
    limits::Limits,
    request::{Answered, Asked},
    shapes::{Addresses, Apps, Assigned, Lease, Machine, Secrets, Volume},
    way::Network,
};

/// Who may read that file: its owner.
const OWNER_ONLY: u32 = 0o400;
/// Metadata of a machine that says which Nestling made it.
const SERVER: &str = "nestling_server";
/// Metadata of a machine that says for which environment.
const ENVIRONMENT: &str = "nestling_environment";
/// Metadata of a machine that says of which generation.
const GENERATION: &str = "nestling_generation";
/// How long Fly waits for a machine to be gone before it says that it is not, in seconds: less than we wait for an answer.
const WAITED: u32 = 6;
/// How long a connection may take.
const CONNECTING: Duration = Duration::from_secs(5);

/// Fly, as one organisation.
pub struct Fly {
    way: Box<dyn Way>,
    /// `https://api.machines.dev/v1`, without a slash at its end.
    base: String,
    token: Zeroizing<String>,
    organisation: String,
    /// The private network that the server is in; empty for the organisation's default.
    network: String,
    /// The identity of this Nestling, in the metadata of all that it makes.
    server: String,
    limits: Limits,
    pace: Pace,
}

/// How long Fly may take, and we wait.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// How long it may take to say what is there.
    seeing: Duration,
    /// How long it may take to do something: a creation answers when a host has taken the machine.
    doing: Duration,
    /// How long a lease lasts, in seconds: until the next request is taken, and no longer. One whose holder died stands in the way, and so does one that a machine
    /// was let in with, when it is removed soon after.
    lease: u32,
    /// By how much a story is faster than that.
    hurry: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            seeing: Duration::from_secs(10),
            doing: Duration::from_secs(30),
            lease: 5,
            hurry: 1,
        }
    }
}

/// What a request is about.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Which app.
    pub app: &'a AppName,
    /// Of which environment it is.
    pub environment: &'a EnvironmentId,
    /// How its machines are made.
    pub make: &'a Make,
    /// What the machine of a generation is told in confidence.
    pub confidential: &'a Confidential,
}

/// How a machine is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Make {
    /// The image of the runner.
    pub image: String,
    /// How big it is.
    pub size: Size,
    /// What its runner reads from the environment. Nothing of value: whoever reads the app reads this.
    pub env: BTreeMap<String, String>,
}

impl Make {
    /// How big it is (schema `fly.MachineGuest`).
    fn guest(&self) -> Value {
        let Size {
            cpu_kind,
            cpus,
            memory_mib,
        } = self.size;
        json!({ "cpu_kind": cpu_kind.name(), "cpus": cpus, "memory_mb": memory_mib })
    }
}

/// Bytes that nobody but the machine may read.
pub struct Confidential(pub Zeroizing<Vec<u8>>);

impl fmt::Debug for Confidential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Confidential({} bytes)", self.0.len())
    }
}

impl fmt::Debug for Fly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fly")
            .field("base", &self.base)
            .field("organisation", &self.organisation)
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

impl Fly {
    /// The identity of this Nestling.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// A client for an organisation, with a token that may make apps there.
    pub fn new(
        base: &str,
        (organisation, token): (&str, Zeroizing<String>),
        server: &str,
    ) -> Result<Self, reqwest::Error> {
        let http = Client::builder()
            .user_agent(concat!("nestling/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECTING)
            // An answer that leads elsewhere would take the token along.
            .redirect(redirect::Policy::none())
            .build()?;
        let way = Box::new(Network(http));
        Ok(Fly::over(way, base, (organisation, token), server))
    }

    /// The same, by another way.
    pub(crate) fn over(
        way: Box<dyn Way>,
        base: &str,
        (organisation, token): (&str, Zeroizing<String>),
        server: &str,
    ) -> Self {
        Fly {
            way,
            base: base.trim_end_matches('/').to_owned(),
            token,
            organisation: organisation.to_owned(),
            network: String::new(),
            server: server.to_owned(),
            limits: Limits::new(1),
            pace: Pace::default(),
        }
    }

    /// The same, for a server that is in this private network of the organisation; empty for its default.
    #[must_use]
    pub fn reached_from(self, network: &str) -> Self {
        Fly {
            network: network.to_owned(),
            ..self
        }
    }

    /// Makes one request; waits for its turn where Fly's limits ask for that.
    pub async fn ask(&self, subject: &Subject<'_>, ask: &Ask) -> (Outcome, Seen) {
        let asked = self.request(subject, ask);
        self.limits.turn(asked.action, &asked.about).await;
        match self.send(&asked).await {
            Answered::Well(body) => self.read(ask, &body),
            Answered::Otherwise(outcome) => (outcome, Seen::Nothing),
        }
    }

    fn request(&self, subject: &Subject<'_>, ask: &Ask) -> Asked {
        let name = subject.app.as_str();
        let app = format!("/apps/{name}");
        let machines = format!("{app}/machines");
        let of = |machine: &str| format!("{machines}/{machine}");
        match ask {
            Ask::SeeApp => Asked::see("app_show", name, app),
            Ask::CreateApp => {
                let network = subject.app.network();
                let body =
                    json!({ "name": name, "org_slug": self.organisation, "network": network });
                Asked::make("app_create", name, "/apps".to_owned(), body)
            }
            Ask::SeeAddresses => Asked::see("ips_list", name, format!("{app}/ip_assignments")),
            Ask::Assign(address) => {
                let body = self.assignment(*address);
                Asked::make("ip_assign", name, format!("{app}/ip_assignments"), body)
            }
            Ask::SeeSecrets => Asked::see("secrets_list", name, format!("{app}/secrets")),
            Ask::SetSecrets(generation) => {
                let value = STANDARD.encode(&subject.confidential.0[..]);
                let values = json!({ "values": { secret_name(*generation): value } });
                Asked::make("secrets_update", name, format!("{app}/secrets"), values)
            }
            Ask::Unset(generations) => {
                let none = |one: &Generation| (secret_name(*one), Value::Null);
                let values: serde_json::Map<_, _> = generations.iter().map(none).collect();
                let body = json!({ "values": values });
                Asked::make("secrets_update", name, format!("{app}/secrets"), body)
            }
            Ask::List => Asked::see("machines_list", name, machines),
            Ask::Create {
                generation,
                region,
                secrets,
                volume,
            } => {
                let made = (*generation, region.as_str(), *secrets, volume.as_deref());
                let body = self.machine(subject, made);
                Asked::make("machine_create", name, machines, body)
            }
            Ask::SeeVolumes => Asked::see("volumes_list", name, format!("{app}/volumes")),
            Ask::CreateVolume { region, gib } => {
                // Fly looks for a host that has room for the machine, too.
                let body = json!({
                    "name": VOLUME,
                    "region": region,
                    "size_gb": gib,
                    "encrypted": true,
                    "compute": subject.make.guest(),
                });
                Asked::make("volume_create", name, format!("{app}/volumes"), body)
            }
            Ask::AwaitGone { machine } => {
                let gone = format!("/wait?state=destroyed&timeout={WAITED}");
                Asked::see("machine_wait", machine, of(machine) + &gone)
            }
            Ask::Lease { machine } => {
                let body = json!({ "ttl": self.pace.lease, "description": "nestling" });
                Asked::make("lease_create", machine, of(machine) + "/lease", body)
            }
            Ask::Uncordon { machine, nonce } => Asked {
                nonce: Some(nonce.clone()),
                ..Asked::make(
                    "machine_uncordon",
                    machine,
                    of(machine) + "/uncordon",
                    json!({}),
                )
            },
            Ask::Destroy { machine, nonce } => Asked {
                nonce: Some(nonce.clone()),
                ..Asked::remove("machine_delete", machine, of(machine) + "?force=true")
            },
            Ask::DestroyApp => Asked::remove("app_delete", name, app + "?force=true"),
        }
    }

    /// Body of an assignment (schema `assignIPRequest`). The network is the one that requests come from, by default the organisation's
    /// (<https://fly.io/docs/networking/flycast/#allocate-a-flycast-address>); only private addresses take an organisation
    /// (<https://github.com/superfly/flyctl/pull/5152>).
    fn assignment(&self, address: Address) -> Value {
        let mut body = json!({ "type": kind(address) });
        if address == Address::Private {
            body["org_slug"] = self.organisation.as_str().into();
            if !self.network.is_empty() {
                body["network"] = self.network.as_str().into();
            }
        }
        body
    }

    /// Body of a creation (schema `CreateMachineRequest`). The whole of it is made of what we know, never of what was read.
    fn machine(
        &self,
        subject: &Subject<'_>,
        (generation, region, secrets, volume): (Generation, &str, Option<u64>, Option<&str>),
    ) -> Value {
        let make = subject.make;
        let mut body = json!({
            "name": machine_name(generation),
            "region": region,
            "skip_service_registration": true,
            "config": {
                "image": make.image,
                "guest": make.guest(),
                "env": make.env,
                // Bytes as they are: what is at this port checks who comes. Fly's proxy neither starts nor stops a machine.
                "services": [{
                    "protocol": "tcp",
                    "internal_port": PROXY_PORT,
                    "ports": [{ "port": service_port(generation) }],
                    "autostart": false,
                    "autostop": "off",
                }],
                "metadata": {
                    SERVER: self.server,
                    ENVIRONMENT: subject.environment.0,
                    GENERATION: generation.to_string(),
                },
                "files": [{
                    "guest_path": format!("{RUN_DIR}/{CONFIDENTIAL_FILE}"),
                    "secret_name": secret_name(generation),
                    "mode": OWNER_ONLY,
                }],
                // Else every secret of the app, of other generations, too, were in the environment of all that runs.
                "processes": [{ "ignore_app_secrets": true }],
                // How it ended is to be seen, and who starts again is decided here.
                "restart": { "policy": "no" },
                "auto_destroy": false,
            },
        });
        if let Some(version) = secrets {
            body["min_secrets_version"] = version.into();
        }
        if let Some(volume) = volume {
            body["config"]["mounts"] = json!([{ "volume": volume, "path": STATE_DIR }]);
        }
        body
    }

    /// Reads what Fly says of what it did.
    fn read(&self, ask: &Ask, body: &[u8]) -> (Outcome, Seen) {
        let seen = match ask {
            Ask::SeeApp => return self.app(body),
            Ask::SeeAddresses => {
                shapes::read(body).map(|all: Addresses| all.seen_from(&self.network))
            }
            Ask::Assign(_) => shapes::read(body).map(|one: Assigned| Seen::Address(one.ip)),
            Ask::SeeSecrets => shapes::read(body).map(|all: Secrets| all.seen()),
            Ask::SetSecrets(_) => shapes::read(body).map(|all: Secrets| all.version_seen()),
            Ask::List => shapes::read(body).map(|all: Vec<Machine>| {
                Seen::Machines(all.into_iter().map(Machine::seen).collect())
            }),
            Ask::Create { .. } => shapes::read(body).map(|one: Machine| Seen::Machine(one.seen())),
            Ask::SeeVolumes => shapes::read(body).map(|all: Vec<Volume>| {
                Seen::Volumes(all.into_iter().filter_map(Volume::seen).collect())
            }),
            Ask::CreateVolume { .. } => shapes::read(body)
                .and_then(|one: Volume| one.seen().ok_or("a volume on its way out".to_owned()))
                .map(Seen::Volume),
            Ask::Lease { .. } => shapes::read(body).and_then(|lease: Lease| {
                let nonce = lease.nonce().ok_or("a lease without a nonce")?;
                Ok(Seen::Nonce(nonce))
            }),
            // What is said does not matter, but that Fly says it: a page with 200 comes from something before it.
            Ask::CreateApp
            | Ask::Unset(_)
            | Ask::AwaitGone { .. }
            | Ask::Uncordon { .. }
            | Ask::Destroy { .. } => shapes::read(body).map(|_: IgnoredAny| Seen::Nothing),
            // Answered with nothing, and looked after.
            Ask::DestroyApp => Ok(Seen::Nothing),
        };
        match seen {
            Ok(seen) => (Outcome::Done, seen),
            Err(why) => {
                let why = format!("Fly's answer cannot be read: {why}");
                (Outcome::Unknown(why), Seen::Nothing)
            }
        }
    }

    /// An app of that name that belongs to somebody else is not ours to touch.
    fn app(&self, body: &[u8]) -> (Outcome, Seen) {
        let app: Apps = match shapes::read(body) {
            Ok(app) => app,
            Err(why) => {
                let why = format!("Fly's answer cannot be read: {why}");
                return (Outcome::Unknown(why), Seen::Nothing);
            }
        };
        if app.organization.slug == self.organisation {
            return (Outcome::Done, Seen::App);
        }
        let why = format!(
            "the app {} belongs to the organisation {:?}, and not to {:?}",
            app.name, app.organization.slug, self.organisation
        );
        (Outcome::Refused(Refusal::NotAllowed(why)), Seen::Nothing)
    }
}

/// The word for a kind of address (field `type` of schema `assignIPRequest`).
fn kind(address: Address) -> &'static str {
    match address {
        Address::SharedV4 => "shared_v4",
        Address::V4 => "v4",
        Address::V6 => "v6",
        Address::Private => "private_v6",
    }
}

/// Reads our metadata; `None` when it is not all there.
fn owner(metadata: &BTreeMap<String, String>) -> Option<Owner> {
    Some(Owner {
        server: metadata.get(SERVER)?.clone(),
        environment: EnvironmentId(metadata.get(ENVIRONMENT)?.clone()),
        generation: Generation(metadata.get(GENERATION)?.parse().ok()?),
    })
}

/// The generations among names of secrets.
fn generations<'a>(names: impl Iterator<Item = &'a str>) -> Seen {
    Seen::Secrets(names.filter_map(generation_of_secret).collect())
}

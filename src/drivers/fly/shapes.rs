//! The shapes of Fly's answers, as far as they are read. Each field is named as in its description.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use nestling_domain::fly::{self, Address, MachineState, Seen};
use serde::{Deserialize, de::DeserializeOwned};

/// Reads an answer; what is wrong with it, in words without its contents.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| {
        format!(
            "{:?} at line {} column {}",
            error.classify(),
            error.line(),
            error.column()
        )
    })
}

/// Schema `App`.
#[derive(Deserialize)]
pub(super) struct Apps {
    pub(super) name: String,
    pub(super) organization: Organization,
}

/// Schema `AppOrganizationInfo`.
#[derive(Deserialize)]
pub(super) struct Organization {
    pub(super) slug: String,
}

/// Schema `listIPAssignmentsResponse`.
#[derive(Deserialize)]
pub(super) struct Addresses {
    #[serde(default)]
    ips: Vec<Assigned>,
}

/// Schema `IPAssignment`.
#[derive(Deserialize)]
struct Assigned {
    ip: IpAddr,
    #[serde(default)]
    shared: bool,
}

impl From<Addresses> for Seen {
    fn from(addresses: Addresses) -> Seen {
        let kind = |one: &Assigned| match one.ip {
            IpAddr::V4(_) if one.shared => Some(Address::SharedV4),
            IpAddr::V4(_) => Some(Address::V4),
            // Of a private network: nobody outside reaches it.
            IpAddr::V6(private) if private.is_unique_local() => None,
            IpAddr::V6(_) => Some(Address::V6),
        };
        let kinds = addresses.ips.iter().filter_map(kind);
        Seen::Addresses(kinds.collect::<BTreeSet<_>>())
    }
}

/// Schemas `AppSecrets` and `AppSecretsUpdateResp`.
#[derive(Deserialize)]
pub(super) struct Secrets {
    #[serde(default)]
    secrets: Vec<Secret>,
    version: Option<u64>,
}

/// Schema `AppSecret`. Its value is never asked for.
#[derive(Deserialize)]
struct Secret {
    name: String,
}

impl Secrets {
    pub(super) fn seen(&self) -> Seen {
        super::generations(self.secrets.iter().map(|one| one.name.as_str()))
    }

    pub(super) fn version_seen(&self) -> Seen {
        self.version.map_or(Seen::Nothing, Seen::Version)
    }
}

/// Schema `Machine`.
#[derive(Deserialize)]
pub(super) struct Machine {
    id: String,
    #[serde(default)]
    state: String,
    /// Empty while its host does not answer.
    private_ip: Option<String>,
    config: Option<Config>,
    /// What is there of its configuration while its host does not answer.
    incomplete_config: Option<Config>,
}

/// Schema `fly.MachineConfig`.
#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    metadata: Option<BTreeMap<String, String>>,
}

impl Machine {
    pub(super) fn seen(self) -> fly::Machine {
        let config = self.config.or(self.incomplete_config);
        let metadata = config
            .and_then(|config| config.metadata)
            .unwrap_or_default();
        fly::Machine {
            owner: super::owner(&metadata),
            state: MachineState::read(&self.state),
            address: self.private_ip.and_then(|text| text.parse().ok()),
            id: self.id,
        }
    }
}

/// Schema `Lease`, and as Fly's documentation and its own client have it, one level deeper
/// (<https://github.com/superfly/fly-go>, `MachineLease`).
#[derive(Deserialize)]
pub(super) struct Lease {
    nonce: Option<String>,
    data: Option<Held>,
}

#[derive(Deserialize)]
struct Held {
    nonce: Option<String>,
}

impl Lease {
    pub(super) fn nonce(self) -> Option<String> {
        self.nonce.or(self.data.and_then(|held| held.nonce))
    }
}

/// Schema `ListAppsResponse`.
#[derive(Deserialize)]
pub(super) struct AppList {
    pub(super) total_apps: u64,
}

/// Schema `main.regionResponse`.
#[derive(Deserialize)]
pub(super) struct Regions {
    pub(super) regions: Vec<Region>,
}

/// Schema `main.regionRow`.
#[derive(Deserialize)]
pub(super) struct Region {
    pub(super) code: String,
}

/// Schema `ErrorResponse`.
#[derive(Deserialize, Default)]
pub(super) struct Problem {
    #[serde(default)]
    pub(super) error: String,
    #[serde(default)]
    pub(super) status: String,
}

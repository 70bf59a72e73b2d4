//! The shapes of Fly's answers, as far as they are read. Each field is named as in its description.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
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
pub(super) struct Assigned {
    pub(super) ip: IpAddr,
    #[serde(default)]
    shared: bool,
    /// Of a private address, from where it is reached. The description lacks it
    /// (<https://github.com/alchemy-run/alchemy/pull/1749> shows an answer).
    network: Option<Network>,
}

/// A private network of an organisation.
#[derive(Deserialize)]
struct Network {
    #[serde(default)]
    name: String,
}

/// The organisation's default network: listings of apps say this, and those of addresses nothing.
const DEFAULT_NETWORK: &str = "default";

impl Addresses {
    /// As seen from this private network; empty for the organisation's default.
    pub(super) fn seen_from(self, network: &str) -> Seen {
        let name = |name: &str| match name {
            DEFAULT_NETWORK => String::new(),
            other => other.to_owned(),
        };
        let is_ours = |of: &Network| name(&of.name) == name(network);
        let kind = |one: &Assigned| match one.ip {
            IpAddr::V4(_) if one.shared => Some(Address::SharedV4),
            IpAddr::V4(_) => Some(Address::V4),
            IpAddr::V6(ip) if is_private(ip) => {
                let ours = one.network.as_ref().is_none_or(is_ours);
                ours.then_some(Address::Private)
            }
            IpAddr::V6(_) => Some(Address::V6),
        };
        let known = self.ips.iter();
        Seen::Addresses(known.filter_map(|one| Some((kind(one)?, one.ip))).collect())
    }
}

/// `fdaa::/16` of Fly's private networks; or an address of this very box, as the model of Fly has them for real programs.
fn is_private(ip: Ipv6Addr) -> bool {
    ip.is_unique_local() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback())
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
    config: Option<Config>,
    /// What is there of its configuration while its host does not answer.
    incomplete_config: Option<Config>,
}

/// Schema `fly.MachineConfig`.
#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    metadata: Option<BTreeMap<String, String>>,
    #[serde(default)]
    mounts: Option<Vec<Mount>>,
}

/// Schema `fly.MachineMount`.
#[derive(Deserialize)]
struct Mount {
    volume: Option<String>,
}

impl Machine {
    pub(super) fn seen(self) -> fly::Machine {
        let config = self.config.or(self.incomplete_config);
        let (metadata, mounts) = config
            .map(|config| (config.metadata, config.mounts))
            .unwrap_or_default();
        let mut mounts = mounts.unwrap_or_default().into_iter();
        fly::Machine {
            owner: super::owner(&metadata.unwrap_or_default()),
            state: MachineState::read(&self.state),
            id: self.id,
            volume: mounts.find_map(|mount| mount.volume),
        }
    }
}

/// Schema `Volume`.
#[derive(Deserialize)]
pub(super) struct Volume {
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    region: String,
    #[serde(default)]
    state: String,
}

impl Volume {
    /// `None` of one that is on its way out (`scheduling_destroy`, `pending_destroy`, `destroying`, `destroyed`).
    pub(super) fn seen(self) -> Option<fly::Volume> {
        let leaves = self.state.contains("destroy");
        (!leaves).then_some(fly::Volume {
            id: self.id,
            name: self.name,
            region: self.region,
        })
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
    #[serde(default)]
    pub(super) apps: Vec<ListedApp>,
}

/// Schema `App`, as far as a listing is read.
#[derive(Deserialize)]
pub(super) struct ListedApp {
    pub(super) name: String,
    #[serde(default)]
    pub(super) machine_count: u64,
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

/// Schema `main.getPlacementsResponse`.
#[derive(Deserialize)]
pub(super) struct Placements {
    #[serde(default)]
    pub(super) regions: Vec<Placement>,
}

/// Schema `placement.RegionPlacement`.
#[derive(Deserialize)]
pub(super) struct Placement {
    pub(super) region: String,
    #[serde(default)]
    pub(super) count: u64,
}

/// Schema `ErrorResponse`.
#[derive(Deserialize, Default)]
pub(super) struct Problem {
    #[serde(default)]
    pub(super) error: String,
    #[serde(default)]
    pub(super) status: String,
}

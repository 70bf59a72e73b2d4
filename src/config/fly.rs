//! `[machines.fly]`: the organisation at Fly in which machines run.

use nestling_domain::{
    fly::{Address, AppName, CpuKind, Limits, MEMORY_STEP, MOST_GIB, Size, is_region},
    ids::{EnvironmentId, Kind},
    label::Slug,
};
use serde::Deserialize;

use super::{
    Secret,
    address::{is_base_address, is_loopback},
};

/// How the token is given without standing in a file that others read, or in the list of processes.
const BY_FILE: &str = "NESTLING__MACHINES__FLY__TOKEN__FILE";

/// `[machines.fly]`
#[derive(Debug, Clone, Deserialize)]
pub struct FlyMachines {
    /// Where Fly's API answers, without a slash at the end.
    pub api_url: String,
    /// The slug of the organisation.
    pub organisation: String,
    /// The private network of it in which the server is; empty for its default.
    pub network: String,
    /// A token of the organisation.
    pub token: Secret,
    /// What the names of apps begin with.
    pub app_prefix: String,
    /// The image of machines.
    pub image: String,
    /// Where machines may be, best first.
    pub regions: Vec<String>,
    /// What kind of processors machines have.
    pub cpu_kind: CpuKind,
    /// How many.
    pub cpus: u32,
    /// Memory of one machine, in MiB.
    pub memory_mib: u32,
    /// A volume of each environment for what its app keeps, in GiB; 0 is none.
    pub volume_gib: u32,
    /// What an app may ask for instead, in its policy.
    pub limits: Limits,
    /// Public addresses of each app.
    pub addresses: Vec<AddressKind>,
    /// Where machines reach the server; empty for `server.public_url`.
    pub server_url: String,
    /// What becomes of apps that no record wants.
    pub sweep: Sweep,
}

/// What becomes of apps that no record wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sweep {
    /// They are removed.
    Remove,
    /// It is said that they are there.
    Report,
    /// They are not looked for.
    Off,
}

/// A kind of public address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressKind {
    /// IPv4, shared with other apps and free of charge.
    SharedV4,
    /// IPv4 of its own.
    V4,
    /// IPv6.
    V6,
}

impl From<AddressKind> for Address {
    fn from(kind: AddressKind) -> Address {
        match kind {
            AddressKind::SharedV4 => Address::SharedV4,
            AddressKind::V4 => Address::V4,
            AddressKind::V6 => Address::V6,
        }
    }
}

/// What Fly takes as a name (<https://fly.io/docs/networking/custom-private-networks#network-names-and-ids>).
fn is_network(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    name.starts_with(|first: char| first.is_ascii_alphabetic()) && name.bytes().all(plain)
}

impl FlyMachines {
    /// What is missing or cannot be used, by its key and with what to do; `public_url` is the server's.
    pub(super) fn unusable(&self, public_url: &str) -> Option<String> {
        self.unusable_account()
            .or_else(|| self.unusable_machine())
            .or_else(|| self.unreachable(public_url))
    }

    /// Where machines reach the server.
    pub fn server_url<'a>(&'a self, public_url: &'a str) -> &'a str {
        if self.server_url.is_empty() {
            public_url
        } else {
            &self.server_url
        }
    }

    /// How big machines are by default.
    pub fn size(&self) -> Size {
        Size {
            cpu_kind: self.cpu_kind,
            cpus: self.cpus,
            memory_mib: self.memory_mib,
        }
    }

    fn unusable_account(&self) -> Option<String> {
        let url = &self.api_url;
        let is_slug = |text: &str| {
            let plain =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            !text.is_empty() && text.bytes().all(plain)
        };
        let what = if !is_base_address(url) {
            format!(
                "machines.fly.api_url is {url:?}, which is no base address: write https://api.machines.dev/v1 without a slash at the end"
            )
        } else if url.starts_with("http://") && !is_loopback(url) {
            format!(
                "machines.fly.api_url is {url:?}, and the token that is sent there by plain HTTP can be read on the way: write https://, or an address of this machine"
            )
        } else if !is_slug(&self.organisation) {
            format!(
                "machines.fly.organisation is {:?}: write the slug of the organisation, as `fly orgs list` shows it",
                self.organisation
            )
        } else if !self.network.is_empty() && !is_network(&self.network) {
            format!(
                "machines.fly.network is {:?}: write the name of the private network in which the server is (letters, digits and hyphens, beginning with a letter), or \"\" for the organisation's default",
                self.network
            )
        } else if self.token.is_empty() {
            format!(
                "machines.fly.token is missing: make one with `fly tokens create org`, and name the file that holds it in {BY_FILE}"
            )
        } else if let Err(error) = self.sample_name() {
            format!("machines.fly.app_prefix: {error}")
        } else {
            return None;
        };
        Some(what)
    }

    /// Whether names can begin with the prefix is known by making one.
    fn sample_name(&self) -> Result<AppName, impl std::fmt::Display> {
        let id = EnvironmentId(String::new());
        AppName::of(
            &self.app_prefix,
            "",
            (&id, &Slug::of("app"), Kind::Production),
        )
    }

    fn unusable_machine(&self) -> Option<String> {
        let of_apps = &self.limits;
        let what = if self.image.is_empty() {
            "machines.fly.image is missing: name the image of the runner, such as registry.fly.io/nestling-runner:v1".to_owned()
        } else if self.regions.is_empty() {
            "machines.fly.regions is empty: name at least one region, such as [\"ams\"]; `fly platform regions` lists them".to_owned()
        } else if let Some(code) = self.regions.iter().find(|code| !is_region(code)) {
            format!(
                "machines.fly.regions names {code:?}, and a region has three letters: `fly platform regions` lists them"
            )
        } else if self.cpus == 0 {
            "machines.fly.cpus is 0, and must be 1 at least".to_owned()
        } else if self.memory_mib == 0 || !self.memory_mib.is_multiple_of(MEMORY_STEP) {
            format!(
                "machines.fly.memory_mib is {}, and must be a multiple of {MEMORY_STEP}",
                self.memory_mib
            )
        } else if let Some(code) = of_apps.regions.iter().find(|code| !is_region(code)) {
            format!(
                "machines.fly.limits.regions names {code:?}, and a region has three letters: `fly platform regions` lists them"
            )
        } else if !of_apps.memory_mib.is_multiple_of(MEMORY_STEP) {
            format!(
                "machines.fly.limits.memory_mib is {}, and must be a multiple of {MEMORY_STEP}, or 0",
                of_apps.memory_mib
            )
        } else if self.volume_gib.max(of_apps.volume_gib) > MOST_GIB {
            format!(
                "machines.fly.volume_gib is {} and machines.fly.limits.volume_gib {}, and a volume has {MOST_GIB} GiB at most",
                self.volume_gib, of_apps.volume_gib
            )
        } else {
            return None;
        };
        Some(what)
    }

    /// Why no machine could reach the server.
    fn unreachable(&self, public_url: &str) -> Option<String> {
        let url = self.server_url(public_url);
        if url.is_empty() {
            return Some(
                "machines.driver is \"fly\", and machines there reach the server over the network: set server.public_url, or machines.fly.server_url"
                    .to_owned(),
            );
        }
        if !is_base_address(url) {
            return Some(format!(
                "machines.fly.server_url is {url:?}, which is no base address: write https://HOST without a path"
            ));
        }
        (url.starts_with("http://") && !is_loopback(url)).then(|| {
            format!(
                "machines at Fly would reach the server at {url}, where tokens and secrets can be read on the way: set server.public_url or machines.fly.server_url to an https address"
            )
        })
    }
}

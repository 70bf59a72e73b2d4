//! Organisations, their tokens, and apps with their addresses.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use super::{Certificate, Snapshots};

/// Who pays.
#[derive(Clone, Debug)]
pub struct Organisation {
    /// Its name in addresses of the API.
    pub slug: String,
    /// As people call it.
    pub name: String,
    /// A number of Fly's own.
    pub number: u64,
    /// How much memory its machines may have in one region, in megabytes; `None` is no limit.
    pub memory_quota_mb: Option<u64>,
}

/// What a token may do.
#[derive(Clone, Debug)]
pub struct Token {
    /// Slug of its organisation.
    pub organisation: String,
    /// In milliseconds since 1970; `None` never ends.
    pub expires_at: Option<i64>,
    /// Only these apps; `None` is all of the organisation.
    pub apps: Option<BTreeSet<String>>,
}

/// An app: machines that share a name, secrets, addresses and certificates.
#[derive(Clone, Debug)]
pub struct App {
    /// A word of Fly's own.
    pub id: String,
    /// A number of Fly's own.
    pub number: u64,
    /// Unique for all of Fly.
    pub name: String,
    /// Slug of its organisation.
    pub organisation: String,
    /// Name of the private network that its machines are in.
    pub network: String,
    /// In milliseconds since 1970.
    pub created_at: i64,
    /// From when the API finds it, in milliseconds since 1970.
    pub seen_from: i64,
    /// Whether it is being deleted.
    pub going: bool,
    /// Ids of its machines, oldest first; of destroyed ones, too.
    pub machines: Vec<String>,
    /// Ids of its volumes, oldest first.
    pub volumes: Vec<String>,
    /// Public and Flycast addresses, oldest first.
    pub addresses: Vec<Address>,
    /// By hostname.
    pub certificates: BTreeMap<String, Certificate>,
    pub(crate) secrets: Snapshots,
}

impl App {
    /// Names of its secrets.
    pub fn secret_names(&self) -> Vec<&str> {
        self.secrets.now().keys().map(String::as_str).collect()
    }

    /// How many times its secrets were changed: what `min_secrets_version` speaks of.
    pub fn secrets_version(&self) -> u64 {
        self.secrets.version()
    }
}

/// What kind of address was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressKind {
    /// One IPv4 address for many apps.
    SharedV4,
    /// An IPv4 address of its own, which costs.
    V4,
    /// An IPv6 address of its own.
    V6,
    /// Flycast: reached within a private network only.
    PrivateV6,
}

impl AddressKind {
    /// As Fly writes them.
    pub(crate) const NAMES: [(&'static str, AddressKind); 4] = [
        ("shared_v4", AddressKind::SharedV4),
        ("v4", AddressKind::V4),
        ("v6", AddressKind::V6),
        ("private_v6", AddressKind::PrivateV6),
    ];
}

/// An address of an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address itself.
    pub ip: IpAddr,
    /// What was asked for.
    pub kind: AddressKind,
    /// `global`, or the region that was asked for.
    pub region: String,
    /// Of a Flycast address, the private network from which it is reached; otherwise empty.
    pub network: String,
    /// A service that it is for, if one was said.
    pub service: String,
    /// In milliseconds since 1970.
    pub created_at: i64,
}

//! Names of apps and machines at Fly.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::{
    ids::{EnvironmentId, Generation, Kind},
    label::Slug,
};

/// The longest name of an app: it is a DNS label (`NAME.fly.dev`, `NAME.internal`), RFC 1035 section 2.3.4.
const LONGEST: usize = 63;
/// Letters and digits of the hash, five bits each. Among ten million environments two share 80 bits with a probability of 4 in 10¹¹.
const HASH: usize = 16;
/// Digits that are told apart on paper, too: the lower-case alphabet of RFC 4648 section 6.
const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// The longest prefix: leaves room for something to read between it and the hash.
const LONGEST_PREFIX: usize = 20;

/// The name of an environment's app at Fly, for ever: all of Fly has one app of each name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AppName(String);

/// Why a text cannot begin the names of apps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} cannot begin the name of an app at Fly: it has 1 to {LONGEST_PREFIX} lower-case letters, digits and hyphens, and begins with a letter"
)]
pub struct NotAnAppName(String);

impl AppName {
    /// The app of an environment: `prefix`, what people read (slug and kind, cut where that is long), and a hash of the environment's id and of
    /// `server`, the random identity of one Nestling, so that two of them in one organisation never meet.
    pub fn of(
        prefix: &str,
        server: &str,
        (id, slug, kind): (&EnvironmentId, &Slug, Kind),
    ) -> Result<Self, NotAnAppName> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let begins = prefix.starts_with(|c: char| c.is_ascii_lowercase());
        if !begins || prefix.len() > LONGEST_PREFIX || !prefix.chars().all(plain) {
            return Err(NotAnAppName(prefix.chars().take(80).collect()));
        }
        let mut name = format!("{}-{slug}-{}", prefix.trim_end_matches('-'), kind.name());
        name.truncate(LONGEST - HASH - 1);
        Ok(AppName(format!(
            "{}-{}",
            name.trim_end_matches('-'),
            hash(server, id)
        )))
    }

    /// The app of this name, when the name proves that it is ours: it begins with `prefix`, and ends with the hash of `server` and of the environment that its
    /// machines say. What people read between the two proves nothing, and only a record knows it.
    pub fn proven(name: &str, (prefix, server): (&str, &str), id: &EnvironmentId) -> Option<Self> {
        let ends = name.strip_suffix(&hash(server, id))?.ends_with('-');
        (ends && begins(name, prefix)).then(|| AppName(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The private network of the app's machines, which no other app is on: named as the app, because a network's name is made of the same letters and
    /// unique within the organisation (<https://fly.io/docs/networking/custom-private-networks#network-names-and-ids>).
    pub fn network(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AppName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether this could be the name of an app that was made with this prefix: made of letters that ours have, too.
pub(super) fn begins(name: &str, prefix: &str) -> bool {
    let rest = name.strip_prefix(prefix.trim_end_matches('-'));
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    rest.is_some_and(|rest| rest.starts_with('-'))
        && name.len() <= LONGEST
        && name.chars().all(plain)
}

/// The name of the machine of a generation: Fly has one machine of each name in an app, so a creation that is sent twice makes one.
pub fn machine_name(generation: Generation) -> String {
    format!("generation-{generation}")
}

/// The port at which Fly's proxy leads to the machine of a generation, and to no other: of all machines that have a port it chooses by itself
/// (<https://fly.io/docs/reference/load-balancing/>). Two generations share one when 50,000 lie between them, and never live at once.
pub fn service_port(generation: Generation) -> u16 {
    let place = generation.0 % SERVICE_PORTS;
    FIRST_SERVICE_PORT.saturating_add(u16::try_from(place).unwrap_or_default())
}

/// Above the ports that have a meaning of their own.
const FIRST_SERVICE_PORT: u16 = 10_000;
/// How many ports generations take turns at.
const SERVICE_PORTS: u32 = 50_000;

/// What the name of a generation's secret begins with.
const SECRET: &str = "NESTLING_GENERATION_";

/// The name of the one secret that holds all that the machine of a generation is to be told in confidence: so a request of an older one
/// that lands late changes nothing for a newer one. A machine has it as a file (field `files` of schema `MachineConfig`).
pub fn secret_name(generation: Generation) -> String {
    format!("{SECRET}{generation}")
}

/// Reads what [`secret_name`] writes; `None` of a secret that is not ours.
pub fn generation_of_secret(name: &str) -> Option<Generation> {
    let number = name.strip_prefix(SECRET)?.parse().ok().map(Generation)?;
    (secret_name(number) == name).then_some(number)
}

fn hash(server: &str, id: &EnvironmentId) -> String {
    // Neither part can run into the other.
    let digest = Sha256::digest(format!("{}:{server}{}", server.len(), id.0));
    let mut bits = digest
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |n| byte >> n & 1));
    let digit = |_| {
        let value = bits.by_ref().take(5).fold(0, |value, bit| value << 1 | bit);
        char::from(DIGITS[usize::from(value)])
    };
    (0..HASH).map(digit).collect()
}

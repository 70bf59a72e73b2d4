//! `[policy.machine]`: how big machines of an app shall be, and where.

use serde::{Deserialize, Deserializer, Serialize, de::Error};

use crate::fly::{CpuKind, MEMORY_STEP, MOST_GIB, is_region};

/// How many regions an app may name: more than Fly has.
const MOST_REGIONS: usize = 50;

/// What the owners of an app ask for; what they do not say is as the server has it. What it may be, the server says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Machine {
    /// What kind of processors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_kind: Option<CpuKind>,
    /// How many processors, 1 at least.
    #[serde(deserialize_with = "cpus", skip_serializing_if = "Option::is_none")]
    pub cpus: Option<u32>,
    /// Memory in MiB, a multiple of [`MEMORY_STEP`].
    #[serde(
        deserialize_with = "memory_mib",
        skip_serializing_if = "Option::is_none"
    )]
    pub memory_mib: Option<u32>,
    /// A disk beyond its machine for what it keeps, in GiB; 0 is none.
    #[serde(
        deserialize_with = "volume_gib",
        skip_serializing_if = "Option::is_none"
    )]
    pub volume_gib: Option<u32>,
    /// Where machines may be, best first; none given, where the server has them.
    #[serde(deserialize_with = "regions", skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<String>,
}

impl Machine {
    /// Whether nothing is asked for.
    pub fn is_default(&self) -> bool {
        *self == Machine::default()
    }
}

fn cpus<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    match u32::deserialize(deserializer)? {
        0 => Err(D::Error::custom(
            "policy.machine.cpus is 0, and must be 1 at least",
        )),
        cpus => Ok(Some(cpus)),
    }
}

fn memory_mib<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let memory = u32::deserialize(deserializer)?;
    if memory == 0 || !memory.is_multiple_of(MEMORY_STEP) {
        return Err(D::Error::custom(format!(
            "policy.machine.memory_mib is {memory}, and must be a multiple of {MEMORY_STEP}"
        )));
    }
    Ok(Some(memory))
}

fn volume_gib<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let gib = u32::deserialize(deserializer)?;
    if gib > MOST_GIB {
        return Err(D::Error::custom(format!(
            "policy.machine.volume_gib is {gib}, and may be {MOST_GIB} at most"
        )));
    }
    Ok(Some(gib))
}

fn regions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let regions = Vec::<String>::deserialize(deserializer)?;
    if regions.len() > MOST_REGIONS {
        return Err(D::Error::custom(format!(
            "policy.machine.regions names {}, and may name {MOST_REGIONS} at most",
            regions.len()
        )));
    }
    match regions.iter().find(|code| !is_region(code)) {
        Some(code) => {
            let code: String = code.chars().take(20).collect();
            Err(D::Error::custom(format!(
                "policy.machine.regions names {code:?}, and a region has three lower-case letters, such as \"ams\""
            )))
        }
        None => Ok(regions),
    }
}

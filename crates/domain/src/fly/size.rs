//! How big a machine is and where it may be: as the server makes them, unless its app asks for something else that the server allows.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::policy::Machine;

/// Memory of machines comes in steps of this, in MiB (<https://fly.io/docs/machines/guides-examples/machine-sizing/>).
pub const MEMORY_STEP: u32 = 256;

/// What kind of processors machines have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CpuKind {
    /// Shared with others.
    Shared,
    /// Its own.
    Performance,
}

impl CpuKind {
    /// As Fly writes it.
    pub fn name(self) -> &'static str {
        match self {
            CpuKind::Shared => "shared",
            CpuKind::Performance => "performance",
        }
    }
}

/// Whether this can be the code of a region: three lower-case letters. Which there are, Fly knows.
pub fn is_region(code: &str) -> bool {
    code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// How big a machine is (schema `fly.MachineGuest`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// What kind of processors it has.
    pub cpu_kind: CpuKind,
    /// How many.
    pub cpus: u32,
    /// Memory in MiB: a multiple of [`MEMORY_STEP`].
    pub memory_mib: u32,
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, cpus) = (self.cpu_kind.name(), self.cpus);
        write!(f, "{cpus} CPU ({kind}) and {} MiB", self.memory_mib)
    }
}

/// What apps may ask for beyond what they get by default, which each may have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Limits {
    /// The most shared processors of one machine.
    pub shared_cpus: u32,
    /// The most processors of its own of one machine.
    pub performance_cpus: u32,
    /// The most memory of one machine, in MiB.
    pub memory_mib: u32,
    /// The biggest volume, in GiB.
    pub volume_gib: u32,
    /// Regions that may be chosen, beside those of the default.
    pub regions: Vec<String>,
}

/// What a server offers the apps whose machines it makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// How big machines are by default.
    pub size: Size,
    /// How big a volume each environment has by default, in GiB; 0 is none.
    pub volume_gib: u32,
    /// Where they may be by default, best first.
    pub regions: Vec<String>,
    /// What may be asked for instead.
    pub limits: Limits,
}

/// How the machine of an app is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// How big it is.
    pub size: Size,
    /// How big a volume it mounts, in GiB; 0 is none.
    pub volume_gib: u32,
    /// Where it may be, best first.
    pub regions: Vec<String>,
    /// Why it is as by default although its app asks for something else, for people: with each key, its value and its limit.
    pub note: Option<String>,
}

impl Offer {
    /// What an app gets that asks for this: all of it, or the default and the reason. Nothing is made smaller than it was asked for, because
    /// whoever asks would not find out.
    pub fn to(&self, asked: &Machine) -> Given {
        let size = Size {
            cpu_kind: asked.cpu_kind.unwrap_or(self.size.cpu_kind),
            cpus: asked.cpus.unwrap_or(self.size.cpus),
            memory_mib: asked.memory_mib.unwrap_or(self.size.memory_mib),
        };
        let volume_gib = asked.volume_gib.unwrap_or(self.volume_gib);
        let exceeds = [
            self.exceeds_cpus(asked, size),
            self.exceeds_memory(size),
            self.exceeds_volume(volume_gib),
            self.exceeds_regions(asked),
        ];
        let exceeds: Vec<String> = exceeds.into_iter().flatten().collect();
        if exceeds.is_empty() {
            let regions = match &asked.regions[..] {
                [] => self.regions.clone(),
                chosen => chosen.to_vec(),
            };
            return Given {
                size,
                volume_gib,
                regions,
                note: None,
            };
        }
        Given {
            size: self.size,
            volume_gib: self.volume_gib,
            regions: self.regions.clone(),
            note: Some(format!(
                "its machine is made as by default, of {} in {}, because [policy.machine] in nestling.toml asks for what this server does not allow: {}",
                self.size,
                self.regions.join(", "),
                exceeds.join("; ")
            )),
        }
    }

    /// The most processors of this kind that a machine may have; 0 when it may have none.
    pub fn most_cpus(&self, kind: CpuKind) -> u32 {
        let by_default = if kind == self.size.cpu_kind {
            self.size.cpus
        } else {
            0
        };
        let allowed = match kind {
            CpuKind::Shared => self.limits.shared_cpus,
            CpuKind::Performance => self.limits.performance_cpus,
        };
        allowed.max(by_default)
    }

    /// The most memory that a machine may have, in MiB.
    pub fn most_memory(&self) -> u32 {
        self.limits.memory_mib.max(self.size.memory_mib)
    }

    /// The biggest volume that an environment may have, in GiB; 0 when it may have none.
    pub fn most_volume(&self) -> u32 {
        self.limits.volume_gib.max(self.volume_gib)
    }

    /// Whether machines may be in this region.
    pub fn allows(&self, region: &str) -> bool {
        let mut allowed = self.regions.iter().chain(&self.limits.regions);
        allowed.any(|one| one == region)
    }

    fn exceeds_cpus(&self, asked: &Machine, size: Size) -> Option<String> {
        let most = self.most_cpus(size.cpu_kind);
        if size.cpus <= most {
            return None;
        }
        let (kind, cpus) = (size.cpu_kind.name(), size.cpus);
        let limit = format!("machines.fly.limits.{kind}_cpus of the server");
        if most == 0 {
            let only = self.size.cpu_kind.name();
            return Some(format!(
                "cpu_kind is {kind:?}, and may only be {only:?} ({limit})"
            ));
        }
        let said = if asked.cpus.is_some() {
            ""
        } else {
            " by default"
        };
        Some(format!(
            "cpus is {cpus}{said}, and of cpu_kind {kind:?} there may be {most} at most ({limit})"
        ))
    }

    fn exceeds_memory(&self, size: Size) -> Option<String> {
        let most = self.most_memory();
        (size.memory_mib > most).then(|| {
            format!(
                "memory_mib is {}, and may be {most} at most (machines.fly.limits.memory_mib of the server)",
                size.memory_mib
            )
        })
    }

    fn exceeds_volume(&self, gib: u32) -> Option<String> {
        let most = self.most_volume();
        (gib > most).then(|| {
            format!(
                "volume_gib is {gib}, and may be {most} at most (machines.fly.limits.volume_gib of the server)"
            )
        })
    }

    fn exceeds_regions(&self, asked: &Machine) -> Option<String> {
        let region = asked.regions.iter().find(|one| !self.allows(one))?;
        let mut allowed: Vec<&str> = Vec::new();
        for one in self.regions.iter().chain(&self.limits.regions) {
            if !allowed.contains(&one.as_str()) {
                allowed.push(one);
            }
        }
        Some(format!(
            "regions names {region:?}, and may name {} (machines.fly.regions and machines.fly.limits.regions of the server)",
            allowed.join(", ")
        ))
    }
}

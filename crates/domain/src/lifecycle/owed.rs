//! What a state owes the world: the difference between what it wants and what is known to be true.

use serde::{Deserialize, Serialize};

use super::{Lifecycle};
use crate::{
    ids::{Generation, Timestamp},
};

/// Something to do in the world. Each is an *ensure*: safe to run twice, over in 10 s, and its end comes
/// back as an [`Observation`](super::Observation).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Ask admission for a slot for this generation.
    Admit(Generation),
    /// Ensure that the machine of this generation exists.
    Launch(Generation),
    /// Ask this generation, through the gateway's own code, whether it is healthy.
    Probe(Generation),
    /// Wait until this generation answers no more requests.
    Drain(Generation),
    /// Ensure that no machine exists but those of these generations, and no folder when `erase`.
    Destroy {
        /// The generations that stay, lowest first.
        keep: Vec<Generation>,
        /// Whether the state folder goes too.
        erase: bool,
    },
    /// Ask the forge what is true now.
    Look,
    /// Tell the forge that the announcement with this digest is the one to show.
    Announce(u64),
}

/// Effects of one lane run one at a time; lanes never wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// The environment's machines.
    Machine,
    /// Questions to the forge.
    Look,
    /// What the forge shows.
    Announce,
}

impl Effect {
    /// The lane in which it runs.
    pub fn lane(&self) -> Lane {
        match self {
            Effect::Admit(_) | Effect::Launch(_) | Effect::Probe(_) | Effect::Drain(_) | Effect::Destroy { .. } => Lane::Machine,
            Effect::Look => Lane::Look,
            Effect::Announce(_) => Lane::Announce,
        }
    }
}

impl Lifecycle {
    /// Every effect that this state owes now, in order.
    pub fn owed(&self, _now: Timestamp) -> Vec<Effect> {
        Vec::new()
    }
}

//! What admission is asked: how many builds run at once, fairly between repositories, and how many previews an app has at
//! once, in the order in which they asked.

use std::collections::{BTreeMap, BTreeSet};

use actix::prelude::*;
use nestling_domain::{
    ids::{AppId, EnvironmentId, Generation, RepositoryId, Timestamp},
    places::Stand,
};

use crate::drivers::store::StoreError;

/// A build that wants, waits for or holds a slot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Build {
    /// Whose.
    pub environment: EnvironmentId,
    /// Which deployment.
    pub generation: Generation,
    /// Between repositories slots are shared fairly.
    pub repository: RepositoryId,
}

/// May this build begin? Answered when it may. Asking again keeps its place; a newer generation of the same
/// environment takes the place of an older one.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Ask(pub Build);

/// May this build, which is about to be recorded, begin at once? If not it keeps its place in the queue, as if it had
/// asked. `false`, too, while an older generation of its environment holds a slot.
#[derive(Debug, Clone, Message)]
#[rtype(result = "bool")]
pub struct Claim(pub Build);

/// The state no longer builds: all its slots and places but this generation's are free.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Free {
    /// Whose.
    pub environment: EnvironmentId,
    /// The generation that goes on building, if one does.
    pub but: Option<Generation>,
}

/// These builds hold slots since before our own start. Said once, before anything is granted.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Adopt(pub Vec<Build>);

/// Builds are paused for this reason (low disk, maintenance), or go on.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Pause(pub Option<String>);

/// May this preview, which is about to be recorded as one that runs, hold a place among those of its app? It has it from the
/// answer on; otherwise it stands in line.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Place, StoreError>")]
pub struct Take {
    /// Which.
    pub environment: EnvironmentId,
    /// Of which app.
    pub app: AppId,
    /// Of which repository.
    pub repository: RepositoryId,
    /// Of which pull request.
    pub number: u32,
    /// Since when it wants one.
    pub at: Timestamp,
}

/// Whether there is a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// It has one.
    Given,
    /// There is none now: why, for people.
    Full(String),
}

/// This is what the record of a preview says of its place, once it is saved.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Stands {
    /// Which.
    pub environment: EnvironmentId,
    /// Of which app.
    pub app: AppId,
    /// What it says.
    pub stand: Stand,
}

/// Of which apps may somebody have his turn? Answered as soon as a place was given back for which somebody waits, or may.
#[derive(Debug, Clone, Message)]
#[rtype(result = "BTreeSet<AppId>")]
pub struct Freed;

/// For which previews of this app is there a place now? The longest waiting first.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Vec<EnvironmentId>, StoreError>")]
pub struct Turns(pub AppId);

/// This one could not be told that it is its turn: the next one has it.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Pass {
    /// Which.
    pub environment: EnvironmentId,
    /// Of which app.
    pub app: AppId,
}

/// Who builds and who waits.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Queue")]
pub struct Look;

/// Who builds and who waits, in the order in which slots will be granted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Queue {
    /// How many may build at once.
    pub slots: usize,
    /// Those that hold a slot.
    pub building: Vec<Build>,
    /// Those that wait, next first.
    pub waiting: Vec<Build>,
    /// Why nothing is granted right now.
    pub paused: Option<String>,
    /// Previews that wait for a place, with how many go before each.
    pub places: BTreeMap<EnvironmentId, usize>,
}

impl Queue {
    /// How many builds go before that of this environment, while it waits; or how many previews, while it waits for a place.
    pub fn ahead(&self, environment: &EnvironmentId) -> Option<usize> {
        let mut waiting = self.waiting.iter();
        let build = waiting.position(|build| build.environment == *environment);
        build.or_else(|| self.places.get(environment).copied())
    }
}

/// The way for everybody else to reach admission.
#[derive(Clone)]
pub struct Handle {
    /// For a slot.
    pub ask: Recipient<Ask>,
    /// For a slot that is free at once.
    pub claim: Recipient<Claim>,
    /// For giving it back.
    pub free: Recipient<Free>,
    /// For a place.
    pub take: Recipient<Take>,
    /// For what became of it.
    pub stands: Recipient<Stands>,
    /// For whoever tells those that wait.
    pub freed: Recipient<Freed>,
    /// For the same: whom.
    pub turns: Recipient<Turns>,
    /// For the same: who could not be told.
    pub pass: Recipient<Pass>,
    /// For people: who builds and who waits.
    pub look: Recipient<Look>,
    /// For upkeep: pause and go on.
    pub pause: Recipient<Pause>,
}

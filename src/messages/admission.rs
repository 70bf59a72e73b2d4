//! What admission is asked: how many builds run at once, fairly between repositories.

use actix::prelude::*;
use nestling_domain::ids::{EnvironmentId, Generation, RepositoryId};

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
}

impl Queue {
    /// How many builds go before that of this environment, while it waits.
    pub fn ahead(&self, environment: &EnvironmentId) -> Option<usize> {
        let mut waiting = self.waiting.iter();
        waiting.position(|build| build.environment == *environment)
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
    /// For people: who builds and who waits.
    pub look: Recipient<Look>,
    /// For upkeep: pause and go on.
    pub pause: Recipient<Pause>,
}

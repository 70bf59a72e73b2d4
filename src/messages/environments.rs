//! What the parent and router of all environment actors is told.

use std::collections::BTreeMap;

use actix::prelude::*;
use nestling_domain::ids::{EnvironmentId, Generation};
use nestling_protocol::report::Next;

use super::environment::{Applied, Apply, Inspected, NotApplied};

/// Hand this to the environment that it concerns. Order of arrival is order of handling.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Applied, NotApplied>")]
pub struct Route {
    /// Which environment.
    pub id: EnvironmentId,
    /// What.
    pub apply: Apply,
}

/// A runner lives: hand it to its environment.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Next, NotApplied>")]
pub struct Heartbeat {
    /// Which environment.
    pub id: EnvironmentId,
    /// Which generation's runner.
    pub generation: Generation,
}

/// Make sure that the actor of this environment lives, because something may be owed.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Wake {
    /// Which.
    pub id: EnvironmentId,
}

/// What an environment's actor is doing; starts none.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Option<Inspected>")]
pub struct InspectOne {
    /// Which.
    pub id: EnvironmentId,
}

/// Every environment in quarantine, with what its actor died of.
#[derive(Debug, Clone, Message)]
#[rtype(result = "BTreeMap<EnvironmentId, String>")]
pub struct Quarantined;

/// The server ends: every actor leaves memory, and none is started again.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct StopAll;

/// How many actors are in memory.
#[derive(Debug, Clone, Message)]
#[rtype(result = "usize")]
pub struct CountActors;

/// An environment actor is gone. Sent from its destructor, so that a panic sends it too.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Died {
    /// Whose.
    pub id: EnvironmentId,
    /// Which start of it; a late message about an earlier one is ignored.
    pub incarnation: u64,
    /// Whether it was a bug.
    pub panicked: bool,
}

/// An environment actor owes nothing and has been quiet: it may leave memory.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Quiet {
    /// Whose.
    pub id: EnvironmentId,
    /// Which start of it.
    pub incarnation: u64,
}

/// The way for everybody else to reach environments: cheap to clone, usable from any thread.
#[derive(Clone)]
pub struct Handle {
    /// For events.
    pub route: Recipient<Route>,
    /// For heartbeats.
    pub heartbeat: Recipient<Heartbeat>,
    /// For whatever may be owed.
    pub wake: Recipient<Wake>,
    /// For whoever shows what is in the way.
    pub quarantined: Recipient<Quarantined>,
}

impl Handle {
    /// Applies an event and waits until it is saved.
    pub async fn apply(&self, id: EnvironmentId, apply: Apply) -> Result<Applied, NotApplied> {
        let name = id.to_string();
        self.route
            .send(Route { id, apply })
            .await
            .unwrap_or(Err(NotApplied::Uncertain(name)))
    }

    /// Passes a heartbeat on.
    pub async fn beat(
        &self,
        id: EnvironmentId,
        generation: Generation,
    ) -> Result<Next, NotApplied> {
        let name = id.to_string();
        self.heartbeat
            .send(Heartbeat { id, generation })
            .await
            .unwrap_or(Err(NotApplied::Uncertain(name)))
    }
}

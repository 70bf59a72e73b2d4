//! Where the gateway sends requests: a table that is derived from the records and shared by all workers.
//!
//! Records are the truth; this table is rebuilt from them before the server listens. A change is seen by
//! every worker from its next request on.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, RwLock},
};

use nestling_domain::{
    ids::{Commit, EnvironmentId, Generation, Kind},
    label::Label,
};

/// What the gateway knows of one environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Whose.
    pub environment: EnvironmentId,
    /// What people call it: `local/shop/pr-12`.
    pub name: String,
    /// Previews are marked `noindex`; production is not.
    pub kind: Kind,
    /// The label of its own address; further endpoints answer at `{endpoint}--{label}`.
    pub label: Label,
    /// Where requests go.
    pub to: To,
}

/// Where requests for an environment go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// To the deployment that serves.
    Serving(Serving),
    /// Nowhere for a moment: an exclusive app is being replaced. Requests are held.
    Switching,
    /// Nowhere yet: the first deployment is on its way. Says how far it is.
    Coming {
        /// The phase in people's words.
        phase: String,
        /// The dashboard's page about it, as a path.
        page: String,
    },
    /// Nowhere: it is stopped. Says why.
    Stopped {
        /// The reason in people's words.
        reason: String,
        /// The dashboard's page about it, as a path.
        page: String,
        /// Whether a visit wakes it.
        wakes: bool,
    },
}

/// A deployment that takes requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serving {
    /// Which.
    pub generation: Generation,
    /// What it runs; stamped on every answer.
    pub commit: Commit,
    /// Its endpoints; the primary one answers at the environment's own label.
    pub endpoints: Vec<Target>,
}

/// One endpoint as the gateway reaches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// Its label: `{name}--{label}`, or shorter with a hash.
    pub label: Label,
    /// Whether it answers at the environment's own label too.
    pub primary: bool,
    /// Whether it is a console, which always asks for our login.
    pub console: bool,
    /// Where it is reached.
    pub upstream: Upstream,
}

/// Where an endpoint is reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Upstream {
    /// A unix socket on this box.
    Unix(PathBuf),
    /// A base address on a private network.
    Http(String),
}

/// The table, as a cheap handle.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    tables: Arc<RwLock<Tables>>,
}

#[derive(Debug, Default)]
struct Tables {
    by_label: HashMap<Label, Arc<Route>>,
    by_environment: HashMap<EnvironmentId, Arc<Route>>,
}

impl Routes {
    /// Replaces the route of an environment.
    pub fn set(&self, _route: Route) {}
}

/// What an environment asks of the gateway beside the table: proof, and the end of what was begun.
#[async_trait::async_trait]
pub trait Traffic: Send + Sync + 'static {
    /// Asks one deployment through the gateway's own code, three times in a row, never by host or header.
    /// `health` is the configured path (2xx only); without it `/` with any status below 500 will do.
    /// `Err` says what came instead, for people. Over in 10 s.
    async fn probe(
        &self,
        environment: &EnvironmentId,
        generation: Generation,
        target: &Target,
        health: Option<&str>,
    ) -> Result<(), String>;
    /// Waits until this deployment answers no more requests, at most 10 s; then cuts what is left.
    async fn drain(&self, environment: &EnvironmentId, generation: Generation);
}

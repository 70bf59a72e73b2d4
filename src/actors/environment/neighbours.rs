//! Who an environment speaks to, and what it is told of the house.

use std::sync::Arc;

use nestling_domain::{
    deployment::Deployment,
    ids::{EnvironmentId, Generation},
    lifecycle::Times,
};

use crate::{
    drivers::store::Store,
    messages::{
        admission, forge, live, machines,
        routes::{Place, Routes, Traffic},
    },
};

/// What an environment needs of the rest of the house.
pub struct Neighbours {
    /// Records.
    pub store: Arc<dyn Store>,
    /// Machines.
    pub machines: machines::Handle,
    /// The forge.
    pub forge: forge::Handle,
    /// Slots.
    pub admission: admission::Handle,
    /// Dashboards.
    pub live: live::Handle,
    /// The gateway's table.
    pub routes: Routes,
    /// The gateway's proof and drain.
    pub traffic: Arc<dyn Traffic>,
    /// Figures.
    pub times: Times,
    /// Where previews answer, as `http://*.localhost:4100`: what machines are told.
    pub reached: String,
    /// How big machines are.
    pub size: machines::Size,
    /// Signs the first token of a generation's runner.
    pub token: Box<Tokens>,
    /// Where the machine of a deployment is reached.
    pub places: Box<Places>,
}

/// Signs the first token of a generation's runner.
pub type Tokens = dyn Fn(&EnvironmentId, Generation) -> String;
/// Says where the machine of a deployment is reached.
pub type Places = dyn Fn(&EnvironmentId, &Deployment) -> Place;

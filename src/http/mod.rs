//! Everything that speaks HTTP: runners, the API, the dashboard, the gateway.

pub mod api;
pub mod auth;
pub mod dashboard;
pub mod gateway;
pub mod health;
pub mod live;
pub mod pages;
pub mod problem;
pub mod runner;
pub mod troubles;
pub mod unmatched;
pub mod waiting;
pub mod webhook;
#[cfg(test)]
pub(crate) mod world;

use std::sync::Arc;

use nestling_domain::{announcement::Site, fly::Price};

use crate::{
    drivers::{blobs::Blobs, github::GitHub, keys::Keys, store::Store},
    messages::{
        self, admission, apps, dns, environments, forge, github_app, logging, machines,
        routes::Routes, secrets,
    },
};

/// What the routes are built on: cheap handles of actors, and the stores for reading. Routes decide nothing
/// and write no environment: they order, and show.
#[derive(Clone)]
pub struct Services {
    /// For events.
    pub environments: environments::Handle,
    /// For apps as a whole.
    pub apps: apps::Handle,
    /// For the queue.
    pub admission: admission::Handle,
    /// For secrets and variables.
    pub secrets: secrets::Handle,
    /// For logs.
    pub logging: logging::Handle,
    /// For live updates.
    pub live: messages::live::Handle,
    /// For source and waiting pull requests.
    pub forge: forge::Handle,
    /// Where the gateway sends requests.
    pub routes: Routes,
    /// For reading records.
    pub store: Arc<dyn Store>,
    /// For reading logs and artifacts, and for what runners upload.
    pub blobs: Arc<dyn Blobs>,
    /// How addresses are made.
    pub addresses: Addresses,
    /// For saying why no secret can be used; nothing else is asked of it here.
    pub keys: Arc<dyn Keys>,
    /// The client of GitHub, where that is the forge.
    pub github: Option<Arc<GitHub>>,
    /// For the App that the server is there.
    pub app: Option<github_app::Handle>,
    /// What people should know about the forge as it is configured, if anything.
    pub forge_trouble: Option<Arc<str>>,
    /// What the forge's looks have found gone and not ended yet.
    pub held_back: forge::HeldBack,
    /// Webhooks that do not get through.
    pub not_heard: forge::NotHeard,
    /// What GitHub refuses to show.
    pub not_shown: forge::NotShown,
    /// What the sweeper has found that no record wants.
    pub left_behind: machines::LeftBehind,
    /// Names that do not lead where they should.
    pub unnamed: dns::Unnamed,
    /// What one machine costs, where it is paid for and the price is known.
    pub price: Option<Price>,
    /// That another server acts, while one does; then only what is read is answered.
    pub waits: Option<waiting::Waits>,
}

/// How public addresses are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// `http` or `https`.
    pub scheme: String,
    /// The dashboard's host with its port, e.g. `nestling.localhost:4100`.
    pub dashboard: String,
    /// What follows a label, with the port, e.g. `localhost:4100`.
    pub preview_domain: String,
}

impl Addresses {
    /// The address of the dashboard, without a trailing slash.
    pub fn dashboard(&self) -> String {
        format!("{}://{}", self.scheme, self.dashboard)
    }

    /// The same, as announcements are told it; `dashboard` is what [`Addresses::dashboard`] says.
    pub fn site<'a>(&'a self, dashboard: &'a str) -> Site<'a> {
        Site {
            dashboard,
            scheme: &self.scheme,
            preview_domain: &self.preview_domain,
            seal: None,
        }
    }

    /// The address at which a label answers.
    pub fn of(&self, label: &str) -> String {
        format!("{}://{label}.{}", self.scheme, self.preview_domain)
    }
}

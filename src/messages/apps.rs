//! What people order of apps as a whole, told to the actor that keeps them.

use actix::prelude::*;
use nestling_domain::{
    app::App,
    ids::{AppId, RepositoryId},
};

use super::forge::ForgeError;
use crate::drivers::store::StoreError;

/// A person removes an app: it stays removed, and all of its environments close. Answered once that is recorded and they
/// have their orders.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Removal, NotDone>")]
pub struct Remove {
    /// Which.
    pub app: AppId,
    /// Who, for the audit log.
    pub by: String,
}

/// An app is removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// As it was.
    pub app: App,
    /// The names of the environments that were not closed yet.
    pub closing: Vec<String>,
}

/// A person wants the app in this folder of the default branch, although it was removed.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Recorded, NotDone>")]
pub struct Record {
    /// In which repository.
    pub repository: RepositoryId,
    /// Its folder there, with `/`, no leading one; empty for the root.
    pub root: String,
}

/// An app that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// It.
    pub app: App,
    /// Whether it is there since this order.
    pub is_new: bool,
}

/// A person says something about an app.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<App, NotDone>")]
pub struct Describe {
    /// Which.
    pub app: AppId,
    /// What; see [`nestling_domain::app::description`].
    pub description: String,
}

/// Why an order about an app was not obeyed. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotDone {
    /// There is no such app any more.
    #[error("there is no app {0} any more")]
    Unknown(AppId),
    /// No app is in that folder: why, for people.
    #[error("{0}")]
    NotFound(String),
    /// The forge could not say what the repository holds.
    #[error(transparent)]
    Forge(#[from] ForgeError),
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The way for everybody else to reach the actor that keeps apps.
#[derive(Clone)]
pub struct Handle {
    /// An app goes.
    pub remove: Recipient<Remove>,
    /// An app comes, or comes back.
    pub record: Recipient<Record>,
    /// An app is described.
    pub describe: Recipient<Describe>,
}

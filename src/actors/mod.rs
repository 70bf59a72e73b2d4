//! The shell around the pure core: one file per actor. Nothing is decided here.

pub mod admission;
pub mod apps;
pub mod dns;
pub mod environment;
pub mod environments;
pub mod fly;
pub mod github;
pub mod intake;
pub mod live;
pub mod local;
pub mod logging;
pub mod rest;
pub mod secrets;
mod trees;
pub mod upkeep;

//! The pure core of Nestling: no actor, no runtime, no clock, no I/O.
//!
//! Everything here is a value or a function of values. Time, ids and randomness are handed in.

pub mod announcement;
pub mod app;
pub mod budget;
pub mod deployment;
pub mod discovery;
pub mod dns;
pub mod environment;
pub mod failure;
pub mod fly;
pub mod github;
pub mod hint;
pub mod history;
pub mod ids;
pub mod label;
pub mod lifecycle;
pub mod local_forge;
pub mod orders;
pub mod places;
pub mod policy;
pub mod queue;
pub mod record;
pub mod submodule;
pub mod text;

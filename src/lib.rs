//! Nestling gives every branch of an application a living environment at a stable address.

pub mod actors;
pub mod client;
pub mod config;
pub mod demo;
pub mod drivers;
pub mod http;
pub mod messages;
mod records;
pub mod server;
#[cfg(test)]
mod simulation;
pub mod telemetry;
#[cfg(test)]
mod world;

pub use nestling_domain as domain;

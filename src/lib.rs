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

/// As in the binary (ADR 11): a fifth of what a simulated story takes was the system's.
#[cfg(test)]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub use nestling_domain as domain;

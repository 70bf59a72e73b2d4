//! Stories of the whole server.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests fail by panicking"
)]

mod demo;
mod house;
mod order;
mod quarantine;

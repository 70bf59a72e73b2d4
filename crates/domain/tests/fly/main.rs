//! Laws of what is asked of Fly, whatever it answers or keeps to itself.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests fail by panicking"
)]

mod disks;
mod leases;
mod names;
mod orders;
mod outcomes;
mod sizes;
mod sweeps;
mod world;

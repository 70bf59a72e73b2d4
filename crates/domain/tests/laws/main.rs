//! The laws of the lifecycle, each with thousands of cases.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::unused_self,
    clippy::wildcard_enum_match_arm,
    reason = "tests fail by panicking"
)]

mod answers;
mod approvals;
mod convergence;
mod notes;
mod steps;
mod stories;
mod table;
mod world;

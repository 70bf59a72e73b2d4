//! Stories of the whole server.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::too_many_lines,
    clippy::zombie_processes,
    reason = "tests fail by panicking"
)]

mod bad_input;
mod demo;
mod kill;
mod large_files;
mod redeploys;
mod server;

//! Stories of the whole server.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::too_many_lines,
    clippy::zombie_processes,
    reason = "tests fail by panicking"
)]
#![allow(
    clippy::print_stdout,
    reason = "what a story has met is part of what it proves"
)]

mod apps;
mod aws;
mod bad_input;
mod bombs;
mod check;
mod cloud;
mod commits;
mod demo;
mod dns;
mod dynamodb;
mod fly;
mod github;
mod guides;
mod https;
mod images;
#[path = "../kept/mod.rs"]
mod kept;
mod kill;
mod large_files;
mod limits;
mod moved;
mod redeploys;
mod server;
mod set_up;
mod sight;
mod submodules;
mod visitors;
mod waiting;

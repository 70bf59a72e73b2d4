//! Stories that show that the model of GitHub behaves as GitHub documents.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "tests fail by panicking, and tell themselves what they are"
)]

mod app;
mod conversation;
mod deliveries;
mod faults;
mod git;
mod hand;
mod in_process;
mod probot;
mod read_by_us;
mod reading;
mod shown;
mod support;
mod webhooks;

//! Stories that show that the model of Fly behaves as Fly documents.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "tests fail by panicking, and tell themselves what they are"
)]

mod addresses;
mod apps;
mod described;
mod faults;
mod hand;
mod hosts;
mod in_process;
mod leases;
mod limits;
mod lists;
mod machines;
mod places;
mod real;
mod secrets;
mod support;
mod volumes;
mod waits;

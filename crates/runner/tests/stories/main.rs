//! What people see when the runner runs their app.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod alive;
mod elsewhere;
mod failures;
mod server;
#[path = "../support/mod.rs"]
mod support;

fn only_start(start: &str) -> String {
    serde_json::json!({"name": "shop", "scripts": {"start": start}}).to_string()
}

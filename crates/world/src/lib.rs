//! Models of what is outside, for stories and for trying Nestling by hand.
//!
//! A model is no mock: it behaves as its original documents, holds state behind HTTP, and is acted on as people act.

// Answers of GitHub are long documents.
#![recursion_limit = "256"]

pub mod aws;
mod clock;
mod dice;
pub mod dnsimple;
pub mod fly;
pub mod github;
mod orders;
mod schemas;
mod server;
mod shared;
mod wire;

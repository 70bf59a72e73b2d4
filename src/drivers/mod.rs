//! What actors are built on: a trait only where two real drivers stand, else a concrete module.

pub mod aws;
pub mod blobs;
pub mod chance;
pub mod clock;
pub mod data_dir;
pub mod dnsimple;
pub mod fly;
pub mod git;
pub mod github;
pub mod keys;
pub mod sandbox;
pub mod store;

//! The forge and the machines that need no account.

pub mod forge;
pub mod machines;

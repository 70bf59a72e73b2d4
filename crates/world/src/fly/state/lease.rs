//! Leases: who alone may change a machine.

/// A lease of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Whoever says it holds the lease.
    pub nonce: String,
    /// In milliseconds since 1970.
    pub ends: i64,
    /// Who took it.
    pub owner: String,
    /// As it was said.
    pub description: String,
    /// Instance of the machine when it was taken.
    pub version: String,
}

//! Leases: who alone may change a machine for a while.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Asking;
use crate::{
    clock::iso,
    fly::{
        state::{Lease, LeaseShape},
        wire::{self, Answer, Answered},
    },
};

/// Seconds of a lease that does not say how long.
const TTL: i64 = 3_600;

#[derive(Deserialize)]
struct NewLease {
    ttl: Option<u32>,
    description: Option<String>,
}

/// What Fly says to whoever does not hold it.
pub(super) fn held(machine: &str, lease: &Lease) -> Answer {
    let Lease { owner, ends, .. } = lease;
    let words = format!(
        "machine ID {machine} lease currently held by {owner}, expires at {}",
        iso(*ends)
    );
    wire::error(409, words)
}

impl Asking<'_> {
    pub(super) fn get_lease(&mut self) -> Answered {
        let now = self.state.now();
        let lease = self.machine()?.leased(now);
        let lease = lease.ok_or_else(no_lease)?;
        Ok(Answer::ok(self.in_shape(&shown(lease))))
    }

    /// A new one, or the old one for longer: Fly's own client says `ttl` in the query, its documentation in the body.
    pub(super) fn create_lease(&mut self) -> Answered {
        let machine = self.machine()?;
        self.leases(machine)?;
        if !self.state.reaches(machine) {
            return Err(wire::unreachable());
        }
        let id = machine.id.clone();
        let asked: NewLease = wire::body(self.request)?;
        let said = self.request.parameter("ttl");
        let ttl = said.and_then(|ttl| ttl.parse().ok());
        let ttl = ttl.or(asked.ttl.map(i64::from)).filter(|ttl| *ttl > 0);
        self.lease(
            &id,
            ttl.unwrap_or(TTL),
            asked.description.unwrap_or_default(),
        );
        let machine = self.state.machines.get(&id);
        let lease = machine.and_then(|machine| machine.lease.as_ref());
        let lease = shown(lease.ok_or_else(no_lease)?);
        Ok(Answer::created(self.in_shape(&lease)))
    }

    /// Gives the asker the lease, or prolongs it; answers its nonce.
    pub(super) fn lease(&mut self, machine: &str, ttl: i64, description: String) -> String {
        let now = self.state.now();
        let fresh = self.state.ids.nonce();
        let owner = format!("{}@tokens.fly.io", self.who.token.organisation);
        let Some(machine) = self.state.machines.get_mut(machine) else {
            return fresh;
        };
        let old = machine.leased(now).map(|lease| lease.nonce.clone());
        let nonce = old.unwrap_or(fresh);
        machine.lease = Some(Lease {
            nonce: nonce.clone(),
            ends: now + ttl * 1000,
            owner,
            description,
            version: machine.instance.clone(),
        });
        nonce
    }

    pub(super) fn release_lease(&mut self) -> Answered {
        let now = self.state.now();
        let machine = self.machine()?;
        let lease = machine.leased(now).ok_or_else(no_lease)?;
        match super::nonce(self.request) {
            None => return Err(wire::invalid("fly-machine-lease-nonce is required")),
            Some(said) if said == lease.nonce => {}
            Some(_) => return Err(held(&machine.id, lease)),
        }
        let id = machine.id.clone();
        if let Some(machine) = self.state.machines.get_mut(&id) {
            machine.lease = None;
        }
        Ok(Answer::ok(self.in_shape(&json!({ "ok": true }))))
    }

    fn in_shape(&self, data: &Value) -> Value {
        match self.state.manners.leases {
            LeaseShape::Wrapped => json!({ "status": "success", "data": data }),
            LeaseShape::Flat => data.clone(),
        }
    }
}

fn no_lease() -> Answer {
    wire::error(404, "lease not found")
}

fn shown(lease: &Lease) -> Value {
    json!({
        "nonce": lease.nonce,
        "expires_at": lease.ends / 1000,
        "owner": lease.owner,
        "description": lease.description,
        "version": lease.version,
    })
}

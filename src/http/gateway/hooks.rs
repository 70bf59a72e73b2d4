//! What the gateway asks of the rest of the server.

use std::sync::Arc;

use nestling_domain::ids::{EnvironmentId, Timestamp};

use super::grants::Grants;
use crate::drivers::clock;

/// What the gateway asks of the rest of the server. Called on the way of a request: none of it may wait.
pub trait Hooks: Send + Sync + 'static {
    /// Somebody visits an environment that a visit wakes. Asked at most every two seconds per environment.
    fn wake(&self, environment: &EnvironmentId);
    /// Turns a one-time grant into the session of a console's host; `None` when the grant is not good there.
    fn redeem_console(&self, grant: &str, host: &str, now: Timestamp) -> Option<String>;
    /// Whether a console session is good at `host`.
    fn console_admits(&self, session: &str, host: &str, now: Timestamp) -> bool;
    /// The present moment.
    fn now(&self) -> Timestamp {
        clock::now()
    }
}

/// The usual hooks: logins from [`Grants`], shared with the dashboard, and waking by a function.
pub struct Doors<W> {
    /// The logins to consoles.
    pub grants: Arc<Grants>,
    /// Wakes an environment.
    pub wake: W,
}

impl<W: Fn(&EnvironmentId) + Send + Sync + 'static> Hooks for Doors<W> {
    fn wake(&self, environment: &EnvironmentId) {
        (self.wake)(environment);
    }

    fn redeem_console(&self, grant: &str, host: &str, now: Timestamp) -> Option<String> {
        self.grants.redeem(grant, host, now)
    }

    fn console_admits(&self, session: &str, host: &str, now: Timestamp) -> bool {
        self.grants.admits(session, host, now)
    }
}

//! What people do on GitHub. An error says that a story asks for what cannot be done.

mod apps;
mod branches;
mod conversation;
mod pulls;
mod repositories;
mod views;

use anyhow::{Context as _, Result};

use super::state::State;

pub use pulls::Opening;

impl State {
    /// The number of the repository that is called `owner/name` now.
    pub fn repository_id(&self, full_name: &str) -> Result<u64> {
        let (owner, name) = full_name
            .split_once('/')
            .with_context(|| format!("{full_name} is no owner/name"))?;
        let found = self.named(owner, name);
        Ok(found
            .with_context(|| format!("no repository {full_name}"))?
            .id)
    }
}

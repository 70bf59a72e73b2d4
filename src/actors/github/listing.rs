//! All that the App covers, listed whatever webhooks said: what was missed while nobody listened is found here.

use nestling_domain::app::Repository;
use tracing::{info, warn};

use super::{Desk, not_answered, not_stored};
use crate::messages::forge::ForgeError;

impl Desk {
    /// Looks at every installation. What fails is logged, and looked at again by the next listing.
    pub(super) async fn list(&self) {
        let installations = match self.client.installations().await {
            Ok(installations) => installations,
            Err(error) => return warn!("{error}"),
        };
        for installation in installations {
            if installation.suspended {
                continue;
            }
            if let Err(error) = self.list_repositories(installation.id).await {
                warn!("installation {}: {error}", installation.id);
            }
        }
    }

    /// Records the repositories that an installation covers. One that it lacks is not forgotten: its environments find out
    /// themselves.
    async fn list_repositories(&self, installation: u64) -> Result<(), ForgeError> {
        let listed = self
            .client
            .repositories(installation)
            .await
            .map_err(not_answered)?;
        for one in listed {
            let known = self.store.repository(one.id).await.map_err(not_stored)?;
            let now = Repository {
                id: one.id,
                owner: one.owner,
                name: one.name,
                path: None,
                installation: Some(installation),
                default_branch: one.default_branch,
                trouble: None,
            };
            if known.as_ref() != Some(&now) {
                info!(repository.id = %now.id, "the App is installed on {}/{}", now.owner, now.name);
                self.store.put_repository(&now).await.map_err(not_stored)?;
            }
        }
        Ok(())
    }
}

//! Which apps a commit holds, recorded.
//!
//! The apps of a repository are those of its default branch: an app in a branch only would get a production
//! environment of a folder that production lacks. While the default branch has no app at all, those of an open
//! pull request count, so that the first app of a repository can be seen before it is merged. An app whose
//! folder is gone keeps its record and its environments: they say themselves what they miss.

use nestling_domain::{
    app::{App, Repository},
    discovery::{self, Discovery, FoundApp},
    ids::{AppId, Commit},
    label::Slug,
};
use tracing::info;

use super::{OWNER, Tools, not_stored};
use crate::{
    drivers::{clock, git::Opened},
    messages::forge::ForgeError,
};

/// What was found and recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Apps {
    /// Why there is none, for the page.
    pub(super) why_none: Option<String>,
}

/// Finds the apps of this commit of `branch`, and records them.
pub(super) async fn record(
    tools: &Tools,
    repository: &Repository,
    opened: &Opened,
    branch: &str,
    commit: &Commit,
) -> Result<Apps, ForgeError> {
    let place = format!("branch `{branch}` of {}", opened.path.display());
    let found = find(tools, repository, opened, commit).await;
    let found = found.map_err(|reason| ForgeError::Failed(format!("{place}: {reason}")))?;
    for app in &found.apps {
        ensure(tools, repository, app).await?;
    }
    Ok(Apps {
        why_none: found.why_none(&place),
    })
}

async fn find(
    tools: &Tools,
    repository: &Repository,
    opened: &Opened,
    commit: &Commit,
) -> Result<Discovery, String> {
    let files = tools
        .git
        .files(&opened.git_dir, commit)
        .await
        .map_err(|error| error.to_string())?;
    let name = repository.name.clone();
    let wanted = discovery::wanted(files.iter().map(|file| file.path.as_str()));
    let wanted: std::collections::HashSet<&str> = wanted.into_iter().collect();
    let read: Vec<_> = files
        .iter()
        .filter(|file| wanted.contains(&*file.path))
        .collect();
    let contents = tools
        .git
        .contents(&opened.git_dir, &read)
        .await
        .map_err(|error| error.to_string())?;
    // Half a million names are too much work between two messages of an actor.
    let discover = move || {
        discovery::discover(
            &name,
            files.iter().map(|file| file.path.as_str()),
            &contents,
        )
    };
    tokio::task::spawn_blocking(discover)
        .await
        .map_err(|error| error.to_string())
}

/// Records an app, or what changed about it; what people wrote about it stays.
async fn ensure(
    tools: &Tools,
    repository: &Repository,
    found: &FoundApp,
) -> Result<(), ForgeError> {
    let id = AppId::derive(repository.id, &found.root);
    let known = tools.store.app(&id).await.map_err(not_stored)?;
    let app = match known {
        Some(known) if known.kind == found.kind && known.health == found.health => return Ok(()),
        Some(known) => App {
            kind: found.kind,
            health: found.health.clone(),
            ..known
        },
        None => App {
            id,
            owner: OWNER.to_owned(),
            slug: Slug::of(&found.name),
            repository: repository.id,
            root: found.root.clone(),
            kind: found.kind,
            description: String::new(),
            health: found.health.clone(),
            created_at: clock::now(),
        },
    };
    let app = tools.store.put_app(&app).await.map_err(not_stored)?;
    info!(app.id = %app.id, "found {} ({:?}) in {}/{}", app.slug, app.kind, repository.name, app.root);
    Ok(())
}

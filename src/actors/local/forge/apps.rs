//! Which apps a commit holds, recorded.
//!
//! An app is known by its folder. What it is, is read from the default branch, and from a pull request only while
//! no other commit has it: what a branch says about an app that is merged changes nothing for the others. An app
//! whose folder is gone keeps its record and its environments: they say themselves what they miss. An app that a person
//! removed is not recorded, wherever its folder is.

use std::sync::Arc;

use nestling_domain::{
    app::{App, Repository},
    discovery::{Discovery, FoundApp},
    ids::{AppId, Commit},
    label::Slug,
};
use tracing::info;

use super::{OWNER, Tools, not_stored};
use crate::{
    actors::trees::{self, Seen},
    drivers::{clock, git::Opened, store::StoreError},
    messages::forge::ForgeError,
};

/// What was found and recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Apps {
    /// Them, with those that a person removed.
    pub(super) ids: Vec<AppId>,
    /// What is wrong with them, for the page.
    pub(super) trouble: Option<String>,
    /// Where was looked, for people.
    pub(super) place: String,
    /// What was found there.
    pub(super) discovery: Arc<Discovery>,
    /// What that follows from.
    seen: Seen,
}

/// Whose word counts about an app that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Branch<'a> {
    Default(&'a str),
    PullRequest(&'a str),
}

impl Branch<'_> {
    fn name(&self) -> &str {
        match self {
            Branch::Default(name) | Branch::PullRequest(name) => name,
        }
    }
}

/// Finds the apps of this commit of `branch`, and records them; `before` are those of an earlier commit of it.
pub(super) async fn record(
    tools: &Tools,
    repository: &Repository,
    opened: &Opened,
    (branch, commit): (Branch<'_>, &Commit),
    before: Option<&Apps>,
) -> Result<Apps, ForgeError> {
    let place = format!("branch `{}` of {}", branch.name(), opened.path.display());
    let failed = |reason: String| ForgeError::Failed(format!("{place}: {reason}"));
    let files = trees::files(&tools.git, &opened.git_dir, commit).await;
    let files = files.map_err(|error| failed(error.to_string()))?;
    let seen = Seen::of(&files);
    if let Some(before) = before.filter(|before| before.seen == seen) {
        return Ok(before.clone());
    }
    let name = &repository.name;
    let found = trees::find(&tools.git, &opened.git_dir, name, files, &seen).await;
    let found = found.map_err(failed)?;
    let mut ids = Vec::new();
    for app in &found.apps {
        ids.push(ensure(tools, repository, branch, app).await?);
    }
    Ok(Apps {
        ids,
        trouble: found.trouble(&place),
        place,
        discovery: Arc::new(found),
        seen,
    })
}

/// Records an app, or what the default branch changed about it; what people wrote about it stays.
async fn ensure(
    tools: &Tools,
    repository: &Repository,
    branch: Branch<'_>,
    found: &FoundApp,
) -> Result<AppId, ForgeError> {
    let id = AppId::derive(repository.id, &found.root);
    let store = &tools.store;
    let known = store.app(&id).await.map_err(not_stored)?;
    let is_removed = async || {
        store
            .removed_app(&id)
            .await
            .map(|removed| removed.is_some())
    };
    if known.is_none() && is_removed().await.map_err(not_stored)? {
        return Ok(id);
    }
    let app = match known {
        Some(_) if matches!(branch, Branch::PullRequest(_)) => return Ok(id),
        Some(known) if is_described(&known, found) => return Ok(id),
        Some(known) => App {
            kind: found.kind,
            health: found.health.clone(),
            policy: found.policy.clone().unwrap_or_else(|| known.policy.clone()),
            ..known
        },
        None => App {
            id: id.clone(),
            owner: OWNER.to_owned(),
            slug: Slug::of(&found.name),
            repository: repository.id,
            root: found.root.clone(),
            kind: found.kind,
            description: String::new(),
            health: found.health.clone(),
            policy: found.policy.clone().unwrap_or_default(),
            created_at: clock::now(),
        },
    };
    let app = match store.put_app(&app).await {
        // Removed just now.
        Err(StoreError::Rejected(_)) if is_removed().await == Ok(true) => return Ok(id),
        put => put.map_err(not_stored)?,
    };
    info!(app.id = %app.id, "found {} ({:?}) in {}/{}", app.slug, app.kind, repository.name, app.root);
    Ok(app.id)
}

/// Whether an app is recorded as it was found.
fn is_described(known: &App, found: &FoundApp) -> bool {
    let policy = found.policy.as_ref().unwrap_or(&known.policy);
    known.kind == found.kind && known.health == found.health && known.policy == *policy
}

//! Apps and repositories, as the API answers them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An app: one deployable entrypoint in one repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AppView {
    /// `local/shop`: the owner and the app's slug.
    pub name: String,
    /// Who owns it.
    pub owner: String,
    /// Its name in addresses, unique on this server.
    pub app: String,
    /// `wing`, `node`, `static` or `any`.
    pub kind: String,
    /// Its folder in the repository; empty for the root.
    pub root: String,
    /// The repository.
    pub repository: RepositoryView,
    /// What people say about it.
    pub description: String,
    /// The path that the health probe asks for; `null` for `/` with any status below 500.
    pub health: Option<String>,
    /// Where production answers.
    pub url: String,
    /// When it was first seen.
    pub created_at: u64,
}

/// The repository of an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RepositoryView {
    /// Its name.
    pub name: String,
    /// Where a local one lies.
    pub path: Option<String>,
    /// The branch whose environment is production.
    pub default_branch: String,
    /// Why it cannot be read right now.
    pub trouble: Option<String>,
}

/// An app that a person removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RemovedAppView {
    /// `local/shop`: the name that it had, and gets again.
    pub name: String,
    /// Its repository, as `POST /v1/apps` takes it: the name, or the path where two have one name.
    pub repository: String,
    /// Its folder there; empty for the root.
    pub root: String,
    /// When it was removed.
    pub removed_at: u64,
}

/// The app that is to be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewApp {
    /// Its repository, by name or path as `GET /v1/apps` shows it.
    pub repository: String,
    /// Its folder there, on the default branch; empty, or missing, for the root.
    #[serde(default)]
    pub root: String,
}

/// What the default branch of a repository holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProposalsView {
    /// Owner and name of the repository.
    pub repository: String,
    /// Where was looked: branch and repository.
    pub place: String,
    /// The commit that was looked at.
    pub commit: String,
    /// The apps there, by folder.
    pub apps: Vec<ProposalView>,
    /// Files that somebody meant to make an app of and that make none; when there is no app at all, whatever was looked at.
    pub not_taken: Vec<NotTakenView>,
}

/// An app that a repository holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProposalView {
    /// Its folder, for `POST /v1/apps`; empty for the root.
    pub root: String,
    /// `wing`, `node`, `static` or `any`.
    pub kind: String,
    /// What it is called in addresses when it is added, unless another app of the server is called so.
    pub called: String,
    /// Owner and slug of the app, when it is added already.
    pub app: Option<String>,
    /// Whether it was added once, and removed.
    pub removed: bool,
}

/// A file that makes no app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NotTakenView {
    /// The file.
    pub path: String,
    /// Why not.
    pub reason: String,
}

/// What people can change of an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AppChange {
    /// What they say about it: one line of at most 200 characters, or empty for nothing.
    pub description: String,
}

/// What came of the removal of an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AppRemovedView {
    /// `local/shop`.
    pub name: String,
    /// In words: what is gone at once, what stays, and how it comes back.
    pub decision: String,
    /// The environments that close now.
    pub closing: Vec<String>,
}

/// A page of apps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AppsPage {
    /// By owner and name.
    pub apps: Vec<AppView>,
    /// All that are removed, and may be brought back.
    pub removed: Vec<RemovedAppView>,
    /// Where the next page begins.
    pub next: Option<String>,
}

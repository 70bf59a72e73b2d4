//! Pull requests.

use super::Author;

/// A label on a pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Never changes.
    pub id: u64,
    /// As people read it.
    pub name: String,
}

/// A pull request.
#[derive(Clone, Debug)]
pub struct PullRequest {
    /// Never changes; not what people see.
    pub id: u64,
    /// What people see.
    pub number: u64,
    /// One line.
    pub title: String,
    /// What its author says about it.
    pub body: Option<String>,
    /// Who opened it.
    pub author: Author,
    /// Not yet meant to be merged.
    pub draft: bool,
    /// What it is marked with.
    pub labels: Vec<Label>,
    /// Id of the repository that it comes from; nothing once that is deleted.
    pub head_repository: Option<u64>,
    /// Login of whom that belonged to.
    pub head_owner: String,
    /// Branch that it comes from.
    pub head_branch: String,
    /// Its newest commit, also known as `refs/pull/N/head`.
    pub head: String,
    /// Branch that it goes to.
    pub base_branch: String,
    /// That branch's commit when the pull request was last compared with it.
    pub base: String,
    /// Neither merged nor closed.
    pub open: bool,
    /// The commit that merged it.
    pub merge_commit: Option<String>,
    /// Who merged it.
    pub merged_by: Option<Author>,
    /// In milliseconds since 1970, as all moments here.
    pub created_at: i64,
    /// When anything about it changed last.
    pub updated_at: i64,
    /// When it was closed last.
    pub closed_at: Option<i64>,
}
